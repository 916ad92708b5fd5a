package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// Retry lets a failed run go on from a stage; "" means from where it makes
// sense after this failure. It returns a *pipeline.Refusal when the run has not
// failed, when the stage is one that it never reached, or when a newer run has
// changed the lane since: the retry would undo what that one did.
func (e *Engine) Retry(ctx context.Context, tx pgx.Tx, id uuid.UUID, from pipeline.Stage, by string) (store.Run, error) {
	q := store.New(tx)
	run, err := q.LockRun(ctx, id)
	if err != nil {
		return run, err
	}
	if from == "" {
		from = retryStage(run)
	}
	if err := e.checkRetry(ctx, tx, run, from); err != nil {
		return run, err
	}
	position := int16(slices.Index(pipeline.Stages(), from) + 1)
	if err := q.ResetStages(ctx, store.ResetStagesParams{RunID: run.ID, Position: position}); err != nil {
		return run, fmt.Errorf("resetting the stages from %s on: %w", from, err)
	}
	if err := q.ForgetRollback(ctx, run.ID); err != nil {
		return run, fmt.Errorf("forgetting the rollback of the round before: %w", err)
	}
	message := fmt.Sprintf("%s asked for a retry from %s.", by, from)
	if err := record(ctx, q, run, e.Now(), eventRetry, message, map[string]any{"by": by, "from": from}); err != nil {
		return run, err
	}
	return e.start(ctx, tx, run, from, run.Round+1)
}

func retryStage(run store.Run) pipeline.Stage {
	if run.RetryFrom != nil {
		return *run.RetryFrom
	}
	return run.Stage
}

func (e *Engine) checkRetry(ctx context.Context, tx pgx.Tx, run store.Run, from pipeline.Stage) error {
	switch {
	case run.Status != pipeline.Failed:
		remedy := "start a new run of the commit instead"
		if !run.Status.Terminal() {
			remedy = "wait for its end, or cancel it"
		}
		return &pipeline.Refusal{
			Message: fmt.Sprintf("run #%d of %s is %s; only a failed run can be retried", run.Number, run.Pipeline, run.Status),
			Remedy:  remedy,
		}
	case !from.Valid() || run.Stage.Before(from):
		return &pipeline.Refusal{
			Message: fmt.Sprintf("run #%d of %s failed in %s and cannot be retried from %q", run.Number, run.Pipeline, run.Stage, from),
			Remedy:  fmt.Sprintf("retry it from %s or an earlier stage", run.Stage),
		}
	}
	q := store.New(tx)
	if err := checkTargetsStand(ctx, q, run, from); err != nil {
		return err
	}
	if err := lockLane(ctx, q, run.Lane); err != nil {
		return err
	}
	if err := checkReplaced(ctx, q, run); err != nil {
		return err
	}
	newer, err := q.NewerInLane(ctx, store.NewerInLaneParams{Lane: run.Lane, ID: run.ID, LaneTurn: run.LaneTurn})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for newer runs in lane %q: %w", run.Lane, err)
	}
	return &pipeline.Refusal{
		Message: fmt.Sprintf("run #%d of %s has used the lane since run #%d failed; a retry would undo it", newer.Number, newer.Pipeline, run.Number),
		Remedy:  "start a new run of the commit instead",
	}
}

// checkTargetsStand refuses to go on with targets that have been removed.
func checkTargetsStand(ctx context.Context, q *store.Queries, run store.Run, from pipeline.Stage) error {
	if from == pipeline.Provision {
		return nil
	}
	gone, err := q.HasTakenOut(ctx, run.ID)
	if err != nil {
		return fmt.Errorf("looking for targets that were removed: %w", err)
	}
	if gone {
		return &pipeline.Refusal{
			Message: fmt.Sprintf("the new targets of run #%d of %s were removed; there is nothing to go on with from %s", run.Number, run.Pipeline, from),
			Remedy:  fmt.Sprintf("retry it from %s", pipeline.Provision),
		}
	}
	return nil
}

// checkReplaced refuses to go on with a run that another one waits to get away from.
func checkReplaced(ctx context.Context, q *store.Queries, run store.Run) error {
	by, err := q.OpenRollbackOf(ctx, run.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for the rollback of run %s: %w", run.ID, err)
	}
	return &pipeline.Refusal{
		Message: fmt.Sprintf("run #%d of %s is being rolled back by run #%d, which would undo the retry", run.Number, run.Pipeline, by.Number),
		Remedy:  fmt.Sprintf("cancel run #%d first", by.Number),
	}
}

// Cancel ends a queued run at once and asks an active one to end: it changes
// nothing more in Octopus but to clear its override, and frees its lane as soon as
// what it is doing allows. It returns a *pipeline.Refusal when the run has ended
// already. Asked again, the first reason counts, and what else is wanted is added.
func (e *Engine) Cancel(ctx context.Context, tx pgx.Tx, id uuid.UUID, c pipeline.Cancellation) (store.Run, error) {
	q := store.New(tx)
	run, err := q.LockRun(ctx, id)
	if err != nil {
		return run, err
	}
	if run.Status.Terminal() {
		return run, &pipeline.Refusal{Message: fmt.Sprintf("run #%d of %s has ended already: %s", run.Number, run.Pipeline, run.Status),
			Remedy: fmt.Sprintf("to get away from what it has put out, roll it back: regrow runs rollback %s#%d", run.Pipeline, run.Number)}
	}
	if run.CancelRequestedAt != nil && (run.CancelTasks || !c.Tasks) {
		return run, nil
	}
	text := cancelText(c)
	data := map[string]any{"by": c.By, "reason": c.Reason, "cancel_octopus_task": c.Tasks}
	if err := record(ctx, q, run, e.Now(), eventCancel, text, data); err != nil {
		return run, err
	}
	if run.Status == pipeline.Queued {
		return e.endQueued(ctx, q, run, text)
	}
	if err := q.RequestCancel(ctx, store.RequestCancelParams{ID: run.ID, Now: e.Now(), Reason: text, Tasks: c.Tasks}); err != nil {
		return run, fmt.Errorf("asking the run to end: %w", err)
	}
	if err := e.hurry(ctx, tx, run); err != nil {
		return run, err
	}
	return q.GetRun(ctx, run.ID)
}

func cancelText(c pipeline.Cancellation) string {
	if c.Reason == "" {
		return fmt.Sprintf("Cancelled by %s.", c.By)
	}
	return fmt.Sprintf("Cancelled by %s: %s", c.By, c.Reason)
}

func (e *Engine) endQueued(ctx context.Context, q *store.Queries, run store.Run, text string) (store.Run, error) {
	run, err := q.EndRun(ctx, store.EndRunParams{ID: run.ID, Status: pipeline.Cancelled, Reason: text, Now: e.Now()})
	if err != nil {
		return run, fmt.Errorf("ending the queued run: %w", err)
	}
	e.metrics.ended.WithLabelValues(run.Pipeline, string(run.Status)).Inc()
	return run, record(ctx, q, run, e.Now(), eventRunCancelled, text, nil)
}

// hurry has a run that waits act now. One that is being executed sees the
// request at its end.
func (e *Engine) hurry(ctx context.Context, tx pgx.Tx, run store.Run) error {
	if run.LeaseUntil != nil {
		return store.New(tx).NoteWake(ctx, run.ID)
	}
	return e.resume(ctx, tx, run, run.Reason)
}
