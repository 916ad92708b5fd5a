package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"regrow/internal/octopus"
)

// lifecycle is what matters of a lifecycle. Octopus docs: without phases all
// environments may be deployed to.
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

// refuses returns why a release that was never deployed cannot go to an
// environment, "" when it can.
func (l lifecycle) refuses(at environment) string {
	if len(l.Phases) == 0 {
		return ""
	}
	i := slices.IndexFunc(l.Phases, func(p phase) bool { return p.has(at.ID) })
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
	channels := []string{x.Infrastructure.Channel, x.Application.Channel}
	var refused, automatic []string
	for i, p := range at.projects() {
		found, err := lifecycleOf(ctx, at.client, p, channels[i])
		if err != nil {
			return finding{}, err
		}
		if why := found.refuses(at.environment); why != "" {
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
