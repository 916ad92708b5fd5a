package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// The ways in which an operator gets away from a run, as its row names them.
const (
	wayReturn = "return"
	wayNewRun = "new_run"
	wayNone   = "none"
)

// Rollback gets away from a run: back to its old generation while that has not
// begun to be cleaned up, else by a new run, first in its lane, that puts the last
// good release on new infrastructure. It returns the run to follow: this one, or
// the new one. Whether enough of the old generation still serves is found out by
// this run's end; where it does not, that makes the new run.
//
// It returns a *pipeline.Refusal when there is nothing to get away from, nothing
// good to go back to, or when that has been done or outdated already. The delivery
// is the operator's request.
func (e *Engine) Rollback(ctx context.Context, tx pgx.Tx, delivery, id uuid.UUID, reason, by string) (store.Run, error) {
	q := store.New(tx)
	run, err := q.LockRun(ctx, id)
	if err != nil {
		return run, err
	}
	r := rollback{Engine: e, tx: tx, q: q, run: run, delivery: delivery, reason: reason, by: by}
	if err := r.check(ctx); err != nil {
		return run, err
	}
	returns, err := r.mayReturn(ctx)
	switch {
	case err != nil:
		return run, err
	case run.Status == pipeline.Queued:
		return r.endQueued(ctx)
	case returns:
		return r.giveBack(ctx)
	default:
		return r.startNew(ctx)
	}
}

// rollback is one operator's wish to get away from a run.
type rollback struct {
	*Engine
	tx         pgx.Tx
	q          *store.Queries
	run        store.Run
	delivery   uuid.UUID
	reason, by string
}

func (r *rollback) text() string {
	if r.reason == "" {
		return fmt.Sprintf("Rolled back by %s.", r.by)
	}
	return fmt.Sprintf("Rolled back by %s: %s", r.by, sentence(r.reason))
}

// check refuses what would not get away from anything. Runs that have ended have
// their lane locked afterwards.
func (r *rollback) check(ctx context.Context) error {
	run := r.run
	if err := r.checkRepeated(ctx); err != nil {
		return err
	}
	if !run.Status.Terminal() {
		return nil
	}
	if run.Status == pipeline.Superseded || run.LaneTurn == nil {
		return r.refuse("start a run of the commit that is wanted instead", "has changed nothing that could be rolled back: it is %s", run.Status)
	}
	if err := lockLane(ctx, r.q, run.Lane); err != nil {
		return err
	}
	newer, err := r.q.SucceededSince(ctx, store.SucceededSinceParams{Lane: run.Lane, LaneTurn: run.LaneTurn})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("looking for newer runs in lane %q: %w", run.Lane, err)
	default:
		return r.refuse(fmt.Sprintf("to get away from what runs now, roll %s#%d back", newer.Pipeline, newer.Number),
			"does not run any more: run #%d of %s has succeeded since", newer.Number, newer.Pipeline)
	}
}

// checkRepeated refuses a second rollback of what is rolled back already.
func (r *rollback) checkRepeated(ctx context.Context) error {
	run := r.run
	if run.RollbackWay == nil || *run.RollbackWay == wayNone {
		return nil
	}
	if *run.RollbackWay == wayReturn {
		if !run.Status.Terminal() {
			return r.refuse("follow it with regrow runs watch", "is being rolled back already, for %s", *run.RollbackBy)
		}
		return r.refuse("look at what stands in Octopus, and start a run of the commit that is wanted",
			"has been rolled back already, for %s: its old generation serves", *run.RollbackBy)
	}
	open, err := r.q.OpenRollbackOf(ctx, run.ID)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil // that one has failed
	case err != nil:
		return fmt.Errorf("looking for the rollback of run %s: %w", run.ID, err)
	default:
		return r.refuse("follow that one with regrow runs watch", "is being rolled back already, for %s: by run #%d", *run.RollbackBy, open.Number)
	}
}

func (r *rollback) refuse(remedy, format string, args ...any) error {
	return refuseRollback(r.run, remedy, format, args...)
}

func refuseRollback(run store.Run, remedy, format string, args ...any) error {
	return &pipeline.Refusal{
		Message: fmt.Sprintf("run #%d of %s %s", run.Number, run.Pipeline, fmt.Sprintf(format, args...)), Remedy: remedy,
	}
}

// mayReturn tells whether the run's old generation may still serve.
func (r *rollback) mayReturn(ctx context.Context) (bool, error) {
	run := r.run
	if run.Status == pipeline.Succeeded || !run.Config.Readable() {
		return false, nil
	}
	cleaned, err := r.q.HasCleanedUp(ctx, run.ID)
	if err != nil || cleaned {
		return false, err
	}
	if !run.Status.Terminal() {
		return true, nil
	}
	results, err := loadResults(ctx, r.q, run.ID)
	if err != nil {
		return false, err
	}
	if results.provision.Began.IsZero() && results.provision.Previous == nil {
		return false, r.refuse("start a run of the commit that is wanted instead", "has made no targets; there is nothing to get away from")
	}
	_, err = r.q.NewerInLane(ctx, store.NewerInLaneParams{Lane: run.Lane, ID: run.ID, LaneTurn: run.LaneTurn})
	if errors.Is(err, pgx.ErrNoRows) {
		return true, nil
	}
	// To a newer run the targets of this one are old.
	return false, err
}

