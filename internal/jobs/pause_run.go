package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

var (
	// errPaused says that a pause keeps the run from changing something.
	errPaused = errors.New("a pause holds the run")
	// errHeld says that the execution is over before it has begun.
	errHeld = errors.New("a pause holds the run, or has ended it")
)

// mayChange is asked right before each request that changes something in Octopus.
// It answers by what is committed then: whether the run is this execution's
// still, is to be cancelled, or is held by a pause.
func (x *execution) mayChange(ctx context.Context) error {
	switch held, err := x.rights(ctx); {
	case err != nil:
		return err
	case x.run.CancelRequestedAt != nil:
		return errCancelRequested
	case held:
		return errPaused
	default:
		return nil
	}
}

// mayTidy is mayChange for what is left of a run that ends: that it is to be
// cancelled is no reason to leave that.
func (x *execution) mayTidy(ctx context.Context) error {
	held, err := x.rights(ctx)
	if held && err == nil {
		return errPaused
	}
	return err
}

// mayUndo is mayTidy for what takes back what a cancelled run has begun: clearing
// its override and ending its tasks. A pause is no reason to leave that either.
func (x *execution) mayUndo(ctx context.Context) error {
	err := x.mayTidy(ctx)
	if errors.Is(err, errPaused) && x.run.CancelRequestedAt != nil {
		return nil
	}
	return err
}

// rights reads whether the run is this execution's still and whether it is to be
// cancelled, and tells whether a pause holds it.
func (x *execution) rights(ctx context.Context) (held bool, err error) {
	state, err := store.New(x.Pool).RightToAct(ctx, store.RightToActParams{ID: x.run.ID, JobID: x.jobID})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, errStale
	}
	if err != nil {
		return false, fmt.Errorf("asking whether the run may go on: %w", err)
	}
	if state.CancelRequestedAt != nil {
		x.run.CancelRequestedAt, x.run.CancelReason, x.run.CancelTasks = state.CancelRequestedAt, state.CancelReason, state.CancelTasks
	}
	return state.Held, nil
}

// holdBack parks the run, at the beginning of an execution, when a pause holds
// it, and tells whether that is the end of the execution. A run that has begun to
// verify goes on looking and changes nothing.
func (x *execution) holdBack(ctx context.Context, tx pgx.Tx) (over bool, err error) {
	q := store.New(tx)
	pauses, err := pausesOf(ctx, q, x.run.Lane)
	if err != nil {
		return false, err
	}
	ends := x.run.CancelRequestedAt != nil || x.run.Ending != nil
	switch {
	case ends && len(pauses) > 0:
		return false, nil // it tidies up as far as the pause allows
	case ends:
		return false, x.noteLetGo(ctx, q)
	case len(pauses) == 0:
		return x.letGo(ctx, tx)
	}
	x.pauses = pauses
	looksOn, err := x.looksOn(ctx, q)
	if looksOn || err != nil {
		return false, err
	}
	if err := x.doubtBaseline(ctx, q); err != nil {
		return false, err
	}
	return true, x.parkHeld(ctx, q, x.run, pipeline.HeldBy(x.pauses))
}

// looksOn tells whether the run is in a stage that has begun and consists of
// looking, with a change now and then.
func (x *execution) looksOn(ctx context.Context, q *store.Queries) (bool, error) {
	if x.run.Stage != pipeline.VerifyStage || x.results.provision.TaskID == "" || x.run.Ending != nil {
		return false, nil
	}
	begun, err := q.StageHasBegun(ctx, store.StageHasBegunParams{RunID: x.run.ID, Stage: x.run.Stage})
	if err != nil {
		return false, fmt.Errorf("reading whether stage %s has begun: %w", x.run.Stage, err)
	}
	return begun, nil
}

// parkHeld has the run wait, without looks, until no pause holds it.
func (x *execution) parkHeld(ctx context.Context, q *store.Queries, run store.Run, reason string) error {
	if err := x.recordHeld(ctx, q, run, reason); err != nil {
		return err
	}
	if err := q.HoldRun(ctx, store.HoldRunParams{ID: run.ID, Reason: reason, Now: x.Now()}); err != nil {
		return fmt.Errorf("holding the run: %w", err)
	}
	return nil
}

// recordHeld records that the run is held, or held for another reason than before.
func (x *execution) recordHeld(ctx context.Context, q *store.Queries, run store.Run, reason string) error {
	switch {
	case run.HeldSince == nil:
		return record(ctx, q, run, x.Now(), eventRunHeld, reason, nil)
	case run.Reason != reason:
		return record(ctx, q, run, x.Now(), eventStageWaiting, reason, nil)
	default:
		return nil
	}
}

