package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"regrow/internal/pipeline"
)

func TestPlanRemoval(t *testing.T) {
	t.Parallel()
	gone := pipeline.Target{ID: "Machines-1", Name: "gone", Health: "Unavailable", Environments: 1}
	disabled := pipeline.Target{ID: "Machines-2", Name: "disabled", Health: "Healthy", Disabled: true, Environments: 1}
	alive := pipeline.Target{ID: "Machines-3", Name: "alive", Health: "Healthy", Available: true, Environments: 1}
	shared := pipeline.Target{ID: "Machines-4", Name: "shared", Health: "Unavailable", Environments: 2}
	tenants := pipeline.Target{ID: "Machines-6", Name: "of two tenants", Health: "Unavailable", Environments: 1, Others: "other tenants"}
	moved := pipeline.Target{ID: "Machines-7", Name: "moved", Health: "Unavailable", Environments: 1, Moved: true}
	used := pipeline.Target{ID: "Machines-8", Name: "used", Health: "Unavailable", Environments: 1, InUse: true}
	all := []pipeline.Target{gone, disabled, alive, shared, tenants, moved, used, available("Machines-5")}
	baseline := map[string]bool{}
	for _, old := range all[:7] {
		baseline[old.ID] = true
	}

	plan := pipeline.PlanRemoval(all, baseline, pipeline.Guards{Minimum: 1})
	wantTargets(t, "removes", plan.Remove, gone, disabled)
	wantTargets(t, "waits for", plan.Pending, alive, used)
	var left []string
	for _, target := range plan.Left {
		left = append(left, target.Name+": "+target.Reason)
	}
	for i, want := range []string{"shared: it is in other environments too", "of two tenants: it serves other tenants too", "moved: it is no longer where"} {
		if len(left) != 3 || !strings.HasPrefix(left[i], want) {
			t.Errorf("leaves %q, want %q", left, want)
		}
	}
	if plan.Available != 1 || plan.Going != 4 || plan.Blocked != "" || plan.Excess != "" {
		t.Errorf("plans %+v", plan)
	}
}

func wantTargets(t *testing.T, what string, got []pipeline.Target, want ...pipeline.Target) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s %+v, want %+v", what, got, want)
	}
}

func TestPlanRemovalIsGuarded(t *testing.T) {
	t.Parallel()
	gone := func(id string) pipeline.Target {
		return pipeline.Target{ID: id, Health: "Unavailable", Environments: 1}
	}
	alive := pipeline.Target{ID: "o3", Health: "Healthy", Available: true, Environments: 1}
	fresh := available("n1")
	lost := available("n2")
	lost.Moved = true // it has lost the pipeline's roles: it does not serve as one of the new generation
	tests := map[string]struct {
		targets                []pipeline.Target
		guards                 pipeline.Guards
		remove, held           int
		short, blocked, excess bool
	}{
		"enough stand":                  {[]pipeline.Target{gone("o1"), fresh}, pipeline.Guards{Minimum: 1}, 1, 0, false, false, false},
		"too few stand":                 {[]pipeline.Target{gone("o1"), fresh}, pipeline.Guards{Minimum: 2}, 0, 1, true, true, false},
		"one has moved away":            {[]pipeline.Target{gone("o1"), fresh, lost}, pipeline.Guards{Minimum: 2}, 0, 1, true, true, false},
		"old ones do not count":         {[]pipeline.Target{gone("o1"), alive, fresh}, pipeline.Guards{Minimum: 2}, 0, 1, true, true, false},
		"too few, and nothing to do":    {[]pipeline.Target{fresh}, pipeline.Guards{Minimum: 2}, 0, 0, true, false, false},
		"as many as may":                {[]pipeline.Target{gone("o1"), gone("o2"), fresh}, pipeline.Guards{MaxRemovals: 2}, 2, 0, false, false, false},
		"more than may":                 {[]pipeline.Target{gone("o1"), gone("o2"), fresh}, pipeline.Guards{MaxRemovals: 1}, 0, 2, false, false, true},
		"more than may, with the alive": {[]pipeline.Target{gone("o1"), alive, fresh}, pipeline.Guards{MaxRemovals: 1}, 0, 1, false, false, true},
		"more than may, with the gone":  {[]pipeline.Target{gone("o2"), fresh}, pipeline.Guards{MaxRemovals: 1, Gone: []string{"o1"}}, 0, 1, false, false, true},
		"one that went counts once":     {[]pipeline.Target{gone("o1"), gone("o2")}, pipeline.Guards{MaxRemovals: 2, Gone: []string{"o1", "o1"}}, 2, 0, false, false, false},
		"all went, and that was a lot":  {[]pipeline.Target{fresh}, pipeline.Guards{MaxRemovals: 1, Gone: []string{"o1", "o2"}}, 0, 0, false, false, false},
	}
	for name, test := range tests {
		baseline := map[string]bool{"o1": true, "o2": true, "o3": true}
		plan := pipeline.PlanRemoval(test.targets, baseline, test.guards)
		if len(plan.Remove) != test.remove || len(plan.Held) != test.held ||
			(plan.Short != "") != test.short || (plan.Blocked != "") != test.blocked || (plan.Excess != "") != test.excess {
			t.Errorf("%s: %+v", name, plan)
		}
	}
}

// worldOf draws a world of targets, and which of them stood before.
func worldOf(t *rapid.T) (targets []pipeline.Target, baseline map[string]bool) {
	baseline = map[string]bool{}
	for i := range rapid.IntRange(0, 8).Draw(t, "targets") {
		id := fmt.Sprintf("Machines-%d", i)
		baseline[id] = rapid.Bool().Draw(t, "old")
		targets = append(targets, targetOf(t, id))
	}
	return targets, baseline
}

