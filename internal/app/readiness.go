package app

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"regrow/internal/handlers"
	"regrow/internal/store"
)

// reminder is how long nothing more is said of a check that goes on failing:
// probes ask every few seconds.
const reminder = time.Minute

// readiness looks whether the process can do its work, and tells the log why not.
type readiness struct {
	log zerolog.Logger

	mu sync.Mutex
	// told is when the log was told of a check that fails.
	told map[string]time.Time
}

// ready tells whether the process can do its work.
func (a *App) ready(ctx context.Context) []handlers.Check {
	return []handlers.Check{
		a.readiness.check("database", a.pool.Ping(ctx), "the database does not answer"),
		a.readiness.check("schema", store.CheckSchema(ctx, a.pool), "the schema could not be found up to date"),
		a.readiness.check("workers", a.engine.Working(), "no jobs are being worked on"),
	}
}

// check keeps the cause of a failure to the log: anybody can ask, and an error of
// the database may name hosts and users.
func (r *readiness) check(name string, err error, detail string) handlers.Check {
	r.tell(name, err, detail)
	if err != nil {
		return handlers.Check{Name: name, Detail: detail}
	}
	return handlers.Check{Name: name, OK: true}
}

// tell notes in the log when a check begins to fail and when it passes again, and
// once in a while that it still fails, and why by then.
func (r *readiness) tell(name string, err error, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	told, failing := r.told[name]
	switch {
	case err != nil && (!failing || time.Since(told) >= reminder):
		r.told[name] = time.Now()
		r.log.Warn().Err(err).Str("check", name).Msg("not ready: " + detail)
	case err == nil && failing:
		delete(r.told, name)
		r.log.Info().Str("check", name).Msg("ready again")
	}
}
