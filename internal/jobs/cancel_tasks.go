package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// tidyTasks cancels what Octopus still does for the run, where whoever cancelled
// the run wants that: the tasks that the run itself has had made, and nobody
// else's. Targets that come all the same are waited for by the next run.
func (x *execution) tidyTasks(ctx context.Context, _ *ending) error {
	x.tidying.tasks = x.run.CancelTasks
	if !x.tidying.tasks {
		return nil
	}
	if err := x.unable(); err != nil {
		return err
	}
	tasks, err := x.ownTasks(ctx)
	if err != nil {
		return err
	}
	for _, id := range tasks {
		if err := x.cancelTask(ctx, id); err != nil {
			return err
		}
	}
	if len(x.results.provision.CancelledTasks) == 0 {
		x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
			return record(ctx, q, x.run, x.Now(), eventNoTaskCancelled, "Octopus was doing nothing for the run that could be cancelled.", nil)
		})
	}
	return nil
}

// cancelTask cancels a task that is under way and writes that down.
func (x *execution) cancelTask(ctx context.Context, id string) error {
	r := &x.results.provision
	if slices.Contains(r.CancelledTasks, id) {
		return nil
	}
	task, err := x.octopus.Task(ctx, id)
	if octopus.IsNotFound(err) || err == nil && task.IsCompleted {
		return nil
	}
	if err != nil {
		return err
	}
	if err := x.octopus.CancelTask(ctx, id); err != nil {
		return err
	}
	r.CancelledTasks = append(r.CancelledTasks, id)
	message := fmt.Sprintf("Octopus was asked to cancel %s: %s.", id, strings.TrimRight(storable(task.Description), "."))
	return x.save(ctx, func(ctx context.Context, q *store.Queries) error {
		if err := record(ctx, q, x.run, x.Now(), eventTaskCancelled, message, map[string]any{"task": id}); err != nil {
			return err
		}
		return x.saveProvision(ctx, q)
	})
}

// ownTasks are the tasks of what the run has had made in Octopus, also of what it
// does not know of because the answer was lost.
func (x *execution) ownTasks(ctx context.Context) ([]string, error) {
	r := x.results.provision
	tasks := []string{x.results.cleanup.TaskID, r.TaskID}
	if r.Previous != nil {
		tasks = append(tasks, r.Previous.TaskID)
	}
	if r.TaskID == "" && !r.Began.IsZero() {
		deployment, found, err := x.octopus.FindDeployment(ctx, x.infrastructureDeployment())
		if err != nil && !octopus.IsNotFound(err) {
			return nil, err
		}
		if found {
			tasks = append(tasks, deployment.TaskID)
		}
	}
	again, err := x.redeploymentTasks(ctx)
	tasks = slices.DeleteFunc(append(tasks, again...), func(id string) bool { return id == "" })
	return tasks, err
}

// redeploymentTasks are the tasks of the deployments by which the run has put
// its release on targets itself. They are told by its marker from those that
// Octopus has made of the same release.
func (x *execution) redeploymentTasks(ctx context.Context) ([]string, error) {
	release, place := x.results.createRelease, x.results.provision
	if release.ReleaseID == "" || x.run.Stage.Before(pipeline.VerifyStage) {
		return nil, nil
	}
	made, err := x.octopus.Deployments(ctx, octopus.DeploymentQuery{
		ProjectID: release.ProjectID, EnvironmentID: place.EnvironmentID, TenantID: place.TenantID, Since: place.Deployed,
	})
	if octopus.IsNotFound(err) {
		return nil, nil
	}
	var tasks []string
	for _, d := range made {
		if d.ReleaseID == release.ReleaseID && strings.Contains(d.Comments, x.markerStart()) {
			tasks = append(tasks, d.TaskID)
		}
	}
	return tasks, err
}

// markerStart is what all of the run's markers begin with.
func (x *execution) markerStart() string { return "[regrow run " + x.run.ID.String() }

// leftToCancelTasks leaves the end of an execution that was past cancelling tasks
// when an operator asked for that to one that is not. How the run ends stays.
func (x *execution) leftToCancelTasks(ctx context.Context, q *store.Queries, end ending) (ending, error) {
	if end.kind != endFail && end.kind != endCancel {
		return end, nil
	}
	if err := x.decide(ctx, q); err != nil {
		return end, err
	}
	return ending{kind: endRetry, message: "What Octopus does for the run is to be cancelled, too; another execution does that. " + end.message}, nil
}
