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

// finishTime bounds the transaction that ends an execution. It is written even
// when the process is being stopped.
const finishTime = 10 * time.Second

// finish writes the end of the execution, all of it or nothing.
func (x *execution) finish(ctx context.Context, end ending, complete completeFunc) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	end.message, end.remedy = storable(end.message), storable(end.remedy)
	err := store.InTx(ctx, x.Pool, "end of "+string(x.run.Stage), func(tx pgx.Tx) error {
		q := store.New(tx)
		run, err := x.lockOwn(ctx, q)
		if err != nil {
			return err
		}
		if err := x.writeSettling(ctx, q, &run); err != nil {
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
	end, err := x.leftToAnother(ctx, store.New(tx), run, end)
	if err != nil {
		return err
	}
	if end.paused {
		return x.writePause(ctx, tx, run, end)
	}
	if end.hold != nil {
		return x.writeHold(ctx, tx, run, end)
	}
	if run.FreezeName != nil && (end.kind == endDone || end.kind == endWait) {
		if err := x.writeThaw(ctx, store.New(tx), &run); err != nil {
			return err
		}
	}
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
		return x.writeEnd(ctx, tx, run, store.EndRunParams{Status: pipeline.Cancelled, Reason: end.message, Remedy: end.remedy}, eventRunCancelled)
	}
}

// leftToAnother leaves the end of the run to another execution when an operator has
// asked meanwhile for something that this one knew nothing of.
func (x *execution) leftToAnother(ctx context.Context, q *store.Queries, run store.Run, end ending) (ending, error) {
	switch {
	case rolledBack(run) && !x.rolledBack():
		return x.leftToRollback(end), nil
	case run.CancelTasks && !x.tidying.tasks:
		return x.leftToCancelTasks(ctx, q, end)
	default:
		return end, nil
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
	if err := x.close(ctx, q, run, stateSucceeded, end.message); err != nil {
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
	jobID, err := x.beginJob(ctx, tx, run.ID, next, run.Round)
	if err != nil {
		return err
	}
	if err := q.AdvanceRun(ctx, store.AdvanceRunParams{ID: run.ID, Stage: next, JobID: jobID}); err != nil {
		return fmt.Errorf("advancing the run to %s: %w", next, err)
	}
	return nil
}

// writeWait parks the run, unless something asked it to look again meanwhile.
func (x *execution) writeWait(ctx context.Context, tx pgx.Tx, run store.Run, end ending) error {
	q := store.New(tx)
	if err := x.saveResult(ctx, q); err != nil {
		return err
	}
	if err := x.close(ctx, q, run, stateWaiting, end.message); err != nil {
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
	pause := x.Interval
	if !end.until.IsZero() {
		pause = max(end.until.Sub(x.Now()), 0)
	}
	return x.park(ctx, tx, run, pause, end.message, false)
}

func (x *execution) writeRetry(ctx context.Context, tx pgx.Tx, run store.Run, end ending) error {
	q := store.New(tx)
	if err := x.close(ctx, q, run, stateRetrying, end.message); err != nil {
		return err
	}
	if err := record(ctx, q, run, x.Now(), eventStageRetrying, end.message, map[string]any{"pause": end.pause.String()}); err != nil {
		return err
	}
	return x.park(ctx, tx, run, end.pause, end.message, true)
}

// park lets the run wait without a job for a while, at the longest until its
// deadline, at the shortest until what is under way has settled. A run that is to be cancelled does not wait; one that is paused is
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
	if x.settles(run) && next.Before(*run.SettlesAt) {
		next, paused = *run.SettlesAt, true
	}
	return x.parkUntil(ctx, tx, run, next, reason, paused)
}

func (e *Engine) parkUntil(ctx context.Context, tx pgx.Tx, run store.Run, next time.Time, reason string, paused bool) error {
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
	if err := x.writeWayBack(ctx, tx, run); err != nil {
		return err
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
	if ended.Status == pipeline.Cancelled || ended.Status == pipeline.Superseded {
		message = ended.Reason
	}
	if ended.SupersededBy != nil {
		data["by"] = *ended.SupersededBy
	}
	if err := record(ctx, q, ended, x.Now(), kind, message, data); err != nil {
		return err
	}
	return x.startNext(ctx, tx, run.Lane)
}

// close writes the same end on the attempt, the job and the stage.
func (x *execution) close(ctx context.Context, q *store.Queries, run store.Run, state, message string) error {
	problem := message
	if state == stateSucceeded {
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
	case stateRetrying:
		stage.Status = stateWaiting
	case stateSucceeded, stateFailed, stateCancelled:
		now := x.Now()
		stage.EndedAt = &now
	}
	if err := q.SetStage(ctx, stage); err != nil {
		return fmt.Errorf("noting stage %s as %s: %w", run.Stage, state, err)
	}
	return nil
}
