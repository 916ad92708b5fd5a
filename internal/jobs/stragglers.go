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
// was cancelled, so the wait ends after the grace time of the pipeline.
func (x *execution) stragglers(ctx context.Context, standing []pipeline.Target) (busy string, err error) {
	before, err := x.unprovenBefore(ctx)
	if err != nil || before == nil {
		return "", err
	}
	deployment, err := x.deploymentOf(ctx, before.result)
	if err != nil || deployment == "" {
		return "", err
	}
	expected, registered := before.run.Config.Infrastructure.Targets, 0
	for _, target := range standing {
		if !before.baseline[target.ID] {
			registered++
		}
	}
	if registered >= expected || x.settled(before.run) {
		return "", nil
	}
	return fmt.Sprintf("%d of %s of the deployment before (%s) have registered; the others may still be on their way.",
		registered, count(expected, "target"), deployment), nil
}

// settled tells whether an earlier provisioning has had its time: more than a
// whole run would have waited for it, or the grace time since this run first saw
// that no deployment of the infrastructure project was under way any more.
func (x *execution) settled(before store.Run) bool {
	now := x.Now()
	if ended := before.EndedAt; ended != nil && now.Sub(*ended) > before.Config.Verify.Timeout {
		return true
	}
	r := &x.results.provision
	if r.Quiet.IsZero() {
		r.Quiet = now
	}
	return now.Sub(r.Quiet) > x.p.Verify.Grace
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
// lost; "" means that there was none.
func (x *execution) deploymentOf(ctx context.Context, r provisionResult) (string, error) {
	if r.DeploymentID != "" {
		return r.DeploymentID, nil
	}
	deployments, err := x.octopus.ReleaseDeployments(ctx, r.ReleaseID)
	if octopus.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, deployment := range deployments {
		if strings.Contains(deployment.Comments, r.Marker) {
			return deployment.ID, nil
		}
	}
	return "", nil
}
