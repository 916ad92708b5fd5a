package terminal_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

func TestTimelineOfEveryState(t *testing.T) {
	t.Parallel()
	cancelling := begun()
	cancelling.CancelRequestedAt, cancelling.CancelReason = at(70), "Cancelled by ops: wrong branch"
	retried := running()
	retried.Round = 3
	ignoring := begun()
	ignoring.Tenant = "Acme"
	ignoring.Stages[1].Result["git_ref"], ignoring.Stages[1].Result["git_commit"] = "refs/heads/main", ignoring.Commit.SHA
	ignoring.FreezeOverride = client.FreezeOverride{Reason: "the shop is down", By: "mira"}
	waitsInPause, verifiesInPause := newRun(), begun()
	waitsInPause.HeldBy, waitsInPause.Reason = heldRun().HeldBy, heldRun().Reason
	verifiesInPause.HeldBy = heldRun().HeldBy
	tests := map[string]struct {
		run client.RunDetail
		now float64
	}{
		"held":        {heldRun(), 7300},
		"held_queued": {waitsInPause, 7300},
		"held_soon":   {verifiesInPause, 7300},

		"queued":     {newRun(), 12},
		"running":    {running(), 6},
		"waiting":    {begun(), 75},
		"cancelling": {cancelling, 75},
		"succeeded":  {succeeded(), 600},
		"failed":     {failed(), 2400},
		"cancelled":  {cancelled(), 90000},
		"superseded": {superseded(), 300},
		"retried":    {retried, 6},
		"frozen":     {frozenRun(), 60},
		"ignoring":   {ignoring, 75},

		"rollback":    {aRollback(), 12},
		"rolled_back": {rolledBack(), 600},
		"given_back":  {givenBack(), 600},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := screen(test.now)
			if err := s.Timeline(test.run); err != nil {
				t.Fatal(err)
			}
			golden(t, "timeline_"+name, out.String())
		})
	}
}

func TestTimelineInColourAndNarrow(t *testing.T) {
	t.Parallel()
	s, out := screen(2400)
	s.Color, s.Width, s.Flags = true, 72, "--server http://127.0.0.1:9090"
	if err := s.Timeline(failed()); err != nil {
		t.Fatal(err)
	}
	golden(t, "timeline_colour_narrow", out.String())
}

func TestTimelineOverMidnightNamesTheDay(t *testing.T) {
	t.Parallel()
	s, out := screen(60)
	run := failed()
	run.EndedAt = created.Add(20 * time.Hour)
	if err := s.Timeline(run); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "from 14:03:11 to Oct 25 10:03:11") {
		t.Errorf("the end's day is not told:\n%s", out)
	}
}

func TestTimelineOnAnyWriterIsPlain(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := terminal.Timeline(&out, succeeded()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("escape sequences where there is no terminal:\n%q", out.String())
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestABrokenScreenIsAnError(t *testing.T) {
	t.Parallel()
	s := terminal.New(brokenWriter{})
	live := s.Live(begun())
	for name, err := range map[string]error{
		"timeline": s.Timeline(succeeded()),
		"table":    s.Runs(nil),
		"event":    live.Event(client.Event{ID: 1}),
		"close":    live.Close(),
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: %v, want %v", name, err, errBroken)
		}
	}
}

// Whatever senders wrote, none of it steers the terminal or breaks a table.
func TestForeignTextIsHarmless(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x1b\x9b\n\r\t\u202e\u2066\x07[31m")))).Draw(t, "text")
		run := failed()
		run.Pipeline, run.Commit.Message, run.Commit.Author, run.Commit.Branch = text, text, text, text
		run.Commit.SHA, run.Commit.Version, run.Commit.Repository = text, text, text
		run.Reason, run.Remedy, run.Lane, run.Server = text, text, text, text
		run.Stages[0].Reason, run.Stages[0].Attempts[0].Error = text, text
		run.Stages[0].Result["release_id"], run.Stages[0].Result["task_url"] = text, text
		run.Targets[0].Name, run.Targets[0].Note, run.Targets[2].Health, run.Targets[2].DeploymentID = text, text, text, text
		var out bytes.Buffer
		s := terminal.New(&out)
		s.Width = rapid.IntRange(0, 200).Draw(t, "width")
		live := s.Live(run)
		err := errors.Join(s.Timeline(run), s.Runs([]client.Run{run.Run}), live.Event(client.Event{ID: 1, Message: text, Stage: client.Stage(text), Kind: text}), live.Close(),
			s.Problem(&client.Error{Problem: client.Problem{Detail: text, Remedy: text, Errors: []client.ProblemError{{Pointer: text, Detail: text}}}}), s.Message(text))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			for _, r := range strings.TrimSuffix(line, "\n") {
				if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
					t.Fatalf("%q reaches the terminal in %q", r, line)
				}
			}
		}
	})
}
