package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"regrow/internal/app"
	"regrow/internal/config"
	"regrow/internal/pipeline"
)

func newServe(s *streams) *cobra.Command {
	var (
		file     configFile
		options  app.Options
		deadline time.Duration
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Take webhooks in, perform runs and serve the API",
		Long: `Take webhooks in, perform runs and serve the API.

serve refuses to start when regrow.yaml is wrong anywhere, and when the database
schema is older than this version; --migrate brings it up to date first.

With --dev the configuration may leave out the database and the API's tokens:
regrow then starts a private Postgres of its own from the binaries on this
machine, and keeps its data in --data-dir, or nowhere.

On SIGTERM it takes no new work, finishes what is under way within
--shutdown-timeout, and hands the rest back for the next process.`,
		Example: `  regrow serve --config /etc/regrow/regrow.yaml
  regrow serve --migrate
  regrow serve --dev --data-dir ./data`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Version = s.Version
			return serve(cmd.Context(), s, file, options, deadline)
		},
	}
	file.register(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&options.Migrate, "migrate", false, "bring the database schema up to date first")
	flags.BoolVar(&options.Development, "dev", false, "allow a configuration without database and tokens")
	flags.StringVar(&options.DataDir, "data-dir", "", "where the private Postgres of --dev keeps its data (default nowhere)")
	flags.DurationVar(&deadline, "shutdown-timeout", 30*time.Second, "how long to finish what is under way when stopped")
	return cmd
}

func serve(ctx context.Context, s *streams, file configFile, options app.Options, deadline time.Duration) error {
	var err error
	if options.Config, err = file.load(options.Development); err != nil {
		return err
	}
	if options.Logger, err = app.NewLogger(s.Err, options.Config.Log); err != nil {
		return err
	}
	for _, warning := range options.Config.Warnings {
		options.Logger.Warn().Msg(warning.String())
	}
	regrow, err := app.New(ctx, options)
	if err != nil {
		return err
	}
	err = regrow.Start(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
			options.Logger.Info().Msg("stopping: no new work is taken in, work under way is finished or handed back")
		case err = <-regrow.Failed():
		}
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	return errors.Join(err, regrow.Stop(stopping))
}

// configFile is the flag that names regrow.yaml.
type configFile struct{ path string }

func (c *configFile) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.path, "config", "c", envOr("REGROW_CONFIG", "regrow.yaml"), "configuration file (REGROW_CONFIG)")
}

func (c *configFile) load(development bool) (*config.Config, error) {
	loaded, err := config.Load(c.path, config.Options{Development: development})
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return nil, fmt.Errorf("%s has %s:\n%w", c.path, countProblems(len(problems)), problems)
	}
	return loaded, err
}

// findPipeline returns the pipeline that a flag names.
func findPipeline(loaded *config.Config, name string) (pipeline.Pipeline, error) {
	line, ok := loaded.Pipeline(name)
	if !ok {
		var names []string
		for _, p := range loaded.Pipelines {
			names = append(names, p.Name)
		}
		return line, usagef("--pipeline %q is none of the configuration's; there are %s", name, strings.Join(names, ", "))
	}
	return line, nil
}

func countProblems(n int) string {
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", n)
}
