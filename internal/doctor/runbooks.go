package doctor

import (
	"context"
	"fmt"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// wantedRunbook is a runbook that a pipeline names.
type wantedRunbook struct {
	key, name string
	// without is how bad it is when it cannot be run.
	without Severity
}

// runbooks are those that the pipeline's runs may run. A clean-up without its
// runbook fails its run; without that for failures, machines are left running.
func (x *patient) runbooks() (wanted []wantedRunbook) {
	if x.Cleanup.Mode == pipeline.CleanupRunbook {
		wanted = append(wanted, wantedRunbook{"cleanup.runbook", x.Cleanup.Runbook, Error})
	}
	if x.FailureRunbook != "" {
		wanted = append(wanted, wantedRunbook{"failure_runbook", x.FailureRunbook, Warning})
	}
	return wanted
}

// runbooksExist looks for the runbooks that the pipeline names.
func (x *patient) runbooksExist(ctx context.Context) (finding, error) {
	wanted := x.runbooks()
	if len(wanted) == 0 {
		return none("The pipeline runs no runbook."), nil
	}
	client, err := x.ready.need(ctx)
	if err != nil {
		return finding{}, err
	}
	owner, err := x.infrastructure.need(ctx)
	if err != nil {
		return finding{}, err
	}
	var names []string
	var bad []finding
	for _, w := range wanted {
		names = append(names, w.name)
		problem, err := w.problem(ctx, client, owner)
		if err != nil {
			return finding{}, err
		}
		if problem != nil {
			bad = append(bad, *problem)
		}
	}
	switch len(bad) {
	case 0:
		return fine("What the pipeline names of runbooks is there and published: %s.", named(names)), nil
	case 1:
		return bad[0], nil
	default:
		return bad[0].listing([]string{fmt.Sprintf("%s To mend it, %s.", bad[1].message, bad[1].remedy)}), nil
	}
}

// problem is why the runbook cannot be run, nil when it can.
func (w wantedRunbook) problem(ctx context.Context, client steadfast, owner project) (*finding, error) {
	found, err := client.Runbook(ctx, owner.ID, w.name)
	switch {
	case octopus.IsNotFound(err):
		return new(finding{severity: w.without, message: fmt.Sprintf("There is no runbook %q in the project %q, and %s names it.", w.name, owner.Name, w.key)}.
			with("create the runbook %q in Octopus under Projects, %s, Operations, or correct %s of the pipeline", w.name, owner.Name, w.key)), nil
	case err != nil:
		return nil, err
	case found.PublishedSnapshotID == "":
		return new(finding{severity: w.without, message: fmt.Sprintf("The runbook %q of %s has no published snapshot, so there is nothing to run.", found.Name, w.key)}.
			with("publish it in Octopus under Projects, %s, Operations, %s", owner.Name, found.Name)), nil
	}
	return nil, nil
}
