package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	helloworld "regrow/examples/hello-world/package"
	"regrow/internal/config"
	"regrow/internal/pipeline"
)

// Options say what to set up.
type Options struct {
	Pipeline pipeline.Pipeline
	// Neighbours are the other pipelines of the same server and space: they may
	// share the example's projects, whose steps then run on their roles, too.
	Neighbours []pipeline.Pipeline
	// Subscription is nil when no source of kind octopus takes the server's events.
	Subscription *EventSink
	// WriteSecret sends the subscription's secret again. Octopus never shows it,
	// so that nobody can see whether it is still the right one.
	WriteSecret bool
	// Example creates the projects of the guide, too, with their processes, the
	// package and the variables.
	Example bool
	// Shell is the language of the example's scripts: "bash" or "powershell".
	Shell string
	// Only restricts everything to some kinds of items; none means all.
	Only []Kind
	// APIKey goes into a sensitive variable of the example, for its scripts.
	APIKey string
	// Exclusively performs a change of a project while nobody else changes it: a
	// run that sets an override writes the same document. Nil is for when no run
	// is under way; the plan then says that this is relied on.
	Exclusively func(ctx context.Context, projectID string, change func(context.Context) error) error
}

// EventSink is where Octopus is to send its events: a source of regrow.
type EventSink struct {
	// Name is the source's name.
	Name string
	// URL is its address; "" when regrow does not know its own.
	URL string
	// Header carries the Secret.
	Header, Secret string
}

// The shells of the example's scripts.
const (
	Bash       = "bash"
	PowerShell = "powershell"
)

// FromConfig returns the options for a pipeline of a configuration.
func FromConfig(c *config.Config, name string) (Options, error) {
	at := slices.IndexFunc(c.Pipelines, func(p pipeline.Pipeline) bool { return p.Name == name })
	if at < 0 {
		known := make([]string, len(c.Pipelines))
		for i, p := range c.Pipelines {
			known[i] = p.Name
		}
		return Options{}, fmt.Errorf("the configuration has no pipeline %q; it has %s", name, strings.Join(known, ", "))
	}
	p := c.Pipelines[at]
	server, _ := c.Server(p.Server.Name) // the configuration was checked
	options := Options{Pipeline: p, Shell: Bash, APIKey: server.APIKey.Reveal()}
	for i, other := range c.Pipelines {
		if i != at && other.Server.URL == p.Server.URL && pipeline.SameName(other.Server.Space, p.Server.Space) {
			options.Neighbours = append(options.Neighbours, other)
		}
	}
	for _, source := range c.Sources {
		if source.Kind == config.Octopus && source.Server == server.Name {
			options.Subscription = &EventSink{Name: source.Name, Header: source.Header, Secret: source.Secret.Reveal()}
			if c.PublicURL != "" {
				options.Subscription.URL = c.PublicURL + "/webhooks/" + source.Name
			}
			break
		}
	}
	return options, nil
}

// picks tells whether items of the kind are to be planned and made.
func (o Options) picks(k Kind) bool { return len(o.Only) == 0 || slices.Contains(o.Only, k) }

// check refuses options that mean nothing.
func (o Options) check() error {
	if shell := cmp.Or(o.Shell, Bash); shell != Bash && shell != PowerShell {
		return fmt.Errorf("the shell of the example is %s or %s, not %q", Bash, PowerShell, o.Shell)
	}
	p := o.Pipeline
	if p.Environment == "" || p.Application.Project == "" || p.Infrastructure.Project == "" ||
		p.Infrastructure.MachinePolicy == "" || len(p.Infrastructure.Roles) == 0 {
		return errors.New("the pipeline lacks its environment, a project, its machine policy or its roles")
	}
	return nil
}

// shell is the language of the example's scripts as Octopus calls it.
func (o Options) shell() helloworld.Shell {
	if o.Shell == PowerShell {
		return helloworld.PowerShell
	}
	return helloworld.Bash
}

// roles are those of all pipelines that pick says share something with this one.
func (o Options) roles(share func(a, b pipeline.Pipeline) bool) []string {
	roles := slices.Clone(o.Pipeline.Infrastructure.Roles)
	for _, other := range o.Neighbours {
		if !share(o.Pipeline, other) {
			continue
		}
		for _, role := range other.Infrastructure.Roles {
			if !pipeline.HasName(roles, role) {
				roles = append(roles, role)
			}
		}
	}
	return roles
}
