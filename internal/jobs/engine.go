package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/rs/zerolog"

	"regrow/internal/pipeline"
)

// Server is an Octopus Server and the space in it.
type Server struct {
	Client     Octopus
	URL, Space string
	// Settling is how long a request that got no answer may take to have its effect.
	Settling time.Duration
}

// Config is what the engine needs. Pool, Servers, Logger and Worker have to be
// set; zero durations take the defaults.
type Config struct {
	Pool *pgxpool.Pool
	// Servers are the configured Octopus Servers, by name.
	Servers map[string]Server
	// Pipelines are the configured pipelines, by name. Runs keep their own; a
	// rollback goes by what is configured now.
	Pipelines map[string]pipeline.Pipeline
	// Worker names this process in the history of attempts.
	Worker string
	Logger zerolog.Logger
	// Slog is the same log for River.
	Slog     *slog.Logger
	Registry prometheus.Registerer

	// Interval is how often a waiting run looks at Octopus when no event wakes
	// it. Default 30 s.
	Interval time.Duration
	// Lease is how long an execution owns its run without a sign of life.
	// Default 30 s.
	Lease time.Duration
	// Backoff is the first pause after a transient error; it doubles up to a
	// minute. Default 1 s.
	Backoff time.Duration
	// Workers is how many stages are performed at the same time. Default 20.
	Workers int
	// PollOnly makes workers look for jobs instead of being notified of them, for
	// a pool whose connections are no sessions and cannot listen.
	PollOnly bool

	// Now and NewID are the clock and the source of ids.
	Now   func() time.Time
	NewID func() uuid.UUID
}

// Engine performs runs.
type Engine struct {
	Config
	river   *river.Client[pgx.Tx]
	metrics *metrics

	stopReconciler context.CancelFunc
	reconciler     sync.WaitGroup
	// reconciled is when the reconciler looked last, whatever it could not deal
	// with, in Unix nanoseconds.
	reconciled atomic.Int64
}

// New prepares an engine; Start makes it work.
func New(c Config) (*Engine, error) {
	setDefault(&c.Interval, 30*time.Second)
	setDefault(&c.Lease, 30*time.Second)
	setDefault(&c.Backoff, time.Second)
	setDefault(&c.Workers, 20)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = func() uuid.UUID { return uuid.Must(uuid.NewV7()) }
	}
	e := &Engine{Config: c, metrics: newMetrics(c.Registry)}
	client, err := river.NewClient(riverpgxv5.New(c.Pool), &river.Config{
		ID:     c.Worker,
		Logger: c.Slog,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: c.Workers}},
		// An execution has its own limit, and a lease that shows its death
		// long before River would.
		JobTimeout: -1,
		// A run's stages follow each other; a long pause between two fetches
		// would add up.
		FetchCooldown:     20 * time.Millisecond,
		FetchPollInterval: c.pollInterval(),
		PollOnly:          c.PollOnly,
		Workers:           e.workers(),
	})
	if err != nil {
		return nil, fmt.Errorf("setting up River: %w", err)
	}
	e.river = client
	return e, nil
}

// pollInterval is how often workers look for jobs that they were not notified of.
func (c Config) pollInterval() time.Duration {
	if c.PollOnly {
		return 200 * time.Millisecond
	}
	return river.FetchPollIntervalDefault
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// Start begins to work on jobs and to reconcile. It returns at once; Stop ends
// both.
func (e *Engine) Start(ctx context.Context) error {
	// The workers outlive the context of the start: only Stop ends them, so
	// that the order of shutdown is the process's own.
	background := context.WithoutCancel(ctx)
	if err := e.river.Start(background); err != nil {
		return fmt.Errorf("starting River: %w", err)
	}
	reconcile, stop := context.WithCancel(background)
	e.stopReconciler = stop
	e.reconciler.Go(func() { e.reconcileUntil(reconcile) })
	return nil
}

// Stop lets executions under way finish until shortly before ctx ends, then
// cancels them: they hand their runs back for another process to go on with.
func (e *Engine) Stop(ctx context.Context) error {
	e.stopReconciler()
	e.reconciler.Wait()
	finishing, cancel := beforeEnd(ctx, handBackTime)
	defer cancel()
	err := e.river.Stop(finishing)
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return err
	}
	handingBack, cancel := atLeast(ctx, leastHandBackTime)
	defer cancel()
	return e.river.StopAndCancel(handingBack)
}

// beforeEnd returns a context that ends so much earlier than ctx, or at half of
// the time that is left.
func beforeEnd(ctx context.Context, earlier time.Duration) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(earlier, time.Until(end)/2)))
}

// Working returns an error when jobs are not being worked on: when the engine
// was not started, or its reconciler has not come to look for long. A run or lane
// that cannot be dealt with is in the log, and no reason to serve nobody.
func (e *Engine) Working() error {
	last := time.Unix(0, e.reconciled.Load())
	if silence := e.Now().Sub(last); silence > max(3*e.reconcilePeriod(), 30*time.Second) {
		return fmt.Errorf("the last look after the jobs was %s ago", silence.Round(time.Second))
	}
	return nil
}

const (
	// handBackTime is how much of the time to stop is kept for cancelled
	// executions to write their end.
	handBackTime = 5 * time.Second
	// leastHandBackTime is what they get even when no time is left.
	leastHandBackTime = time.Second
)

// atLeast returns a context that ends with ctx, but lasts for a while in any case.
func atLeast(ctx context.Context, least time.Duration) (context.Context, context.CancelFunc) {
	end := time.Now().Add(least)
	if wanted, limited := ctx.Deadline(); limited && wanted.After(end) {
		end = wanted
	}
	return context.WithDeadline(context.WithoutCancel(ctx), end)
}

// octopus returns the client of the run's server. One that is not configured is
// no failure yet: during a rolling restart the next process may know it. One
// that is another server now is: the run's ids would mean other things there.
func (e *Engine) octopus(p pipeline.Pipeline) (Octopus, error) {
	server, ok := e.Servers[p.Server.Name]
	if !ok {
		return nil, fmt.Errorf("the Octopus server %q of pipeline %q is not configured; add it to the configuration again", p.Server.Name, p.Name)
	}
	if server.URL != p.Server.URL || !strings.EqualFold(server.Space, p.Server.Space) {
		return nil, &failure{
			message: fmt.Sprintf("Server %q is %s, space %s now; the run began on %s, space %s.",
				p.Server.Name, server.URL, server.Space, p.Server.URL, p.Server.Space),
			remedy: "start a new run, or configure the server as it was and retry this one",
		}
	}
	return server.Client, nil
}
