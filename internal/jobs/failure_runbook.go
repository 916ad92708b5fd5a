package jobs

import (
	"context"
	"fmt"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/store"
)

// tidyMachines has the pipeline's failure runbook end the machines of the targets
// that were taken out, once, and waits for it: a machine that Octopus does not
// know any more is found by nobody else. Which those are it finds out itself.
func (x *execution) tidyMachines(ctx context.Context, end *ending) error {
	if !x.tidying.tookOut || x.p.FailureRunbook == "" {
		return nil
	}
	place := x.located()
	runbook, err := x.octopus.Runbook(ctx, place.ProjectID, x.p.FailureRunbook)
	if err != nil {
		return err
	}
	started, created, err := x.octopus.EnsureRunbookRun(ctx, octopus.RunbookSpec{
		ProjectID: place.ProjectID, RunbookID: runbook.ID, EnvironmentID: place.EnvironmentID, TenantID: place.TenantID,
		Marker: x.marker("failure of " + place.DeploymentID),
	})
	if err != nil {
		return err
	}
	if created {
		message := fmt.Sprintf("Runbook %s (%s) ends the machines of the targets that were removed.", x.p.FailureRunbook, started.ID)
		x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
			return record(ctx, q, x.run, x.Now(), eventFailureRunbook, message, map[string]any{"task": started.ID})
		})
	}
	task, err := x.octopus.Task(ctx, started.ID)
	switch {
	case err != nil:
		return err
	case !task.IsCompleted:
		return &notYetError{fmt.Sprintf("runbook %s (%s) is %s", x.p.FailureRunbook, task.ID, strings.ToLower(task.State))}
	case !task.FinishedSuccessfully:
		return &failure{message: fmt.Sprintf("runbook %s (%s) ended as %s: %s", x.p.FailureRunbook, task.ID, task.State, task.ErrorMessage)}
	}
	end.add("Runbook %s has run.", x.p.FailureRunbook)
	return nil
}
