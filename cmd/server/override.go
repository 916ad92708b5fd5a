package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"regrow/internal/app"
	"regrow/internal/config"
	"regrow/internal/octopus"
)

// overrideCodes is what the exit codes of override mean: those of other commands
// are about a server and runs.
const overrideCodes = `Exit codes:
    0  done
    1  an error
    2  the command was called wrongly, or there is no database for the lock
    3  Octopus, or the database that holds the project's lock, cannot be reached,
       or the lock is held for long
    4  Octopus refused it, or has no such project, environment, tenant or release
  130  interrupted`

func newOverride(s *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "override",
		Short: "List, set and delete auto-deploy overrides in Octopus",
		Long: `List, set and delete auto-deploy overrides: which release a project's new targets
get in an environment, and for a tenant, instead of the one that runs there.

regrow sets and clears them for its runs by itself; these commands are for people.
They speak to Octopus with the servers and keys of regrow.yaml, and need no regrow
that runs. Every other part of the project's document stays as it is, byte for
byte.

Octopus cannot tell two changes of a project apart that cross. The commands
therefore take the lock that runs take, in the configured database.

` + overrideCodes,
		Example: `  regrow override list
  regrow override set --pipeline hello-world --release 1.4.2
  regrow override delete --project "Hello World" --environment Development`,
	}
	cmd.AddCommand(newOverrideList(s), newOverrideSet(s), newOverrideDelete(s))
	return cmd
}

// place is where an override stands, as flags say it: with a pipeline, or with
// the names in Octopus.
type place struct {
	file                         configFile
	pipeline, server             string
	project, environment, tenant string
	noLock                       bool
}

func (p *place) register(cmd *cobra.Command) {
	p.file.register(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&p.pipeline, "pipeline", "p", "", "`name` of the pipeline whose application, environment and tenant are meant")
	flags.StringVar(&p.server, "octopus", "", "`name` of the Octopus server in the configuration (default the only one)")
	flags.StringVar(&p.project, "project", "", "`name` of the project in Octopus")
	flags.StringVar(&p.environment, "environment", "", "`name` of the environment")
	flags.StringVar(&p.tenant, "tenant", "", "`name` of the tenant (default none)")
	for _, flag := range []string{"octopus", "project", "environment", "tenant"} {
		cmd.MarkFlagsMutuallyExclusive("pipeline", flag)
	}
}

func (p *place) registerLock(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.noLock, "no-lock", false, "change the project without the database's lock, while nothing else changes it")
}

// located is a place that has been looked up.
type located struct {
	client  *octopus.Client
	server  config.Server
	config  *config.Config
	project octopus.Project
	// environment and tenant are zero where none is named.
	environment octopus.Environment
	tenant      octopus.Tenant
}

// tries is how often a command asks Octopus again when the answer was none.
const tries = 8

// open reads the configuration and looks the place up.
func (p *place) open(ctx context.Context, s *streams) (located, error) {
	loaded, err := p.file.loadForOctopus(s)
	if err != nil {
		return located{}, err
	}
	at := located{config: loaded}
	if at.server, err = p.named(loaded); err != nil {
		return at, err
	}
	if at.client, err = app.OctopusClient(at.server, s.Version, nil); err != nil {
		return at, err
	}
	return at, octopus.Retry(ctx, tries, func(ctx context.Context) error { return at.lookUp(ctx, p) })
}

// named completes the flags from the pipeline and finds the server.
func (p *place) named(loaded *config.Config) (config.Server, error) {
	if p.pipeline != "" {
		line, err := findPipeline(loaded, p.pipeline)
		if err != nil {
			return config.Server{}, err
		}
		p.server, p.project, p.environment, p.tenant = line.Server.Name, line.Application.Project, line.Environment, line.Tenant
	}
	if p.server == "" && len(loaded.Servers) == 1 {
		return loaded.Servers[0], nil
	}
	server, ok := loaded.Server(p.server)
	if !ok {
		var names []string
		for _, server := range loaded.Servers {
			names = append(names, server.Name)
		}
		return server, usagef("--octopus names one of the servers %s in %s, not %q", strings.Join(names, ", "), p.file.path, p.server)
	}
	return server, nil
}

func (at *located) lookUp(ctx context.Context, p *place) (err error) {
	if at.project, err = at.client.Project(ctx, p.project); err != nil {
		return err
	}
	if p.environment != "" {
		if at.environment, err = at.client.Environment(ctx, p.environment); err != nil {
			return err
		}
	}
	if p.tenant != "" {
		at.tenant, err = at.client.Tenant(ctx, p.tenant)
	}
	return err
}

// where says the place in words.
func (at *located) where() string {
	text := fmt.Sprintf("%s in %s", at.project.Name, at.environment.Name)
	if at.tenant.Name != "" {
		text += " for " + at.tenant.Name
	}
	return text
}

// change does something to the project while nobody else does.
func (at *located) change(ctx context.Context, p *place, do func(context.Context) error) error {
	patiently := func(ctx context.Context) error { return octopus.Retry(ctx, tries, do) }
	if p.noLock {
		return patiently(ctx)
	}
	if at.config.Database.URL.IsZero() {
		return p.file.noDatabase(at.config.Database)
	}
	return changeLocked(ctx, at.config.Database, at.server.URL, at.project.ID, patiently)
}
