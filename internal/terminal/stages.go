package terminal

import (
	"cmp"
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

// shownReasons is how many reasons are shown for which attempts came to nothing.
const shownReasons = 3

// attempts shows the attempts that had to be made again, and the latest reasons
// why. Attempts in a row that ended alike are shown together.
func (p *page) attempts(all []client.Attempt) {
	alike := futile(all)
	if hidden := len(alike) - shownReasons; hidden > 0 {
		earlier := 0
		for _, group := range alike[:hidden] {
			earlier += len(group)
		}
		p.line("      ", p.paint(dim, count(earlier, "earlier attempt")+" came to nothing"))
		alike = alike[hidden:]
	}
	for _, group := range alike {
		first, last := group[0], group[len(group)-1]
		text := fmt.Sprintf("attempt %d at %s", first.Number, p.clock(first.StartedAt))
		if len(group) > 1 {
			text = fmt.Sprintf("attempts %d to %d from %s to %s", first.Number, last.Number, p.clock(first.StartedAt), p.clock(last.StartedAt))
		}
		p.indented(6, text+" came to nothing: "+whyFutile(last))
	}
}

// futile returns the attempts that had to be made again, those together that
// followed each other and ended alike.
func futile(all []client.Attempt) [][]client.Attempt {
	var groups [][]client.Attempt
	before := ""
	for _, attempt := range all {
		if attempt.Outcome != client.AttemptOutcomeRetrying && attempt.Outcome != client.AttemptOutcomeLost {
			before = ""
			continue
		}
		if reason := whyFutile(attempt); reason != before {
			groups = append(groups, nil)
			before = reason
		}
		latest := len(groups) - 1
		groups[latest] = append(groups[latest], attempt)
	}
	return groups
}

func whyFutile(attempt client.Attempt) string {
	if attempt.Outcome == client.AttemptOutcomeLost {
		return "the process that made it vanished"
	}
	return cmp.Or(clean(attempt.Error), "it gave no reason")
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
	p.thing("process at", joined(r.text("git_ref"), short(r.text("git_commit"))), "")
	p.thing("deployment", r.text("deployment_id"), r.text("deployment_url"))
	p.thing("task", r.text("task_id"), r.text("task_url"))
	p.thing("override", r.text("override_release_id"), "")
	redeployments, _ := r["redeployments"].([]any)
	for _, entry := range redeployments {
		if again, ok := entry.(map[string]any); ok {
			p.thing("redeployed", result(again).text("deployment_id")+listed(" to ", again["targets"]), result(again).text("deployment_url"))
		}
	}
	p.thing("cancelled", listed("", r["cancelled_tasks"]), "")
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
