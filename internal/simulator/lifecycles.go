package simulator

import (
	"fmt"
	"slices"
)

func lifecycleKind() *kind {
	return &kind{
		name: "lifecycles", prefix: "Lifecycles", itemType: "Lifecycle", template: "{?skip,take,ids,partialName}",
		bySlug: true, uniqueName: true,
		complete: func(c *call, d, _ document) {
			retention := document{"Strategy": "Count", "Unit": "Days", "QuantityToKeep": 30, "ShouldKeepForever": false}
			d.fill(document{"Description": "", "Phases": []any{}, "ReleaseRetentionPolicy": retention, "TentacleRetentionPolicy": retention})
			phases := d.objects("Phases")
			for i, phase := range phases {
				phase.fill(document{"AutomaticDeploymentTargets": []string{}, "OptionalDeploymentTargets": []string{},
					"MinimumEnvironmentsBeforePromotion": 0, "IsOptionalPhase": false, "IsPriorityPhase": false,
					"ReleaseRetentionPolicy": nil, "TentacleRetentionPolicy": nil})
				if phase.id() == "" {
					phase["Id"] = c.guid()
				}
				phases[i] = phase
			}
			d["Phases"] = neverNil(phases)
		},
		guard: func(c *call, before, after document) error {
			if after == nil && c.documents["projects"].first(func(p document) bool { return p.text("LifecycleId") == before.id() }) != nil {
				return invalid("The lifecycle cannot be deleted because projects use it.")
			}
			return nil
		},
		links: func(d document) map[string]string {
			base := "/api/{space}/lifecycles/" + d.id()
			return map[string]string{"Preview": base + "/preview", "Projects": base + "/projects"}
		},
	}
}

// phaseEnvironments are all environments of a phase.
func phaseEnvironments(phase document) []string {
	return slices.Concat(phase.list("AutomaticDeploymentTargets"), phase.list("OptionalDeploymentTargets"))
}

// phaseOf is the index of the phase that holds the environment, or -1.
func phaseOf(phases []document, environmentID string) int {
	return slices.IndexFunc(phases, func(phase document) bool { return contains(phaseEnvironments(phase), environmentID) })
}

// phaseFor is the index of the phase in which releases go to the environment, or -1: the one that
// holds it, or else the first without environments, which is for all others (Octopus docs: lifecycles).
func phaseFor(phases []document, environmentID string) int {
	if held := phaseOf(phases, environmentID); held >= 0 {
		return held
	}
	return slices.IndexFunc(phases, func(phase document) bool { return len(phaseEnvironments(phase)) == 0 })
}

// lifecycleOf is the lifecycle of a release: its channel's, or else its project's.
func (s *Server) lifecycleOf(release document) document {
	id := ""
	if channel := s.documents["channels"].get(release.text("ChannelId")); channel != nil {
		id = channel.text("LifecycleId")
	}
	if project := s.documents["projects"].get(release.text("ProjectId")); project != nil && id == "" {
		id = project.text("LifecycleId")
	}
	return s.documents["lifecycles"].get(id)
}

// phasesOf are the phases of a lifecycle. One without has those that Octopus makes up: one for each
// environment, in their order (Octopus docs: lifecycles, default convention).
func (s *Server) phasesOf(lifecycle document) []document {
	if phases := lifecycle.objects("Phases"); len(phases) > 0 {
		return phases
	}
	var phases []document
	for _, e := range s.documents["environments"].order {
		if e.text("SpaceId") == lifecycle.text("SpaceId") {
			phases = append(phases, document{"Name": e.text("Name"), "SortOrder": e.number("SortOrder"), "OptionalDeploymentTargets": []string{e.id()}})
		}
	}
	slices.SortStableFunc(phases, func(a, b document) int { return a.number("SortOrder") - b.number("SortOrder") })
	return phases
}

// mayDeploy says why a release may not go to an environment, or "" when it may.
func (s *Server) mayDeploy(release document, environmentID string) string {
	lifecycle := s.lifecycleOf(release)
	if lifecycle == nil {
		return ""
	}
	environment := s.documents["environments"].get(environmentID)
	phases := s.phasesOf(lifecycle)
	phase := phaseFor(phases, environmentID)
	if phase < 0 {
		return fmt.Sprintf("Release '%s' cannot be deployed to environment '%s' because the environment is not in lifecycle '%s'.",
			release.text("Version"), environment.text("Name"), lifecycle.text("Name"))
	}
	if s.switches.NoPromotionCheck {
		return ""
	}
	for _, earlier := range phases[:phase] {
		if !earlier.flag("IsOptionalPhase") && !s.phaseComplete(earlier, release.id()) {
			return fmt.Sprintf("Release '%s' cannot be deployed to environment '%s' because phase '%s' is not complete.",
				release.text("Version"), environment.text("Name"), earlier.text("Name"))
		}
	}
	return ""
}

// phaseComplete says whether enough environments of a phase have had the release successfully.
func (s *Server) phaseComplete(phase document, releaseID string) bool {
	environments := phaseEnvironments(phase)
	needed := phase.number("MinimumEnvironmentsBeforePromotion")
	if needed == 0 {
		needed = len(environments)
	}
	done := 0
	for _, environment := range environments {
		if s.documents["deployments"].first(func(d document) bool {
			return d.text("ReleaseId") == releaseID && d.text("EnvironmentId") == environment && s.taskState(d.text("TaskId")) == stateSuccess
		}) != nil {
			done++
		}
	}
	return done >= needed
}
