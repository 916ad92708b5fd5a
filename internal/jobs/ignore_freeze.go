package jobs

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// IgnoreFreeze has a run that a deployment freeze holds go on at once, and heed
// no freeze until it ends. It returns a *pipeline.Refusal when no freeze holds
// the run. To ask for it again changes nothing.
func (e *Engine) IgnoreFreeze(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason, by string) (store.Run, error) {
	q := store.New(tx)
	run, err := q.LockRun(ctx, id)
	if err != nil {
		return run, err
	}
	if run.FreezeOverrideReason != nil && !run.Status.Terminal() {
		return run, nil
	}
	if run.FreezeName == nil {
		return run, notFrozen(run)
	}
	if err := q.OverrideFreezes(ctx, store.OverrideFreezesParams{ID: run.ID, Reason: reason, By: by}); err != nil {
		return run, fmt.Errorf("noting that freezes are to be ignored: %w", err)
	}
	message := fmt.Sprintf("%s had the run ignore the deployment freeze %q: %s", by, *run.FreezeName, reason)
	data := map[string]any{"by": by, "reason": reason, "freeze": *run.FreezeName}
	if err := record(ctx, q, run, e.Now(), eventFreezeIgnored, message, data); err != nil {
		return run, err
	}
	if err := e.hurry(ctx, tx, run); err != nil {
		return run, err
	}
	return q.GetRun(ctx, run.ID)
}

func notFrozen(run store.Run) *pipeline.Refusal {
	refusal := &pipeline.Refusal{Message: fmt.Sprintf("run #%d of %s is %s; no deployment freeze holds it", run.Number, run.Pipeline, run.Status)}
	if !run.Status.Terminal() {
		refusal.Remedy = "freezes are ignored for a run that waits for one; see with regrow runs show what this one waits for"
	}
	return refusal
}
