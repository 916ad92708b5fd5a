package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"regrow/internal/octopus"
)

// lifecycle is what matters of a lifecycle.
type lifecycle struct {
	Name   string
	Phases []phase
}

type phase struct {
	Name                       string
	AutomaticDeploymentTargets []string
	OptionalDeploymentTargets  []string
	IsOptionalPhase            bool
}

// has tells whether an environment belongs to the phase.
func (p phase) has(environmentID string) bool {
	return slices.Contains(p.AutomaticDeploymentTargets, environmentID) || slices.Contains(p.OptionalDeploymentTargets, environmentID)
}

// isOpen tells whether the phase is for all environments that no other one names
// (Octopus docs: lifecycles, "Any Environments").
func (p phase) isOpen() bool {
	return len(p.AutomaticDeploymentTargets)+len(p.OptionalDeploymentTargets) == 0
}

// spelledOut returns the lifecycle with the phases that Octopus makes up where
// there are none: one for each environment, in their order (Octopus docs:
// lifecycles, default convention).
func (l lifecycle) spelledOut(environments []environment) lifecycle {
	if len(l.Phases) > 0 {
		return l
	}
	inOrder := slices.SortedStableFunc(slices.Values(environments), func(a, b environment) int { return cmp.Compare(a.SortOrder, b.SortOrder) })
	for _, e := range inOrder {
		l.Phases = append(l.Phases, phase{Name: e.Name, OptionalDeploymentTargets: []string{e.ID}})
	}
	return l
}

// phaseOf returns the index of the phase that an environment belongs to, -1 for
// none.
func (l lifecycle) phaseOf(environmentID string) int {
	if i := slices.IndexFunc(l.Phases, func(p phase) bool { return p.has(environmentID) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(l.Phases, phase.isOpen)
}

// refuses returns why a release that was never deployed cannot go to an
// environment, "" when it can.
func (l lifecycle) refuses(at environment) string {
	i := l.phaseOf(at.ID)
	if i < 0 {
		return fmt.Sprintf("no phase of the lifecycle %q holds %s", l.Name, at.Name)
	}
	if before := slices.IndexFunc(l.Phases[:i], func(p phase) bool { return !p.IsOptionalPhase }); before >= 0 {
		return fmt.Sprintf("the lifecycle %q wants a release to pass the phase %q first", l.Name, l.Phases[before].Name)
	}
	return ""
}

// deploysAtOnce tells whether a new release goes to the environment by itself.
func (l lifecycle) deploysAtOnce(at environment) bool {
	return slices.ContainsFunc(l.Phases, func(p phase) bool { return slices.Contains(p.AutomaticDeploymentTargets, at.ID) })
}

// lifecycleReaches looks whether new releases of both projects may go to the
// environment, and do not go there by themselves.
func (x *patient) lifecycleReaches(ctx context.Context) (finding, error) {
	at, err := x.place(ctx)
	if err != nil {
		return finding{}, err
	}
	environments, err := environmentsOf(ctx, at.client)
	if err != nil {
		return finding{}, err
	}
	channels := []string{x.Infrastructure.Channel, x.Application.Channel}
	var refused, automatic []string
	for i, p := range at.projects() {
		found, err := lifecycleOf(ctx, at.client, p, channels[i])
		if err != nil {
			return finding{}, err
		}
		if why := found.spelledOut(environments).refuses(at.environment); why != "" {
			refused = append(refused, fmt.Sprintf("New releases of %q: %s.", p.Name, why))
		} else if found.deploysAtOnce(at.environment) {
			automatic = append(automatic, fmt.Sprintf("New releases of %q: the lifecycle %q deploys them by itself.", p.Name, found.Name))
		}
	}
	switch {
	case len(refused) > 0:
		return wrong("Octopus does not let new releases go to %s.", at.environment.Name).
			with("add the environment to the first phase of the lifecycle under Library, Lifecycles, or choose another lifecycle or channel").listing(refused), nil
	case len(automatic) > 0:
		return warned("A new release is deployed to %s as soon as it is made, before regrow has prepared for it.", at.environment.Name).
			with("make %s an optional instead of an automatic environment of its phase under Library, Lifecycles", at.environment.Name).listing(automatic), nil
	default:
		return fine("New releases of both projects may go to %s.", at.environment.Name), nil
	}
}

// environmentsOf returns all environments of the space.
func environmentsOf(ctx context.Context, client steadfast) ([]environment, error) {
	documents, err := client.Documents(ctx, octopus.Environments)
	if err != nil {
		return nil, err
	}
	environments := make([]environment, len(documents))
	for i, d := range documents {
		if environments[i], err = decode[environment](d); err != nil {
			return nil, err
		}
	}
	return environments, nil
}

// lifecycleOf returns the lifecycle of a project's releases in a channel: the
// channel's own, or else the project's.
func lifecycleOf(ctx context.Context, client steadfast, p project, channelName string) (lifecycle, error) {
	found, err := client.Channel(ctx, p.ID, channelName)
	if permanent(err) {
		return lifecycle{}, &gap{check: idChannels, cause: err}
	}
	if err != nil {
		return lifecycle{}, err
	}
	own, err := document[struct {
		LifecycleID string `json:"LifecycleId"`
	}](ctx, client, octopus.Channels, found.ID)
	if err != nil {
		return lifecycle{}, err
	}
	return document[lifecycle](ctx, client, octopus.Lifecycles, cmp.Or(own.LifecycleID, p.LifecycleID))
}
