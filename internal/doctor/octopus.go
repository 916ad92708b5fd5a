package doctor

import (
	"context"
	"errors"
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
	Environment(ctx context.Context, name string) (octopus.Environment, error)
	Tenant(ctx context.Context, name string) (octopus.Tenant, error)
	Project(ctx context.Context, name string) (octopus.Project, error)
	Channel(ctx context.Context, projectID, name string) (octopus.Channel, error)
	Runbook(ctx context.Context, projectID, name string) (octopus.Runbook, error)
	Release(ctx context.Context, id string) (octopus.Release, error)
	Targets(ctx context.Context, q octopus.TargetQuery) ([]octopus.Target, error)
	Freezes(ctx context.Context, projectID, environmentID, tenantID string) ([]octopus.Freeze, error)
	Overrides(ctx context.Context, projectID string) ([]octopus.AutoDeployOverride, error)
	LastEvent(ctx context.Context, q octopus.EventQuery) (time.Time, error)
	Close()
}

// steadfast asks again as long as a failure may pass by itself, so that the
// report is about the server and not about the moment.
type steadfast struct {
	Octopus
	tries int
}

// again returns what f finds, after as many tries as it takes.
func again[T any](ctx context.Context, s steadfast, f func(context.Context) (T, error)) (found T, err error) {
	err = octopus.Retry(ctx, s.tries, func(ctx context.Context) (err error) {
		found, err = f(ctx)
		return err
	})
	return found, err
}

func (s steadfast) Ping(ctx context.Context) (octopus.ServerInfo, error) {
	return again(ctx, s, s.Octopus.Ping)
}

func (s steadfast) ServerTime(ctx context.Context) (time.Time, error) {
	return again(ctx, s, s.Octopus.ServerTime)
}

func (s steadfast) Permissions(ctx context.Context) (octopus.Permissions, error) {
	return again(ctx, s, s.Octopus.Permissions)
}

func (s steadfast) Environment(ctx context.Context, name string) (octopus.Environment, error) {
	return again(ctx, s, func(ctx context.Context) (octopus.Environment, error) { return s.Octopus.Environment(ctx, name) })
}

func (s steadfast) Tenant(ctx context.Context, name string) (octopus.Tenant, error) {
	return again(ctx, s, func(ctx context.Context) (octopus.Tenant, error) { return s.Octopus.Tenant(ctx, name) })
}

func (s steadfast) Project(ctx context.Context, name string) (octopus.Project, error) {
	return again(ctx, s, func(ctx context.Context) (octopus.Project, error) { return s.Octopus.Project(ctx, name) })
}

func (s steadfast) Channel(ctx context.Context, projectID, name string) (octopus.Channel, error) {
	return again(ctx, s, func(ctx context.Context) (octopus.Channel, error) { return s.Octopus.Channel(ctx, projectID, name) })
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
	return again(ctx, s, func(ctx context.Context) ([]octopus.Document, error) { return s.Octopus.Documents(ctx, k) })
}

func (s steadfast) Document(ctx context.Context, k octopus.Collection, id string) (octopus.Document, error) {
	return again(ctx, s, func(ctx context.Context) (octopus.Document, error) { return s.Octopus.Document(ctx, k, id) })
}

func (s steadfast) TriggersOf(ctx context.Context, projectID string) ([]octopus.Document, error) {
	return again(ctx, s, func(ctx context.Context) ([]octopus.Document, error) { return s.Octopus.TriggersOf(ctx, projectID) })
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
