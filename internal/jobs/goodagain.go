package jobs

import (
	"context"
	"errors"
	"fmt"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// tidyRelease keeps Octopus from going on with the release of a run that was
// rolled back. Octopus docs: a target that becomes available gets the release of
// the last successful deployment; where that is this run's, the old targets would
// get it when they come back from an outage. An override to the good release keeps
// them from that, until the next deployment.
func (x *execution) tidyRelease(ctx context.Context, end *ending) error {
	bad := x.results.createRelease
	if !x.rolledBack() || !x.tidying.gaveBack || bad.ReleaseID == "" {
		return nil
	}
	current, err := x.currentRelease(ctx)
	if err != nil || current != bad.ReleaseID {
		return err
	}
	place := x.results.provision
	standing, err := x.octopus.Override(ctx, bad.ProjectID, place.EnvironmentID, place.TenantID)
	if err != nil || standing != "" {
		return err // somebody has chosen another release
	}
	good, err := x.findGood(ctx, store.New(x.Pool), x.run)
	if _, refused := errors.AsType[*pipeline.Refusal](err); refused {
		end.add("Octopus' last successful deployment is still of release %s: old targets that come back from an outage get it.", bad.ReleaseVersion)
		return nil
	}
	if err != nil {
		return err
	}
	err = x.withProject(ctx, bad.ProjectID, func(ctx context.Context) error {
		return x.octopus.SetOverride(ctx, bad.ProjectID, place.EnvironmentID, place.TenantID, good.ReleaseID)
	})
	if err != nil {
		return err
	}
	message := fmt.Sprintf("Targets that become available get release %s again, until the next deployment.", good.ReleaseVersion)
	x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
		return record(ctx, q, x.run, x.Now(), eventOverrideSet, message, map[string]any{"release_id": good.ReleaseID})
	})
	end.add("%s", message)
	return nil
}

// currentRelease is the release of the application's last successful deployment
// to the run's place, "" for none.
func (x *execution) currentRelease(ctx context.Context) (string, error) {
	deployments, err := x.octopus.Deployments(ctx, octopus.DeploymentQuery{
		ProjectID:     x.results.createRelease.ProjectID,
		EnvironmentID: x.results.provision.EnvironmentID,
		TenantID:      x.results.provision.TenantID,
		Since:         x.results.provision.Deployed,
	})
	var last octopus.Deployment
	for _, d := range deployments {
		if d.Task.FinishedSuccessfully && d.Task.CompletedTime.After(last.Task.CompletedTime) {
			last = d
		}
	}
	return last.ReleaseID, err
}
