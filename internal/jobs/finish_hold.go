package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// writeHold parks the run until a deployment freeze is over. It looks again at
// the freeze's end, or earlier, because people change freezes.
func (x *execution) writeHold(ctx context.Context, tx pgx.Tx, run store.Run, end ending) error {
	q := store.New(tx)
	successor, err := x.successor(ctx, q, run)
	if err != nil {
		return err
	}
	if successor != nil {
		return x.giveWay(ctx, tx, run, *successor, "while a deployment freeze held it back")
	}
	if err := x.saveResult(ctx, q); err != nil {
		return err
	}
	if err := x.close(ctx, q, run, stateWaiting, end.message); err != nil {
		return err
	}
	if isNew(run, end.hold) {
		if err := record(ctx, q, run, x.Now(), eventRunFrozen, end.message, end.hold.data()); err != nil {
			return err
		}
	}
	if err := q.FreezeRun(ctx, store.FreezeRunParams{ID: run.ID, Name: end.hold.name, Until: end.hold.end()}); err != nil {
		return fmt.Errorf("noting the freeze: %w", err)
	}
	run.DeadlineAt = nil
	if run.Wakes != x.run.Wakes {
		return x.resume(ctx, tx, run, end.message)
	}
	pause := x.Interval
	if left := end.hold.until.Sub(x.Now()); left > 0 {
		pause = min(pause, left)
	}
	return x.park(ctx, tx, run, pause, end.message, false)
}

// isNew tells whether the run has not waited for just this freeze so far.
func isNew(run store.Run, h *hold) bool {
	if run.FreezeName == nil || *run.FreezeName != h.name || (run.FreezeUntil == nil) != h.until.IsZero() {
		return true
	}
	// Postgres keeps microseconds.
	return run.FreezeUntil != nil && run.FreezeUntil.Sub(h.until).Abs() > time.Millisecond
}

// end is when the hold ends, nil where that is not known.
func (h *hold) end() *time.Time {
	if h.until.IsZero() {
		return nil
	}
	return &h.until
}

func (h *hold) data() map[string]any {
	data := map[string]any{"freeze": h.name}
	if end := h.end(); end != nil {
		data["until"] = end.UTC()
	}
	return data
}

// successor finds the newer run that should have the lane in place of this one.
// Under the policy "latest" a run that a freeze holds back before it has made
// anything would, at the freeze's end, only cost a turnover to a commit that is
// out of date. One that an operator wants to go on at once keeps its lane, and so
// does a rollback.
func (x *execution) successor(ctx context.Context, q *store.Queries, run store.Run) (*store.NewestQueuedRow, error) {
	made := run.Stage != pipeline.Provision || x.results.provision.ReleaseID != ""
	if x.p.Policy != pipeline.Latest || made || run.RollbackOf != nil || run.FreezeOverrideReason != nil || run.CancelRequestedAt != nil {
		return nil, nil
	}
	if err := lockLane(ctx, q, run.Lane); err != nil {
		return nil, err
	}
	newest, err := q.NewestQueued(ctx, store.NewestQueuedParams{Lane: run.Lane, Pipeline: run.Pipeline, Number: run.Number})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for a newer run in lane %q: %w", run.Lane, err)
	}
	return &newest, nil
}

// giveWay ends the run for the sake of a newer one, which takes the lane in its
// place.
func (x *execution) giveWay(ctx context.Context, tx pgx.Tx, run store.Run, to store.NewestQueuedRow, when string) error {
	q := store.New(tx)
	reason := fmt.Sprintf("Superseded by run #%d, commit %s, %s.", to.Number, to.CommitSha, when)
	if err := x.saveResult(ctx, q); err != nil {
		return err
	}
	if err := x.close(ctx, q, run, stateCancelled, reason); err != nil {
		return err
	}
	if err := q.NoteSuccessor(ctx, store.NoteSuccessorParams{ID: run.ID, By: to.ID}); err != nil {
		return fmt.Errorf("noting the newer run: %w", err)
	}
	return x.endRun(ctx, tx, run, store.EndRunParams{Status: pipeline.Superseded, Reason: reason}, eventRunSuperseded)
}
