package doctor

import (
	"context"
	"errors"
	"sync"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/setup"
)

// Octopus is what is asked of an Octopus Server; *octopus.Client answers it.
type Octopus interface {
	// What setup plans, doctor reports; nothing is written.
	setup.Octopus

	Ping(ctx context.Context) (octopus.ServerInfo, error)
	ServerTime(ctx context.Context) (time.Time, error)
	Permissions(ctx context.Context) (octopus.Permissions, error)
	Channel(ctx context.Context, projectID, name string) (octopus.Channel, error)
	Runbook(ctx context.Context, projectID, name string) (octopus.Runbook, error)
	Release(ctx context.Context, id string) (octopus.Release, error)
	Targets(ctx context.Context, q octopus.TargetQuery) ([]octopus.Target, error)
	Freezes(ctx context.Context, projectID, environmentID, tenantID string) ([]octopus.Freeze, error)
	Overrides(ctx context.Context, projectID string) ([]octopus.AutoDeployOverride, error)
	LastEvent(ctx context.Context, q octopus.EventQuery) (time.Time, error)
	// Close gives the connections back.
	Close()
}

// steadfast asks again as long as a failure may pass by itself, so that the
// report is about the server and not about the moment. What it was told once it
// does not ask again: the checks, and several pipelines, need the same resources.
type steadfast struct {
	Octopus
	tries int
	known *memory
}

// memory holds answers by what was asked.
type memory struct {
	ctx   context.Context // that of the whole examination
	mu    sync.Mutex
	facts map[string]*fact[any]
}

func newMemory(ctx context.Context) *memory {
	return &memory{ctx: ctx, facts: make(map[string]*fact[any])}
}

// fact returns what is known, or being found out, under a key.
func (m *memory) fact(key string, look func(context.Context) (any, error)) *fact[any] {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.facts[key] == nil {
		m.facts[key] = newFact(m.ctx, key, look)
	}
	return m.facts[key]
}

// again returns what f finds, after as many tries as it takes.
func again[T any](ctx context.Context, s steadfast, f func(context.Context) (T, error)) (found T, err error) {
	err = octopus.Retry(ctx, s.tries, func(ctx context.Context) (err error) {
		found, err = f(ctx)
		return err
	})
	return found, err
}

// once returns what f found when it was asked first.
func once[T any](ctx context.Context, s steadfast, key string, f func(context.Context) (T, error)) (T, error) {
	found, err := s.known.fact(key, func(ctx context.Context) (any, error) { return again(ctx, s, f) }).get(ctx)
	value, _ := found.(T) // nil when there is an error
	return value, err
}

func (s steadfast) ServerTime(ctx context.Context) (time.Time, error) {
	return again(ctx, s, s.Octopus.ServerTime)
}

func (s steadfast) Permissions(ctx context.Context) (octopus.Permissions, error) {
	return once(ctx, s, "permissions", s.Octopus.Permissions)
}

func (s steadfast) Channel(ctx context.Context, projectID, name string) (octopus.Channel, error) {
	return once(ctx, s, "channel "+projectID+" "+name, func(ctx context.Context) (octopus.Channel, error) { return s.Octopus.Channel(ctx, projectID, name) })
}

func (s steadfast) Runbook(ctx context.Context, projectID, name string) (octopus.Runbook, error) {
	return again(ctx, s, func(ctx context.Context) (octopus.Runbook, error) { return s.Octopus.Runbook(ctx, projectID, name) })
}

func (s steadfast) Release(ctx context.Context, id string) (octopus.Release, error) {
	return again(ctx, s, func(ctx context.Context) (octopus.Release, error) { return s.Octopus.Release(ctx, id) })
}

func (s steadfast) Targets(ctx context.Context, q octopus.TargetQuery) ([]octopus.Target, error) {
	return again(ctx, s, func(ctx context.Context) ([]octopus.Target, error) { return s.Octopus.Targets(ctx, q) })
}

func (s steadfast) Documents(ctx context.Context, k octopus.Collection) ([]octopus.Document, error) {
	return once(ctx, s, "all "+string(k), func(ctx context.Context) ([]octopus.Document, error) { return s.Octopus.Documents(ctx, k) })
}

func (s steadfast) Document(ctx context.Context, k octopus.Collection, id string) (octopus.Document, error) {
	return once(ctx, s, string(k)+" "+id, func(ctx context.Context) (octopus.Document, error) { return s.Octopus.Document(ctx, k, id) })
}

func (s steadfast) TriggersOf(ctx context.Context, projectID string) ([]octopus.Document, error) {
	return once(ctx, s, "triggers of "+projectID, func(ctx context.Context) ([]octopus.Document, error) { return s.Octopus.TriggersOf(ctx, projectID) })
}

func (s steadfast) EventGroups(ctx context.Context) ([]string, error) {
	return once(ctx, s, "event groups", s.Octopus.EventGroups)
}

func (s steadfast) EventCategories(ctx context.Context) ([]string, error) {
	return once(ctx, s, "event categories", s.Octopus.EventCategories)
}

func (s steadfast) HasPackage(ctx context.Context, packageID, version string) (bool, error) {
	return once(ctx, s, "package "+packageID+" "+version, func(ctx context.Context) (bool, error) { return s.Octopus.HasPackage(ctx, packageID, version) })
}

func (s steadfast) Freezes(ctx context.Context, projectID, environmentID, tenantID string) ([]octopus.Freeze, error) {
	return again(ctx, s, func(ctx context.Context) ([]octopus.Freeze, error) {
		return s.Octopus.Freezes(ctx, projectID, environmentID, tenantID)
	})
}

func (s steadfast) Overrides(ctx context.Context, projectID string) ([]octopus.AutoDeployOverride, error) {
	return again(ctx, s, func(ctx context.Context) ([]octopus.AutoDeployOverride, error) {
		return s.Octopus.Overrides(ctx, projectID)
	})
}

func (s steadfast) LastEvent(ctx context.Context, q octopus.EventQuery) (time.Time, error) {
	return again(ctx, s, func(ctx context.Context) (time.Time, error) { return s.Octopus.LastEvent(ctx, q) })
}

// isOctopus tells whether an error is an operation's.
func isOctopus(err error) bool {
	_, ok := errors.AsType[*octopus.Error](err)
	return ok
}
