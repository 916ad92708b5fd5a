package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfig(s *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		Short:   "Look at the configuration file",
		Long:    "Look at the configuration file without starting anything.",
		Example: "  regrow config check --config regrow.yaml",
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(newConfigCheck(s))
	return cmd
}

func newConfigCheck(s *streams) *cobra.Command {
	var (
		file        configFile
		development bool
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check regrow.yaml and tell everything that is wrong in it",
		Long: `Check regrow.yaml and tell everything that is wrong in it, each with its line and
column. Environment variables and secret files have to be there, as for serve.
Nothing is connected to.`,
		Example: `  regrow config check
  regrow config check --config /etc/regrow/regrow.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			loaded, err := file.load(development)
			if err != nil {
				return err
			}
			for _, warning := range loaded.Warnings {
				fmt.Fprintln(s.Out, "warning:", warning)
			}
			fmt.Fprintf(s.Out, "%s is in order: %d pipelines, %d sources, %d servers.\n",
				file.path, len(loaded.Pipelines), len(loaded.Sources), len(loaded.Servers))
			for _, p := range loaded.Pipelines {
				fmt.Fprintf(s.Out, "  %s: %s on %v → %s, lane %q\n", p.Name, p.Repository, p.Branches, p.Environment, p.Lane())
			}
			return nil
		},
	}
	file.register(cmd)
	cmd.Flags().BoolVar(&development, "dev", false, "check as for serve --dev")
	return cmd
}
