package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// reconcileTime bounds one look of the reconciler. What it has not come to, it
// comes to with the next: the runs that wait longest are first.
const reconcileTime = 30 * time.Second

// reconcileUntil looks again and again for what was lost: events that never
// came, executions whose process is gone, River jobs that vanished, lanes that
// nobody handed on. Every replica does it; row locks share the work out.
func (e *Engine) reconcileUntil(ctx context.Context) {
	ticker := time.NewTicker(e.reconcilePeriod())
	defer ticker.Stop()
	for {
		if err := e.Reconcile(ctx); err != nil && ctx.Err() == nil {
			e.Logger.Error().Err(err).Msg("reconciling; trying again at the next tick")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// reconcilePeriod is short enough to notice soon what is due, and never so
// short that it burdens the database.
func (e *Engine) reconcilePeriod() time.Duration {
	return min(max(min(e.Interval, e.Lease)/3, 100*time.Millisecond), 5*time.Second)
}

// Reconcile looks once.
func (e *Engine) Reconcile(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reconcileTime)
	defer cancel()
	looked := true
	var errs []error
	for _, look := range []func(context.Context) error{e.wakeDue, e.recoverLost, e.recoverVanished, e.releaseHeld, e.unstrandLanes} {
		err := look(ctx)
		looked = looked && isLeft(err)
		errs = append(errs, err)
	}
	if looked {
		e.reconciled.Store(e.Now().UnixNano())
	}
	return errors.Join(errs...)
}

// leftError says what a look that took place could not deal with: single runs and
// lanes. It is no reason to take the process out of service.
type leftError struct{ error }

func (l leftError) Unwrap() error { return l.error }

// eachOf does something with each of several, whatever becomes of the others. Who
// is no longer as it was (pgx.ErrNoRows) is passed over.
func eachOf[T any](all []T, do func(T) error) error {
	var errs []error
	for _, one := range all {
		if err := do(one); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return leftError{errors.Join(errs...)}
}

// isLeft tells whether a look took place, whatever it has left.
func isLeft(err error) bool {
	_, some := errors.AsType[leftError](err)
	return err == nil || some
}

// wakeDue has the runs look at Octopus that no event has woken in time.
func (e *Engine) wakeDue(ctx context.Context) error {
	due, err := store.New(e.Pool).DueWaiting(ctx, e.Now())
	if err != nil {
		return fmt.Errorf("looking for runs that are due: %w", err)
	}
	return e.each(ctx, due, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
		run, err := store.New(tx).LockIfDue(ctx, store.LockIfDueParams{ID: id, Now: e.Now()})
		if err != nil {
			return err
		}
		return e.resume(ctx, tx, run, run.Reason)
	})
}

// recoverLost gives the runs of processes that are gone to another execution.
func (e *Engine) recoverLost(ctx context.Context) error {
	lost, err := store.New(e.Pool).ExpiredLeases(ctx, e.shortestSettling().Seconds())
	if err != nil {
		return fmt.Errorf("looking for lost executions: %w", err)
	}
	return e.each(ctx, lost, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
		q := store.New(tx)
		run, err := q.GetRun(ctx, id)
		if err != nil {
			return err
		}
		run, err = q.LockIfExpired(ctx, store.LockIfExpiredParams{ID: id, SettlingSeconds: e.settlingAfterLease(run.Server).Seconds()})
		if err != nil {
			return err
		}
		x := &execution{Engine: e, run: run}
		if err := x.endAttempt(ctx, q, stateLost, lostMessage); err != nil {
			return err
		}
		if err := x.setJobState(ctx, q, stateRetrying); err != nil {
			return err
		}
		if err := record(ctx, q, run, e.Now(), eventAttemptLost, lostMessage, nil); err != nil {
			return err
		}
		return e.resume(ctx, tx, run, run.Reason)
	})
}

// each does something with runs, each in a transaction of its own: one that
// cannot be dealt with must not keep the others from it. A run that is no longer
// as it was (pgx.ErrNoRows) is passed over.
func (e *Engine) each(ctx context.Context, ids []uuid.UUID, do func(context.Context, pgx.Tx, uuid.UUID) error) error {
	return eachOf(ids, func(id uuid.UUID) error {
		err := store.InTx(ctx, e.Pool, "reconcile", func(tx pgx.Tx) error { return do(ctx, tx, id) })
		if err != nil {
			return fmt.Errorf("reconciling run %s: %w", id, err)
		}
		return nil
	})
}

// recoverVanished replaces River jobs that will never act for their runs: ones
// that were deleted or discarded, and ones that a process took and did not begin
// before it was gone.
func (e *Engine) recoverVanished(ctx context.Context) error {
	idle, err := store.New(e.Pool).UnleasedRunning(ctx)
	if err != nil {
		return err
	}
	var without []store.UnleasedRunningRow
	for some := range slices.Chunk(idle, jobsAtOnce) {
		found, err := e.withoutJob(ctx, some)
		if err != nil {
			return err
		}
		without = append(without, found...)
	}
	return eachOf(without, func(run store.UnleasedRunningRow) error { return e.replaceJob(ctx, run) })
}

// jobsAtOnce is how many of River's jobs are asked for at once.
const jobsAtOnce = 1000

// withoutJob returns those of the runs whose River job will never act for them.
func (e *Engine) withoutJob(ctx context.Context, idle []store.UnleasedRunningRow) ([]store.UnleasedRunningRow, error) {
	ids := make([]int64, len(idle))
	for i, run := range idle {
		ids[i] = *run.JobID
	}
	found, err := e.river.JobList(ctx, river.NewJobListParams().IDs(ids...).First(len(ids)))
	if err != nil {
		return nil, fmt.Errorf("looking for the River jobs of %s: %w", count(len(idle), "run"), err)
	}
	alive := make(map[int64]bool, len(found.Jobs))
	for _, job := range found.Jobs {
		alive[job.ID] = !e.vanished(job)
	}
	return slices.DeleteFunc(idle, func(run store.UnleasedRunningRow) bool { return alive[*run.JobID] }), nil
}

func (e *Engine) vanished(job *rivertype.JobRow) bool {
	switch job.State {
	case rivertype.JobStateCompleted, rivertype.JobStateCancelled, rivertype.JobStateDiscarded:
		return true
	case rivertype.JobStateRunning:
		return job.AttemptedAt != nil && e.Now().Sub(*job.AttemptedAt) > e.Lease
	default:
		return false
	}
}

func (e *Engine) replaceJob(ctx context.Context, idle store.UnleasedRunningRow) error {
	return store.InTx(ctx, e.Pool, "replace job", func(tx pgx.Tx) error {
		run, err := store.New(tx).LockRunIfFree(ctx, idle.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // somebody is at it
		}
		if err != nil {
			return err
		}
		moved := run.Status != pipeline.Running || run.LeaseUntil != nil || run.JobID == nil || *run.JobID != *idle.JobID
		if moved {
			return nil
		}
		return e.resume(ctx, tx, run, run.Reason)
	})
}

// unstrandLanes starts the next run of any lane that has runs waiting and none
// active. A finished run hands its lane on itself; this is the safety net.
func (e *Engine) unstrandLanes(ctx context.Context) error {
	lanes, err := store.New(e.Pool).StrandedLanes(ctx)
	if err != nil {
		return err
	}
	return eachOf(lanes, func(lane string) error {
		start := func(tx pgx.Tx) error { return e.startNext(ctx, tx, lane) }
		if err := store.InTx(ctx, e.Pool, "start next", start); err != nil {
			return fmt.Errorf("starting the next run of lane %q: %w", lane, err)
		}
		return nil
	})
}
