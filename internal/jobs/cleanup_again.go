package jobs

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// CleanUp has a run that failed to clean up try that again, with all its guards.
// A maxRemovals above 0 is how many old targets may go in this round, whatever the
// configuration says. It returns a *pipeline.Refusal for other runs, and when a
// newer run has used the lane since.
func (e *Engine) CleanUp(ctx context.Context, tx pgx.Tx, id uuid.UUID, maxRemovals int, by string) (store.Run, error) {
	q := store.New(tx)
	run, err := q.LockRun(ctx, id)
	if err != nil {
		return run, err
	}
	if run.Status != pipeline.Failed || run.Stage != pipeline.CleanupStage {
		return run, noCleanup(run)
	}
	run, err = e.Retry(ctx, tx, id, pipeline.CleanupStage, by)
	if err != nil || maxRemovals <= 0 {
		return run, err
	}
	result, err := json.Marshal(cleanupResult{Mode: run.Config.Cleanup.Mode, MaxRemovals: maxRemovals})
	if err != nil {
		return run, fmt.Errorf("encoding what clean-up may remove: %w", err)
	}
	if err := q.SaveStageResult(ctx, store.SaveStageResultParams{RunID: id, Stage: pipeline.CleanupStage, Result: result}); err != nil {
		return run, fmt.Errorf("noting what clean-up may remove: %w", err)
	}
	message := fmt.Sprintf("%s allows clean-up to remove %s.", by, count(maxRemovals, "old target"))
	return run, record(ctx, q, run, e.Now(), eventRemovalsAllowed, message, map[string]any{"by": by, "max_removals": maxRemovals})
}

// noCleanup says why a run has nothing to clean up again.
func noCleanup(run store.Run) *pipeline.Refusal {
	refusal := &pipeline.Refusal{
		Message: fmt.Sprintf("run #%d of %s is %s; only a run that failed in %s can clean up again", run.Number, run.Pipeline, run.Status, pipeline.CleanupStage),
	}
	switch {
	case !run.Status.Terminal():
		refusal.Remedy = "wait for its end; what clean-up would remove is to be seen beforehand"
	case run.Status == pipeline.Succeeded:
		refusal.Remedy = "old targets that it has left are removed by the next run's clean-up, or by you in Octopus"
	case run.Status == pipeline.Failed:
		refusal.Message = fmt.Sprintf("run #%d of %s failed in %s, before its clean-up", run.Number, run.Pipeline, run.Stage)
		refusal.Remedy = "retry the run"
	default:
		refusal.Remedy = "start a new run of the commit instead"
	}
	return refusal
}
