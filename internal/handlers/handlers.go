// Package handlers is regrow's HTTP side: it takes webhooks in, serves the REST
// API of openapi.yaml and tells how the process is.
//
// A handler decodes, makes one call and answers. The transactions of the use
// cases are opened here (intake.go, start.go, steer.go); what a run's life
// consists of is behind the interface Runs. Errors become problem documents in
// one place (problem.go), and all routes stand in one place (routes.go).
package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/httprate"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"regrow/internal/pipeline"
	"regrow/internal/store"
	"regrow/internal/webhook"
)

// Runs is the life of runs, as far as HTTP can touch it. Every method works in
// the caller's transaction, where it takes one, and commits nothing itself.
type Runs interface {
	// Prepare takes the locks for several Creates in one transaction, in an
	// order in which transactions cannot block each other for good.
	Prepare(ctx context.Context, tx pgx.Tx, pipelines []pipeline.Pipeline) error
	// Create makes a run for the commit and lets it take its lane or queue.
	Create(ctx context.Context, tx pgx.Tx, deliveryID uuid.UUID, p pipeline.Pipeline, c pipeline.Commit) (store.Run, error)
	// Wake asks the server's active runs to look again and returns how many.
	Wake(ctx context.Context, tx pgx.Tx, server string) (int, error)
	// Preview tells what Create would make of the starts, one after the other. It
	// only reads.
	Preview(ctx context.Context, tx pgx.Tx, starts []pipeline.Start) ([]pipeline.Preview, error)
	// PreviewWake tells how many runs Wake would ask to look again. It only reads.
	PreviewWake(ctx context.Context, tx pgx.Tx, server string) (int, error)
	// Survey looks in Octopus for what a run would find there, until ctx ends. It
	// works in no transaction, and what it cannot see is part of its answer.
	Survey(ctx context.Context, preview pipeline.Preview) pipeline.Survey
	// Retry starts a failed run again, from the stage where it failed when from
	// is empty. It returns a *pipeline.Refusal when the run cannot be retried
	// and pgx.ErrNoRows when there is none.
	Retry(ctx context.Context, tx pgx.Tx, id uuid.UUID, from pipeline.Stage, by string) (store.Run, error)
	// Cancel ends a run, or asks it to end. Its errors are those of Retry.
	Cancel(ctx context.Context, tx pgx.Tx, id uuid.UUID, c pipeline.Cancellation) (store.Run, error)
	// Pause holds runs back and tells whether it is a new pause: what is paused
	// already stays as it is.
	Pause(ctx context.Context, tx pgx.Tx, wanted pipeline.Pause) (pause pipeline.Pause, created bool, err error)
	// Resume lifts a pause. It returns pgx.ErrNoRows when it does not stand.
	Resume(ctx context.Context, tx pgx.Tx, id uuid.UUID, by string) (pipeline.Pause, error)
	// Release has go on what no pause holds any more. It works in transactions of
	// its own, and what it leaves is found later.
	Release(ctx context.Context) error
	// CheckRollback returns a *pipeline.Refusal when Octopus does not have any more
	// what Rollback would put out again. It works in no transaction.
	CheckRollback(ctx context.Context, id uuid.UUID) error
	// Rollback gets away from a run. It returns the run itself when that goes back
	// to its old generation, or a new one. Its errors are those of Retry.
	Rollback(ctx context.Context, tx pgx.Tx, delivery, id uuid.UUID, reason, by string) (store.Run, error)
	// PreviewCleanup tells what the clean-up of a run would do now, by a look at
	// Octopus that ends with ctx. It works in no transaction, and returns
	// pgx.ErrNoRows when there is no such run.
	PreviewCleanup(ctx context.Context, id uuid.UUID) (pipeline.CleanupPreview, error)
	// CleanUp has a run that failed to clean up try that again; maxRemovals above
	// 0 is how many targets may go. Its errors are those of Retry.
	CleanUp(ctx context.Context, tx pgx.Tx, id uuid.UUID, maxRemovals int, by string) (store.Run, error)
	// IgnoreFreeze lets a run go on that a deployment freeze holds. Its errors
	// are those of Retry.
	IgnoreFreeze(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason, by string) (store.Run, error)
}

// Source is a configured sender of webhooks.
type Source struct {
	Receiver *webhook.Receiver
	// PerMinute is how many verified deliveries are taken in a minute; 0 sets
	// no limit.
	PerMinute int
	// Server names the Octopus Server that a source of kind octopus speaks for.
	Server string
}

// Check is one thing that has to be right for the process to be ready.
type Check struct {
	Name string
	OK   bool
	// Detail says what is wrong, without secrets: anybody can read it.
	Detail string
}

