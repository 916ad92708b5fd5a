package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// tidyTargets removes the new targets of a run that ends without success from
// Octopus, where the pipeline or an operator's rollback wants that. How the run
// ends is written before the first of them goes.
func (x *execution) tidyTargets(ctx context.Context, end *ending) error {
	if !x.unwanted() || x.unreadable() != nil || x.octopus == nil {
		return nil
	}
	made, err := x.mayHaveMadeTargets(ctx)
	if err != nil || !made {
		return err
	}
	plan, err := x.planTakeOut(ctx)
	if err != nil {
		return err
	}
	if plan.Short != "" {
		return x.keepTargets(ctx, end, plan.Short)
	}
	if len(plan.Remove) > 0 {
		if err := x.saveDecision(ctx); err != nil {
			return err
		}
	}
	for _, target := range plan.Remove {
		if err := x.takeOut(ctx, target); err != nil {
			return err
		}
	}
	x.noteLeft(plan.Left)
	return x.sayTakenOut(ctx, end, len(plan.Left))
}

// unwanted tells whether the new targets are to go. Proven ones serve: a run that
// fails to clean up, or is cancelled before that, keeps them.
func (x *execution) unwanted() bool {
	return x.rolledBack() || x.p.OnFailure == pipeline.Terminate && x.results.proven.IsZero()
}

// rolledBack tells whether an operator wants the run's old generation back.
func (x *execution) rolledBack() bool { return x.run.RollbackWay != nil }

// mayHaveMadeTargets tells whether targets of this run can stand. It waits for
// the end of the deployment that brings them: until then more may come, and it
// may still stop the old ones.
func (x *execution) mayHaveMadeTargets(ctx context.Context) (bool, error) {
	r := x.results.provision
	if r.Began.IsZero() && r.Previous != nil {
		r = *r.Previous
	}
	if r.Began.IsZero() {
		return false, nil
	}
	deployment, found, err := x.octopus.FindDeployment(ctx, octopus.DeploymentSpec{
		ReleaseID: r.ReleaseID, EnvironmentID: r.EnvironmentID, TenantID: r.TenantID, Marker: r.Marker,
	})
	if err != nil && !octopus.IsNotFound(err) {
		return false, err
	}
	if found && taskState(deployment.Task) == pipeline.TaskActive {
		return false, &notYetError{fmt.Sprintf("the deployment of %s (%s) is still under way", x.p.Infrastructure.Project, deployment.ID)}
	}
	return found || r.TaskID != "", nil
}

// planTakeOut looks at what stands now.
func (x *execution) planTakeOut(ctx context.Context) (pipeline.TakeOut, error) {
	known, standing, err := x.bothGenerations(ctx)
	if err != nil {
		return pipeline.TakeOut{}, err
	}
	ids := make([]string, len(standing))
	for i, target := range standing {
		ids[i] = target.ID
	}
	others, err := store.New(x.Pool).TargetsKnownToOthers(ctx, store.TargetsKnownToOthersParams{
		Ids: ids, ID: x.run.ID, ServerUrl: x.p.Server.URL,
	})
	if err != nil {
		return pipeline.TakeOut{}, fmt.Errorf("looking for the targets of other runs: %w", err)
	}
	foreign := map[string]bool{}
	for _, id := range others {
		foreign[id] = true
	}
	return pipeline.PlanTakeOut(standing, baselineOf(known), foreign, x.p.Cleanup.Minimum), nil
}

// saveDecision writes how the run ends, together with what the stage has seen:
// afterwards that is out of date.
func (x *execution) saveDecision(ctx context.Context) error {
	if x.run.Ending != nil {
		return nil
	}
	err := x.save(ctx, func(ctx context.Context, q *store.Queries) error {
		for _, write := range x.atEnd {
			if err := write(ctx, q); err != nil {
				return err
			}
		}
		return x.decide(ctx, q)
	})
	if err == nil {
		x.atEnd = nil
	}
	return err
}

