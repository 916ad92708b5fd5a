package terminal_test

import (
	"strings"
	"testing"
	"time"

	"regrow/internal/client"
)

// story is what happens to a run that is watched from its creation.
func story() []client.Event {
	events := []client.Event{
		{Kind: "run_created", Stage: "provision", Message: "Run #12 of pipeline hello-world for commit 4f0b1c5a on refs/heads/main."},
		{Kind: "run_queued", Stage: "provision", Message: "The lane is taken; the run waits for its turn."},
		{Kind: "run_started", Stage: "provision", Message: "The run holds its lane and begins with provision."},
		{Kind: "stage_started", Stage: "provision", Message: "Stage provision begins."},
		{Kind: "run_frozen", Stage: "provision", Message: `The deployment freeze "Christmas" holds until 2026-12-27T06:00:00Z.`, Data: map[string]any{"freeze": "Christmas"}},
		{Kind: "freeze_ignored", Stage: "provision", Message: `mira had the run ignore the deployment freeze "Christmas": the shop is down`},
		{Kind: "run_thawed", Stage: "provision", Message: `The run goes on in spite of the deployment freeze "Christmas".`},
		{Kind: "baseline_recorded", Stage: "provision", Message: "2 targets stand before the run."},
		{Kind: "stage_retrying", Stage: "provision", Message: "Octopus answered 503."},
		{Kind: "stage_succeeded", Stage: "provision", Message: "Release 1.0.12 of hello-infra is being deployed to Production."},
		{Kind: "stage_started", Stage: "verify", Message: "Stage verify begins."},
		{Kind: "stage_waiting", Stage: "verify", Message: "3 expected, 0 available, 0 deployed"},
		{Kind: "target_found", Stage: "verify", Message: "New target web-12-a (Healthy)."},
		{Kind: "stage_failed", Stage: "verify", Message: "The new generation was not proven within 30m0s."},
		{Kind: "run_failed", Stage: "verify", Message: "The new generation was not proven within 30m0s."},
		{Kind: "retry_requested", Stage: "verify", Message: "ops asked for a retry from verify.", Data: map[string]any{"from": "verify"}},
		{Kind: "run_started", Stage: "verify", Message: "The run holds its lane and begins with verify."},
		{Kind: "stage_started", Stage: "verify", Message: "Stage verify begins."},
		{Kind: "run_held", Stage: "verify", Message: "Held: everything is paused by ops since 2026-10-24T12:03:11Z: fire."},
		{Kind: "run_released", Stage: "verify", Message: "mira had everything go on; the run is not held any more."},
		{Kind: "cancel_requested", Stage: "verify", Message: "Cancelled by ops."},
		{Kind: "run_cancelled", Stage: "verify", Message: "Cancelled by ops."},
	}
	for i := range events {
		events[i].ID, events[i].At = int64(i+1), at(float64(i))
	}
	return events
}

func TestLiveAsLines(t *testing.T) {
	t.Parallel()
	s, out := screen(1)
	live := s.Live(newRun())
	for i, event := range story() {
		if err := live.Event(event); err != nil {
			t.Fatal(err)
		}
		if i == 11 {
			live.Note("connection lost (unexpected EOF), trying again in 1s")
			// A stream may begin before where it broke off.
			if err := live.Event(story()[10]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, "live_lines", out.String())
}

// TestLiveAsBlock looks at what a person would see after each event.
func TestLiveAsBlock(t *testing.T) {
	t.Parallel()
	clock := at(0)
	s, out := screen(0)
	s.Overwrite, s.Width, s.Now = true, 80, func() time.Time { return clock }
	live := s.LiveAt(newRun(), nil)
	var seen strings.Builder
	look := func(title string) {
		seen.WriteString("--- " + title + "\n" + strings.Join(visible(t, out.String()), "\n") + "\n")
	}
	look("at first")
	for i, event := range story() {
		clock = event.At.Add(500 * time.Millisecond)
		if err := live.Event(event); err != nil {
			t.Fatal(err)
		}
		look("after " + event.Kind)
		if i == 9 {
			live.Note("connection lost (unexpected EOF), trying again in 1s")
			look("connection lost")
		}
	}
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
	if left := strings.TrimSpace(strings.Join(visible(t, out.String()), "")); left != "" {
		t.Errorf("after the end the block is still there: %q", left)
	}
	golden(t, "live_block", seen.String())
}

// The block of a long title in wide letters must not break: each of its lines
// stays one line, or the next drawing would leave the old one's head behind.
func TestLiveBlockKeepsToTheWindow(t *testing.T) {
	t.Parallel()
	s, out := screen(75)
	s.Overwrite, s.Width, s.Color = true, 40, true
	run := begun()
	run.Commit.Message = strings.Repeat("世界をすべて新しく ", 10)
	run.Pipeline = "a-pipeline-with-a-name-of-some-length"
	live := s.LiveAt(run, nil)
	for _, event := range story() {
		if err := live.Event(event); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "live_block_narrow", strings.Join(visible(t, out.String()), "\n")+"\n")
	for _, line := range visible(t, out.String()) {
		if wide := columnsOf(line); wide > 40 {
			t.Errorf("%d columns: %q", wide, line)
		}
	}
}

func TestLiveTurnsItsSpinner(t *testing.T) {
	t.Parallel()
	ticks := make(chan time.Time)
	s, out := screen(75)
	s.Overwrite = true
	live := s.LiveAt(begun(), ticks)
	for range 3 {
		ticks <- time.Time{}
	}
	if err := live.Close(); err != nil { // waits for the last drawing
		t.Fatal(err)
	}
	for _, frame := range []string{"⠋ verify", "⠙ verify", "⠹ verify"} {
		if !strings.Contains(out.String(), frame) {
			t.Errorf("%s was not drawn", frame)
		}
	}
}

func TestLiveCanBeClosedTwice(t *testing.T) {
	t.Parallel()
	s, _ := screen(75)
	s.Overwrite = true
	live := s.Live(begun())
	for range 2 {
		if err := live.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// visible is what stays on a terminal of everything that was written to it, as
// far as the sequences go that this package uses.
func visible(t *testing.T, written string) []string {
	t.Helper()
	var lines []string
	row := 0
	for written != "" {
		if up, rest, ok := cursorUp(written); ok {
			row = max(0, row-up)
			lines, written = lines[:row], rest // the rest of the screen is erased with it
			continue
		}
		line, rest, _ := strings.Cut(written, "\n")
		lines = append(lines[:row], sgr.ReplaceAllString(line, ""))
		row++
		written = rest
		if strings.ContainsRune(lines[row-1], '\x1b') {
			t.Fatalf("an escape sequence in the midst of a line: %q", line)
		}
	}
	return lines
}
