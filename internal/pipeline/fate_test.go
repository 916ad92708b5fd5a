package pipeline_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"regrow/internal/pipeline"
)

func TestForesee(t *testing.T) {
	t.Parallel()
	baseline := []pipeline.Target{
		{ID: "Machines-1", Health: "Healthy", Available: true, Environments: 1},
		{ID: "Machines-2", Health: "Unavailable", Environments: 1},
		{ID: "Machines-3", Health: "Unavailable", Environments: 2},
		{ID: "Machines-4", Health: "Healthy", Disabled: true, Environments: 1},
	}
	tests := map[pipeline.CleanupMode][]pipeline.Fate{
		pipeline.CleanupDelete:  {pipeline.FateRemovedWhenGone, pipeline.FateRemoved, pipeline.FateStays, pipeline.FateRemoved},
		pipeline.CleanupRunbook: {pipeline.FateRunbook, pipeline.FateRunbook, pipeline.FateRunbook, pipeline.FateRunbook},
		pipeline.CleanupPolicy:  {pipeline.FatePolicy, pipeline.FatePolicy, pipeline.FatePolicy, pipeline.FatePolicy},
	}
	for mode, want := range tests {
		cleanup := pipeline.Cleanup{Mode: mode, Minimum: 3, Timeout: time.Hour, Runbook: "Sweep"}
		var got []pipeline.Fate
		for _, foreseen := range cleanup.Foresee(baseline) {
			got = append(got, foreseen.Fate)
			if foreseen.Reason == "" {
				t.Errorf("%s: no reason for %s", mode, foreseen.Fate)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", mode, got, want)
		}
	}
}

func TestForeseeExcess(t *testing.T) {
	t.Parallel()
	baseline := []pipeline.Target{{ID: "Machines-1", Health: "Healthy", Environments: 1}, {ID: "Machines-2", Health: "Unavailable", Environments: 1}, {ID: "Machines-3", Environments: 2}}
	for _, c := range []struct {
		mode pipeline.CleanupMode
		most int
		want bool
	}{
		{pipeline.CleanupDelete, 0, false}, {pipeline.CleanupDelete, 2, false}, {pipeline.CleanupDelete, 1, true},
		{pipeline.CleanupRunbook, 1, true}, {pipeline.CleanupPolicy, 1, false},
	} {
		cleanup := pipeline.Cleanup{Mode: c.mode, MaxRemovals: c.most}
		if excess := cleanup.ForeseeExcess(baseline); (excess != "") != c.want {
			t.Errorf("%s, at most %d: %q", c.mode, c.most, excess)
		}
	}
}

// What is foreseen comes true: with enough new targets, clean-up removes those
// that it is foreseen to remove, at once or when they are gone, and no others.
func TestForesightComesTrue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.Custom(func(t *rapid.T) pipeline.Target {
			return pipeline.Target{
				ID:     "Machines-" + rapid.StringMatching(`[0-9]{6}`).Draw(t, "id"),
				Health: rapid.SampledFrom([]string{"Healthy", "Unavailable", "Unhealthy"}).Draw(t, "health"), Disabled: rapid.Bool().Draw(t, "disabled"),
				Environments: rapid.IntRange(1, 2).Draw(t, "environments"),
			}
		})
		baseline := rapid.SliceOfNDistinct(target, 0, 6, func(t pipeline.Target) string { return t.ID }).Draw(t, "baseline")
		cleanup := pipeline.Cleanup{Mode: pipeline.CleanupDelete, Minimum: rapid.IntRange(0, 2).Draw(t, "minimum")}
		foreseen := cleanup.Foresee(baseline)

		ids, all := map[string]bool{}, slices.Clone(baseline)
		for _, old := range baseline {
			ids[old.ID] = true
		}
		for i := range cleanup.Minimum {
			all = append(all, pipeline.Target{ID: "new-" + string(rune('a'+i)), Available: true, Environments: 1})
		}
		for i := range baseline { // the machines of the old generation stop
			all[i].Health = "Unavailable"
		}
		removal := pipeline.PlanRemoval(all, ids, pipeline.Guards{Minimum: cleanup.Minimum})
		removed := map[string]bool{}
		for _, gone := range removal.Remove {
			removed[gone.ID] = true
		}
		for i, old := range baseline {
			will := foreseen[i].Fate == pipeline.FateRemoved || foreseen[i].Fate == pipeline.FateRemovedWhenGone
			if will != removed[old.ID] {
				t.Fatalf("%+v is foreseen as %s, and removed: %t", old, foreseen[i].Fate, removed[old.ID])
			}
		}
	})
}
