package octopus

import (
	"context"
	"fmt"
	"strings"

	"regrow/internal/pipeline"
)

// named is the part that all things found by name share.
type named struct {
	ID   string `json:"Id"`
	Name string
}

func (n named) id() string   { return n.ID }
func (n named) name() string { return n.Name }

type hasName interface {
	identified
	name() string
}

// find returns the one item of a collection that has the name, compared as
// Octopus compares names: without regard to case.
func find[T hasName](ctx context.Context, c *Client, what, name, route string, p params) (T, error) {
	var none T
	wanted := strings.TrimSpace(name)
	if wanted == "" {
		return none, c.refuse("find the "+what, "its name is empty", "set the name in the configuration")
	}
	// The filter of the server is a substring; it only shortens the list.
	items, err := listAll[T](ctx, c, fmt.Sprintf("find the %s %q", what, wanted), route, p.with("partialName", wanted))
	if err != nil {
		return none, err
	}
	for _, item := range items {
		if pipeline.SameName(item.name(), wanted) {
			return item, nil
		}
	}
	return none, c.missing(what, wanted)
}

// Environment is a deployment environment.
type Environment struct{ ID, Name string }

// Environment finds an environment by its name.
func (c *Client) Environment(ctx context.Context, name string) (Environment, error) {
	e, err := find[named](ctx, c, "environment", name, "/api/{spaceId}/environments{?partialName,skip,take}", nil)
	return Environment(e), err
}

// Tenant is a tenant.
type Tenant struct{ ID, Name string }

// Tenant finds a tenant by its name.
func (c *Client) Tenant(ctx context.Context, name string) (Tenant, error) {
	t, err := find[named](ctx, c, "tenant", name, "/api/{spaceId}/tenants{?partialName,skip,take}", nil)
	return Tenant(t), err
}

// Channel is a project's channel.
type Channel struct{ ID, Name string }

type channelDocument struct {
	named
	IsDefault bool
	Rules     []channelRule
}

const channelsRoute = "/api/{spaceId}/projects/{projectId}/channels{?partialName,skip,take}"

// Channel finds a project's channel by its name; "" is the default channel.
func (c *Client) Channel(ctx context.Context, projectID, name string) (Channel, error) {
	where := params{"projectId": projectID}
	if name != "" {
		found, err := find[channelDocument](ctx, c, "channel", name, channelsRoute, where)
		return Channel{ID: found.ID, Name: found.Name}, err
	}
	all, err := listAll[channelDocument](ctx, c, "find the default channel of project "+projectID, channelsRoute, where)
	if err != nil {
		return Channel{}, err
	}
	for _, ch := range all {
		if ch.IsDefault {
			return Channel{ID: ch.ID, Name: ch.Name}, nil
		}
	}
	return Channel{}, c.refuse("find the default channel of project "+projectID, "none of its channels is the default",
		"name a channel in the configuration, or let the API key's user see the project's channels")
}
