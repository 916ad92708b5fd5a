package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/rs/zerolog"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// executionTime bounds one execution of a stage. Stages that need longer wait.
const executionTime = 10 * time.Minute

// execution is one execution of a stage of a run.
type execution struct {
	*Engine
	run     store.Run
	p       pipeline.Pipeline
	octopus Octopus
	log     zerolog.Logger
	jobID   int64 // River's
	// failures counts the tries in vain that came before; lost tells that the
	// last of them ended without a word.
	failures     int64
	lost         bool
	stageStarted time.Time
	// results hold what each stage has made in Octopus so far.
	results results
	// atEnd are written together with the end of the execution.
	atEnd []func(context.Context, *store.Queries) error
}

var (
	// errStale says that another job acts for the run now.
	errStale = errors.New("another job acts for the run")
	// errLeased says that another execution of the same job is alive.
	errLeased = errors.New("another execution of the job is alive")
	// errCancelRequested says that an operator wants the run to end.
	errCancelRequested = errors.New("the run is to be cancelled")
)

// completeFunc marks the River job of the execution as completed.
type completeFunc func(context.Context, pgx.Tx) error

// execute performs a stage once: it takes the lease, performs, and writes how
// it ended, in one transaction with the completion of the River job.
func (e *Engine) execute(ctx context.Context, runID uuid.UUID, jobID int64, complete completeFunc, perform stageFunc) error {
	x, err := e.begin(ctx, runID, jobID)
	switch {
	case errors.Is(err, errStale):
		return nil
	case errors.Is(err, errLeased):
		return river.JobSnooze(e.Lease)
	case err != nil:
		return fmt.Errorf("beginning the execution: %w", err)
	}
	return x.finish(ctx, x.leased(ctx, perform), complete)
}

// begin takes the run's lease and opens an attempt.
func (e *Engine) begin(ctx context.Context, runID uuid.UUID, jobID int64) (*execution, error) {
	x := &execution{Engine: e, jobID: jobID}
	err := pgx.BeginFunc(ctx, e.Pool, func(tx pgx.Tx) error {
		q := store.New(tx)
		run, err := q.LockRun(ctx, runID)
		if err != nil {
			return err
		}
		if run.JobID == nil || *run.JobID != jobID {
			return errStale
		}
		x.run, err = q.TakeLease(ctx, store.TakeLeaseParams{
			ID: run.ID, JobID: jobID, LeaseSeconds: e.Lease.Seconds(), DeadlineAt: e.Now().Add(stageTime(run)),
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return errLeased
		}
		if err != nil {
			return fmt.Errorf("taking the lease: %w", err)
		}
		if x.results, err = loadResults(ctx, q, run.ID); err != nil {
			return err
		}
		return x.openAttempt(ctx, q)
	})
	x.p = x.run.Config
	x.log = e.Logger.With().Str("run", runID.String()).Str("pipeline", x.run.Pipeline).
		Int64("number", x.run.Number).Str("stage", string(x.run.Stage)).Logger()
	return x, err
}

// stageTime is how long a run may stay in its stage.
func stageTime(run store.Run) time.Duration {
	if run.Stage == pipeline.CleanupStage {
		return run.Config.Cleanup.Timeout
	}
	return run.Config.Verify.Timeout
}

// openAttempt notes that the job is being executed. A look after a look that
// found nothing new counts in the same row.
func (x *execution) openAttempt(ctx context.Context, q *store.Queries) error {
	run, now := x.run, x.Now()
	job, err := q.EnsureJob(ctx, store.EnsureJobParams{RunID: run.ID, Stage: run.Stage, Round: run.Round, Now: now})
	if err != nil {
		return fmt.Errorf("noting the job: %w", err)
	}
	if x.failures, err = q.CountFailures(ctx, job.ID); err != nil {
		return fmt.Errorf("counting earlier failures: %w", err)
	}
	last, err := q.LastAttempt(ctx, job.ID)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		if err := record(ctx, q, run, now, eventStageStarted, fmt.Sprintf("Stage %s begins.", run.Stage), nil); err != nil {
			return err
		}
	case err != nil:
		return fmt.Errorf("reading the last attempt: %w", err)
	case last.Outcome == "running":
		x.lost = true
		if err := x.endAttempt(ctx, q, "lost", "The execution ended without a word; its process is gone."); err != nil {
			return err
		}
	}
	x.lost = x.lost || last.Outcome == "lost"
	if last.Outcome == "waiting" {
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
	return x.setJobState(ctx, q, "running")
}

// leased performs the stage and judges how it ended, while it keeps the lease
// alive. When the lease is lost, the stage's context ends.
func (x *execution) leased(ctx context.Context, perform stageFunc) ending {
	ctx, cancel := context.WithTimeout(ctx, executionTime)
	defer cancel()
	var beating sync.WaitGroup
	beating.Go(func() { x.keepLease(ctx, cancel) })
	defer func() { cancel(); beating.Wait() }()
	result, err := x.attempt(ctx, perform)
	return x.judge(ctx, result, err)
}

func (x *execution) attempt(ctx context.Context, perform stageFunc) (result outcome, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			x.log.Error().Interface("cause", cause).Bytes("stack", debug.Stack()).Msg("a stage panicked")
			err = &failure{
				message: fmt.Sprintf("regrow itself failed in stage %s: %v.", x.run.Stage, cause),
				remedy:  "report it with the log of this process; a retry may work",
			}
		}
	}()
	x.octopus, err = x.Engine.octopus(x.p)
	switch {
	case x.run.CancelRequestedAt != nil:
		return outcome{}, errCancelRequested
	case err != nil:
		return outcome{}, err
	case x.overdue() && x.lost && x.failures >= maxLost:
		return outcome{}, &failure{
			message: fmt.Sprintf("Stage %s was not through after %s: its executions were lost %d times.", x.run.Stage, stageTime(x.run), x.failures),
			remedy:  "find out in the logs why the process ends while it performs this stage, then retry the run",
		}
	}
	return perform(ctx, x)
}