// Timing says how long things may take. A zero member takes its default.
type Timing struct {
	// Intake is how long storing a delivery may take before the sender is told
	// to come again. It has to be shorter than senders wait (10 s). Default 5 s.
	Intake time.Duration
	// Request is how long any other request may take, streams excepted.
	// Default 15 s.
	Request time.Duration
	// Body is how long a request's body may take to arrive. Default 10 s.
	Body time.Duration
	// Survey is how long a plan may look at Octopus before it calls the rest
	// unknown. It has to be shorter than Request. Default 10 s.
	Survey time.Duration
	// Ready is how long the checks of readiness may take. Default 5 s.
	Ready time.Duration
	// Write is how long a client may take nothing of an answer before it is cut
	// off. Default 30 s.
	Write time.Duration
	// Poll is how often a stream of events looks for new ones. Default 500 ms.
	Poll time.Duration
	// Heartbeat is how long a stream may be silent. Default 15 s.
	Heartbeat time.Duration
}

// Deps are what the handlers work with.
type Deps struct {
	Pool      *pgxpool.Pool
	Pipelines []pipeline.Pipeline
	Sources   []Source
	Tokens    []Token
	// Unguarded lets everybody do everything over the REST API when there are
	// no tokens. It is meant for development on a loopback address.
	Unguarded bool
	Runs      Runs
	// PlansPerMinute is how many plans one caller may ask for: each asks Octopus
	// a dozen questions, under the limit that runs have too. Default 30.
	PlansPerMinute int
	// Ready returns the checks of readiness.
	Ready func(context.Context) []Check
	// Draining tells that the process is stopping: nothing new is taken in, and
	// streams end.
	Draining func() bool
	Now      func() time.Time
	// NewID returns ids that sort by time (UUID version 7).
	NewID    func() uuid.UUID
	Logger   zerolog.Logger
	Registry *prometheus.Registry
	Timing   Timing
}

// handler is what all handlers share. It is not changed after New.
type handler struct {
	Deps
	store     *store.Queries
	sources   map[string]*source
	pipelines map[string]pipeline.Pipeline
	routes    map[string]*routers.Route
	metrics   *metrics
	planRate  *httprate.RateLimiter
	turns     turns
}

// New returns the handler of all of regrow's HTTP routes, or an error that says
// which dependency cannot work.
func New(deps Deps) (http.Handler, error) {
	if err := deps.check(); err != nil {
		return nil, fmt.Errorf("preparing the HTTP handlers: %w", err)
	}
	deps.Timing = deps.Timing.complete()
	h := &handler{
		Deps: deps, store: store.New(deps.Pool), pipelines: map[string]pipeline.Pipeline{}, turns: turns{lines: map[string]*line{}},
	}
	h.planRate = httprate.NewRateLimiter(cmp.Or(deps.PlansPerMinute, defaultPlansPerMinute), time.Minute)
	for _, p := range deps.Pipelines {
		h.pipelines[p.Name] = p
	}
	var err error
	if h.sources, err = newSources(deps.Sources); err != nil {
		return nil, fmt.Errorf("preparing the HTTP handlers: %w", err)
	}
	if h.routes, err = describedRoutes(); err != nil {
		return nil, fmt.Errorf("preparing the HTTP handlers: %w", err)
	}
	if h.metrics, err = newMetrics(deps.Registry, h.store, deps.Logger, deps.Now); err != nil {
		return nil, fmt.Errorf("preparing the HTTP handlers: %w", err)
	}
	return h.router(), nil
}

func (d Deps) check() error {
	switch {
	case d.Pool == nil, d.Runs == nil, d.Ready == nil, d.Draining == nil, d.Now == nil, d.NewID == nil, d.Registry == nil:
		return errors.New("pool, runs, ready, draining, now, new id and registry are all needed")
	case len(d.Tokens) == 0 && !d.Unguarded:
		return errors.New("there are no API tokens; nobody could use the API")
	case len(d.Tokens) > 0 && d.Unguarded:
		return errors.New("there are API tokens, and yet the API is to be open to everybody")
	}
	return nil
}

func (t Timing) complete() Timing {
	for _, setting := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&t.Intake, 5 * time.Second},
		{&t.Request, 15 * time.Second},
		{&t.Body, 10 * time.Second},
		{&t.Survey, 10 * time.Second},
		{&t.Ready, 5 * time.Second},
		{&t.Write, 30 * time.Second},
		{&t.Poll, 500 * time.Millisecond},
		{&t.Heartbeat, 15 * time.Second},
	} {
		if *setting.value == 0 {
			*setting.value = setting.fallback
		}
	}
	return t
}
