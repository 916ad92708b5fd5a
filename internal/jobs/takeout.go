package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// tidyTargets removes the new targets of a run that ends without success from
// Octopus, where the pipeline or an operator's rollback wants that. How the run
// ends is written before the first of them goes.
func (x *execution) tidyTargets(ctx context.Context, end *ending) error {
	if !x.unwanted() {
		return nil
	}
	if err := x.unable(); err != nil {
		return err
	}
	made, err := x.provisioningEnded(ctx)
	if err != nil {
		return err
	}
	if made == nil {
		x.tidying.gaveBack = true
		return nil
	}
	if err := x.noteGone(ctx); err != nil {
		return err
	}
	plan, err := x.takeAllOut(ctx, made.deployment.Task.CompletedTime)
	if err != nil {
		return err
	}
	if plan.Short == "" {
		if err := x.wantRegistered(ctx, made); err != nil {
			return err
		}
		x.noteLeft(plan.Left)
		x.tidying.gaveBack = true
	}
	return x.sayTakenOut(ctx, end, plan)
}

// unwanted tells whether the new targets are to go. Proven ones serve: a run that
// fails to clean up, or is cancelled before that, keeps them.
func (x *execution) unwanted() bool {
	return x.rolledBack() || x.p.OnFailure == pipeline.Terminate && x.results.proven.IsZero()
}

// rolledBack tells whether an operator wants the run's old generation back. Where
// that was got away from by a new run, that one replaces the targets of this one.
func (x *execution) rolledBack() bool { return rolledBack(x.run) }

func rolledBack(run store.Run) bool { return run.RollbackWay != nil && *run.RollbackWay == wayReturn }

// ownProvisioning is the deployment that may bring this run's targets.
type ownProvisioning struct {
	result provisionResult
	// deployment is without a task when Octopus has forgotten it.
	deployment octopus.Deployment
}

// provisioningEnded finds the deployment after which targets of this run can
// stand, nil for none. It waits for its end: until then more may come, and it may
// still stop the old ones.
func (x *execution) provisioningEnded(ctx context.Context) (*ownProvisioning, error) {
	r := x.results.provision
	if r.Began.IsZero() && r.Previous != nil {
		r = *r.Previous
	}
	if r.Began.IsZero() {
		return nil, nil
	}
	deployment, found, err := x.octopus.FindDeployment(ctx, r.deployment())
	if err != nil && !octopus.IsNotFound(err) {
		return nil, err
	}
	if found && taskState(deployment.Task) == pipeline.TaskActive {
		return nil, &notYetError{fmt.Sprintf("the deployment of %s (%s) is still under way", x.p.Infrastructure.Project, deployment.ID)}
	}
	if !found && r.TaskID == "" {
		return nil, nil
	}
	return &ownProvisioning{r, deployment}, nil
}

// wantRegistered waits for targets that are still booting: one that registered
// after the end of the run would stay. Nobody knows whether they will ever come,
// so the wait ends when the grace time has passed since their deployment ended.
func (x *execution) wantRegistered(ctx context.Context, made *ownProvisioning) error {
	own, err := x.asProvisioning(ctx, store.New(x.Pool), x.run, made.result)
	if err != nil {
		return err
	}
	busy, err := x.booting(ctx, own, made.deployment, made.deployment.ID)
	if err == nil && busy != "" {
		err = &notYetError{busy}
	}
	return err
}

