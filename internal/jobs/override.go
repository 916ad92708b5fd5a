package jobs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// override has Octopus deploy the run's release to targets that become
// available, instead of the release that is there.
func override(ctx context.Context, x *execution) (outcome, error) {
	release := x.results.createRelease
	held, err := x.held(ctx, release.ProjectID)
	if err != nil {
		return outcome{}, err
	}
	if held != nil {
		return x.waitFor(held)
	}
	err = x.withProject(ctx, release.ProjectID, func(ctx context.Context) error {
		return x.octopus.SetOverride(ctx, release.ProjectID, x.results.provision.EnvironmentID, x.results.provision.TenantID, release.ReleaseID)
	})
	if err != nil {
		return outcome{}, err
	}
	x.results.override.ReleaseID = release.ReleaseID
	return done("New targets in %s get release %s of %s.", x.place(), release.ReleaseVersion, x.p.Application.Project)
}

// clearOverride removes the run's own override, if it still stands, and tells
// whether it did.
func (x *execution) clearOverride(ctx context.Context) (cleared bool, err error) {
	place := x.located()
	for _, release := range x.overridden() {
		if x.octopus == nil {
			return cleared, errOtherServer
		}
		err := x.withProject(ctx, release.ProjectID, func(ctx context.Context) error {
			did, err := x.octopus.ClearOverride(ctx, release.ProjectID, place.EnvironmentID, place.TenantID, release.ReleaseID)
			cleared = cleared || did
			return err
		})
		if err != nil {
			return cleared, err
		}
	}
	return cleared, nil
}

// overridden are the releases that the run's override may name: this round's, and
// that of the round before, whose end may not have been able to clear it.
func (x *execution) overridden() []releaseResult {
	var releases []releaseResult
	r := x.results.createRelease
	if r.Previous != nil {
		releases = append(releases, *r.Previous)
	}
	again := r.Previous != nil && r.Previous.ReleaseID == r.ReleaseID
	if r.ReleaseID != "" && !again && !x.run.Stage.Before(pipeline.Override) {
		releases = append(releases, r)
	}
	return releases
}

// errOtherServer says that Octopus cannot be asked any more.
var errOtherServer = &failure{message: "the server is not configured as it was"}

const (
	// changeTime is how long one change of a project may take, the wait for the
	// lock included.
	changeTime = 2 * time.Minute
	// lockTime is how long the lock is kept: after the change for as long as a
	// write that got no answer may take, which is at most a minute. A process that
	// is paused longer loses the lock.
	lockTime = changeTime + time.Minute
)

// withProject is ChangeProject for the run's server.
func (x *execution) withProject(ctx context.Context, projectID string, change func(context.Context) error) error {
	return ChangeProject(ctx, x.Pool, x.p.Server.URL, projectID, change)
}

// ChangeProject lets one process at a time read, change and write back an Octopus
// project: the document carries no version by which Octopus could tell that two
// changes crossed. The lock is the database's; change gets a context that ends
// before the lock could be lost. A write that got no answer keeps the lock until it
// has settled, or it could take away what others write meanwhile; only when ctx is
// cancelled, because the process has to end, is there no time for that.
func ChangeProject(ctx context.Context, pool *pgxpool.Pool, serverURL, projectID string, change func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	return store.InTx(ctx, pool, "project change", func(tx pgx.Tx) error {
		q := store.New(tx)
		// The transaction is idle while Octopus answers.
		if err := q.AllowIdleness(ctx, strconv.FormatInt(lockTime.Milliseconds(), 10)); err != nil {
			return fmt.Errorf("preparing the change of project %s: %w", projectID, err)
		}
		lock := store.LockProjectParams{ServerUrl: serverURL, ProjectID: projectID}
		if err := q.LockProject(ctx, lock); err != nil {
			return fmt.Errorf("waiting for other changes of project %s: %w", projectID, err)
		}
		err := change(ctx)
		if !errors.Is(ctx.Err(), context.Canceled) {
			octopus.Settle(context.WithoutCancel(ctx), err)
		}
		return err
	})
}
