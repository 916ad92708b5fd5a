package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/rs/zerolog"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

const (
	// beginTime bounds the transaction that begins an execution.
	beginTime = 10 * time.Second
	// executionTime bounds one execution of a stage. Stages that need longer wait.
	executionTime = 10 * time.Minute
)

// execution is one execution of a stage of a run.
type execution struct {
	*Engine
	run     store.Run
	p       pipeline.Pipeline
	octopus Octopus
	log     zerolog.Logger
	jobID   int64 // River's
	// leasedAt is a time before the lease was taken or extended last.
	leasedAt atomic.Pointer[time.Time]
	// failures counts the tries in vain that came before, lost those at the end
	// of them that ended without a word.
	failures     int64
	lost         int64
	stageStarted time.Time
	// results hold what each stage has made in Octopus so far.
	results results
	// freezes are those that hold, by project, as they were read last.
	freezes map[string][]octopus.Freeze
	// pauses are those that held the run when the execution began: it only looks.
	pauses []pipeline.Pause
	// refusedByFreeze tells that Octopus has refused a deployment for a freeze.
	refusedByFreeze bool
	// settlesAt is when the requests that got no answer must have had their effect.
	settlesAt time.Time
	// tidying is what is known of it while the run ends.
	tidying tidying
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
	case errors.Is(err, errStale), errors.Is(err, errHeld):
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
	ctx, cancel := context.WithTimeout(ctx, beginTime)
	defer cancel()
	x := &execution{Engine: e, jobID: jobID}
	x.leasedAt.Store(new(time.Now()))
	over := false
	err := store.InTx(ctx, e.Pool, "begin", func(tx pgx.Tx) error {
		q := store.New(tx)
		run, err := q.LockRun(ctx, runID)
		if err != nil {
			return err
		}
		if run.JobID == nil || *run.JobID != jobID {
			return errStale
		}
		if x.results, err = loadResults(ctx, q, run.ID); err != nil {
			return err
		}
		x.run, err = q.TakeLease(ctx, store.TakeLeaseParams{
			ID: run.ID, JobID: jobID, LeaseSeconds: e.Lease.Seconds(), SettlingSeconds: e.settlingAfterLease(run.Server).Seconds(),
			DeadlineAt: x.stageEnd(run),
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return errLeased
		}
		if err != nil {
			return fmt.Errorf("taking the lease: %w", err)
		}
		x.p = x.run.Config.Pipeline
		if over, err = x.holdBack(ctx, tx); over || err != nil {
			return err
		}
		return x.openAttempt(ctx, q)
	})
	if over && err == nil {
		err = errHeld
	}
	x.log = e.Logger.With().Str("run", runID.String()).Str("pipeline", x.run.Pipeline).
		Int64("number", x.run.Number).Str("stage", string(x.run.Stage)).Logger()
	return x, err
}

// stageTime is how long a run may stay in its stage.
func stageTime(run store.Run) time.Duration {
	if run.Stage == pipeline.CleanupStage {
		return cmp.Or(run.Config.Cleanup.Timeout, unreadableTime)
	}
	return cmp.Or(run.Config.Verify.Timeout, unreadableTime)
}

// unreadableTime is how long a run may take to end whose own times cannot be read.
const unreadableTime = 15 * time.Minute

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
	unreadable := x.unreadable()
	switch {
	case x.run.Ending != nil:
		return outcome{}, decided(x.run)
	case x.run.CancelRequestedAt != nil:
		return outcome{}, errCancelRequested
	case unreadable != nil:
		return outcome{}, unreadable
	case err != nil:
		return outcome{}, err
	case x.overdue() && x.lost >= maxLost:
		return outcome{}, &failure{
			message: fmt.Sprintf("Stage %s was not through after %s: its executions were lost %d times in a row.", x.run.Stage, stageTime(x.run), x.lost),
			remedy:  "find out in the logs why the process ends while it performs this stage, then retry the run",
		}
	}
	return perform(ctx, x)
}

// maxLost is how often an overdue stage may be lost before it is not even tried
// again: what kills the process would kill it for ever.
const maxLost = 5

// overdue tells whether the stage's time is over. It does not pass while a
// deployment freeze or a pause holds the run.
func (x *execution) overdue() bool {
	return x.run.FreezeName == nil && len(x.pauses) == 0 && x.run.DeadlineAt != nil && x.Now().After(*x.run.DeadlineAt)
}

// save writes in the middle of a stage what must not be lost before its next
// effect. It fails with errStale when the execution has lost its run.
func (x *execution) save(ctx context.Context, write func(context.Context, *store.Queries) error) error {
	return store.InTx(ctx, x.Pool, "save in "+string(x.run.Stage), func(tx pgx.Tx) error {
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
	return pipeline.Facts{Pipeline: x.p.Name, Run: x.run.Number, Started: x.run.CreatedAt, Commit: x.run.Commit()}
}
