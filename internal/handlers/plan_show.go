package handlers

import (
	"github.com/google/uuid"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/webhook"
)

// showPlan puts together what there is to say of a webhook.
func (h *handler) showPlan(from Source, examined webhook.Examination, f foresight, assumed []api.PlanAssumption) api.Plan {
	signed := judgePlan(examined, f)
	shown := api.Plan{
		Source: from.Receiver.Name(), Kind: string(from.Receiver.Kind()),
		Outcome: signed.outcome, Status: signed.status, Reason: signed.reason,
		Signature: showSignature(examined), Assumed: assumed, Pipelines: []api.PlanPipeline{},
	}
	if shown.Signature.State == api.PlanSignatureStateInvalid {
		refused := refusal(examined.Untrusted)
		shown.Outcome, shown.Status, shown.Reason = refused.outcome, refused.status, refused.reason
		shown.IfSigned = api.PlanIfSigned{Outcome: signed.outcome, Status: signed.status, Reason: signed.reason}
	}
	if examined.Refused != nil {
		return shown
	}
	shown.Delivery = showSaid(from, examined.Delivery)
	shown.Woken = f.woken
	if f.first != nil {
		shown.Duplicate = api.PlanDuplicate{
			Delivery: f.first.ID, ReceivedAt: f.first.ReceivedAt.UTC(), Outcome: api.DeliveryOutcome(f.first.Outcome),
			SameBody: f.first.sameBody, Runs: runRefs(f.first.runs),
		}
	}
	if len(examined.Delivery.Commits) > 0 {
		shown.Pipelines = each(h.Pipelines, func(line pipeline.Pipeline) api.PlanPipeline { return showMatch(from.Receiver.Name(), line, f) })
	}
	return shown
}

func showSignature(examined webhook.Examination) api.PlanSignature {
	refused, _ := examined.Refused.(*webhook.Error) //nolint:errorlint // the receiver's own
	switch {
	case refused != nil && refused.Reason == webhook.TooLarge:
		return api.PlanSignature{State: api.PlanSignatureStateUnchecked, Reason: refused.Error()}
	case examined.Untrusted == nil:
		return api.PlanSignature{State: api.PlanSignatureStateValid}
	case examined.Unsigned:
		return api.PlanSignature{State: api.PlanSignatureStateMissing, Reason: examined.Untrusted.Error()}
	}
	return api.PlanSignature{State: api.PlanSignatureStateInvalid, Reason: examined.Untrusted.Error()}
}

// showSaid shows what the payload says.
func showSaid(from Source, d webhook.Delivery) api.PlanDelivery {
	said := api.PlanDelivery{ExternalID: d.ID, Event: d.Event, Commits: each(d.Commits, showCommit)}
	if event := d.Target; event != nil {
		said.Octopus = api.PlanOctopusEvent{
			ID: event.EventID, Server: from.Server, Category: event.Category, Occurred: event.Occurred.UTC(),
			Message: event.Message, Targets: noNil(event.Machines),
		}
	}
	return said
}

// showMatch tells whether a pipeline takes the commits, and the run that it
// would make of them.
func showMatch(source string, line pipeline.Pipeline, f foresight) api.PlanPipeline {
	shown := api.PlanPipeline{Pipeline: line.Name}
	for _, run := range f.runs {
		if run.Pipeline.Name == line.Name {
			shown.Run = showForeseen(run, f)
		}
	}
	for _, started := range f.todo.starts {
		shown.Matches = shown.Matches || started.Pipeline.Name == line.Name
	}
	if shown.Matches {
		return shown
	}
	for _, m := range f.todo.mismatches {
		if m.Pipeline == line.Name {
			shown.Rule, shown.Reason = m.Rule, m.Reason
			return shown
		}
	}
	m := line.Match(source, pipeline.Commit{}) // of another source: what the commit is does not matter
	shown.Rule, shown.Reason = m.Rule, m.Reason
	return shown
}

