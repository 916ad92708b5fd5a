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

// cleanup removes the old generation in the way the pipeline asks for.
func cleanup(ctx context.Context, x *execution) (outcome, error) {
	x.results.cleanup.Mode = x.p.Cleanup.Mode
	switch x.p.Cleanup.Mode {
	case pipeline.CleanupPolicy:
		return done("The old targets are left to their machine policy.")
	case pipeline.CleanupRunbook:
		return x.cleanupByRunbook(ctx)
	default:
		return x.cleanupByDeletion(ctx)
	}
}

// cleanupByDeletion deletes the targets of the baseline that are gone already
// for Octopus, and waits for those that still look alive.
func (x *execution) cleanupByDeletion(ctx context.Context) (outcome, error) {
	known, targets, err := x.bothGenerations(ctx)
	if err != nil {
		return outcome{}, err
	}
	if err := x.noteVanished(ctx, known, targets); err != nil {
		return outcome{}, err
	}
	plan := pipeline.PlanRemoval(targets, baselineOf(known), x.p.Cleanup.Minimum)
	if plan.Blocked != "" {
		return x.blocked(plan.Blocked)
	}
	for _, target := range plan.Remove {
		cameBack, err := x.remove(ctx, target)
		if err != nil {
			return outcome{}, err
		}
		if cameBack {
			plan.Pending = append(plan.Pending, target)
		}
	}
	if len(plan.Pending) > 0 && !x.overdue() {
		return wait("%s not yet unavailable: %s.", oldTargets(len(plan.Pending)), names(plan.Pending))
	}
	return x.cleaned(plan)
}

// blocked waits until enough of the new generation stands, or gives up.
func (x *execution) blocked(why string) (outcome, error) {
	if !x.overdue() {
		return wait("%s; no old target is removed meanwhile.", strings.TrimSuffix(sentence(why), "."))
	}
	return outcome{}, &failure{
		message: fmt.Sprintf("The old targets were not removed within %s: %s.", x.p.Cleanup.Timeout, why),
		remedy:  "find out why new targets became unavailable, then retry the run; the old targets still stand in Octopus",
	}
}

// remove deletes one old target after a last look at it, unless that shows
// something else than the list did.
func (x *execution) remove(ctx context.Context, target pipeline.Target) (cameBack bool, err error) {
	now, err := x.octopus.Target(ctx, target.ID)
	if octopus.IsNotFound(err) {
		return false, x.noteRemoved(ctx, target.ID, target.Name, "It was gone from Octopus already.")
	}
	if err != nil {
		return false, err
	}
	here := slices.Equal(now.EnvironmentIDs, []string{x.results.provision.EnvironmentID})
	if seen := x.asTarget(now); !here || seen.Others != "" || !seen.Gone() {
		return true, nil
	}
	if err := x.own(ctx); err != nil {
		return false, err
	}
	if err := x.octopus.DeleteTarget(ctx, target.ID); err != nil {
		return false, err
	}
	note := "It was disabled."
	if !now.IsDisabled {
		note = fmt.Sprintf("It was %s.", strings.ToLower(now.HealthStatus))
	}
	return false, x.noteRemoved(ctx, target.ID, target.Name, note)
}

// noteVanished notes the old targets that others have removed, for instance the
// machine policy.
func (x *execution) noteVanished(ctx context.Context, known map[string]store.Target, standing []pipeline.Target) error {
	for id, target := range known {
		stands := slices.ContainsFunc(standing, func(t pipeline.Target) bool { return t.ID == id })
		if target.Generation != generationBaseline || target.RemovedAt != nil || stands {
			continue
		}
		// The list may leave a target out that changed its roles; only a target
		// that cannot be found by its id is gone.
		if _, err := x.octopus.Target(ctx, id); !octopus.IsNotFound(err) {
			if err != nil {
				return err
			}
			continue
		}
		if err := x.noteRemoved(ctx, id, target.Name, "It was removed by something else."); err != nil {
			return err
		}
	}
	return nil
}