// letGo notes that no pause holds the run any more, and tells whether it ends
// itself: it gives way to a newer commit when it has made nothing yet.
func (x *execution) letGo(ctx context.Context, tx pgx.Tx) (over bool, err error) {
	if x.run.HeldSince == nil {
		return false, nil
	}
	q := store.New(tx)
	successor, err := x.successor(ctx, q, x.run)
	if err != nil {
		return false, err
	}
	if successor != nil {
		return true, x.giveWay(ctx, tx, x.run, *successor, "while a pause held it back")
	}
	return false, x.noteLetGo(ctx, q)
}

// noteLetGo notes that no pause holds the run any more: otherwise the reconciler
// would take it, again and again, for one that waits although it could go on.
func (x *execution) noteLetGo(ctx context.Context, q *store.Queries) error {
	if x.run.HeldSince == nil {
		return nil
	}
	if err := q.LetGo(ctx, x.run.ID); err != nil {
		return fmt.Errorf("noting that no pause holds the run: %w", err)
	}
	message := "No pause holds the run any more; it goes on."
	lifted, err := q.LastLifted(ctx, store.LastLiftedParams{Since: *x.run.HeldSince, Lane: x.run.Lane})
	switch {
	case err == nil:
		message = fmt.Sprintf("%s had %s go on; the run is not held any more.", lifted.LiftedBy, lifted.Domain().What())
	case !errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("looking for the pause that was lifted: %w", err)
	}
	x.run.HeldSince = nil
	return record(ctx, q, x.run, x.Now(), eventRunReleased, message, nil)
}

// pausedEnding is how an execution ends that a pause has stopped, or that only
// looked because of one: whatever it saw, nothing follows from it yet.
func pausedEnding(result outcome, err error) ending {
	end := ending{kind: endWait, paused: true, message: result.message}
	if err != nil && !errors.Is(err, errPaused) {
		end.message = err.Error()
	}
	if end.message != "" {
		end.message = "Last look: " + sentence(end.message)
	}
	return end
}

// stoppedByPause tells whether a pause decides how the execution ends.
func (x *execution) stoppedByPause(ctx context.Context, err error) bool {
	if errors.Is(err, errCancelRequested) || stopped(ctx, err) {
		return false
	}
	return errors.Is(err, errPaused) || len(x.pauses) > 0
}

// writePause parks the run until no pause holds it. One that verifies looks again
// meanwhile; its time does not pass.
func (x *execution) writePause(ctx context.Context, tx pgx.Tx, run store.Run, end ending) error {
	q := store.New(tx)
	pauses, err := pausesOf(ctx, q, run.Lane)
	if err != nil {
		return err
	}
	reason := end.message
	if len(pauses) > 0 {
		reason = strings.TrimSpace(pipeline.HeldBy(pauses) + " " + end.message)
	}
	if err := x.saveResult(ctx, q); err != nil {
		return err
	}
	if err := x.doubtBaseline(ctx, q); err != nil {
		return err
	}
	if err := x.close(ctx, q, run, stateWaiting, reason); err != nil {
		return err
	}
	liftedMeanwhile := len(pauses) == 0
	if liftedMeanwhile || x.endsOtherwise(run) {
		return x.resume(ctx, tx, run, reason)
	}
	looksOn, err := x.looksOn(ctx, q)
	if err != nil {
		return err
	}
	if !looksOn {
		return x.parkHeld(ctx, q, run, reason)
	}
	if err := x.recordHeld(ctx, q, run, reason); err != nil {
		return err
	}
	if err := q.HoldLooking(ctx, store.HoldLookingParams{ID: run.ID, Now: x.Now()}); err != nil {
		return fmt.Errorf("holding the run: %w", err)
	}
	if run.Wakes != x.run.Wakes {
		return x.resume(ctx, tx, run, reason)
	}
	run.DeadlineAt = nil
	return x.park(ctx, tx, run, x.Interval, reason, false)
}

// endsOtherwise tells whether an operator has asked for another end of the run
// than this execution knew of.
func (x *execution) endsOtherwise(run store.Run) bool {
	return run.CancelRequestedAt != nil && x.run.CancelRequestedAt == nil ||
		run.CancelTasks && !x.run.CancelTasks || run.RollbackWay != nil && x.run.RollbackWay == nil
}

// doubtBaseline notes that other targets than the recorded ones may stand when
// the pause is over, unless the infrastructure is being deployed already.
func (x *execution) doubtBaseline(ctx context.Context, q *store.Queries) error {
	r := &x.results.provision
	if !r.Baseline || r.DeploymentID != "" {
		return nil
	}
	r.Doubtful = true
	return x.saveProvision(ctx, q)
}

// settleDoubt has the baseline recorded anew after a pause, unless the deployment
// was made before it, in a try whose answer was lost.
func (x *execution) settleDoubt(ctx context.Context) error {
	r := &x.results.provision
	if !r.Doubtful {
		return nil
	}
	if !r.Began.IsZero() {
		_, found, err := x.octopus.FindDeployment(ctx, x.infrastructureDeployment())
		if err != nil {
			return err
		}
		r.Doubtful = !found
	}
	if r.Doubtful {
		r.forgetBaseline()
	}
	r.Doubtful = false
	return nil
}