// note writes on the run that an operator wants to get away from it.
func (r *rollback) note(ctx context.Context) error {
	err := r.q.NoteRollback(ctx, store.NoteRollbackParams{ID: r.run.ID, Delivery: r.delivery, By: r.by, Reason: r.reason})
	if err != nil {
		return fmt.Errorf("noting the rollback: %w", err)
	}
	message := fmt.Sprintf("%s wants to go back to the old generation.", r.by)
	if r.reason != "" {
		message += " " + sentence(r.reason)
	}
	return record(ctx, r.q, r.run, r.Now(), eventRollback, message, map[string]any{"by": r.by, "reason": r.reason})
}

// endQueued ends a run that has changed nothing yet.
func (r *rollback) endQueued(ctx context.Context) (store.Run, error) {
	if err := r.note(ctx); err != nil {
		return r.run, err
	}
	return r.Engine.endQueued(ctx, r.q, r.run, r.text())
}

// giveBack has the run end, or end once more, and take its new targets out.
func (r *rollback) giveBack(ctx context.Context) (store.Run, error) {
	if err := r.note(ctx); err != nil {
		return r.run, err
	}
	if r.run.Status.Terminal() {
		return r.reopen(ctx)
	}
	if r.run.Ending == nil {
		if err := decideEnding(ctx, r.q, r.run, decision{Status: pipeline.Cancelled, Message: r.text()}); err != nil {
			return r.run, err
		}
	}
	if err := r.q.RequestCancel(ctx, store.RequestCancelParams{ID: r.run.ID, Now: r.Now(), Reason: r.text()}); err != nil {
		return r.run, fmt.Errorf("asking the run to end: %w", err)
	}
	if err := r.hurry(ctx, r.tx, r.run); err != nil {
		return r.run, err
	}
	return r.q.GetRun(ctx, r.run.ID)
}

// reopen gives an ended run its lane again, for nothing but tidying up.
func (r *rollback) reopen(ctx context.Context) (store.Run, error) {
	before := r.run
	run, err := r.start(ctx, r.tx, before, before.Stage, before.Round+1)
	if err != nil {
		return run, err
	}
	end := decision{Status: before.Status, Message: strings.TrimSpace(before.Reason + " " + r.text()), Remedy: before.Remedy}
	if before.RetryFrom != nil {
		end.From = *before.RetryFrom
	}
	if err := decideEnding(ctx, r.q, run, end); err != nil {
		return run, err
	}
	return r.q.GetRun(ctx, run.ID)
}

// startNew makes the run that puts the last good release on new infrastructure.
func (r *rollback) startNew(ctx context.Context) (store.Run, error) {
	if !r.run.Status.Terminal() {
		if err := lockLane(ctx, r.q, r.run.Lane); err != nil {
			return r.run, err
		}
	}
	good, err := r.findGood(ctx, r.q, r.run)
	if err != nil {
		return r.run, err
	}
	return r.enterRollback(ctx, r.tx, r.run, good, wish{r.delivery, r.by, r.reason})
}

// wish is who wants a rollback, why, and by which delivery.
type wish struct {
	delivery   uuid.UUID
	by, reason string
}

// goodRelease is what a rollback goes back to, and by which configuration.
type goodRelease struct {
	store.GoodRunsRow
	line pipeline.Pipeline
}

// findGood finds the last good release before the run: of the runs that
// succeeded before it and that nobody has got away from, the last one with
// another release. It returns a *pipeline.Refusal when there is none.
func (e *Engine) findGood(ctx context.Context, q *store.Queries, run store.Run) (goodRelease, error) {
	good := goodRelease{}
	var known bool
	if good.line, known = e.Pipelines[run.Pipeline]; !known {
		return good, refuseRollback(run, fmt.Sprintf("configure the pipeline %q again", run.Pipeline), "is of a pipeline that is not configured any more")
	}
	if good.line.Lane() != run.Lane {
		return good, refuseRollback(run, "configure the pipeline as it was, or start a run by hand",
			"went another way than its pipeline goes by now: through %q, not %q", run.Lane, good.line.Lane())
	}
	results, err := loadResults(ctx, q, run.ID)
	if err != nil {
		return good, err
	}
	rows, err := q.GoodRuns(ctx, store.GoodRunsParams{Lane: run.Lane, Pipeline: run.Pipeline, LaneTurn: run.LaneTurn, Count: goodRuns})
	if err != nil {
		return good, fmt.Errorf("looking for the runs that succeeded before: %w", err)
	}
	for _, row := range rows {
		if row.ReleaseID != results.createRelease.ReleaseID {
			good.GoodRunsRow = row
			return good, nil
		}
	}
	const remedy = "start a run of the commit that is wanted instead"
	if len(rows) > 0 {
		return good, refuseRollback(run, remedy, "is itself on the last good release, %s", rows[0].ReleaseVersion)
	}
	return good, refuseRollback(run, remedy, "has nothing good to go back to: no run of the pipeline has succeeded before it")
}