// takeOut removes one new target, after a last look at all that stands.
func (x *execution) takeOut(ctx context.Context, target pipeline.Target) error {
	plan, err := x.planTakeOut(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(plan.Remove, func(t pipeline.Target) bool { return t.ID == target.ID }) {
		return nil // it is gone, serves others, or too few old ones stand by now
	}
	if err := x.own(ctx); err != nil {
		return err
	}
	if err := x.octopus.DeleteTarget(ctx, target.ID); err != nil {
		return err
	}
	return x.save(ctx, func(ctx context.Context, q *store.Queries) error { return x.noteTakenOut(ctx, q, target) })
}

func (x *execution) noteTakenOut(ctx context.Context, q *store.Queries, target pipeline.Target) error {
	if err := x.saveTarget(ctx, q, target, generationNew); err != nil {
		return err
	}
	note := "It was removed because the run failed."
	switch {
	case x.rolledBack():
		note = "It was removed because the run was rolled back."
	case x.run.CancelRequestedAt != nil:
		note = "It was removed because the run was cancelled."
	}
	params := store.SetTargetRemovedParams{RunID: x.run.ID, TargetID: target.ID, Note: note, Now: x.Now()}
	if err := q.SetTargetRemoved(ctx, params); err != nil {
		return fmt.Errorf("noting the removal of target %s: %w", target.Name, err)
	}
	message := fmt.Sprintf("New target %s is removed from Octopus. %s", target.Name, note)
	return record(ctx, q, x.run, x.Now(), eventTargetTakenOut, message, map[string]any{"target": target.ID, "name": target.Name})
}

// noteLeft says of new targets why they stay.
func (x *execution) noteLeft(left []pipeline.LeftTarget) {
	x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
		for _, target := range left {
			message := fmt.Sprintf("New target %s is left: %s.", target.Name, target.Reason)
			params := store.SetTargetNoteParams{RunID: x.run.ID, TargetID: target.ID, Note: sentence(target.Reason)}
			if err := q.SetTargetNote(ctx, params); err != nil {
				return fmt.Errorf("noting why target %s stays: %w", target.Name, err)
			}
			if err := record(ctx, q, x.run, x.Now(), eventTargetLeft, message, map[string]any{"target": target.ID, "name": target.Name}); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepTargets leaves the new targets: they may be all that serves. Who wanted the
// old generation back gets the last good release on new infrastructure.
func (x *execution) keepTargets(ctx context.Context, end *ending, short string) error {
	end.message += fmt.Sprintf(" Its new targets are kept: %s.", short)
	if !x.rolledBack() {
		return nil
	}
	good, err := x.findGood(ctx, store.New(x.Pool), x.run)
	if refused, ok := errors.AsType[*pipeline.Refusal](err); ok {
		end.message += " " + sentence(refused.Message)
		end.remedy = refused.Remedy
		return nil
	}
	if err != nil {
		return err
	}
	x.instead = &good
	end.message += fmt.Sprintf(" A new run puts release %s, which run #%d put out, on new infrastructure.", good.ReleaseVersion, good.Number)
	return nil
}

// sayTakenOut adds to how the run ends what has become of its new targets.
func (x *execution) sayTakenOut(ctx context.Context, end *ending, left int) error {
	known, err := x.knownTargets(ctx)
	if err != nil {
		return err
	}
	removed := 0
	for _, target := range known {
		if target.Generation == generationNew && target.RemovedAt != nil {
			removed++
		}
	}
	if removed > 0 {
		end.message += fmt.Sprintf(" %s removed from Octopus; the old generation goes on serving.", newTargets(removed))
		end.from = pipeline.Provision
	}
	if left > 0 {
		end.message += fmt.Sprintf(" %s left.", newTargets(left))
	}
	return nil
}

func newTargets(n int) string {
	if n == 1 {
		return "1 new target is"
	}
	return fmt.Sprintf("%d new targets are", n)
}
