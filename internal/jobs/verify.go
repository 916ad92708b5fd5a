package jobs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// verify looks once whether the new generation is proven. When it is not yet,
// the run waits without a worker for the next event or look.
func verify(ctx context.Context, x *execution) (outcome, error) {
	if x.results.provision.TaskID == "" {
		return x.provisionAgain(ctx)
	}
	task, err := x.octopus.Task(ctx, x.results.provision.TaskID)
	if err != nil {
		return outcome{}, err
	}
	held := len(x.pauses) > 0
	if failedByFreeze(task) && x.results.provision.Tries < maxTries && !held {
		return x.provisionAfterFreeze(ctx, task)
	}
	if task.IsCompleted && !task.FinishedSuccessfully {
		return outcome{}, x.provisioningFailed(task)
	}
	proof, err := x.prove(ctx, task)
	if err != nil {
		return outcome{}, err
	}
	r := &x.results.verify
	r.Expected, r.Available, r.Deployed = x.p.Infrastructure.Targets, proof.Available, proof.Deployed
	switch {
	case held:
		return wait("%s.%s", proof.Summary, hint(task))
	case proof.Complete:
		return x.proven(ctx, proof)
	case x.overdue():
		return outcome{}, x.notProvenInTime(task, proof)
	case len(proof.Redeploy) > 0:
		return x.redeploy(ctx, proof)
	default:
		return wait("%s.%s", proof.Summary, hint(task))
	}
}

// prove reads what Octopus shows and judges it. What it saw is saved at the end
// of the execution.
func (x *execution) prove(ctx context.Context, infrastructure octopus.Task) (pipeline.Proof, error) {
	known, targets, err := x.bothGenerations(ctx)
	if err != nil {
		return pipeline.Proof{}, err
	}
	deployments, err := x.octopus.Deployments(ctx, octopus.DeploymentQuery{
		ProjectID:     x.results.createRelease.ProjectID,
		EnvironmentID: x.results.provision.EnvironmentID,
		TenantID:      x.results.provision.TenantID,
		Since:         x.results.provision.Deployed,
	})
	if err != nil {
		return pipeline.Proof{}, err
	}
	proof := pipeline.Prove(pipeline.Observation{
		At: x.Now(), Expected: x.p.Infrastructure.Targets, Infrastructure: taskState(infrastructure),
		Targets: targets, Baseline: baselineOf(known), AvailableSince: availableSince(known),
		Release: x.results.createRelease.ReleaseID, Deployments: asDeployments(deployments),
	}, x.p.Verify.Grace)
	x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
		return x.saveProof(ctx, q, proof, targets, known)
	})
	return proof, nil
}

func (x *execution) proven(ctx context.Context, proof pipeline.Proof) (outcome, error) {
	// Octopus clears an override when it deploys; one that still stands would
	// only surprise whoever adds a target next.
	if _, err := x.clearOverride(ctx); err != nil {
		return outcome{}, err
	}
	return done("Release %s of %s runs on all %s of the new generation.",
		x.results.createRelease.ReleaseVersion, x.p.Application.Project, count(proof.Deployed, "target"))
}

// redeploy puts the right release on the new targets that Octopus has left
// without it, and on no other target.
func (x *execution) redeploy(ctx context.Context, proof pipeline.Proof) (outcome, error) {
	r := &x.results.verify
	if len(r.Redeployments) >= x.p.Verify.Redeployments {
		return outcome{}, &failure{
			message: fmt.Sprintf("Release %s of %s is not on %s, although regrow deployed to new targets %d times: %s.",
				x.results.createRelease.ReleaseVersion, x.p.Application.Project, describe(proof.Redeploy), len(r.Redeployments), proof.Summary),
			remedy: fmt.Sprintf("look at the deployments of %s to %s in Octopus, mend what fails there, then retry the run", x.p.Application.Project, x.place()),
		}
	}
	ids := make([]string, len(proof.Redeploy))
	for i, target := range proof.Redeploy {
		ids[i] = target.ID
	}
	held, err := x.held(ctx, x.results.createRelease.ProjectID)
	if err != nil {
		return outcome{}, err
	}
	if held != nil {
		return x.waitFor(held)
	}
	deployment, held, err := x.deploy(ctx, octopus.DeploymentSpec{
		ReleaseID:     x.results.createRelease.ReleaseID,
		ProjectID:     x.results.createRelease.ProjectID,
		EnvironmentID: x.results.provision.EnvironmentID,
		TenantID:      x.results.provision.TenantID,
		MachineIDs:    ids,
		Comment:       x.comment("puts the right release on new targets of"),
		Marker:        x.marker(fmt.Sprintf("verify %d redeployment %d", x.run.Round, len(r.Redeployments)+1)),
	})
	if err != nil {
		return outcome{}, err
	}
	if held != nil {
		return x.waitFor(held)
	}
	r.Redeployments = append(r.Redeployments, redeployment{DeploymentID: deployment.ID, DeploymentURL: deployment.WebURL, Targets: ids})
	message := fmt.Sprintf("Octopus left %s; regrow deploys release %s there itself (%s).",
		describe(proof.Redeploy), x.results.createRelease.ReleaseVersion, deployment.ID)
	x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
		return record(ctx, q, x.run, x.Now(), eventTargetRedeploy, message, map[string]any{"deployment_id": deployment.ID, "targets": ids})
	})
	return wait("%s. %s", proof.Summary, message)
}