func showForeseen(run foreseenRun, f foresight) api.PlanRun {
	status := api.RunStatusQueued
	if run.Entry.Starts {
		status = api.RunStatusRunning
	}
	survey := run.survey
	return api.PlanRun{
		Number: run.Number, Status: status, Commit: showCommit(run.Commit), Lane: showLane(run, f.newcomers()),
		Infrastructure: showRelease(survey.Infrastructure), Application: showRelease(survey.Application),
		Override: showOverride(survey.Override), Freezes: showFreezes(survey.Freezes),
		Targets:   showTargets(run.Pipeline, survey.Targets),
		Findings:  each(survey.Findings, showFinding),
		WouldFail: survey.Fails(),
	}
}

func showLane(run foreseenRun, newcomers map[uuid.UUID]bool) api.PlanLane {
	one := func(r pipeline.LaneRun) api.PlanLaneRun {
		shown := api.PlanLaneRun{
			ID: r.ID, Pipeline: r.Pipeline, Number: r.Number, Status: api.RunStatus(r.Status), Stage: api.Stage(r.Stage), Since: r.Since.UTC(),
		}
		if newcomers[r.ID] {
			shown.ID = uuid.Nil
		}
		return shown
	}
	shown := api.PlanLane{
		Key: run.Pipeline.Lane(), Policy: api.PlanLanePolicy(run.Pipeline.Policy),
		PausedBy:   each(run.Lane.Pauses, showPause),
		Supersedes: each(run.Entry.Supersedes, one), Ahead: each(run.Entry.Ahead, one),
	}
	if run.Lane.Holder != nil {
		shown.Holder = one(*run.Lane.Holder)
	}
	return shown
}

func showRelease(r pipeline.ReleasePreview) api.PlanRelease {
	return api.PlanRelease{
		Project: r.Project, Version: r.Version, GitRef: r.GitRef, GitCommit: r.GitCommit,
		Packages: each(r.Packages, func(p pipeline.PackageVersion) api.PlanPackage {
			return api.PlanPackage{Step: p.Step, Reference: p.Reference, Version: p.Version}
		}),
		Existing: api.PlanPresence(r.Existing), ReleaseID: r.ID, ReleaseURL: r.URL,
	}
}

func showOverride(o pipeline.OverridePreview) api.PlanOverride {
	shown := api.PlanOverride{Existing: api.PlanPresence(o.Existing), ReleaseID: o.ReleaseID, ReleaseVersion: o.ReleaseVersion}
	if o.Run != nil {
		shown.Run = runRef(o.Run.ID, o.Run.Pipeline, o.Run.Number, o.Run.Status)
	}
	return shown
}

func showFreezes(f pipeline.FreezesPreview) api.PlanFreezes {
	return api.PlanFreezes{
		Existing: api.PlanPresence(f.Existing),
		Freezes: each(f.List, func(f pipeline.FreezePreview) api.PlanFreeze {
			return api.PlanFreeze{ID: f.ID, Name: f.Name, Project: f.Project, Start: f.Start.UTC(), End: f.End.UTC(), Active: f.Active}
		}),
	}
}

func showTargets(line pipeline.Pipeline, t pipeline.TargetsPreview) api.PlanTargets {
	return api.PlanTargets{
		Existing: api.PlanPresence(t.Existing), Expected: line.Infrastructure.Targets, Cleanup: api.PlanTargetsCleanup(line.Cleanup.Mode),
		Targets: each(t.List, func(t pipeline.TargetPreview) api.PlanTarget {
			return api.PlanTarget{
				ID: t.ID, Name: t.Name, Roles: noNil(t.Roles), Health: t.Health, Available: t.Available, Disabled: t.Disabled,
				URL: t.URL, Fate: api.PlanTargetFate(t.Fate), Reason: t.Reason,
			}
		}),
	}
}
