package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// cleanup removes the old generation in the way the pipeline asks for, once the
// grace time after the proof is over.
func cleanup(ctx context.Context, x *execution) (outcome, error) {
	x.results.cleanup.Mode = x.p.Cleanup.Mode
	if begins := x.p.Cleanup.Begins(x.results.proven); begins.After(x.Now()) {
		return x.waitForGrace(begins)
	}
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
	seen, err := x.look(ctx)
	if err != nil {
		return outcome{}, err
	}
	if err := x.noteVanished(ctx, seen.vanished); err != nil {
		return outcome{}, err
	}
	plan := x.plan(seen)
	for _, target := range plan.Remove {
		now, err := x.remove(ctx, seen.known, target)
		if err != nil {
			return outcome{}, err
		}
		if now.Guarded() {
			return x.guarded(now)
		}
		plan.Pending, plan.Left = append(plan.Pending, now.Pending...), append(plan.Left, now.Left...)
	}
	switch {
	case plan.Guarded():
		return x.guarded(plan)
	case len(plan.Pending) > 0 && !x.overdue():
		return outcome{message: stillThere(plan.Pending)}, nil
	default:
		return x.cleaned(plan)
	}
}

// guarded ends the stage, or has it wait, when a guard keeps it from removing
// what is left of the old generation.
func (x *execution) guarded(plan pipeline.Removal) (outcome, error) {
	switch {
	case plan.Excess != "":
		return outcome{}, x.tooMany(plan)
	case !x.overdue():
		return wait("%s; no old target is removed meanwhile.", strings.TrimSuffix(sentence(plan.Blocked), "."))
	default:
		return outcome{}, &failure{
			message: fmt.Sprintf("The old targets were not removed within %s: %s.", x.p.Cleanup.Timeout, plan.Blocked),
			remedy:  "find out why new targets became unavailable, then retry the run; the old targets still stand in Octopus",
		}
	}
}

// tooMany ends the run rather than remove more than the configuration allows: so
// many are likelier the targets of a wrong environment than an old generation.
func (x *execution) tooMany(plan pipeline.Removal) *failure {
	what := "none was removed"
	if removed := len(x.results.cleanup.Deletions); removed > 0 {
		what = fmt.Sprintf("no more than the %d before were removed", removed)
	}
	return &failure{
		message: fmt.Sprintf("Clean-up would remove %s, and cleanup.max_removals allows %d; %s. The new generation stands.",
			count(plan.Going, "old target"), x.maxRemovals(), what),
		remedy: fmt.Sprintf("look at them with: regrow runs cleanup %s --dry-run; if all of them may go, have them removed with: "+
			"regrow runs cleanup %s --max-removals %d; otherwise correct their environments or target tags in Octopus, then retry the run", x.ref(), x.ref(), plan.Going),
	}
}

// ref is how commands call the run.
func (x *execution) ref() string { return fmt.Sprintf("%s#%d", x.run.Pipeline, x.run.Number) }

// remove deletes one old target, unless a last look shows that it has to stay, or
// that nothing may be removed any more. It returns what that look comes to for
// the target: it is in Pending or Left when it stays.
func (x *execution) remove(ctx context.Context, known map[string]store.Target, target pipeline.Target) (pipeline.Removal, error) {
	if err := x.announce(ctx, target.ID); err != nil {
		return pipeline.Removal{}, err
	}
	now, err := x.lastLook(ctx, known, target.ID)
	if err != nil {
		return pipeline.Removal{}, err
	}
	plan := x.plan(now).About(target.ID)
	switch {
	case len(now.vanished) > 0:
		return plan, x.noteRemoved(ctx, target.ID, target.Name, "It was gone from Octopus already.")
	case len(plan.Remove) == 0:
		x.results.cleanup.Deletions = without(x.results.cleanup.Deletions, target.ID)
		return plan, nil
	}
	if err := x.octopus.DeleteTarget(ctx, target.ID); err != nil {
		return plan, err
	}
	note := "It was disabled."
	if last := plan.Remove[0]; !last.Disabled {
		note = fmt.Sprintf("It was %s.", strings.ToLower(last.Health))
	}
	return plan, x.noteRemoved(ctx, target.ID, target.Name, note)
}

// announce writes down which target is about to be deleted: whoever goes on
// after a crash counts it, and does not take it for somebody else's deletion.
func (x *execution) announce(ctx context.Context, id string) error {
	r := &x.results.cleanup
	if !slices.Contains(r.Deletions, id) {
		r.Deletions = append(r.Deletions, id)
	}
	return x.save(ctx, x.saveResult)
}

func without(ids []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(one string) bool { return one == id })
}

// noteVanished notes the old targets that are gone from Octopus: this clean-up
// has deleted them without having heard of it, or others have, for instance the
// machine policy.
func (x *execution) noteVanished(ctx context.Context, vanished []store.Target) error {
	for _, target := range vanished {
		note := "It was removed by something else."
		if slices.Contains(x.results.cleanup.Deletions, target.TargetID) {
			note = "It was deleted."
		}
		if err := x.noteRemoved(ctx, target.TargetID, target.Name, note); err != nil {
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
		reason := fmt.Sprintf("it was not unavailable after %s", x.p.Cleanup.Timeout)
		if target.Gone() {
			reason = fmt.Sprintf("a deployment still used it after %s", x.p.Cleanup.Timeout)
		}
		plan.Left = append(plan.Left, pipeline.LeftTarget{Target: target, Reason: reason})
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

// stillThere says which old targets are waited for, and what for.
func stillThere(pending []pipeline.Target) string {
	var alive, used []pipeline.Target
	for _, target := range pending {
		if target.Gone() {
			used = append(used, target)
		} else {
			alive = append(alive, target)
		}
	}
	var parts []string
	if len(alive) > 0 {
		parts = append(parts, fmt.Sprintf("%s not yet unavailable: %s.", oldTargets(len(alive)), names(alive)))
	}
	if len(used) > 0 {
		parts = append(parts, fmt.Sprintf("%s still in use by a deployment: %s.", oldTargets(len(used)), names(used)))
	}
	return strings.Join(parts, " ")
}

func oldTargets(n int) string {
	if n == 1 {
		return "1 old target is"
	}
	return fmt.Sprintf("%d old targets are", n)
}
