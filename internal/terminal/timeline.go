package terminal

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"regrow/internal/client"
)

// Timeline writes a run's timeline to w, in the style that fits w.
func Timeline(w io.Writer, run client.RunDetail) error { return New(w).Timeline(run) }

// Timeline shows all that is known of a run: the commit, what each stage did
// and when, which targets are new and which are gone, why it ended or what it
// waits for, and how to look further.
func (s *Screen) Timeline(run client.RunDetail) error {
	p := s.page(run.CreatedAt)
	p.header(run.Run)
	p.heading("stages")
	for _, stage := range run.Stages {
		p.stage(run, stage)
	}
	p.targets(run)
	p.explanation(run.Run)
	if !p.NoHints {
		p.hints(run)
	}
	return p.flush()
}

// page collects lines, so that they are written at once.
type page struct {
	*Screen
	text strings.Builder
	// width is the columns there are, 0 for any number.
	width int
	// day is the time by which clock times are read.
	day time.Time
}

func (s *Screen) page(day time.Time) *page {
	return &page{Screen: s, width: s.columns(), day: day}
}

func (p *page) flush() error {
	_, err := io.WriteString(p.w, p.text.String())
	return err
}

func (p *page) line(parts ...string) {
	p.text.WriteString(strings.TrimRight(strings.Join(parts, ""), " ") + "\n")
}

func (p *page) heading(text string) {
	p.line()
	p.line(p.paint(bold, text))
}

// indented writes text in lines that begin that far from the left.
func (p *page) indented(columns int, text string) {
	room := p.width
	if room > 0 {
		room = max(room-columns, 20)
	}
	for _, line := range wrap(clean(text), room) {
		p.line(strings.Repeat(" ", columns), line)
	}
}

// clock shows a time by the day of the page.
func (p *page) clock(t time.Time) string { return p.Screen.clock(t, p.day) }

func (p *page) header(run client.Run) {
	m := markOfRun(run.Status)
	if len(run.HeldBy) > 0 {
		m = markHeld
	}
	p.line(p.paint(bold, name(run)), "  ", p.sign(m), " ", p.paint(m.style, p.standing(run)))
	commit := run.Commit
	title := firstLine(commit.Message)
	p.fact("commit", clean(commit.SHA)+"  "+title)
	p.fact("branch", clean(cmp.Or(commit.Branch, commit.Ref))+" of "+clean(commit.Repository))
	p.fact("author", clean(commit.Author))
	p.fact("version", clean(commit.Version))
	p.fact("created", fmt.Sprintf("%s (%s)", p.Screen.day(run.CreatedAt), p.ago(run.CreatedAt)))
	p.fact("ran", p.ran(run))
	p.fact("tenant", clean(run.Tenant))
	p.fact("lane", clean(run.Lane)+" on Octopus server "+clean(run.Server))
	p.fact("ignores", ignored(run.FreezeOverride))
	p.rollback(run)
	p.heldBy(run)
	p.fact("id", run.ID.String())
}

// fact writes a named value, unless there is none.
func (p *page) fact(name, value string) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	line := "  " + pad(name, 9) + value
	if name == "commit" { // its title may be long
		line = trim(line, p.width)
	}
	p.line(line)
}

func (p *page) ran(run client.Run) string {
	if run.StartedAt.IsZero() {
		return ""
	}
	text := "from " + p.clock(run.StartedAt)
	if !run.EndedAt.IsZero() {
		text += " to " + p.clock(run.EndedAt)
	}
	if run.Round > 1 {
		text += fmt.Sprintf(", retried %s", times(run.Round-1))
	}
	return text
}

func times(n int32) string {
	if n == 1 {
		return "once"
	}
	return count(n, "time")
}

// standing says in a few words how a run stands.
func (s *Screen) standing(run client.Run) string {
	took := ""
	if d := s.elapsed(run); d > 0 {
		took = duration(d)
	}
	switch run.Status {
	case client.RunStatusQueued:
		queued := "queued for " + duration(s.Now().Sub(run.CreatedAt))
		if len(run.HeldBy) > 0 {
			return held + ", " + queued
		}
		return queued
	case client.RunStatusRunning:
		return fmt.Sprintf("running %s, %s so far", run.Stage, took)
	case client.RunStatusWaiting:
		if len(run.HeldBy) > 0 {
			return fmt.Sprintf("%s in %s, %s so far", held, run.Stage, took)
		}
		if run.Frozen.Name != "" {
			return fmt.Sprintf("%s in %s, %s so far", frozen, run.Stage, took)
		}
		return fmt.Sprintf("waiting in %s, %s so far", run.Stage, took)
	case client.RunStatusSucceeded:
		return "succeeded in " + took
	case client.RunStatusFailed:
		return fmt.Sprintf("failed in %s after %s", run.Stage, took)
	default:
		if took == "" {
			return string(run.Status) + " before it began"
		}
		return fmt.Sprintf("%s in %s after %s", run.Status, run.Stage, took)
	}
}

