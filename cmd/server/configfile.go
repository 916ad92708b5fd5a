package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"regrow/internal/config"
	"regrow/internal/pipeline"
)

// configFile is the flag that names regrow.yaml.
type configFile struct{ path string }

func (c *configFile) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.path, "config", "c", cmp.Or(os.Getenv("REGROW_CONFIG"), "regrow.yaml"), "configuration file (REGROW_CONFIG)")
}

func (c *configFile) load(development bool) (*config.Config, error) {
	loaded, err := config.Load(c.path, config.Options{Development: development})
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return nil, fmt.Errorf("%s has %s:\n%w", c.path, countProblems(len(problems)), problems)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; name the file with --config or REGROW_CONFIG", err)
	}
	return loaded, err
}

// loadForOctopus reads the configuration for a command that works in Octopus
// without a server, and tells what is odd in it. What only a server needs is not
// missed: the lock's database is asked for where the lock is.
func (c *configFile) loadForOctopus(s *streams) (*config.Config, error) {
	loaded, err := c.load(true)
	if err != nil {
		return nil, err
	}
	for _, warning := range loaded.Warnings {
		if warning.Path != "database.url" && warning.Path != "api.tokens" {
			fmt.Fprintln(s.Err, "warning:", warning)
		}
	}
	return loaded, nil
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
