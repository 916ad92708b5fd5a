package handlers

import (
	"cmp"
	"context"
	"fmt"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// ListPipelines shows the configured pipelines with how their runs stand.
func (h *handler) ListPipelines(ctx context.Context, _ api.ListPipelinesRequestObject) (api.ListPipelinesResponseObject, error) {
	latest, err := h.store.LatestRunPerPipeline(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the latest runs: %w", err)
	}
	counts, err := h.store.CountRunsByStatus(ctx)
	if err != nil {
		return nil, fmt.Errorf("counting runs: %w", err)
	}
	standing, err := h.pauses(ctx)
	if err != nil {
		return nil, err
	}
	return api.ListPipelines200JSONResponse{Pipelines: each(h.Pipelines, func(p pipeline.Pipeline) api.Pipeline {
		shown := showPipeline(p)
		for _, run := range latest {
			if run.Pipeline == p.Name {
				shown.LatestRun = showHeld(showRun(run), standing)
			}
		}
		shown.Runs = countsOf(p.Name, counts)
		shown.PausedBy = each(pipeline.Holding(standing, p.Lane()), showPause)
		return shown
	})}, nil
}

func countsOf(name string, counts []store.CountRunsByStatusRow) map[string]int64 {
	of := map[string]int64{}
	for _, row := range counts {
		if row.Pipeline == name {
			of[string(row.Status)] = row.Runs
		}
	}
	return of
}

func showPipeline(p pipeline.Pipeline) api.Pipeline {
	return api.Pipeline{
		Name: p.Name, Source: p.Source, Repository: p.Repository, Branches: noNil(p.Branches),
		Server:      showServer(p.Server),
		Environment: p.Environment, Tenant: p.Tenant, Lane: p.Lane(),
		Infrastructure: api.Infrastructure{
			Project: p.Infrastructure.Project, Channel: p.Infrastructure.Channel, Version: string(p.Infrastructure.Version),
			Git: api.GitSource(p.Infrastructure.Git), Roles: noNil(p.Infrastructure.Roles), Targets: p.Infrastructure.Targets,
		},
		Application: api.Application{
			Project: p.Application.Project, Channel: p.Application.Channel, Version: string(p.Application.Version),
			Git: api.GitSource(p.Application.Git),
		},
		Policy: api.PipelinePolicy(p.Policy), OnFailure: api.PipelineOnFailure(cmp.Or(p.OnFailure, pipeline.Keep)), FailureRunbook: p.FailureRunbook,
		Verify: api.Verify{
			TimeoutSeconds: p.Verify.Timeout.Seconds(), GraceSeconds: p.Verify.Grace.Seconds(), Redeployments: p.Verify.Redeployments,
		},
		Cleanup: showCleanup(p.Cleanup),
	}
}