// maxLost is how often an overdue stage may be lost before it is not even tried
// again: what kills the process would kill it for ever.
const maxLost = 5

// keepLease extends the lease until ctx ends. When it could not for as long as
// the lease lasts, another execution may act for the run: this one has to stop.
func (x *execution) keepLease(ctx context.Context, lost context.CancelFunc) {
	ticker := time.NewTicker(x.Lease / 3)
	defer ticker.Stop()
	for extended := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		owned, err := x.extendLease(ctx)
		if err == nil && owned {
			extended = began
			continue
		}
		if err == nil || time.Since(extended) >= x.Lease {
			x.log.Warn().Err(err).Msg("lost the lease; another execution may act for the run")
			lost()
			return
		}
	}
}

func (x *execution) extendLease(ctx context.Context) (owned bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, x.Lease/3)
	defer cancel()
	rows, err := store.New(x.Pool).ExtendLease(ctx, store.ExtendLeaseParams{ID: x.run.ID, JobID: x.jobID, LeaseSeconds: x.Lease.Seconds()})
	return rows > 0, err
}

// overdue tells whether the stage's time is over.
func (x *execution) overdue() bool {
	return x.run.DeadlineAt != nil && x.Now().After(*x.run.DeadlineAt)
}

// save writes in the middle of a stage what must not be lost before its next
// effect. It fails with errStale when the execution has lost its run.
func (x *execution) save(ctx context.Context, write func(context.Context, *store.Queries) error) error {
	return pgx.BeginFunc(ctx, x.Pool, func(tx pgx.Tx) error {
		q := store.New(tx)
		if _, err := x.lockOwn(ctx, q); err != nil {
			return err
		}
		return write(ctx, q)
	})
}

// lockOwn locks the run and makes sure that this execution still acts for it.
func (x *execution) lockOwn(ctx context.Context, q *store.Queries) (store.Run, error) {
	run, err := q.LockRun(ctx, x.run.ID)
	if err != nil {
		return run, fmt.Errorf("locking the run: %w", err)
	}
	if run.JobID == nil || *run.JobID != x.jobID {
		return run, errStale
	}
	return run, nil
}

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
	if state == "succeeded" || state == "failed" || state == "cancelled" {
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

// marker is what regrow writes into everything that this run makes in Octopus,
// to find it again. What names the thing when a run can make several.
func (x *execution) marker(what string) string {
	if what == "" {
		return fmt.Sprintf("[regrow run %s]", x.run.ID)
	}
	return fmt.Sprintf("[regrow run %s %s]", x.run.ID, what)
}

// facts are what the run's version templates are filled with.
func (x *execution) facts() pipeline.Facts {
	return pipeline.Facts{
		Pipeline: x.p.Name, Run: x.run.Number, Started: x.run.CreatedAt,
		Commit: pipeline.Commit{
			Repository: x.run.Repository, Ref: x.run.Ref, SHA: x.run.CommitSha,
			Message: x.run.Message, Author: x.run.Author, Version: x.run.Version, URL: x.run.CommitUrl,
		},
	}
}
