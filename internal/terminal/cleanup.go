package terminal

import (
	"fmt"
	"strings"

	"regrow/internal/client"
)

// Cleanup shows what the clean-up of a run would do now: what becomes of each old
// target and why, and what keeps it from going on.
func (s *Screen) Cleanup(run client.Run, preview client.CleanupPreview) error {
	p := s.page(s.Now())
	m, sum := sumOfCleanup(preview)
	p.line(p.paint(bold, name(run)), "  ", p.sign(m), " ", p.paint(m.style, sum))
	c := preview.Cleanup
	p.fact("mode", joined(string(c.Mode), clean(c.Runbook)))
	if c.Mode != client.CleanupModePolicy {
		p.fact("guards", guardsOf(preview))
	}
	if !preview.BeginsAt.IsZero() && preview.BeginsAt.After(s.Now()) {
		p.fact("begins", fmt.Sprintf("%s (%s)", p.clock(preview.BeginsAt), p.ago(preview.BeginsAt)))
	}
	if len(preview.Targets) > 0 {
		p.line("  ", p.paint(bold, fmt.Sprintf("old targets: %d", len(preview.Targets))))
		p.columns(p.oldRows(preview.Targets))
	}
	p.findings(preview.Findings)
	p.line()
	p.indented(0, "Nothing was changed. This is a forecast: clean-up looks again before each deletion.")
	return p.flush()
}

// sumOfCleanup says in a few words what would become of the old targets.
func sumOfCleanup(preview client.CleanupPreview) (mark, string) {
	counts := map[client.CleanupTargetFate]int{}
	for _, target := range preview.Targets {
		counts[target.Fate]++
	}
	there := len(preview.Targets) - counts[client.CleanupTargetFateGone]
	switch {
	case preview.WouldFail:
		return markFailed, "clean-up would fail, and remove nothing"
	case counts[client.CleanupTargetFateUnknown] > 0:
		return markUnknown, "unknown what clean-up would remove"
	case there == 0:
		return markDone, "clean-up has nothing to remove"
	case counts[client.CleanupTargetFateHeld] > 0:
		return markHeld, "clean-up would remove nothing for now"
	case preview.Cleanup.Mode == client.CleanupModeRunbook:
		return markTodo, fmt.Sprintf("the runbook decides on %s", count(there, "old target"))
	case preview.Cleanup.Mode == client.CleanupModePolicy:
		return markTodo, fmt.Sprintf("the machine policy decides on %s", count(there, "old target"))
	default:
		return markDone, fmt.Sprintf("clean-up would remove %d of %s", counts[client.CleanupTargetFateRemoved], count(there, "old target"))
	}
}

// guardsOf says what has to hold for anything to be removed.
func guardsOf(preview client.CleanupPreview) string {
	c := preview.Cleanup
	text := fmt.Sprintf("%s to stand, unknown how many are available", count(c.Minimum, "new target"))
	if preview.Available != nil {
		text = fmt.Sprintf("%s to stand, %d available", count(c.Minimum, "new target"), *preview.Available)
	}
	if c.MaxRemovals > 0 {
		text += fmt.Sprintf("; at most %s", count(c.MaxRemovals, "removal"))
	}
	return text
}

func (p *page) oldRows(targets []client.CleanupTarget) [][]cell {
	rows := make([][]cell, len(targets))
	for i, target := range targets {
		m, fate := fateOfOld(target.Fate)
		state := strings.ToLower(clean(target.Health))
		if target.Disabled {
			state = joined(state, "disabled")
		}
		if target.InUse {
			state = joined(state, "in use")
		}
		rows[i] = []cell{
			{m.sign, m.style}, {clean(target.Name), bold}, {clean(target.ID), plain}, {state, plain}, {fate, plain}, {clean(target.Reason), plain},
		}
	}
	return rows
}

func fateOfOld(fate client.CleanupTargetFate) (mark, string) {
	switch fate {
	case client.CleanupTargetFateHeld:
		return markHeld, "held"
	case client.CleanupTargetFateGone:
		return markEnded, "gone"
	case client.CleanupTargetFateUnknown:
		return markUnknown, "unknown"
	default:
		return fateOf(client.PlanTargetFate(fate))
	}
}
