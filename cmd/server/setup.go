package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"regrow/internal/app"
	"regrow/internal/config"
	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/terminal"
)

// setupCodes is what the exit codes of setup mean: those of other commands are
// about runs.
const setupCodes = `Exit codes:
    0  all is as wanted; with --dry-run: all that can be told beforehand
    1  something failed, or is blocked
    2  the command was called wrongly, or there is no database for the lock
    3  Octopus, or the database that holds the projects' lock, cannot be reached,
       or the lock is held for long
    4  declined: nothing was changed
  130  interrupted`

// setupCommand is what the command setup was asked for.
type setupCommand struct {
	file        configFile
	output      outputFlag
	pipeline    string
	example     string
	shell       string
	dryRun, yes bool
	writeSecret bool
	noLock      bool
	only        []string
	// lockless is why there is no lock, although it is wanted.
	lockless error
}

// theExample is the only example that there is.
const theExample = "hello-world"

func newSetup(s *streams) *cobra.Command {
	var c setupCommand
	cmd := &cobra.Command{
		Use:   "setup --pipeline NAME [--example hello-world] [--dry-run]",
		Short: "Make in Octopus what a pipeline needs",
		Long: `Make in Octopus what a pipeline needs, or complete it: the machine policy of its
targets, the trigger that deploys to new ones, the subscription that calls regrow
back. With --example hello-world also the environment, the projects, processes,
variables and the package of Octopus' immutable-infrastructure guide.

It shows first what it is going to do, and asks. It may be repeated: what is as it
has to be is left alone, and so is everything that it does not manage. It needs
regrow.yaml and no regrow that runs. docs/setup.md lists all that it manages, and
the permissions that it needs.

` + setupCodes,
		Example: `  regrow setup --pipeline hello-world --dry-run
  regrow setup --pipeline hello-world --example hello-world --shell powershell
  regrow setup --pipeline hello-world --yes --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.perform(cmd.Context(), s) },
	}
	c.file.register(cmd)
	c.output.register(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&c.pipeline, "pipeline", "p", "", "`name` of the pipeline (required)")
	flags.StringVar(&c.example, "example", "", "also make the projects of an `example`: hello-world")
	flags.StringVar(&c.shell, "shell", setup.Bash, "`language` of the example's scripts: bash or powershell")
	flags.BoolVar(&c.dryRun, "dry-run", false, "show what would be done, and do nothing")
	flags.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&c.writeSecret, "write-secret", false, "send the subscription's secret again, which Octopus never shows")
	flags.StringSliceVar(&c.only, "only", nil, "only these `kinds` of things, such as \"machine policy\",trigger,subscription")
	flags.BoolVar(&c.noLock, "no-lock", false, "change projects without the database's lock, while nothing else changes them")
	complete(cmd, "example", theExample)
	complete(cmd, "shell", setup.Bash, setup.PowerShell)
	cmd.MarkFlagsMutuallyExclusive("dry-run", "yes")
	if err := cmd.MarkFlagRequired("pipeline"); err != nil {
		panic(err) // no such flag: a mistake of this program
	}
	return cmd
}

// failed gives an error of setup its exit code. Being interrupted has its own.
func (c *setupCommand) failed(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, coded := errors.AsType[*codedError](err); coded {
		return err
	}
	if refusal, ok := errors.AsType[*octopus.Error](err); ok && refusal.Kind == octopus.Transient {
		return &codedError{exitUnreachable, err}
	}
	return &codedError{exitFailed, err}
}

func (c *setupCommand) perform(ctx context.Context, s *streams) error {
	asJSON, err := c.output.isJSON()
	if err != nil {
		return err
	}
	options, server, err := c.options(s)
	if err != nil {
		return err
	}
	client, err := app.OctopusClient(server, s.Version, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	shown := newSetupScreen(s, asJSON, options.Pipeline, server)
	shown.looking()
	plan, err := setup.Inspect(ctx, client, options)
	if err != nil {
		return c.failed(err)
	}
	if err := shown.plan(plan); err != nil {
		return err
	}
	if c.lockless != nil && changesProject(plan) {
		return errors.Join(shown.result(plan, false), c.lockless)
	}
	if c.dryRun || plan.Count(setup.ActionCreate, setup.ActionChange) == 0 {
		return errors.Join(shown.result(plan, false), c.failed(blockedIn(plan)))
	}
	if err := c.agreed(ctx, s); err != nil {
		return err
	}
	done, err := setup.Apply(ctx, client, options, shown.progress)
	return errors.Join(shown.result(done, true), c.failed(errors.Join(err, blockedIn(done))))
}

// options reads the configuration and the flags.
func (c *setupCommand) options(s *streams) (setup.Options, config.Server, error) {
	if c.example != "" && c.example != theExample {
		return setup.Options{}, config.Server{}, usagef("there is no example %q; there is %s", c.example, theExample)
	}
	if !slices.Contains([]string{setup.Bash, setup.PowerShell}, c.shell) {
		return setup.Options{}, config.Server{}, usagef("--shell is %s or %s, not %q", setup.Bash, setup.PowerShell, c.shell)
	}
	only, err := kindsOf(c.only)
	if err != nil {
		return setup.Options{}, config.Server{}, err
	}
	loaded, err := c.file.loadForOctopus(s)
	if err != nil {
		return setup.Options{}, config.Server{}, err
	}
	if _, err := findPipeline(loaded, c.pipeline); err != nil {
		return setup.Options{}, config.Server{}, err
	}
	options, err := setup.FromConfig(loaded, c.pipeline)
	if err != nil {
		return setup.Options{}, config.Server{}, err
	}
	options.Example, options.Shell, options.WriteSecret = c.example != "", c.shell, c.writeSecret
	options.Only = only
	server, _ := loaded.Server(options.Pipeline.Server.Name) // the configuration was checked
	options.Exclusively = c.exclusively(loaded, server)
	return options, server, nil
}

// exclusively is how a project that is there is changed; nil is without the lock,
// which has to be asked for.
func (c *setupCommand) exclusively(loaded *config.Config, server config.Server) func(context.Context, string, func(context.Context) error) error {
	if c.noLock {
		return nil
	}
	if loaded.Database.URL.IsZero() {
		c.lockless = c.file.noDatabase(loaded.Database)
		// Somebody else may make the project while this command asks.
		return func(context.Context, string, func(context.Context) error) error { return c.lockless }
	}
	return func(ctx context.Context, projectID string, change func(context.Context) error) error {
		return changeLocked(ctx, loaded.Database, server.URL, projectID, change)
	}
}

// changesProject tells whether a plan changes a project that is there.
func changesProject(plan setup.Plan) bool {
	return slices.ContainsFunc(plan.Items, func(item setup.Item) bool {
		return item.Kind == setup.KindProject && item.Action == setup.ActionChange
	})
}

// kindsOf reads the kinds of things that a flag names.
func kindsOf(names []string) ([]setup.Kind, error) {
	var kinds []setup.Kind
	for _, name := range names {
		kind := setup.Kind(strings.TrimSpace(name))
		if !slices.Contains(setup.Kinds(), kind) {
			return nil, usagef("--only takes some of the kinds %q, not %q", setup.Kinds(), name)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// agreed asks whether to go on.
func (c *setupCommand) agreed(ctx context.Context, s *streams) error {
	if c.yes {
		return nil
	}
	if !terminal.Interactive(s.In) {
		return usagef("there is no terminal to ask on; say --yes to agree to the plan above, or --dry-run to see it only")
	}
	fmt.Fprint(s.Err, "Go on? [y/N] ")
	answer, err := readAnswer(ctx, s.In)
	switch {
	case err != nil:
		return err
	case answer != "y" && answer != "yes":
		return codedf(exitRefused, "declined; nothing was changed")
	}
	return nil
}

// blockedIn is the error for what a plan cannot do.
func blockedIn(plan setup.Plan) error {
	n := plan.Count(setup.ActionBlocked)
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d %s blocked", n, len(plan.Items), isOrAre(n))
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
