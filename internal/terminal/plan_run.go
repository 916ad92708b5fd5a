package terminal

import (
	"cmp"
	"fmt"
	"strings"

	"regrow/internal/client"
)

// foreseen shows a run that is not there yet, and what it would find; its commit
// only where there are others.
func (p *page) foreseen(pipeline string, run client.PlanRun, others bool) {
	m, becomes := markDone, "would start at once"
	switch {
	case run.WouldFail:
		m, becomes = markFailed, becomesOf(run)+", and fail"
	case run.Status == client.RunStatusQueued:
		m, becomes = markWaiting, becomesOf(run)
	}
	p.line()
	p.line(p.paint(bold, fmt.Sprintf("%s #%d", clean(pipeline), run.Number)), "  ", p.sign(m), " ", p.paint(m.style, becomes))
	if others {
		p.fact("commit", clean(run.Commit.SHA)+"  "+firstLine(run.Commit.Message))
	}
	p.laneOf(run.Lane)
	p.releases(run)
	p.overrideOf(run.Override)
	p.freezes(run.Freezes)
	p.baseline(run.Targets)
	p.findings(run.Findings)
}

func becomesOf(run client.PlanRun) string {
	if run.Status == client.RunStatusRunning {
		return "would start at once"
	}
	return "would be queued"
}

func (p *page) laneOf(lane client.PlanLane) {
	p.fact("lane", clean(lane.Key))
	if holder := lane.Holder; holder.Number > 0 {
		p.fact("held by", fmt.Sprintf("%s, %s in %s since %s", laneRun(holder), holder.Status, holder.Stage, p.clock(holder.Since)))
	} else {
		p.fact("held by", "nobody")
	}
	for _, pause := range lane.PausedBy {
		p.fact("paused", fmt.Sprintf("%s, by %s since %s: %s", pausedWhat(pause), clean(pause.By), p.Screen.day(pause.Since), clean(pause.Reason)))
	}
	p.fact("replaces", listOf(lane.Supersedes, laneRun))
	p.fact("behind", listOf(lane.Ahead, laneRun))
}

func laneRun(run client.PlanLaneRun) string {
	return fmt.Sprintf("%s#%d", clean(run.Pipeline), run.Number)
}

func (p *page) releases(run client.PlanRun) {
	p.line("  ", p.paint(bold, "releases to be created"))
	p.columns([][]cell{releaseRow(run.Infrastructure), releaseRow(run.Application)})
}

func releaseRow(release client.PlanRelease) []cell {
	m, text := markTodo, ""
	switch release.Existing {
	case client.PlanPresenceExists:
		m, text = markFailed, "exists already as "+clean(release.ReleaseID)
	case client.PlanPresenceUnknown:
		m, text = markUnknown, "unknown whether it exists already"
	case client.PlanPresenceNone:
	}
	git := clean(cmp.Or(release.GitCommit, release.GitRef))
	if git != "" {
		git = "from " + git
	}
	packages := listOf(release.Packages, func(p client.PlanPackage) string {
		return strings.TrimSpace(clean(p.Step)+" "+clean(p.Reference)) + " " + clean(p.Version)
	})
	return []cell{
		{m.sign, m.style}, {clean(cmp.Or(release.Version, "no version")), bold}, {"of " + clean(release.Project), plain},
		{text, m.style}, {git, plain}, {packages, plain}, {clean(release.ReleaseURL), dim},
	}
}

func (p *page) overrideOf(override client.PlanOverride) {
	switch override.Existing {
	case client.PlanPresenceNone:
		p.fact("override", "there is none to replace")
	case client.PlanPresenceUnknown:
		p.fact("override", p.sign(markUnknown)+" unknown whether there is one to replace")
	case client.PlanPresenceExists:
		by := "somebody else"
		if override.Run.Number > 0 {
			by = fmt.Sprintf("%s#%d", clean(override.Run.Pipeline), override.Run.Number)
		}
		p.fact("override", fmt.Sprintf("replaces release %s, set by %s", clean(cmp.Or(override.ReleaseVersion, override.ReleaseID)), by))
	}
}

func (p *page) freezes(freezes client.PlanFreezes) {
	if freezes.Existing == client.PlanPresenceUnknown {
		p.fact("freezes", p.sign(markUnknown)+" unknown whether there are any")
	}
	if len(freezes.Freezes) == 0 {
		return
	}
	rows := make([][]cell, len(freezes.Freezes))
	for i, freeze := range freezes.Freezes {
		m, when := markTodo, "begins "+p.Screen.day(freeze.Start)
		if freeze.Active {
			m, when = markWaiting, "holds"
		}
		rows[i] = []cell{
			{m.sign, m.style}, {clean(freeze.Name), bold}, {"of " + clean(freeze.Project), plain}, {when, plain}, {"ends " + p.Screen.day(freeze.End), plain},
		}
	}
	p.line("  ", p.paint(bold, "deployment freezes"))
	p.columns(rows)
}

// baseline shows the targets that stand and what clean-up would make of each.
func (p *page) baseline(targets client.PlanTargets) {
	title := fmt.Sprintf("old targets: %d, %s to come", len(targets.Targets), count(targets.Expected, "new one"))
	if targets.Existing == client.PlanPresenceUnknown {
		title = fmt.Sprintf("old targets: unknown, %s to come", count(targets.Expected, "new one"))
	}
	p.line("  ", p.paint(bold, title))
	rows := make([][]cell, len(targets.Targets))
	for i, target := range targets.Targets {
		m, fate := fateOf(target.Fate)
		state := strings.ToLower(clean(target.Health))
		if target.Disabled {
			state = joined(state, "disabled")
		}
		rows[i] = []cell{
			{m.sign, m.style}, {clean(target.Name), bold}, {clean(target.ID), plain},
			{listOf(target.Roles, clean), plain}, {state, plain}, {fate, plain}, {clean(target.Reason), plain},
		}
	}
	p.columns(rows)
}

func fateOf(fate client.PlanTargetFate) (mark, string) {
	switch fate {
	case client.PlanTargetFateRemoved:
		return markDone, "goes"
	case client.PlanTargetFateRemovedWhenGone:
		return markTodo, "goes later"
	case client.PlanTargetFateStays:
		return markWaiting, "stays"
	default:
		return markTodo, "left to others"
	}
}

// findings show what a run would come upon.
func (p *page) findings(findings []client.PlanFinding) {
	if len(findings) == 0 {
		return
	}
	p.line("  ", p.paint(bold, "findings"))
	for _, finding := range findings {
		m, before := markNotice, ""
		switch finding.Kind {
		case client.PlanFindingKindFails:
			m, before = markFailed, "It would fail. "
		case client.PlanFindingKindWaits:
			m, before = markWaiting, "It would wait. "
		case client.PlanFindingKindUnknown:
			m, before = markUnknown, "Unknown. "
		case client.PlanFindingKindNotice:
		}
		text := before + sentence(finding.Message)
		if finding.Remedy != "" {
			text += " What to do: " + sentence(finding.Remedy)
		}
		p.marked(m, text)
	}
}

// marked writes text in lines behind a mark.
func (p *page) marked(m mark, text string) {
	room := p.width
	if room > 0 {
		room = max(room-2*len(indent), 20)
	}
	lead := p.sign(m) + " "
	for _, line := range wrap(clean(text), room) {
		p.line(indent, lead, line)
		lead = indent
	}
}
