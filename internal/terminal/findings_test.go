package terminal_test

import (
	"bytes"
	"testing"

	"regrow/internal/terminal"
)

// someFindings has a finding of every kind.
func someFindings() []terminal.Finding {
	return []terminal.Finding{
		{Mark: terminal.MarkFine, Name: "environment", Text: "The environment \"Development\" is there."},
		{Mark: terminal.MarkNone, Name: "tenant", Text: "The pipeline names no tenant."},
		{Mark: terminal.MarkNote, Name: "freezes", Text: "Deployments to Development will be frozen within a week.",
			Details: []string{"\"Autumn sale\" from 2026-10-26 08:00 UTC until 2026-10-27 08:00 UTC."},
			Remedy:  "runs wait until it is over; an operator can let one run go on with regrow runs ignore-freeze"},
		{Mark: terminal.MarkUnknown, Name: "permissions", Text: "Octopus does not tell all that the API key's user may do.",
			Remedy: "compare its roles with the permissions that docs/octopus.md lists"},
		{Mark: terminal.MarkWarning, Name: "machine-policy", Text: "2 settings of the machine policy \"Immutable Infrastructure\" are not as they have to be.",
			Details: []string{"Time between health checks: 1.00:00:00 → 00:02:00.", "Removal of targets: DoNotDelete → DeleteUnavailableMachines."},
			Remedy:  "regrow setup --pipeline hello-world"},
		{Mark: terminal.MarkWrong, Name: "application-project", Text: "The project \"Hello \x1b[31mWorld\" is disabled:\nOctopus makes no releases and deployments of it.",
			Remedy: "enable it in Octopus under Projects, Hello World, Settings"},
	}
}

func showFindings(t *testing.T, s *terminal.Screen) {
	t.Helper()
	if err := s.Findings("pipeline hello-world", someFindings()); err != nil {
		t.Fatal(err)
	}
	err := s.Sum([]terminal.Tally{{Mark: terminal.MarkFine, Count: 12, What: "right"}, {Mark: terminal.MarkUnknown, Count: 0, What: "not found out"}, {Mark: terminal.MarkWrong, Count: 1, What: "error"}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	s, out := screen(0)
	showFindings(t, s)
	golden(t, "findings", out.String())
}

func TestFindingsInColourAndNarrow(t *testing.T) {
	t.Parallel()
	s, out := screen(0)
	s.Color, s.Width = true, 76
	showFindings(t, s)
	golden(t, "findings_colour_narrow", out.String())
}

// A passing line takes the place of the one before, and is left out where lines
// stay.
func TestPassing(t *testing.T) {
	t.Parallel()
	show := func(s *terminal.Screen, out *bytes.Buffer) string {
		for _, text := range []string{"1 of 40 server main", "2 of 40 server \x1b[2Jmain with a very long name", ""} {
			if err := s.Passing(text); err != nil {
				t.Fatal(err)
			}
		}
		return out.String()
	}
	s, out := screen(0)
	if got := show(s, out); got != "" {
		t.Errorf("in a file: %q", got)
	}
	s, out = screen(0)
	s.Overwrite, s.Width = true, 22
	if got, want := show(s, out), "\r\x1b[K1 of 40 server main\r\x1b[K2 of 40 server [2Jma…\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
