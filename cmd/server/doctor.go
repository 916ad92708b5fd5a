package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"regrow/internal/app"
	"regrow/internal/config"
	"regrow/internal/doctor"
	"regrow/internal/terminal"
)

func newDoctor(s *streams) *cobra.Command {
	var (
		file        configFile
		output      outputFlag
		asJSON      bool
		development bool
		name        string
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that has to be right, and say what to do",
		Long: `Check everything that has to be right before regrow can work: the configuration,
the database, the addresses, the Octopus Servers, the secrets, and what each
pipeline needs to find in Octopus. It only looks, and needs no regrow that runs.

Each check has a mark: ✓ right, i worth knowing, ! a warning, ✗ an error, ? could
not be found out, - nothing to check here. docs/doctor.md lists the checks.

` + exitCodes,
		Example: `  regrow doctor
  regrow doctor --pipeline hello-world
  regrow doctor --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				output.form = "json"
			}
			forPrograms, err := output.isJSON()
			if err != nil {
				return err
			}
			options := doctor.Options{
				ConfigFile: file.path,
				LoadConfig: func() (*config.Config, error) {
					return config.Load(file.path, config.Options{Development: development})
				},
				Pipeline:     name,
				OpenDatabase: openDatabase,
				OpenOctopus: func(server config.Server) (doctor.Octopus, error) {
					return app.OctopusClient(server, s.Version, nil)
				},
			}
			return examine(cmd.Context(), s, options, forPrograms)
		},
	}
	file.register(cmd)
	output.register(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&asJSON, "json", false, "the same as --output json")
	flags.StringVarP(&name, "pipeline", "p", "", "`name` of the one pipeline to check, with what it needs (default all)")
	flags.BoolVar(&development, "dev", false, "check as for serve --dev")
	cmd.MarkFlagsMutuallyExclusive("json", "output")
	return cmd
}

// fewConnections are enough for a handful of short questions.
const fewConnections = 2

func openDatabase(ctx context.Context, url string) (doctor.Database, error) {
	pool, err := openPool(ctx, url, fewConnections)
	if err != nil {
		return nil, err
	}
	return doctor.NewDatabase(pool), nil
}

// examine performs the examination and shows what it finds, on a terminal as soon
// as it is found.
func examine(ctx context.Context, s *streams, options doctor.Options, forPrograms bool) error {
	screen := terminal.New(s.Out)
	// People are told of a screen that fails by the shell; there is nothing to do.
	if !forPrograms {
		options.Progress = func(done, all int, scope string) {
			_ = screen.Passing(fmt.Sprintf("%d of %d: %s", done, all, scope))
		}
		options.Found = func(scope string, checks []doctor.Check) {
			_ = screen.Passing("")
			_ = screen.Findings(scope, findings(checks))
		}
	}
	report, err := doctor.Examine(ctx, options)
	if unknown, ok := errors.AsType[*doctor.UnknownPipelineError](err); ok {
		return usagef("--pipeline: %v", unknown)
	}
	if err != nil {
		return err
	}
	if forPrograms {
		err = printJSON(s.Out, report)
	} else {
		err = screen.Sum(tallies(report))
	}
	return errors.Join(err, verdict(report))
}

// marks are the signs of severities.
var marks = map[doctor.Severity]terminal.Mark{
	doctor.OK: terminal.MarkFine, doctor.NotApplicable: terminal.MarkNone, doctor.Note: terminal.MarkNote,
	doctor.Unknown: terminal.MarkUnknown, doctor.Warning: terminal.MarkWarning, doctor.Error: terminal.MarkWrong,
}

func findings(checks []doctor.Check) []terminal.Finding {
	all := make([]terminal.Finding, len(checks))
	for i, c := range checks {
		all[i] = terminal.Finding{Mark: marks[c.Severity], Name: c.ID, Text: c.Message, Details: c.Details, Remedy: c.Remedy}
	}
	return all
}

func tallies(report doctor.Report) []terminal.Tally {
	counts := report.Count()
	tally := func(severity doctor.Severity, what string) terminal.Tally {
		return terminal.Tally{Mark: marks[severity], Count: counts[severity], What: what}
	}
	return []terminal.Tally{
		tally(doctor.OK, "right"), tally(doctor.Note, "to know"), tally(doctor.Unknown, "not found out"),
		tally(doctor.Warning, plural(counts[doctor.Warning], "warning")), tally(doctor.Error, plural(counts[doctor.Error], "error")),
	}
}

func plural(n int, thing string) string {
	if n == 1 {
		return thing
	}
	return thing + "s"
}

// verdict makes an error of a report in which not all is right.
func verdict(report doctor.Report) error {
	counts := report.Count()
	switch report.Status {
	case doctor.AllFine:
		return nil
	case doctor.Unreachable:
		return codedf(exitUnreachable, "neither the database nor any Octopus Server can be reached from here")
	case doctor.Errors:
		n := counts[doctor.Error]
		return codedf(exitFailed, "%d %s found", n, plural(n, "error"))
	default:
		n := counts[doctor.Warning]
		text := fmt.Sprintf("no errors, but %d %s", n, plural(n, "warning"))
		if unknown := counts[doctor.Unknown]; unknown > 0 {
			text += fmt.Sprintf(", and %d not found out", unknown)
		}
		return codedf(exitWarnings, "%s", text)
	}
}
