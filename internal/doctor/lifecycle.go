package doctor

import (
	"cmp"
	"context"
	"fmt"

	"regrow/internal/octopus"
	"regrow/internal/setup"
)

// lifecycleReaches looks whether new releases of both projects may go to the
// environment, and do not go there by themselves.
func (x *patient) lifecycleReaches(ctx context.Context) (finding, error) {
	at, err := x.place(ctx)
	if err != nil {
		return finding{}, err
	}
	environments, err := at.client.Documents(ctx, octopus.Environments)
	if err != nil {
		return finding{}, err
	}
	channels := []string{x.Infrastructure.Channel, x.Application.Channel}
	var refused, automatic []string
	for i, p := range at.projects() {
		found, err := lifecycleOf(ctx, at.client, p, channels[i], environments)
		if err != nil {
			return finding{}, err
		}
		if why := found.Refuses(at.environment.ID, at.environment.Name); why != "" {
			refused = append(refused, fmt.Sprintf("New releases of %q: %s.", p.Name, why))
		} else if found.DeploysAtOnce(at.environment.ID) {
			automatic = append(automatic, fmt.Sprintf("New releases of %q: the lifecycle %q deploys them by itself.", p.Name, found.Name))
		}
	}
	switch {
	case len(refused) > 0:
		return wrong("Octopus does not let new releases go to %s.", at.environment.Name).
			with("have the first phase of the lifecycle name the environment, or be for any, under Library, Lifecycles; or choose another lifecycle or channel").listing(refused), nil
	case len(automatic) > 0:
		return warned("A new release is deployed to %s as soon as it is made, before regrow has prepared for it.", at.environment.Name).
			with("make %s an optional instead of an automatic environment of its phase under Library, Lifecycles", at.environment.Name).listing(automatic), nil
	default:
		return fine("New releases of both projects may go to %s.", at.environment.Name), nil
	}
}

// lifecycleOf returns the lifecycle of a project's releases in a channel: the
// channel's own, or else the project's.
func lifecycleOf(ctx context.Context, client steadfast, p project, channelName string, environments []octopus.Document) (l setup.Lifecycle, err error) {
	found, err := client.Channel(ctx, p.ID, channelName)
	if permanent(err) {
		return l, &gap{check: idChannels, cause: err}
	}
	if err != nil {
		return l, err
	}
	own, err := document[struct {
		LifecycleID string `json:"LifecycleId"`
	}](ctx, client, octopus.Channels, found.ID)
	if err != nil {
		return l, err
	}
	d, err := client.Document(ctx, octopus.Lifecycles, cmp.Or(own.LifecycleID, p.LifecycleID))
	if err != nil {
		return l, err
	}
	return setup.ReadLifecycle(d, environments)
}