// wantChecked waits until Octopus has checked the old targets since the
// deployment ended: that may have stopped them, which Octopus does not notice by
// itself.
func (x *execution) wantChecked(ctx context.Context, serving []pipeline.Target, since time.Time) error {
	for _, target := range serving {
		checked, err := x.octopus.LastChecked(ctx, target.ID)
		if err != nil {
			return err
		}
		if checked.Before(since) {
			return &notYetError{fmt.Sprintf("Octopus has not checked the health of old target %s since the infrastructure deployment ended", target.Name)}
		}
	}
	return nil
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

// takeAllOut removes the new targets one by one and returns the plan for those
// that stay. It stops when too few old ones serve: that the plan then says.
func (x *execution) takeAllOut(ctx context.Context, ended time.Time) (pipeline.TakeOut, error) {
	plan, err := x.planTakeOut(ctx)
	if err != nil || len(plan.Remove) == 0 {
		return plan, err
	}
	if err := x.wantChecked(ctx, plan.Serving, ended); err != nil {
		return plan, err
	}
	if err := x.saveDecision(ctx); err != nil {
		return plan, err
	}
	for _, target := range plan.Remove {
		now, err := x.takeOut(ctx, target)
		if err != nil || now.Short != "" {
			return now, err
		}
	}
	return plan, nil
}

// takeOut removes one new target, after a last look at all that stands. It returns
// what that look came to.
func (x *execution) takeOut(ctx context.Context, target pipeline.Target) (pipeline.TakeOut, error) {
	plan, err := x.planTakeOut(ctx)
	if err != nil {
		return plan, err
	}
	if !slices.ContainsFunc(plan.Remove, func(t pipeline.Target) bool { return t.ID == target.ID }) {
		return plan, nil // it is gone, serves others, or too few old ones stand by now
	}
	if err := x.announceTakeOut(ctx, target); err != nil {
		return plan, err
	}
	if err := x.octopus.DeleteTarget(ctx, target.ID); err != nil {
		return plan, err
	}
	return plan, x.noteTakenOut(ctx, target.ID, target.Name)
}

// announceTakeOut writes down which new target is about to be deleted: whoever
// goes on after a crash, or after an answer that was lost, notes its removal.
func (x *execution) announceTakeOut(ctx context.Context, target pipeline.Target) error {
	r := &x.results.provision
	if !slices.Contains(r.Deletions, target.ID) {
		r.Deletions = append(r.Deletions, target.ID)
	}
	return x.save(ctx, func(ctx context.Context, q *store.Queries) error {
		if err := x.saveTarget(ctx, q, target, generationNew); err != nil {
			return err
		}
		return x.saveProvision(ctx, q)
	})
}

// noteGone notes the removal of new targets that this end of the run has deleted
// without having heard of it.
func (x *execution) noteGone(ctx context.Context) error {
	known, err := x.knownTargets(ctx)
	if err != nil {
		return err
	}
	x.tidying.tookOut = takenOutOf(known) > 0
	for _, id := range x.results.provision.Deletions {
		if known[id].RemovedAt != nil {
			continue
		}
		_, err := x.octopus.Target(ctx, id)
		if octopus.IsNotFound(err) {
			err = x.noteTakenOut(ctx, id, known[id].Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// noteTakenOut notes that a new target was removed.
func (x *execution) noteTakenOut(ctx context.Context, id, name string) error {
	note := "It was removed because the run failed."
	switch {
	case x.rolledBack():
		note = "It was removed because the run was rolled back."
	case x.run.CancelRequestedAt != nil:
		note = "It was removed because the run was cancelled."
	}
	message := fmt.Sprintf("New target %s is removed from Octopus. %s", name, note)
	err := x.save(ctx, func(ctx context.Context, q *store.Queries) error {
		params := store.SetTargetRemovedParams{RunID: x.run.ID, TargetID: id, Note: note, Now: x.Now()}
		if err := q.SetTargetRemoved(ctx, params); err != nil {
			return fmt.Errorf("noting the removal of target %s: %w", name, err)
		}
		return record(ctx, q, x.run, x.Now(), eventTargetTakenOut, message, map[string]any{"target": id, "name": name})
	})
	x.tidying.tookOut = x.tidying.tookOut || err == nil
	return err
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

// sayTakenOut adds to how the run ends what has become of its new targets.
func (x *execution) sayTakenOut(ctx context.Context, end *ending, plan pipeline.TakeOut) error {
	known, err := x.knownTargets(ctx)
	if err != nil {
		return err
	}
	removed := takenOutOf(known)
	switch {
	case plan.Short != "" && removed > 0:
		end.add("%s removed from Octopus; any others are kept: %s.", newTargets(removed), plan.Short)
	case plan.Short != "": // the new targets may be all that serves
		end.add("Its new targets are kept: %s.", plan.Short)
	case removed > 0:
		end.add("%s removed from Octopus; the old generation goes on serving.", newTargets(removed))
	}
	if left := len(plan.Left); left > 0 && plan.Short == "" {
		end.add("%s left.", newTargets(left))
	}
	return nil
}

// takenOutOf counts the new targets that have been removed.
func takenOutOf(known map[string]store.Target) int {
	n := 0
	for _, target := range known {
		if target.Generation == generationNew && target.RemovedAt != nil {
			n++
		}
	}
	return n
}

func newTargets(n int) string {
	if n == 1 {
		return "1 new target is"
	}
	return fmt.Sprintf("%d new targets are", n)
}
