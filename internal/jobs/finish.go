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

// ending is how an execution ends, as it is written.
type ending struct {
	kind    endKind
	message string
	remedy  string
	// from is where a retry of a failed run makes sense.
	from pipeline.Stage
	// pause is how long to wait before the next try.
	pause time.Duration
}

type endKind int

const (
	endDone endKind = iota
	endWait
	endRetry
	endFail
	endCancel
)

// finishTime bounds the transaction that ends an execution. It is written even
// when the process is being stopped.
const finishTime = 10 * time.Second

// judge turns what a stage returned into an ending, and clears the run's own
// override when the run is about to end.
func (x *execution) judge(ctx context.Context, result outcome, err error) ending {
	failed := asFailure(err)
	switch {
	case err == nil && result.done:
		return ending{kind: endDone, message: result.message}
	case errors.Is(err, errCancelRequested):
		return x.tidied(ctx, ending{kind: endCancel, message: x.run.CancelReason})
	case failed != nil:
		return x.tidied(ctx, ending{kind: endFail, message: failed.message, remedy: failed.remedy, from: failed.from})
	case stopped(ctx, err):
		return ending{kind: endRetry, message: "The process was stopped; another execution goes on."}
	case x.overdue():
		return x.tidied(ctx, x.outOfTime(result, err))
	case err == nil:
		return ending{kind: endWait, message: result.message}
	default:
		return ending{kind: endRetry, message: sentence(err.Error()), pause: x.backoff(err, x.failures)}
	}
}

// outOfTime ends a run whose stage has neither succeeded nor failed in its time.
func (x *execution) outOfTime(result outcome, err error) ending {
	what := result.message
	if err != nil {
		what = err.Error()
	}
	return ending{
		kind:    endFail,
		message: fmt.Sprintf("Stage %s was not through after %s: %s", x.run.Stage, stageTime(x.run), sentence(what)),
		remedy:  "find out what holds Octopus up, then retry the run",
	}
}

// tidied clears the run's own override, if it still stands, before the run
// ends. While Octopus cannot be reached the end is put off: a run that came next
// could do nothing either.
func (x *execution) tidied(ctx context.Context, end ending) ending {
	cleared, err := x.clearOverride(ctx)
	switch {
	case err != nil && stopped(ctx, err):
		return ending{kind: endRetry, message: "The process was stopped; another execution goes on."}
	case err != nil && asFailure(err) == nil:
		message := fmt.Sprintf("%s Clearing the override before the run ends: %s", end.message, sentence(err.Error()))
		return ending{kind: endRetry, message: message, pause: x.backoff(err, x.failures)}
	case err != nil:
		end.message += " The override of this run could not be cleared and may still stand: " + sentence(err.Error())
	case cleared:
		x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
			return record(ctx, q, x.run, x.Now(), eventOverrideCleared, "The run's override was cleared.", nil)
		})
	}
	return end
}

// finish writes the end of the execution, all of it or nothing.
func (x *execution) finish(ctx context.Context, end ending, complete completeFunc) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	end.message, end.remedy = storable(end.message), storable(end.remedy)
	err := pgx.BeginFunc(ctx, x.Pool, func(tx pgx.Tx) error {
		q := store.New(tx)
		run, err := x.lockOwn(ctx, q)
		if err != nil {
			return err
		}
		for _, write := range x.atEnd {
			if err := write(ctx, q); err != nil {
				return err
			}
		}
		if err := x.write(ctx, tx, run, end); err != nil {
			return err
		}
		return complete(ctx, tx)
	})
	if errors.Is(err, errStale) {
		x.log.Warn().Msg("another execution has taken the run over; this one's end is not written")
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the end of stage %s: %w", x.run.Stage, err)
	}
	x.log.Info().Str("end", end.kind.String()).Msg(end.message)
	return nil
}

func (x *execution) write(ctx context.Context, tx pgx.Tx, run store.Run, end ending) error {
	switch end.kind {
	case endDone:
		return x.writeDone(ctx, tx, run, end)
	case endWait:
		return x.writeWait(ctx, tx, run, end)
	case endRetry:
		return x.writeRetry(ctx, tx, run, end)
	case endFail:
		from := retryFrom(end, run)
		params := store.EndRunParams{Status: pipeline.Failed, Reason: end.message, Remedy: end.remedy, RetryFrom: &from}
		return x.writeEnd(ctx, tx, run, params, eventRunFailed)
	default:
		return x.writeEnd(ctx, tx, run, store.EndRunParams{Status: pipeline.Cancelled, Reason: end.message}, eventRunCancelled)
	}
}

// retryFrom is where a retry makes sense. Failing clears the override that
// verify relies on, so a retry of that begins with setting it again.
func retryFrom(end ending, run store.Run) pipeline.Stage {
	switch {
	case end.from != "":
		return end.from
	case run.Stage == pipeline.VerifyStage:
		return pipeline.Override
	default:
		return run.Stage
	}
}