func targetOf(t *rapid.T, id string) pipeline.Target {
	target := pipeline.Target{
		ID:           id,
		Health:       rapid.SampledFrom([]string{"Healthy", "HasWarnings", "Unhealthy", "Unavailable", "Unavailable", "Unknown"}).Draw(t, "health"),
		Disabled:     rapid.IntRange(0, 3).Draw(t, "disabled") == 0,
		Environments: rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(t, "environments"),
		Others:       rapid.SampledFrom([]string{"", "", "", "other tenants"}).Draw(t, "others"),
		Moved:        rapid.IntRange(0, 5).Draw(t, "moved") == 0,
		InUse:        rapid.IntRange(0, 4).Draw(t, "in use") == 0,
	}
	target.Available = !target.Disabled && (target.Health == "Healthy" || target.Health == "HasWarnings")
	return target
}

// mayGo repeats in other words which targets may be deleted at all.
func mayGo(target pipeline.Target, baseline map[string]bool) bool {
	return baseline[target.ID] && !target.Available && (target.Disabled || target.Health == "Unavailable") &&
		target.Environments == 1 && target.Others == "" && !target.Moved && !target.InUse
}

func serving(targets []pipeline.Target, baseline map[string]bool) int {
	n := 0
	for _, target := range targets {
		if target.Available && !target.Moved && !baseline[target.ID] {
			n++
		}
	}
	return n
}

// TestPlanRemovalProperties holds the plan against invariant 7: nothing outside
// the baseline, nothing that is alive or used or elsewhere, nothing below the
// minimum, never more than may; and every target of the baseline has one fate.
func TestPlanRemovalProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		targets, baseline := worldOf(t)
		guards := pipeline.Guards{
			Minimum: rapid.IntRange(0, 4).Draw(t, "minimum"), MaxRemovals: rapid.IntRange(0, 5).Draw(t, "most"),
			Gone: rapid.SliceOfN(rapid.SampledFrom([]string{"Machines-1", "Machines-2", "gone-1", "gone-2"}), 0, 3).Draw(t, "gone"),
		}
		plan := pipeline.PlanRemoval(targets, baseline, guards)
		if stand := serving(targets, baseline); plan.Available != stand || stand < guards.Minimum && (len(plan.Remove) > 0 || plan.Short == "") {
			t.Fatalf("plans %+v with %d of %d new targets standing", plan, stand, guards.Minimum)
		}
		all := map[string]bool{}
		for _, id := range guards.Gone {
			all[id] = true
		}
		for _, target := range plan.Remove {
			if !mayGo(target, baseline) {
				t.Fatalf("removes %+v", target)
			}
			all[target.ID] = true
		}
		if len(plan.Remove) > 0 && guards.MaxRemovals > 0 && len(all) > guards.MaxRemovals {
			t.Fatalf("%d go, and %d may: %+v", len(all), guards.MaxRemovals, plan)
		}
		fates := plan.Fates(pipeline.Cleanup{Timeout: time.Minute})
		for _, target := range targets {
			fate := fates[target.ID]
			if baseline[target.ID] != (fate.Fate != "" && fate.Reason != "") {
				t.Fatalf("the fate of %+v is %+v", target, fate)
			}
			if goes := fate.Fate == pipeline.FateRemoved; goes != (mayGo(target, baseline) && plan.Short == "" && plan.Excess == "") {
				t.Fatalf("the fate of %+v is %+v by %+v", target, fate, plan)
			}
		}
	})
}

// Whatever becomes of the world between the plan and each deletion: what is
// deleted may go at that moment, and in all no more than may.
func TestRemovalsOfAChangingWorld(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		targets, baseline := worldOf(t)
		guards := pipeline.Guards{Minimum: rapid.IntRange(0, 2).Draw(t, "minimum"), MaxRemovals: rapid.IntRange(0, 4).Draw(t, "most")}
		deleted := 0
		for _, planned := range pipeline.PlanRemoval(targets, baseline, guards).Remove {
			for i, target := range targets { // something changes
				if rapid.IntRange(0, 4).Draw(t, "changes") == 0 {
					targets[i] = targetOf(t, target.ID)
				}
			}
			now := pipeline.PlanRemoval(targets, baseline, guards)
			at := slices.IndexFunc(targets, func(target pipeline.Target) bool { return target.ID == planned.ID })
			if !slices.Contains(now.Remove, targets[at]) {
				continue
			}
			if !mayGo(targets[at], baseline) || serving(targets, baseline) < guards.Minimum {
				t.Fatalf("%+v is deleted", targets[at])
			}
			guards.Gone = append(guards.Gone, planned.ID)
			targets = slices.Delete(targets, at, at+1)
			deleted++
		}
		if guards.MaxRemovals > 0 && deleted > guards.MaxRemovals {
			t.Fatalf("%d were deleted, and %d may be", deleted, guards.MaxRemovals)
		}
	})
}

func TestGraceBeginsWithTheProof(t *testing.T) {
	t.Parallel()
	proven := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for mode, want := range map[pipeline.CleanupMode]time.Duration{
		pipeline.CleanupDelete: time.Hour, pipeline.CleanupRunbook: time.Hour, pipeline.CleanupPolicy: 0,
	} {
		cleanup := pipeline.Cleanup{Mode: mode, Grace: time.Hour}
		if got := cleanup.Begins(proven).Sub(proven); got != want {
			t.Errorf("%s begins %s after the proof, want %s", mode, got, want)
		}
	}
}
