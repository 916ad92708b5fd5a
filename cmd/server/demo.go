package main

import (
	"os"

	"github.com/spf13/cobra"

	"regrow/internal/demo"
)

func newDemo(s *streams) *cobra.Command {
	options := demo.Options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See regrow replace targets, with a private Postgres and a simulated Octopus",
		Long: `See regrow's main job on this machine: a signed GitHub push webhook comes in, and
Octopus work later the new release runs on brand-new targets and the old ones are
gone.

The demonstration brings everything that it needs: a private Postgres from the
binaries on this machine, and a simulated Octopus Server whose clock runs fast.
It stays up for looking around until Ctrl-C, and leaves nothing behind.`,
		Example: `  regrow demo
  regrow demo --once
  regrow demo --speed 5`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkSpeed(options.Speed); err != nil {
				return err
			}
			options.Out, options.Log, options.Version, options.Program = s.Out, s.Err, s.Version, os.Args[0]
			return demo.Run(cmd.Context(), options)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Listen, "listen", "127.0.0.1:8080", "address of regrow; another port is used when it is taken")
	flags.Float64Var(&options.Speed, "speed", 20, "seconds that pass in Octopus in one second")
	flags.BoolVar(&options.Once, "once", false, "end with the run instead of staying up")
	return cmd
}
