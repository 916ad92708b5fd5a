package terminal

import (
	"fmt"
	"strings"
	"time"

	"regrow/internal/client"
)

// stage shows what one stage did, when, and what it made in Octopus.
func (p *page) stage(run client.RunDetail, stage client.StageDetail) {
	title := pad(string(stage.Stage), 15)
	m := markOfStage(stage.Status)
	if stage.StartedAt.IsZero() {
		p.line("  ", p.sign(m), " ", p.paint(dim, title))
		return
	}
	p.line("  ", p.sign(m), " ", p.paint(bold, title), p.clock(stage.StartedAt), "  ",
		pad(p.took(stage), 14), "  ", tries(stage.Attempts))
	if !reasonIsTold(run, stage) {
		p.indented(6, stage.Reason)
	}
	p.attempts(stage.Attempts)
	p.made(stage.Result)
}

// reasonIsTold tells whether the stage's reason is told with the run's already,
// at length.
func reasonIsTold(run client.RunDetail, stage client.StageDetail) bool {
	return run.Status != client.RunStatusSucceeded && stage.Stage == run.Stage && stage.Reason == run.Reason
}

func (p *page) took(stage client.StageDetail) string {
	if stage.EndedAt.IsZero() {
		return duration(p.Now().Sub(stage.StartedAt)) + " so far"
	}
	return duration(stage.EndedAt.Sub(stage.StartedAt))
}

// tries counts the attempts, and the looks at Octopus where one attempt took
// several.
func tries(attempts []client.Attempt) string {
	if len(attempts) == 0 {
		return ""
	}
	looks := 0
	for _, attempt := range attempts {
		looks += int(attempt.Checks)
	}
	text := count(len(attempts), "attempt")
	if looks > len(attempts) {
		text += ", " + count(looks, "look")
	}
	return text
}

// shownAttempts is how many of the attempts that came to nothing are shown.
const shownAttempts = 3

// attempts shows the latest attempts that had to be made again, and why.
func (p *page) attempts(all []client.Attempt) {
	var futile []client.Attempt
	for _, attempt := range all {
		if attempt.Outcome == client.AttemptOutcomeRetrying || attempt.Outcome == client.AttemptOutcomeLost {
			futile = append(futile, attempt)
		}
	}
	if hidden := len(futile) - shownAttempts; hidden > 0 {
		p.line("      ", p.paint(dim, count(hidden, "earlier attempt")+" came to nothing"))
		futile = futile[hidden:]
	}
	for _, attempt := range futile {
		p.indented(6, fmt.Sprintf("attempt %d at %s came to nothing (%s): %s",
			attempt.Number, p.clock(attempt.StartedAt), attempt.Outcome, attempt.Error))
	}
}

// result is what a stage made in Octopus, as the API gives it.
type result map[string]any

func (r result) text(key string) string {
	text, _ := r[key].(string) // absent and not a string are both nothing to show
	return clean(text)
}

// made shows what a stage made in Octopus: id and address.
func (p *page) made(r result) {
	p.thing("release", strings.TrimSpace(r.text("release_version")+"  "+r.text("release_id")), r.text("release_url"))
	p.thing("deployment", r.text("deployment_id"), r.text("deployment_url"))
	p.thing("task", r.text("task_id"), r.text("task_url"))
	p.thing("override", r.text("override_release_id"), "")
	redeployments, _ := r["redeployments"].([]any)
	for _, entry := range redeployments {
		if again, ok := entry.(map[string]any); ok {
			p.thing("redeployed", result(again).text("deployment_id")+listed(" to ", again["targets"]), result(again).text("deployment_url"))
		}
	}
	p.thing("in", joined(r.text("project_id"), r.text("environment_id"), r.text("tenant_id")), "")
}

func (p *page) thing(name, id, address string) {
	if id == "" {
		return
	}
	p.line("      ", p.paint(dim, pad(name, 12)), pad(id, 28), "  ", p.paint(dim, address))
}

// listed shows a JSON array of ids.
func listed(before string, value any) string {
	entries, _ := value.([]any)
	var ids []string
	for _, entry := range entries {
		ids = append(ids, clean(fmt.Sprint(entry)))
	}
	if len(ids) == 0 {
		return ""
	}
	return before + strings.Join(ids, ", ")
}

func joined(parts ...string) string {
	var there []string
	for _, part := range parts {
		if part != "" {
			there = append(there, part)
		}
	}
	return strings.Join(there, ", ")
}

// since shows when something began, unless it is not known.
func (p *page) since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return "since " + p.clock(t)
}