func describe(targets []pipeline.ProvenTarget) string {
	parts := make([]string, len(targets))
	for i, target := range targets {
		switch target.Release {
		case pipeline.ReleaseOther:
			parts[i] = target.Name + " with another release"
		case pipeline.ReleaseBroken:
			parts[i] = target.Name + " with a failed deployment"
		default:
			parts[i] = target.Name + " without a release"
		}
	}
	return strings.Join(parts, ", ")
}

func (x *execution) provisioningFailed(task octopus.Task) *failure {
	text := fmt.Sprintf("The deployment of %s %s to %s ended as %s", x.p.Infrastructure.Project, x.results.provision.ReleaseVersion, x.place(), task.State)
	if task.ErrorMessage != "" {
		text += ": " + task.ErrorMessage
	}
	return &failure{
		message: sentence(text),
		remedy:  fmt.Sprintf("read the log of task %s in Octopus, mend the cause, then retry the run from %s; after a change of the project's variables or steps start a new run instead: a release keeps those it was made with", task.ID, pipeline.Provision),
		from:    pipeline.Provision,
	}
}

func (x *execution) notProvenInTime(task octopus.Task, proof pipeline.Proof) *failure {
	f := &failure{
		message: fmt.Sprintf("The new generation was not proven within %s: %s.%s", x.p.Verify.Timeout, proof.Summary, hint(task)),
		remedy:  "look at the new targets and their deployments in Octopus, then retry the run",
	}
	if proof.Available < x.p.Infrastructure.Targets {
		f.remedy = "find out in Octopus why fewer targets became available than expected, then retry the run, from provision for a new set"
	}
	return f
}

// hint says what Octopus waits for, when it waits for something.
func hint(task octopus.Task) string {
	switch {
	case task.HasPendingInterruptions:
		return fmt.Sprintf(" The infrastructure deployment (%s) waits for a person in Octopus.", task.ID)
	case !task.IsCompleted:
		return fmt.Sprintf(" The infrastructure deployment (%s) is %s.", task.ID, strings.ToLower(task.State))
	default:
		return ""
	}
}

// saveProof writes what this look saw, and tells what changed since the last.
func (x *execution) saveProof(ctx context.Context, q *store.Queries, proof pipeline.Proof, all []pipeline.Target, known map[string]store.Target) error {
	for _, target := range all {
		if known[target.ID].Generation == generationBaseline {
			if err := x.saveTarget(ctx, q, target, generationBaseline); err != nil {
				return err
			}
		}
	}
	for _, target := range proof.New {
		if err := x.saveTarget(ctx, q, target.Target, generationNew); err != nil {
			return err
		}
		err := q.SetTargetRelease(ctx, store.SetTargetReleaseParams{
			RunID: x.run.ID, TargetID: target.ID, ReleaseState: string(target.Release), DeploymentID: target.Deployment,
			Deployed: target.Release == pipeline.ReleaseDeployed, Now: x.Now(),
		})
		if err != nil {
			return fmt.Errorf("saving the release on target %s: %w", target.Name, err)
		}
		if err := x.recordChange(ctx, q, target, known); err != nil {
			return err
		}
	}
	return nil
}

func (x *execution) recordChange(ctx context.Context, q *store.Queries, target pipeline.ProvenTarget, known map[string]store.Target) error {
	before, seen := known[target.ID]
	data := map[string]any{"target": target.ID, "name": target.Name}
	tell := func(kind, format string, args ...any) error {
		return record(ctx, q, x.run, x.Now(), kind, fmt.Sprintf(format, args...), data)
	}
	if !seen {
		if err := tell(eventTargetFound, "New target %s (%s).", target.Name, target.Health); err != nil {
			return err
		}
	}
	if target.Available && !before.Available {
		if err := tell(eventTargetAvailable, "Target %s is available.", target.Name); err != nil {
			return err
		}
	}
	if target.Release == pipeline.ReleaseDeployed && before.ReleaseState != string(pipeline.ReleaseDeployed) {
		return tell(eventTargetDeployed, "Release %s is on target %s (%s).", x.results.createRelease.ReleaseVersion, target.Name, target.Deployment)
	}
	return nil
}

func availableSince(known map[string]store.Target) map[string]time.Time {
	since := make(map[string]time.Time)
	for id, target := range known {
		if target.AvailableSince != nil {
			since[id] = *target.AvailableSince
		}
	}
	return since
}

func asDeployments(found []octopus.Deployment) []pipeline.Deployment {
	deployments := make([]pipeline.Deployment, len(found))
	for i, d := range found {
		state := taskState(d.Task)
		targets := d.DeployedToMachineIDs
		if state == pipeline.TaskFailed {
			// A failed task may not have listed the targets it was meant for.
			targets = append(targets[:len(targets):len(targets)], d.SpecificMachineIDs...)
		}
		deployments[i] = pipeline.Deployment{
			ID: d.ID, Release: d.ReleaseID, Task: state, Finished: d.Task.CompletedTime, Targets: targets,
		}
	}
	return deployments
}

func taskState(t octopus.Task) pipeline.TaskState {
	switch {
	case t.State == "":
		return pipeline.TaskGone
	case !t.IsCompleted:
		return pipeline.TaskActive
	case t.FinishedSuccessfully:
		return pipeline.TaskSucceeded
	default:
		return pipeline.TaskFailed
	}
}
