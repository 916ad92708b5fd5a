package handlers

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// PreviewCleanup shows what the clean-up of a run would do now.
func (h *handler) PreviewCleanup(ctx context.Context, request api.PreviewCleanupRequestObject) (api.PreviewCleanupResponseObject, error) {
	looking, done := context.WithTimeout(ctx, h.Timing.Survey)
	defer done()
	preview, err := h.Runs.PreviewCleanup(looking, request.ID)
	if err != nil {
		return nil, missing(fmt.Errorf("previewing the clean-up of run %s: %w", request.ID, err), "run", request.ID)
	}
	return api.PreviewCleanup200JSONResponse(showCleanupPreview(preview)), nil
}

// CleanUpRun has a run that failed to clean up try that again.
func (h *handler) CleanUpRun(ctx context.Context, request api.CleanUpRunRequestObject) (api.CleanUpRunResponseObject, error) {
	most := 0
	if request.Body != nil {
		most = request.Body.MaxRemovals
	}
	run, err := h.steer(ctx, "cleaning up after", request.ID, func(tx pgx.Tx) (store.Run, error) {
		return h.Runs.CleanUp(ctx, tx, request.ID, most, caller(ctx))
	})
	if err != nil {
		return nil, err
	}
	return api.CleanUpRun202JSONResponse(run), nil
}

func showCleanupPreview(p pipeline.CleanupPreview) api.CleanupPreview {
	shown := api.CleanupPreview{
		Cleanup: showCleanup(p.Cleanup), At: p.At.UTC(), BeginsAt: p.Begins.UTC(),
		Targets: each(p.Targets, func(t pipeline.OldTarget) api.CleanupTarget {
			return api.CleanupTarget{
				ID: t.ID, Name: t.Name, Health: t.Health, Disabled: t.Disabled, InUse: t.InUse, URL: t.URL,
				Fate: api.CleanupTargetFate(t.Fate), Reason: t.Reason,
			}
		}),
		Findings: each(p.Findings, showFinding), WouldFail: p.Fails(),
	}
	if p.Available >= 0 {
		shown.Available = &p.Available
	}
	return shown
}

func showCleanup(c pipeline.Cleanup) api.Cleanup {
	return api.Cleanup{
		Mode: api.CleanupMode(c.Mode), GraceSeconds: c.Grace.Seconds(), Minimum: c.Minimum, MaxRemovals: c.MaxRemovals,
		TimeoutSeconds: c.Timeout.Seconds(), Runbook: c.Runbook,
	}
}

func showFinding(f pipeline.Finding) api.PlanFinding {
	return api.PlanFinding{Kind: api.PlanFindingKind(f.Kind), Message: f.Message, Remedy: f.Remedy}
}
