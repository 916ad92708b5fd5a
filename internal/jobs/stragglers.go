package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// provisioning is the last one in the lane whose run, or whose round of this
// run, ended without proving its targets: some of them may still be booting.
type provisioning struct {
	run      store.Run
	result   provisionResult
	baseline map[string]bool
	// takenOut counts the new targets that regrow has removed since.
	takenOut int
}

// stragglers tells what to wait for before the baseline is recorded: targets of
// an earlier provisioning that register later would be taken for this run's.
// Nobody knows whether they will ever come, also when their deployment failed or
// was cancelled, so the wait ends when the grace time of the pipeline has passed
// since the end of that deployment.
func (x *execution) stragglers(ctx context.Context) (busy string, err error) {
	before, err := x.unprovenBefore(ctx)
	if err != nil || before == nil {
		return "", err
	}
	r := before.result
	deployment, found, err := x.octopus.FindDeployment(ctx, r.deployment())
	if octopus.IsNotFound(err) {
		return "", nil // Octopus has forgotten the release, and with it the deployment
	}
	if err != nil || !found {
		return "", err
	}
	busy, err = x.booting(ctx, before, deployment, fmt.Sprintf("the deployment before (%s)", deployment.ID))
	return sentence(busy), err
}

// booting says how many targets of a provisioning have registered, while others
// may still come; "" when all are there, or nobody waits for them any more.
func (x *execution) booting(ctx context.Context, p *provisioning, d octopus.Deployment, name string) (string, error) {
	if x.settled(p.result, d) {
		return "", nil
	}
	registered, err := x.registered(ctx, p)
	expected := x.infrastructureOf(p).Targets
	if err != nil || registered >= expected {
		return "", err
	}
	return fmt.Sprintf("%d of %s of %s have registered; the others may still be on their way",
		registered, count(expected, "target"), name), nil
}

// registered counts the targets that a provisioning has brought so far. Its
// pipeline may tell its targets by other roles than this run's.
func (x *execution) registered(ctx context.Context, before *provisioning) (int, error) {
	targets, err := x.targetsWith(ctx, x.infrastructureOf(before).Roles)
	if err != nil {
		return 0, err
	}
	n := before.takenOut
	for _, target := range targets {
		if !before.baseline[target.ID] {
			n++
		}
	}
	return n, nil
}

// infrastructureOf is what the earlier run's pipeline says of its targets; where
// that cannot be read, it is taken for this run's.
func (x *execution) infrastructureOf(before *provisioning) pipeline.Infrastructure {
	if !before.run.Config.Readable() {
		return x.p.Infrastructure
	}
	return before.run.Config.Infrastructure
}

// settled tells whether the grace time has passed since the deployment ended.
// How long it took is Octopus' to tell, when it began is our own clock's: the
// two clocks may differ.
func (x *execution) settled(r provisionResult, d octopus.Deployment) bool {
	switch taskState(d.Task) {
	case pipeline.TaskGone:
		return true
	case pipeline.TaskActive:
		return false
	case pipeline.TaskSucceeded, pipeline.TaskFailed:
	}
	ended := r.Began.Add(d.Task.CompletedTime.Sub(d.Created))
	return x.Now().Sub(ended) > x.p.Verify.Grace
}

// unprovenBefore finds the last provisioning in the lane, unless its run
// succeeded.
func (x *execution) unprovenBefore(ctx context.Context) (*provisioning, error) {
	q := store.New(x.Pool)
	if previous := x.results.provision.Previous; previous != nil {
		return x.asProvisioning(ctx, q, x.run, *previous)
	}
	run, err := q.LastProvisionInLane(ctx, store.LastProvisionInLaneParams{Lane: x.run.Lane, ID: x.run.ID})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && run.Status == pipeline.Succeeded {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the provisioning before: %w", err)
	}
	r, err := loadResults(ctx, q, run.ID)
	if err != nil {
		return nil, err
	}
	if r.provision.ReleaseID == "" && r.provision.Previous != nil {
		r.provision = *r.provision.Previous
	}
	return x.asProvisioning(ctx, q, run, r.provision)
}

func (x *execution) asProvisioning(ctx context.Context, q *store.Queries, run store.Run, r provisionResult) (*provisioning, error) {
	known, err := knownTargets(ctx, q, run.ID)
	if err != nil {
		return nil, err
	}
	return &provisioning{run: run, result: r, baseline: baselineOf(known), takenOut: takenOutOf(known)}, nil
}
