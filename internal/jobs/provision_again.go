package jobs

import (
	"context"
	"fmt"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/store"
)

// maxTries bounds how often the infrastructure is deployed again in one round.
const maxTries = 3

// failedByFreeze tells whether a deployment failed before it did anything because
// a freeze had begun when its turn came. Octopus docs: deployments that start
// executing during a freeze fail. In which words is not documented.
func failedByFreeze(t octopus.Task) bool {
	return t.IsCompleted && !t.FinishedSuccessfully && strings.Contains(strings.ToLower(t.ErrorMessage), "freeze")
}

// provisionAfterFreeze has the infrastructure deployed again, under another
// marker: the deployment that failed stays in Octopus.
func (x *execution) provisionAfterFreeze(ctx context.Context, failed octopus.Task) (outcome, error) {
	r := &x.results.provision
	r.Tries++
	r.forgetBaseline()
	r.DeploymentID, r.DeploymentURL, r.TaskID, r.TaskURL = "", "", "", ""
	r.Marker = x.provisionMarker()
	message := sentence(fmt.Sprintf("The deployment of %s to %s (%s) was not begun because of a deployment freeze; regrow deploys it again when that is over",
		x.p.Infrastructure.Project, x.place(), failed.ID))
	err := x.save(ctx, func(ctx context.Context, q *store.Queries) error {
		if err := record(ctx, q, x.run, x.Now(), eventProvisionedAgain, message, map[string]any{"task": failed.ID}); err != nil {
			return err
		}
		return x.saveProvision(ctx, q)
	})
	if err != nil {
		return outcome{}, err
	}
	return x.provisionAgain(ctx)
}

// provisionAgain does in verify what provision could not.
func (x *execution) provisionAgain(ctx context.Context) (outcome, error) {
	x.atEnd = append(x.atEnd, x.saveProvision)
	held, err := x.heldBeforeProvision(ctx, x.results.createRelease.ProjectID)
	if err != nil {
		return outcome{}, err
	}
	if held != nil {
		return x.waitFor(held)
	}
	result, err := x.provisionTargets(ctx)
	result.done = false // it is verify that waits
	return result, err
}
