package terminal_test

import (
	"os"
	"strings"
	"testing"

	"regrow/internal/terminal"
)

var someIntents = []terminal.Intent{
	{Do: terminal.DoCreate, Verb: "create", What: "machine policy", Name: "Immutable Infrastructure", Changes: []string{
		"time between health checks: 1.00:00:00 → 00:02:00", "removal of targets: DoNotDelete → DeleteUnavailableMachines",
	}},
	{Do: terminal.DoNothing, Verb: "leave", What: "environment", Name: "Develop\x1b[2Jment"},
	{Do: terminal.DoChange, Verb: "change", What: "trigger", Name: "regrow: new hello-world targets in Development", Changes: []string{"disabled: true → false"},
		Note: "Other triggers of the project deploy to some of the same targets, too, which interacts badly."},
	{Do: terminal.DoWait, Verb: "blocked", What: "subscription", Name: "regrow: octopus", Note: "The API key's user lacks the permission SubscriptionCreate."},
}

func TestIntents(t *testing.T) {
	t.Parallel()
	s, out := screen(0)
	if err := s.Intents("What the pipeline hello-world needs", someIntents); err != nil {
		t.Fatal(err)
	}
	golden(t, "intents", out.String())
}

func TestIntentsInColourAndNarrow(t *testing.T) {
	t.Parallel()
	s, out := screen(0)
	s.Color, s.Width = true, 70
	if err := s.Intents("", someIntents); err != nil {
		t.Fatal(err)
	}
	golden(t, "intents_colour_narrow", out.String())
}

func TestNobodySitsBeforeWhatIsNoTerminal(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if terminal.Interactive(strings.NewReader("y\n")) || terminal.Interactive(null) {
		t.Error("a text or nothing at all is taken for a person")
	}
}
