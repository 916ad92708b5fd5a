package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"regrow/internal/octopus"
	"regrow/internal/terminal"
)

// changedOverride is what set and delete tell programs.
type changedOverride struct {
	Project     string `json:"project"`
	Environment string `json:"environment"`
	Tenant      string `json:"tenant,omitempty"`
	// Release and Previous are versions; "" is none.
	Release  string `json:"release"`
	Previous string `json:"previous"`
}

func newOverrideSet(s *streams) *cobra.Command {
	var version string
	cmd := overrideChange(s, &cobra.Command{
		Use:   "set {--pipeline NAME | --project NAME --environment NAME} --release VERSION",
		Short: "Have new targets get a release",
		Long: `Have Octopus deploy a release to targets that become available, whether or not it
was deployed there before. An override that stands there already is replaced.

latest stands for the release that was made last.

` + overrideCodes,
		Example: `  regrow override set --pipeline hello-world --release 1.4.2
  regrow override set --project "Hello World" --environment Production --tenant Acme --release latest`,
	}, func(ctx context.Context, at located) (string, error) {
		release, err := at.release(ctx, version)
		if err != nil {
			return "", err
		}
		return release.Version, at.client.SetOverride(ctx, at.project.ID, at.environment.ID, at.tenant.ID, release.ID)
	})
	cmd.Flags().StringVar(&version, "release", "", "`version` of the release, or latest")
	if err := cmd.MarkFlagRequired("release"); err != nil {
		panic(err) // no such flag: a mistake of this program
	}
	return cmd
}

func newOverrideDelete(s *streams) *cobra.Command {
	return overrideChange(s, &cobra.Command{
		Use:   "delete {--pipeline NAME | --project NAME --environment NAME}",
		Short: "Have new targets get again what runs there",
		Long: `Delete an override, whoever set it. Targets that become available then get the
release that is deployed there. Where none stands, nothing is changed.

` + overrideCodes,
		Example: `  regrow override delete --pipeline hello-world
  regrow override delete --project "Hello World" --environment Production --tenant Acme`,
	}, func(ctx context.Context, at located) (string, error) {
		_, err := at.client.DeleteOverride(ctx, at.project.ID, at.environment.ID, at.tenant.ID)
		return "", err
	})
}

// overrideChange is a command that changes the override of one place. Perform
// returns the version that new targets get from now on; it may be repeated.
func overrideChange(s *streams, cmd *cobra.Command, perform func(context.Context, located) (version string, err error)) *cobra.Command {
	var (
		p      place
		output outputFlag
	)
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if p.pipeline == "" && (p.project == "" || p.environment == "") {
			return usagef("say which override: --pipeline, or --project and --environment")
		}
		asJSON, err := output.isJSON()
		if err != nil {
			return err
		}
		at, err := p.open(cmd.Context(), s)
		if err != nil {
			return err
		}
		done, err := at.changeOverride(cmd.Context(), &p, perform)
		switch {
		case err != nil:
			return err
		case asJSON:
			return printJSON(s.Out, done)
		}
		return terminal.New(s.Out).Message(done.sentence(at))
	}
	p.register(cmd)
	p.registerLock(cmd)
	output.register(cmd)
	return cmd
}

func (at *located) changeOverride(ctx context.Context, p *place, perform func(context.Context, located) (string, error)) (changedOverride, error) {
	done := changedOverride{Project: at.project.Name, Environment: at.environment.Name, Tenant: at.tenant.Name}
	looked := false
	err := at.change(ctx, p, func(ctx context.Context) (err error) {
		// A repetition must not take what this command has set for what stood there.
		if !looked {
			if done.Previous, err = at.overrideNow(ctx); err != nil {
				return err
			}
			looked = true
		}
		done.Release, err = perform(ctx, *at)
		return err
	})
	return done, err
}

// overrideNow returns the version of the release that the override names.
func (at *located) overrideNow(ctx context.Context) (string, error) {
	id, err := at.client.Override(ctx, at.project.ID, at.environment.ID, at.tenant.ID)
	if err != nil || id == "" {
		return "", err
	}
	return versionOf(ctx, at.client, id)
}

// release finds the release that a person named.
func (at *located) release(ctx context.Context, version string) (octopus.Release, error) {
	if version == "latest" {
		return at.client.LatestRelease(ctx, at.project.ID, at.project.Name)
	}
	release, found, err := at.client.FindRelease(ctx, at.project.ID, version)
	if err == nil && !found {
		err = codedf(exitRefused, "project %s has no release %q; create it first, or name another", at.project.Name, version)
	}
	return release, err
}

// versionOf returns a release's version. An override may name a release that
// has been deleted.
func versionOf(ctx context.Context, client *octopus.Client, releaseID string) (string, error) {
	release, err := client.Release(ctx, releaseID)
	if octopus.IsNotFound(err) {
		return releaseID + " (deleted)", nil
	}
	return release.Version, err
}

// sentence says to people what was done.
func (c changedOverride) sentence(at located) string {
	switch {
	case c.Release == "" && c.Previous == "":
		return fmt.Sprintf("No override stands for %s; nothing was changed.", at.where())
	case c.Release == "":
		return fmt.Sprintf("Deleted the override of %s, which named %s. New targets get what is deployed there.", at.where(), c.Previous)
	case c.Release == c.Previous:
		return fmt.Sprintf("New targets of %s get release %s already; nothing was changed.", at.where(), c.Release)
	case c.Previous == "":
		return fmt.Sprintf("New targets of %s get release %s.", at.where(), c.Release)
	default:
		return fmt.Sprintf("New targets of %s get release %s, not %s any more.", at.where(), c.Release, c.Previous)
	}
}
