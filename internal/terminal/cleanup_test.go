package terminal_test

import (
	"testing"
	"time"

	"regrow/internal/client"
)

// aCleanup is the preview of a clean-up with a target of every kind.
func aCleanup() client.CleanupPreview {
	return client.CleanupPreview{
		Cleanup:   client.Cleanup{Mode: client.CleanupModeDelete, GraceSeconds: 600, Minimum: 3, MaxRemovals: 6, TimeoutSeconds: 900},
		Available: new(3), At: at(250),
		Targets: []client.CleanupTarget{
			{ID: "Machines-31", Name: "web-11-a", Health: "Unavailable", Fate: client.CleanupTargetFateRemoved, Reason: "it is unavailable"},
			{ID: "Machines-32", Name: "web-11-b", Health: "Healthy", Fate: client.CleanupTargetFateRemovedWhenGone, Reason: "it still stands; it goes once Octopus finds it unavailable, within 15m0s"},
			{ID: "Machines-33", Name: "web-11-c", Health: "Unavailable", Disabled: true, InUse: true, Fate: client.CleanupTargetFateRemovedWhenGone, Reason: "it is disabled, but a deployment uses it"},
			{ID: "Machines-34", Name: "web-11-d", Health: "Healthy", Fate: client.CleanupTargetFateStays, Reason: "it is in other environments too"},
			{ID: "Machines-35", Name: "web-11-e", Fate: client.CleanupTargetFateGone, Reason: "Octopus does not have it any more"},
		},
		Findings: []client.PlanFinding{},
	}
}

func TestCleanup(t *testing.T) {
	t.Parallel()
	with := func(change func(*client.CleanupPreview)) client.CleanupPreview {
		preview := aCleanup()
		change(&preview)
		return preview
	}
	allAre := func(preview *client.CleanupPreview, fate client.CleanupTargetFate, reason string) {
		for i := range preview.Targets {
			preview.Targets[i].Fate, preview.Targets[i].Reason = fate, reason
		}
	}
	for name, preview := range map[string]client.CleanupPreview{
		"mixed": aCleanup(),
		"grace": with(func(p *client.CleanupPreview) {
			p.BeginsAt = at(7200)
			p.Findings = []client.PlanFinding{{Kind: client.PlanFindingKindWaits, Message: "The old targets are left alone for 10m0s after the proof; clean-up begins later."}}
		}),
		"held": with(func(p *client.CleanupPreview) {
			p.Available = new(0)
			allAre(p, client.CleanupTargetFateHeld, "it is unavailable, but 0 of the 3 new targets that have to stand are available")
		}),
		"too_many": with(func(p *client.CleanupPreview) {
			p.WouldFail = true
			allAre(p, client.CleanupTargetFateHeld, "it is unavailable, but 5 old targets would go, and no more than 4 may")
			p.Findings = []client.PlanFinding{{Kind: client.PlanFindingKindFails, Message: "Clean-up would remove 5 old targets, and cleanup.max_removals allows 4; none was removed.", Remedy: "look at them"}}
		}),
		"blind": with(func(p *client.CleanupPreview) {
			p.Available = nil
			allAre(p, client.CleanupTargetFateUnknown, "Octopus could not be asked")
			p.Findings = []client.PlanFinding{{Kind: client.PlanFindingKindUnknown, Message: "Octopus answered 503."}}
		}),
		"runbook": with(func(p *client.CleanupPreview) {
			p.Cleanup.Mode, p.Cleanup.Runbook, p.Cleanup.MaxRemovals = client.CleanupModeRunbook, "Sweep", 0
			allAre(p, client.CleanupTargetFateRunbook, "the runbook Sweep decides")
		}),
		"policy": with(func(p *client.CleanupPreview) {
			p.Cleanup.Mode = client.CleanupModePolicy
			allAre(p, client.CleanupTargetFatePolicy, "the machine policy decides")
		}),
		"nothing": with(func(p *client.CleanupPreview) { p.Targets = nil }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := screen(0)
			if err := s.Cleanup(newRun().Run, preview); err != nil {
				t.Fatal(err)
			}
			golden(t, "cleanup_"+name, out.String())
		})
	}
}

func TestCleanupInColourOnANarrowScreen(t *testing.T) {
	t.Parallel()
	s, out := screen(0)
	s.Color, s.Width = true, 72
	if err := s.Cleanup(newRun().Run, aCleanup()); err != nil {
		t.Fatal(err)
	}
	golden(t, "cleanup_colour_narrow", out.String())
}

// inGrace is a run whose old targets are left alone for a while.
func inGrace() client.RunDetail {
	run := succeeded()
	run.Status, run.EndedAt = client.RunStatusWaiting, time.Time{}
	run.Reason = "The old targets are left alone for 10m0s after the proof; clean-up begins at 2026-10-24T12:16:11Z."
	run.NextCheckAt, run.DeadlineAt = at(780), at(1680)
	run.Stages[4].Status, run.Stages[4].EndedAt, run.Stages[4].Reason = client.StageStatusWaiting, time.Time{}, run.Reason
	run.Stages[4].Result = map[string]any{"mode": "delete", "begins_at": "2026-10-24T12:16:11Z"}
	for i := range run.Targets[:3] {
		run.Targets[i].RemovedAt, run.Targets[i].Note = time.Time{}, ""
	}
	return run
}

func TestTimelineDuringGrace(t *testing.T) {
	t.Parallel()
	s, out := screen(200)
	if err := s.Timeline(inGrace()); err != nil {
		t.Fatal(err)
	}
	golden(t, "timeline_grace", out.String())
}