func (x *execution) writeDone(ctx context.Context, tx pgx.Tx, run store.Run, end ending) error {
	q := store.New(tx)
	if err := x.saveResult(ctx, q); err != nil {
		return err
	}
	if err := x.close(ctx, q, run, "succeeded", end.message); err != nil {
		return err
	}
	if err := record(ctx, q, run, x.Now(), eventStageSucceeded, end.message, nil); err != nil {
		return err
	}
	x.metrics.stageDone(run.Stage, x.Now().Sub(x.stageStarted))
	next, more := run.Stage.Next()
	if !more {
		return x.endRun(ctx, tx, run, store.EndRunParams{Status: pipeline.Succeeded, Reason: end.message}, eventRunSucceeded)
	}
	jobID, err := x.insertJob(ctx, tx, run.ID, next)
	if err != nil {
		return err
	}
	if err := q.AdvanceRun(ctx, store.AdvanceRunParams{ID: run.ID, Stage: next, JobID: jobID}); err != nil {
		return fmt.Errorf("advancing the run to %s: %w", next, err)
	}
	_, err = q.EnsureJob(ctx, store.EnsureJobParams{RunID: run.ID, Stage: next, Round: run.Round, Now: x.Now()})
	return err
}

// writeWait parks the run, unless something asked it to look again meanwhile.
func (x *execution) writeWait(ctx context.Context, tx pgx.Tx, run store.Run, end ending) error {
	q := store.New(tx)
	if err := x.saveResult(ctx, q); err != nil {
		return err
	}
	if err := x.close(ctx, q, run, "waiting", end.message); err != nil {
		return err
	}
	if run.Reason != end.message {
		if err := record(ctx, q, run, x.Now(), eventStageWaiting, end.message, nil); err != nil {
			return err
		}
	}
	if run.Wakes != x.run.Wakes {
		return x.resume(ctx, tx, run, end.message)
	}
	return x.park(ctx, tx, run, x.Interval, end.message, false)
}

func (x *execution) writeRetry(ctx context.Context, tx pgx.Tx, run store.Run, end ending) error {
	q := store.New(tx)
	if err := x.close(ctx, q, run, "retrying", end.message); err != nil {
		return err
	}
	if err := record(ctx, q, run, x.Now(), eventStageRetrying, end.message, map[string]any{"pause": end.pause.String()}); err != nil {
		return err
	}
	return x.park(ctx, tx, run, end.pause, end.message, true)
}

// park lets the run wait without a job for a while, at the longest until its
// deadline. A run that is to be cancelled does not wait; one that is paused is
// not woken by events.
func (x *execution) park(ctx context.Context, tx pgx.Tx, run store.Run, pause time.Duration, reason string, paused bool) error {
	if pause == 0 || run.CancelRequestedAt != nil && x.run.CancelRequestedAt == nil {
		return x.resume(ctx, tx, run, reason)
	}
	now := x.Now()
	next := now.Add(pause)
	if deadline := run.DeadlineAt; deadline != nil && deadline.After(now) && deadline.Before(next) {
		next = *deadline
	}
	if err := store.New(tx).ParkRun(ctx, store.ParkRunParams{ID: run.ID, NextCheckAt: next, Paused: paused, Reason: reason}); err != nil {
		return fmt.Errorf("parking the run: %w", err)
	}
	return nil
}

// writeEnd ends the run in its stage: failed or cancelled.
func (x *execution) writeEnd(ctx context.Context, tx pgx.Tx, run store.Run, params store.EndRunParams, kind string) error {
	q := store.New(tx)
	if err := x.saveResult(ctx, q); err != nil {
		return err
	}
	if err := x.close(ctx, q, run, string(params.Status), params.Reason); err != nil {
		return err
	}
	if params.Status == pipeline.Failed {
		if err := record(ctx, q, run, x.Now(), eventStageFailed, params.Reason, nil); err != nil {
			return err
		}
	}
	return x.endRun(ctx, tx, run, params, kind)
}

// endRun ends the run and gives its lane to the next.
func (x *execution) endRun(ctx context.Context, tx pgx.Tx, run store.Run, params store.EndRunParams, kind string) error {
	q := store.New(tx)
	params.ID, params.Now = run.ID, x.Now()
	ended, err := q.EndRun(ctx, params)
	if err != nil {
		return fmt.Errorf("ending the run: %w", err)
	}
	x.metrics.ended.WithLabelValues(ended.Pipeline, string(ended.Status)).Inc()
	data := map[string]any{}
	if ended.Remedy != "" {
		data["remedy"] = ended.Remedy
	}
	message := fmt.Sprintf("Run #%d of pipeline %s ended as %s in %s.", ended.Number, ended.Pipeline, ended.Status, ended.Stage)
	if ended.Status == pipeline.Cancelled {
		message = ended.Reason
	}
	if err := record(ctx, q, ended, x.Now(), kind, message, data); err != nil {
		return err
	}
	return x.startNext(ctx, tx, run.Lane)
}

// close writes the same end on the attempt, the job and the stage.
func (x *execution) close(ctx context.Context, q *store.Queries, run store.Run, state, message string) error {
	problem := message
	if state == "succeeded" {
		problem = ""
	}
	if err := x.endAttempt(ctx, q, state, problem); err != nil {
		return err
	}
	if err := x.setJobState(ctx, q, state); err != nil {
		return err
	}
	stage := store.SetStageParams{RunID: run.ID, Stage: run.Stage, Status: state, Reason: message}
	switch state {
	case "retrying":
		stage.Status = "waiting"
	case "succeeded", "failed", "cancelled":
		now := x.Now()
		stage.EndedAt = &now
	}
	if err := q.SetStage(ctx, stage); err != nil {
		return fmt.Errorf("noting stage %s as %s: %w", run.Stage, state, err)
	}
	return nil
}

func (k endKind) String() string {
	return [...]string{"done", "wait", "retry", "fail", "cancel"}[k]
}
