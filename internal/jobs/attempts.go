package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"regrow/internal/store"
)

// How attempts, jobs and stages stand, in the words of their rows.
const (
	stateRunning   = "running"
	stateWaiting   = "waiting"
	stateRetrying  = "retrying"
	stateSucceeded = "succeeded"
	stateFailed    = "failed"
	stateCancelled = "cancelled"
	stateLost      = "lost"
)

// openAttempt notes that the job is being executed. A look after a look that
// found nothing new counts in the same row.
func (x *execution) openAttempt(ctx context.Context, q *store.Queries) error {
	run, now := x.run, x.Now()
	job, err := q.JobOfStage(ctx, store.JobOfStageParams{RunID: run.ID, Stage: run.Stage, Round: run.Round})
	if err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	last, err := x.lastAttempt(ctx, q, job)
	if err != nil {
		return err
	}
	if last.Outcome == stateWaiting {
		err = q.ReopenAttempt(ctx, store.ReopenAttemptParams{ID: last.ID, RiverJobID: x.jobID, Worker: x.Worker})
	} else {
		_, err = q.InsertAttempt(ctx, store.InsertAttemptParams{
			JobID: job.ID, Number: last.Number + 1, RiverJobID: x.jobID, Worker: x.Worker, StartedAt: now,
		})
	}
	if err != nil {
		return fmt.Errorf("opening an attempt: %w", err)
	}
	started, err := q.BeginStage(ctx, store.BeginStageParams{RunID: run.ID, Stage: run.Stage, Now: now})
	if err != nil {
		return fmt.Errorf("beginning stage %s: %w", run.Stage, err)
	}
	x.stageStarted = *started
	return x.setJobState(ctx, q, stateRunning)
}

// lastAttempt reads how the job was executed last, and closes an attempt that
// its process left open.
func (x *execution) lastAttempt(ctx context.Context, q *store.Queries, job store.Job) (store.Attempt, error) {
	last, err := q.LastAttempt(ctx, job.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return last, record(ctx, q, x.run, x.Now(), eventStageStarted, fmt.Sprintf("Stage %s begins.", x.run.Stage), nil)
	}
	if err != nil {
		return last, fmt.Errorf("reading the last attempt: %w", err)
	}
	if last.Outcome == stateRunning {
		if err := x.endAttempt(ctx, q, stateLost, lostMessage); err != nil {
			return last, err
		}
	}
	if x.failures, err = q.CountFailures(ctx, job.ID); err != nil {
		return last, fmt.Errorf("counting earlier failures: %w", err)
	}
	if x.lost, err = q.CountLost(ctx, job.ID); err != nil {
		return last, fmt.Errorf("counting lost attempts: %w", err)
	}
	return last, nil
}

const lostMessage = "The execution ended without a word; its process is gone."

func (x *execution) endAttempt(ctx context.Context, q *store.Queries, outcome, message string) error {
	x.metrics.attempts.WithLabelValues(string(x.run.Stage), outcome).Inc()
	err := q.EndAttempt(ctx, store.EndAttemptParams{
		RunID: x.run.ID, Stage: x.run.Stage, Round: x.run.Round, Outcome: outcome, Error: message, Now: x.Now(),
	})
	if err != nil {
		return fmt.Errorf("ending the attempt: %w", err)
	}
	return nil
}

func (x *execution) setJobState(ctx context.Context, q *store.Queries, state string) error {
	var finished *time.Time
	if state == stateSucceeded || state == stateFailed || state == stateCancelled {
		now := x.Now()
		finished = &now
	}
	err := q.SetJobState(ctx, store.SetJobStateParams{
		RunID: x.run.ID, Stage: x.run.Stage, Round: x.run.Round, State: state, FinishedAt: finished,
	})
	if err != nil {
		return fmt.Errorf("noting the job as %s: %w", state, err)
	}
	return nil
}