// frozen is how a run stands that waits for the end of a deployment freeze.
const frozen = "frozen"

// ignored tells that a run heeds no deployment freeze, and why.
func ignored(o client.FreezeOverride) string {
	if o.By == "" {
		return ""
	}
	return fmt.Sprintf("deployment freezes, as %s wanted: %s", clean(o.By), clean(o.Reason))
}

// elapsed is how long a run has taken, so far or in all; 0 before it starts.
func (s *Screen) elapsed(run client.Run) time.Duration {
	switch {
	case run.StartedAt.IsZero():
		return 0
	case run.EndedAt.IsZero():
		return s.Now().Sub(run.StartedAt)
	default:
		return run.EndedAt.Sub(run.StartedAt)
	}
}

// explanation tells why the run ended as it did, or what it waits for.
func (p *page) explanation(run client.Run) {
	switch run.Status {
	case client.RunStatusSucceeded:
		return
	case client.RunStatusFailed:
		p.paragraph("what happened", run.Reason)
		p.paragraph("what to do", run.Remedy)
	case client.RunStatusCancelled, client.RunStatusSuperseded:
		p.paragraph("why it ended", run.Reason)
		p.paragraph("what to do", run.Remedy)
	case client.RunStatusRunning:
		p.paragraph("what holds it up", run.Reason)
		p.outlook(run)
	default:
		p.paragraph("what it waits for", run.Reason)
		p.outlook(run)
	}
}

// outlook tells what will happen next with a run that has not ended.
func (p *page) outlook(run client.Run) {
	p.paragraph("cancel requested", p.cancelRequest(run))
	p.paragraph("what comes next", p.next(run))
}

func (p *page) paragraph(title, text string) {
	if text = sentence(text); text != "" {
		p.heading(title)
		p.indented(2, text)
	}
}

func (p *page) cancelRequest(run client.Run) string {
	if run.CancelRequestedAt.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s %s", p.clock(run.CancelRequestedAt), run.CancelReason)
}

func (p *page) next(run client.Run) string {
	var parts []string
	if !run.NextCheckAt.IsZero() {
		parts = append(parts, fmt.Sprintf("the next look is at %s (%s) if no event comes before", p.clock(run.NextCheckAt), p.ago(run.NextCheckAt)))
	}
	if !run.DeadlineAt.IsZero() {
		parts = append(parts, fmt.Sprintf("the stage gives up at %s (%s)", p.clock(run.DeadlineAt), p.ago(run.DeadlineAt)))
	}
	return strings.Join(parts, "; ")
}

// hints tell how to look further and what can be done with the run.
func (p *page) hints(run client.RunDetail) {
	p.heading("look further")
	hint := func(verb, rest, what string) {
		p.hint(p.Command(verb, Ref(run.Run))+rest, what)
	}
	switch {
	case run.Status == client.RunStatusFailed:
		from := ""
		if run.RetryFrom != "" {
			from = " --from " + string(run.RetryFrom)
		}
		hint("retry", from+" --wait", "let it go on")
		p.hintRollback(run.Run)
	case run.Status == client.RunStatusSucceeded:
		p.hintRollback(run.Run)
	case !ended(run.Status):
		hint("watch", "", "see it go on")
		if run.Frozen.Name != "" {
			hint("ignore-freeze", " --reason '…'", "have it go on in spite of the freeze")
		}
		if len(run.HeldBy) > 0 {
			p.hint(strings.TrimSpace("regrow lanes "+p.Flags), "what is paused, by whom and why")
		}
		hint("cancel", " --reason '…'", "end it")
	}
	if run.Stage == client.StageCleanup && run.Status != client.RunStatusSucceeded {
		hint("cleanup", " --dry-run", "see what clean-up would remove")
	}
	hint("show", " --output json", "everything, for programs")
	if p.Server != "" {
		p.hint(strings.TrimRight(p.Server, "/")+"/api/v1/runs/"+run.ID.String()+"/events", "every event")
	}
}

// Command is the command that does something with a run, for instance
// "regrow runs watch hello-world#12".
func (s *Screen) Command(verb, run string) string {
	return strings.TrimSpace(fmt.Sprintf("regrow runs %s %s %s", verb, run, s.Flags))
}

func (p *page) hint(command, what string) {
	p.line("  ", pad(command, 60), "  ", p.paint(dim, what))
}

// name is how people call a run.
func name(run client.Run) string { return fmt.Sprintf("%s #%d", clean(run.Pipeline), run.Number) }

// Ref is how commands call a run: PIPELINE#NUMBER.
func Ref(run client.Run) string { return fmt.Sprintf("%s#%d", clean(run.Pipeline), run.Number) }
