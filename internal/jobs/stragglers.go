package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	deployment, err := x.deploymentOf(ctx, before.result)
	if err != nil || deployment == nil {
		return "", err
	}
	settled, err := x.settled(ctx, before.result, *deployment)
	if err != nil || settled {
		return "", err
	}
	registered, err := x.registered(ctx, before)
	expected := before.run.Config.Infrastructure.Targets
	if err != nil || registered >= expected {
		return "", err
	}
	return fmt.Sprintf("%d of %s of the deployment before (%s) have registered; the others may still be on their way.",
		registered, count(expected, "target"), deployment.ID), nil
}

// registered counts the targets that a provisioning has brought so far. Its
// pipeline may tell its targets by other roles than this run's.
func (x *execution) registered(ctx context.Context, before *provisioning) (int, error) {
	targets, err := x.targetsWith(ctx, before.run.Config.Infrastructure.Roles)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, target := range targets {
		if !before.baseline[target.ID] {
			n++
		}
	}
	return n, nil
}

// settled tells whether the grace time has passed since the deployment ended.
// How long it took is Octopus' to tell, when it began is our own clock's: the
// two clocks may differ.
func (x *execution) settled(ctx context.Context, r provisionResult, d octopus.Deployment) (bool, error) {
	task, err := x.octopus.Task(ctx, d.TaskID)
	if octopus.IsNotFound(err) {
		return true, nil
	}
	if err != nil || !task.IsCompleted {
		return false, err
	}
	ended := r.Began.Add(task.CompletedTime.Sub(d.Created))
	return x.Now().Sub(ended) > x.p.Verify.Grace, nil
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
	return &provisioning{run: run, result: r, baseline: baselineOf(known)}, nil
}

// deploymentOf finds the deployment of a provisioning, also when its answer was
// lost; nil means that there was none, or that Octopus has forgotten it.
func (x *execution) deploymentOf(ctx context.Context, r provisionResult) (*octopus.Deployment, error) {
	deployments, err := x.octopus.ReleaseDeployments(ctx, r.ReleaseID)
	if octopus.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, deployment := range deployments {
		if strings.Contains(deployment.Comments, r.Marker) {
			return &deployment, nil
		}
	}
	return nil, nil
}
