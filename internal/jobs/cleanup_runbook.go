package jobs

import (
	"context"
	"fmt"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// cleanupByRunbook has a runbook of the infrastructure project remove the old
// generation, once, and waits for it.
func (x *execution) cleanupByRunbook(ctx context.Context) (outcome, error) {
	r := &x.results.cleanup
	if r.TaskID == "" {
		plan, err := x.planForRunbook(ctx)
		if err != nil {
			return outcome{}, err
		}
		if plan.Guarded() {
			return x.guarded(plan)
		}
		if err := x.startRunbook(ctx); err != nil {
			return outcome{}, err
		}
	}
	task, err := x.octopus.Task(ctx, r.TaskID)
	switch {
	case err != nil:
		return outcome{}, err
	case !task.IsCompleted:
		return wait("Runbook %s (%s) is %s.", x.p.Cleanup.Runbook, task.ID, strings.ToLower(task.State))
	case !task.FinishedSuccessfully:
		return outcome{}, &failure{
			message: sentence(fmt.Sprintf("Runbook %s ended as %s: %s", x.p.Cleanup.Runbook, task.State, task.ErrorMessage)),
			remedy:  fmt.Sprintf("read the log of task %s in Octopus, mend the cause, then retry the run", task.ID),
		}
	}
	seen, err := x.look(ctx)
	if err != nil {
		return outcome{}, err
	}
	if err := x.noteVanished(ctx, seen.vanished); err != nil {
		return outcome{}, err
	}
	return done("Runbook %s has run; %s gone.", x.p.Cleanup.Runbook, oldTargets(len(r.Removed)))
}

// planForRunbook tells whether the runbook may begin. What it removes it chooses
// itself, so too few new targets hold it back whatever is left of the old ones,
// and all of those count that it might remove.
func (x *execution) planForRunbook(ctx context.Context) (pipeline.Removal, error) {
	seen, err := x.look(ctx)
	if err != nil {
		return pipeline.Removal{}, err
	}
	plan := x.plan(seen)
	plan.Blocked = plan.Short
	return plan, nil
}

func (x *execution) startRunbook(ctx context.Context) error {
	place := x.results.provision
	runbook, err := x.octopus.Runbook(ctx, place.ProjectID, x.p.Cleanup.Runbook)
	if err != nil {
		return err
	}
	task, _, err := x.octopus.EnsureRunbookRun(ctx, octopus.RunbookSpec{
		ProjectID: place.ProjectID, RunbookID: runbook.ID, EnvironmentID: place.EnvironmentID, TenantID: place.TenantID,
		Marker: x.marker(fmt.Sprintf("cleanup %d", x.run.Round)),
	})
	if err != nil {
		return err
	}
	x.results.cleanup.TaskID, x.results.cleanup.TaskURL = task.ID, task.WebURL
	return x.save(ctx, x.saveResult)
}