func (x *execution) noteRemoved(ctx context.Context, id, name, note string) error {
	if !slices.Contains(x.results.cleanup.Removed, id) {
		x.results.cleanup.Removed = append(x.results.cleanup.Removed, id)
	}
	return x.save(ctx, func(ctx context.Context, q *store.Queries) error {
		params := store.SetTargetRemovedParams{RunID: x.run.ID, TargetID: id, Note: note, Now: x.Now()}
		if err := q.SetTargetRemoved(ctx, params); err != nil {
			return fmt.Errorf("noting the removal of target %s: %w", name, err)
		}
		message := fmt.Sprintf("Old target %s is removed. %s", name, note)
		if err := record(ctx, q, x.run, x.Now(), eventTargetRemoved, message, map[string]any{"target": id, "name": name}); err != nil {
			return err
		}
		return x.saveResult(ctx, q)
	})
}

// cleaned ends the stage and says which old targets stay, and why.
func (x *execution) cleaned(plan pipeline.Removal) (outcome, error) {
	for _, target := range plan.Pending {
		plan.Left = append(plan.Left, pipeline.LeftTarget{
			Target: target, Reason: fmt.Sprintf("it was not unavailable after %s", x.p.Cleanup.Timeout),
		})
	}
	for _, left := range plan.Left {
		x.results.cleanup.Left = append(x.results.cleanup.Left, left.ID)
	}
	x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
		for _, left := range plan.Left {
			params := store.SetTargetNoteParams{RunID: x.run.ID, TargetID: left.ID, Note: sentence(left.Reason)}
			if err := q.SetTargetNote(ctx, params); err != nil {
				return fmt.Errorf("noting why target %s stays: %w", left.Name, err)
			}
			message := fmt.Sprintf("Old target %s is left: %s.", left.Name, left.Reason)
			if err := record(ctx, q, x.run, x.Now(), eventTargetLeft, message, map[string]any{"target": left.ID, "name": left.Name}); err != nil {
				return err
			}
		}
		return nil
	})
	removed := len(x.results.cleanup.Removed)
	if len(plan.Left) == 0 {
		return done("%s removed.", oldTargets(removed))
	}
	return done("%s removed, %s left.", oldTargets(removed), count(len(plan.Left), "old target"))
}

func oldTargets(n int) string {
	if n == 1 {
		return "1 old target is"
	}
	return fmt.Sprintf("%d old targets are", n)
}

// cleanupByRunbook has a runbook of the infrastructure project remove the old
// generation, once, and waits for it.
func (x *execution) cleanupByRunbook(ctx context.Context) (outcome, error) {
	r := &x.results.cleanup
	if r.TaskID == "" {
		short, err := x.tooFewStand(ctx)
		if err != nil {
			return outcome{}, err
		}
		if short != "" {
			return x.blocked(short)
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
	known, targets, err := x.bothGenerations(ctx)
	if err != nil {
		return outcome{}, err
	}
	if err := x.noteVanished(ctx, known, targets); err != nil {
		return outcome{}, err
	}
	return done("Runbook %s has run; %s gone.", x.p.Cleanup.Runbook, oldTargets(len(r.Removed)))
}

// tooFewStand tells whether too few new targets stand for anything old to go.
// What a runbook removes it chooses itself, so this holds it back whatever is
// left of the old generation.
func (x *execution) tooFewStand(ctx context.Context) (string, error) {
	known, targets, err := x.bothGenerations(ctx)
	if err != nil {
		return "", err
	}
	return pipeline.PlanRemoval(targets, baselineOf(known), x.p.Cleanup.Minimum).Short, nil
}

func (x *execution) startRunbook(ctx context.Context) error {
	place := x.results.provision
	runbook, err := x.octopus.Runbook(ctx, place.ProjectID, x.p.Cleanup.Runbook)
	if err != nil {
		return err
	}
	if err := x.own(ctx); err != nil {
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
