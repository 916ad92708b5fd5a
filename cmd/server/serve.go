package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"regrow/internal/app"
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
