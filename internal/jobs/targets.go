package jobs

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// The generations of targets that a run tells apart.
const (
	generationBaseline = "baseline"
	generationNew      = "new"
)

// targets lists what stands in the run's environment with the pipeline's roles.
func (x *execution) targets(ctx context.Context) ([]pipeline.Target, error) {
	return x.targetsWith(ctx, x.p.Infrastructure.Roles)
}

func (x *execution) targetsWith(ctx context.Context, roles []string) ([]pipeline.Target, error) {
	found, err := x.inOctopus(ctx, roles)
	if err != nil {
		return nil, err
	}
	targets := make([]pipeline.Target, len(found))
	for i, target := range found {
		targets[i] = x.asTarget(target)
	}
	return targets, nil
}

// inOctopus lists the targets of the run's environment that have one of the roles.
func (x *execution) inOctopus(ctx context.Context, roles []string) ([]octopus.Target, error) {
	return x.octopus.Targets(ctx, x.ownTargets(roles))
}

// ownTargets selects them.
func (x *execution) ownTargets(roles []string) octopus.TargetQuery {
	place := x.located()
	return octopus.TargetQuery{EnvironmentID: place.EnvironmentID, TenantID: place.TenantID, Roles: roles}
}

// located is where the run deploys to, in Octopus' ids: where this round has found
// that, or, as long as it has not found all of it, the one before.
func (x *execution) located() provisionResult {
	r := x.results.provision
	missing := r.EnvironmentID == "" || r.ProjectID == "" || x.p.Tenant != "" && r.TenantID == ""
	if missing && r.Previous != nil {
		return *r.Previous
	}
	return r
}

// bothGenerations reads what the run knows of its targets, and what stands now.
func (x *execution) bothGenerations(ctx context.Context) (known map[string]store.Target, standing []pipeline.Target, err error) {
	if known, err = x.knownTargets(ctx); err != nil {
		return nil, nil, err
	}
	standing, err = x.targets(ctx)
	return known, standing, err
}

func (x *execution) asTarget(t octopus.Target) pipeline.Target {
	return pipeline.Target{
		ID: t.ID, Name: storable(t.Name), Health: t.HealthStatus, Disabled: t.IsDisabled,
		Available: t.Available(), Environments: len(t.EnvironmentIDs), Others: t.Others(x.located().TenantID),
		InUse: t.IsInProcess,
	}
}

func (x *execution) saveTarget(ctx context.Context, q *store.Queries, t pipeline.Target, generation string) error {
	err := q.SaveTarget(ctx, store.SaveTargetParams{
		RunID: x.run.ID, TargetID: t.ID, Name: t.Name, Generation: generation,
		Health: t.Health, Available: t.Available, Now: x.Now(),
	})
	if err != nil {
		return fmt.Errorf("saving target %s: %w", t.Name, err)
	}
	return nil
}

// knownTargets reads what earlier looks have saved, by target id.
func (x *execution) knownTargets(ctx context.Context) (map[string]store.Target, error) {
	return knownTargets(ctx, store.New(x.Pool), x.run.ID)
}

func knownTargets(ctx context.Context, q *store.Queries, run uuid.UUID) (map[string]store.Target, error) {
	rows, err := q.ListTargets(ctx, run)
	if err != nil {
		return nil, fmt.Errorf("reading the run's targets: %w", err)
	}
	known := make(map[string]store.Target, len(rows))
	for _, row := range rows {
		known[row.TargetID] = row
	}
	return known, nil
}

func baselineOf(known map[string]store.Target) map[string]bool {
	baseline := make(map[string]bool)
	for id, target := range known {
		if target.Generation == generationBaseline {
			baseline[id] = true
		}
	}
	return baseline
}
