package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"regrow/internal/octopus"
)

type riverDriver = riverpgxv5.Driver

// Octopus is what the stages need of an Octopus Server. Every operation that
// creates something looks first for what an earlier try has made.
type Octopus interface {
	Environment(ctx context.Context, name string) (octopus.Environment, error)
	Tenant(ctx context.Context, name string) (octopus.Tenant, error)
	Project(ctx context.Context, name string) (octopus.Project, error)
	Channel(ctx context.Context, projectID, name string) (octopus.Channel, error)
	Runbook(ctx context.Context, projectID, name string) (octopus.Runbook, error)

	Targets(ctx context.Context, query octopus.TargetQuery) ([]octopus.Target, error)
	Target(ctx context.Context, id string) (octopus.Target, error)
	LastChecked(ctx context.Context, id string) (time.Time, error)
	DeleteTarget(ctx context.Context, id string) error

	Release(ctx context.Context, id string) (octopus.Release, error)
	FindRelease(ctx context.Context, projectID, version string) (octopus.Release, bool, error)
	CheckRelease(ctx context.Context, spec octopus.ReleaseSpec) error
	EnsureRelease(ctx context.Context, spec octopus.ReleaseSpec) (octopus.Release, bool, error)
	EnsureDeployment(ctx context.Context, spec octopus.DeploymentSpec) (octopus.Deployment, bool, error)
	ActiveDeployments(ctx context.Context, projectID, environmentID, tenantID string) ([]octopus.Deployment, error)
	FindDeployment(ctx context.Context, spec octopus.DeploymentSpec) (octopus.Deployment, bool, error)
	Deployments(ctx context.Context, query octopus.DeploymentQuery) ([]octopus.Deployment, error)
	EnsureRunbookRun(ctx context.Context, spec octopus.RunbookSpec) (octopus.Task, bool, error)

	Task(ctx context.Context, id string) (octopus.Task, error)
	CancelTask(ctx context.Context, id string) error
	ActiveTasks(ctx context.Context, projectID, environmentID, tenantID string) ([]octopus.Task, error)

	Override(ctx context.Context, projectID, environmentID, tenantID string) (releaseID string, err error)
	Freezes(ctx context.Context, projectID, environmentID, tenantID string) ([]octopus.Freeze, error)

	SetOverride(ctx context.Context, projectID, environmentID, tenantID, releaseID string) error
	ClearOverride(ctx context.Context, projectID, environmentID, tenantID, releaseID string) (bool, error)
}