// goodRuns is how many of the runs before are looked through.
const goodRuns = 100

// CheckRollback looks in Octopus for the release that a rollback of the run would
// put on new infrastructure. It returns a *pipeline.Refusal when Octopus has
// deleted that, and nothing of what Rollback finds out.
func (e *Engine) CheckRollback(ctx context.Context, id uuid.UUID) error {
	q := store.New(e.Pool)
	run, err := q.GetRun(ctx, id)
	if err != nil {
		return err
	}
	if run.Status != pipeline.Succeeded {
		return nil // it may go back to its old generation
	}
	good, err := e.findGood(ctx, q, run)
	if _, refused := errors.AsType[*pipeline.Refusal](err); refused {
		return nil // Rollback itself will say so
	}
	if err != nil {
		return err
	}
	client, err := e.octopus(good.line)
	if err != nil {
		return nil //nolint:nilerr // the run itself will say so
	}
	if _, err := client.Release(ctx, good.ReleaseID); octopus.IsNotFound(err) {
		return refuseRollback(run, releaseGoneRemedy, "cannot be rolled back: %s",
			releaseGone(good.line.Application.Project, good.ReleaseVersion, good.Number))
	}
	return nil
}

// enterRollback lets a new run into the lane, before all others that wait, and
// notes it on the one that it gets away from.
func (e *Engine) enterRollback(ctx context.Context, tx pgx.Tx, from store.Run, good goodRelease, w wish) (store.Run, error) {
	q := store.New(tx)
	source, err := q.GetRun(ctx, good.ID)
	if err != nil {
		return source, fmt.Errorf("reading run #%d: %w", good.Number, err)
	}
	run, err := e.enter(ctx, tx, newcomer{
		delivery: w.delivery, line: good.line, commit: source.Commit(), rollbackOf: &from.ID, restores: &source.ID,
	})
	if err != nil {
		return run, err
	}
	message := fmt.Sprintf("%s wants to get away from run #%d: release %s, which run #%d put out, goes on new infrastructure.",
		w.by, from.Number, good.ReleaseVersion, good.Number)
	if w.reason != "" {
		message += " " + sentence(w.reason)
	}
	data := map[string]any{"by": w.by, "reason": w.reason, "rollback_of": from.ID, "restores": source.ID}
	if err := record(ctx, q, run, e.Now(), eventRollback, message, data); err != nil {
		return run, err
	}
	err = q.NoteRollbackRun(ctx, store.NoteRollbackRunParams{ID: from.ID, Delivery: w.delivery, By: w.by, Reason: w.reason, Run: run.ID})
	if err != nil {
		return run, fmt.Errorf("noting the rollback: %w", err)
	}
	message = fmt.Sprintf("Run #%d puts release %s on new infrastructure in place of this run's.", run.Number, good.ReleaseVersion)
	return run, record(ctx, q, from, e.Now(), eventRolledBack, message, map[string]any{"by": w.by, "run": run.ID})
}

// putInstead has the last good release go on new infrastructure, where an
// operator wanted the old generation back and did not get it.
func (x *execution) putInstead(ctx context.Context, end ending) ending {
	good, err := x.findGood(ctx, store.New(x.Pool), x.run)
	if refused, ok := errors.AsType[*pipeline.Refusal](err); ok {
		end.add("%s", sentence(refused.Message))
		end.remedy = refused.Remedy
		return end
	}
	if err != nil {
		x.atEnd = append(x.atEnd, x.decide)
		return ending{kind: endRetry, message: sentence(err.Error()), pause: x.backoff(err, x.failures)}
	}
	x.tidying.instead = &good
	end.add("A new run puts release %s, which run #%d put out, on new infrastructure.", good.ReleaseVersion, good.Number)
	return end
}

// writeWayBack makes the run that goes in place of the old generation, or notes that
// there is none, when an operator wanted that generation back and did not get it.
func (x *execution) writeWayBack(ctx context.Context, tx pgx.Tx, run store.Run) error {
	if !x.rolledBack() || x.tidying.gaveBack {
		return nil
	}
	q := store.New(tx)
	if x.tidying.instead == nil {
		if err := q.NoteNoWayBack(ctx, run.ID); err != nil {
			return fmt.Errorf("noting that there is no way back: %w", err)
		}
		return nil
	}
	if err := lockLane(ctx, q, run.Lane); err != nil {
		return err
	}
	_, err := x.enterRollback(ctx, tx, run, *x.tidying.instead, wish{*run.RollbackDelivery, *run.RollbackBy, *run.RollbackReason})
	return err
}

// leftToRollback leaves the end of an execution, which knew nothing of a rollback
// that an operator asked for meanwhile, to one that does.
func (x *execution) leftToRollback(end ending) ending {
	_, goesOn := x.run.Stage.Next()
	if end.kind == endFail || end.kind == endCancel || end.kind == endDone && !goesOn {
		return ending{kind: endRetry, message: "The run is to be rolled back; another execution does that. " + end.message}
	}
	return end
}
