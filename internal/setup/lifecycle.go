package setup

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// Lifecycle is what counts in a lifecycle when a new release is deployed.
type Lifecycle struct {
	ID     string `json:"Id"`
	Name   string
	Phases []Phase
}

// Phase is one step of a lifecycle.
type Phase struct {
	Name                       string
	AutomaticDeploymentTargets []string
	OptionalDeploymentTargets  []string
	IsOptionalPhase            bool
}

// has tells whether an environment belongs to the phase.
func (p Phase) has(environmentID string) bool {
	return pipeline.HasName(p.AutomaticDeploymentTargets, environmentID) || pipeline.HasName(p.OptionalDeploymentTargets, environmentID)
}

// isOpen tells whether the phase is for all environments that no other one names
// (Octopus docs: lifecycles, "Any Environments").
func (p Phase) isOpen() bool {
	return len(p.AutomaticDeploymentTargets)+len(p.OptionalDeploymentTargets) == 0
}

// ReadLifecycle reads a lifecycle of a space with these environments. One
// without phases has those that Octopus makes up: one for each environment, in
// their order (Octopus docs: lifecycles, default convention).
func ReadLifecycle(d octopus.Document, environments []octopus.Document) (Lifecycle, error) {
	var l Lifecycle
	if err := json.Unmarshal(d, &l); err != nil {
		return l, fmt.Errorf("reading the lifecycle %s: %w", d.ID(), err)
	}
	if len(l.Phases) > 0 {
		return l, nil
	}
	type environment struct {
		ID        string `json:"Id"`
		Name      string
		SortOrder int
	}
	inOrder := make([]environment, len(environments))
	for i, d := range environments {
		if err := json.Unmarshal(d, &inOrder[i]); err != nil {
			return l, fmt.Errorf("reading the environment %s: %w", d.ID(), err)
		}
	}
	slices.SortStableFunc(inOrder, func(a, b environment) int { return cmp.Compare(a.SortOrder, b.SortOrder) })
	for _, e := range inOrder {
		l.Phases = append(l.Phases, Phase{Name: e.Name, OptionalDeploymentTargets: []string{e.ID}})
	}
	return l, nil
}

// phaseOf returns the index of the phase that an environment belongs to, -1 for
// none.
func (l Lifecycle) phaseOf(environmentID string) int {
	if i := slices.IndexFunc(l.Phases, func(p Phase) bool { return p.has(environmentID) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(l.Phases, Phase.isOpen)
}

// Refuses returns why a release that was never deployed cannot go to an
// environment, "" when it can.
func (l Lifecycle) Refuses(environmentID, environmentName string) string {
	i := l.phaseOf(environmentID)
	if i < 0 {
		return fmt.Sprintf("no phase of the lifecycle %q holds %s", l.Name, environmentName)
	}
	if before := slices.IndexFunc(l.Phases[:i], func(p Phase) bool { return !p.IsOptionalPhase }); before >= 0 {
		return fmt.Sprintf("the lifecycle %q wants a release to pass the phase %q first", l.Name, l.Phases[before].Name)
	}
	return ""
}

// DeploysAtOnce tells whether a new release goes to an environment by itself.
func (l Lifecycle) DeploysAtOnce(environmentID string) bool {
	return slices.ContainsFunc(l.Phases, func(p Phase) bool { return pipeline.HasName(p.AutomaticDeploymentTargets, environmentID) })
}
