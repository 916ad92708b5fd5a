package terminal

import (
	"fmt"
	"strings"

	"regrow/internal/client"
)

// targets shows which targets are new, and what became of the old ones.
func (p *page) targets(run client.RunDetail) {
	var fresh, old []client.Target
	for _, target := range run.Targets {
		if target.Generation == client.TargetGenerationNew {
			fresh = append(fresh, target)
		} else {
			old = append(old, target)
		}
	}
	if len(fresh) > 0 {
		p.newTargets(fresh, releaseOf(run))
	}
	if len(old) > 0 {
		p.oldTargets(run.Run, old)
	}
}

// releaseOf is the version of the application's release that the run made.
func releaseOf(run client.RunDetail) string {
	for _, stage := range run.Stages {
		if stage.Stage == client.StageCreateRelease {
			return result(stage.Result).text("release_version")
		}
	}
	return ""
}

func (p *page) newTargets(targets []client.Target, version string) {
	available, deployed := 0, 0
	rows := make([][]cell, len(targets))
	for i, target := range targets {
		m := markWaiting
		if target.Available {
			available++
		}
		switch target.ReleaseState {
		case "deployed":
			deployed++
			m = markDone
		case "failed", "other":
			m = markFailed
		}
		rows[i] = []cell{
			{m.sign, m.style}, {clean(target.Name), bold}, {clean(target.ID), plain}, {clean(target.Health), plain},
			{onTarget(target, version), plain}, {p.since(target.AvailableSince), plain}, {clean(target.Note), dim},
		}
	}
	p.heading(fmt.Sprintf("new targets: %d, %d available, %d with the release", len(targets), available, deployed))
	p.columns(rows)
}

// onTarget says how the run's release stands on a new target.
func onTarget(target client.Target, version string) string {
	release := strings.TrimSpace("release " + version)
	var text string
	switch target.ReleaseState {
	case "deployed":
		text = release
	case "deploying":
		text = release + " on its way"
	case "failed":
		text = release + " failed"
	case "other":
		text = "another release"
	default:
		return "no release yet"
	}
	if target.DeploymentID != "" {
		text += " (" + clean(target.DeploymentID) + ")"
	}
	return text
}

func (p *page) oldTargets(run client.Run, targets []client.Target) {
	gone := 0
	rows := make([][]cell, len(targets))
	for i, target := range targets {
		fate, m := p.fate(run, target)
		if !target.RemovedAt.IsZero() {
			gone++
		}
		rows[i] = []cell{
			{m.sign, m.style}, {clean(target.Name), bold}, {clean(target.ID), plain}, {fate, plain}, {clean(target.Note), plain},
		}
	}
	p.heading(fmt.Sprintf("old targets: %d, %d gone", len(targets), gone))
	p.columns(rows)
}

// fate says what became of a target that stood before the run.
func (p *page) fate(run client.Run, target client.Target) (string, mark) {
	health := strings.ToLower(clean(target.Health))
	switch {
	case !target.RemovedAt.IsZero():
		return "gone since " + p.clock(target.RemovedAt), markDone
	case run.Status == client.RunStatusSucceeded:
		return joined("left", health), markWaiting
	case target.Available:
		return joined("not removed", health), markTodo
	default:
		return joined("not removed", health), markTodo
	}
}
