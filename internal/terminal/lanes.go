package terminal

import (
	"cmp"
	"fmt"
	"strings"

	"regrow/internal/client"
)

// Lanes shows all lanes as a table, after the pauses that stand.
func (s *Screen) Lanes(lanes []client.Lane, pauses []client.Pause) error {
	p := s.page(s.Now())
	for _, pause := range pauses {
		p.pause(pause)
	}
	if len(pauses) > 0 {
		p.line()
	}
	if len(lanes) == 0 {
		p.line("No lanes.")
		return p.flush()
	}
	rows := [][]cell{{
		{"", plain}, {"environment", dim}, {tenantOfLanes(lanes), dim}, {"infrastructure", dim}, {"active run", dim},
		{"", plain}, {"queued", dim}, {"pipelines", dim}, {"key", dim},
	}}
	for _, lane := range lanes {
		rows = append(rows, p.laneRow(lane))
	}
	if p.width > 0 && p.width < 140 {
		p.withLastTwoBelow(rows)
	} else {
		p.columns(rows)
	}
	return p.flush()
}

func tenantOfLanes(lanes []client.Lane) string {
	for _, lane := range lanes {
		if lane.Tenant != "" {
			return "tenant"
		}
	}
	return ""
}

func (p *page) laneRow(lane client.Lane) []cell {
	m, active, standing := markTodo, "none", ""
	if run := lane.Active; run.Number > 0 {
		m, active = markOfRun(run.Status), fmt.Sprintf("%s#%d", clean(run.Pipeline), run.Number)
		standing = fmt.Sprintf("%s in %s for %s", run.Status, run.Stage, duration(p.Now().Sub(run.Since)))
	}
	if len(lane.PausedBy) > 0 {
		m = markHeld
	}
	queued := ""
	if lane.QueuedCount > 0 {
		oldest := lane.Queued[0]
		queued = fmt.Sprintf("%d, next %s#%d", lane.QueuedCount, clean(oldest.Pipeline), oldest.Number)
	}
	return []cell{
		{m.sign, m.style}, {clean(lane.Environment), bold}, {trim(clean(lane.Tenant), 30), plain}, {clean(lane.InfrastructureProject), plain},
		{active, m.style}, {standing, plain}, {queued, plain}, {listOf(lane.Pipelines, clean), plain}, {clean(lane.Key), dim},
	}
}

// Paused shows a pause that was begun or found, and how to lift it with the
// selector that it was asked for with.
func (s *Screen) Paused(pause client.Pause, already bool, selector string) error {
	p := s.page(s.Now())
	p.pause(pause)
	if already {
		p.indented(2, "It was paused already; nothing has changed.")
	}
	if !p.NoHints {
		p.line("Lift it with: ", strings.TrimSpace(fmt.Sprintf("regrow resume %s %s", selector, p.Flags)))
	}
	return p.flush()
}

// Resumed shows a pause that was lifted.
func (s *Screen) Resumed(pause client.Pause) error {
	p := s.page(s.Now())
	p.line(p.sign(markDone), " ", p.paint(bold, pausedWhat(pause)), fmt.Sprintf(" goes on; it was paused for %s.", duration(p.Now().Sub(pause.Since))))
	return p.flush()
}

func (p *page) pause(pause client.Pause) {
	p.line(p.sign(markHeld), " ", p.paint(bold, pausedWhat(pause)), " is paused by ", clean(pause.By), " since ", p.Screen.day(pause.Since), " (", p.ago(pause.Since), "):")
	p.indented(2, sentence(pause.Reason))
}

// heldBy tells which pauses hold a run, unless its reason does.
func (p *page) heldBy(run client.Run) {
	if strings.HasPrefix(run.Reason, "Held: ") {
		return
	}
	for _, pause := range run.HeldBy {
		p.fact("held by", fmt.Sprintf("%s, paused by %s since %s: %s", pausedWhat(pause), clean(pause.By), p.clock(pause.Since), clean(pause.Reason)))
	}
}

// pausedWhat names what is paused.
func pausedWhat(pause client.Pause) string {
	switch pause.Scope {
	case client.PauseScopeLane:
		return "Lane " + clean(cmp.Or(pause.Name, pause.Key))
	case client.PauseScopeEnvironment:
		return "Environment " + clean(cmp.Or(pause.Name, pause.Key))
	default:
		return "Everything"
	}
}

// held is how a run stands that a pause holds back.
const held = "held"
