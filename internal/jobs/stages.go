package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"regrow/internal/failpoint"
	"regrow/internal/pipeline"
)

// The arguments of the stages' River jobs. Their kinds are the stages' names
// and must never change: rows in River's table carry them.
type (
	provisionArgs     struct{ runArgs }
	createReleaseArgs struct{ runArgs }
	overrideArgs      struct{ runArgs }
	verifyArgs        struct{ runArgs }
	cleanupArgs       struct{ runArgs }
)

type runArgs struct {
	RunID uuid.UUID `json:"run_id"`
}

func (a runArgs) run() uuid.UUID { return a.RunID }

func (provisionArgs) Kind() string     { return string(pipeline.Provision) }
func (createReleaseArgs) Kind() string { return string(pipeline.CreateRelease) }
func (overrideArgs) Kind() string      { return string(pipeline.Override) }
func (verifyArgs) Kind() string        { return string(pipeline.VerifyStage) }
func (cleanupArgs) Kind() string       { return string(pipeline.CleanupStage) }

// stageArgs are the arguments of a stage's job.
type stageArgs interface {
	river.JobArgs
	run() uuid.UUID
}

func argsOf(stage pipeline.Stage, run uuid.UUID) (river.JobArgs, error) {
	args := runArgs{RunID: run}
	switch stage {
	case pipeline.Provision:
		return provisionArgs{args}, nil
	case pipeline.CreateRelease:
		return createReleaseArgs{args}, nil
	case pipeline.Override:
		return overrideArgs{args}, nil
	case pipeline.VerifyStage:
		return verifyArgs{args}, nil
	case pipeline.CleanupStage:
		return cleanupArgs{args}, nil
	default:
		return nil, fmt.Errorf("there is no stage %q", stage)
	}
}

func (e *Engine) workers() *river.Workers {
	all := river.NewWorkers()
	river.AddWorker(all, &worker[provisionArgs]{engine: e, perform: provision})
	river.AddWorker(all, &worker[createReleaseArgs]{engine: e, perform: createRelease})
	river.AddWorker(all, &worker[overrideArgs]{engine: e, perform: override})
	river.AddWorker(all, &worker[verifyArgs]{engine: e, perform: verify})
	river.AddWorker(all, &worker[cleanupArgs]{engine: e, perform: cleanup})
	return all
}

// worker is River's view of one stage.
type worker[A stageArgs] struct {
	river.WorkerDefaults[A]
	engine  *Engine
	perform stageFunc
}

// stageFunc performs a stage once. It may be performed again at any time, by
// another process too, and therefore looks before it creates.
type stageFunc func(context.Context, *execution) (outcome, error)

// NextRetry implements river.Worker. River repeats only executions whose begin
// or end could not be written; the database is likely to be back soon.
func (w *worker[A]) NextRetry(*river.Job[A]) time.Time { return time.Now().Add(riverRetry) }

const riverRetry = 3 * time.Second

// Work implements river.Worker.
func (w *worker[A]) Work(ctx context.Context, job *river.Job[A]) error {
	complete := func(ctx context.Context, tx pgx.Tx) error {
		_, err := river.JobCompleteTx[*riverDriver](ctx, tx, job)
		return err
	}
	failpoint.Reach("start of a River job") // it is this process's now, and nobody has begun
	return w.engine.execute(ctx, job.Args.run(), job.ID, complete, w.perform)
}
