package pipeline_test

import (
	"fmt"
	"testing"

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
	baseline := map[string]bool{tenants.ID: true, gone.ID: true, disabled.ID: true, alive.ID: true, shared.ID: true}
	all := []pipeline.Target{gone, disabled, alive, shared, tenants, available("Machines-5")}

	plan := pipeline.PlanRemoval(all, baseline, 1)
	if len(plan.Remove) != 2 || plan.Remove[0].ID != gone.ID || plan.Remove[1].ID != disabled.ID {
		t.Errorf("removes %+v, want the unavailable and the disabled target", plan.Remove)
	}
	if len(plan.Pending) != 1 || plan.Pending[0].ID != alive.ID {
		t.Errorf("waits for %+v, want the target that is alive", plan.Pending)
	}
	if len(plan.Left) != 2 || plan.Left[0].ID != shared.ID || plan.Left[1].ID != tenants.ID || plan.Left[1].Reason != "it serves other tenants too" {
		t.Errorf("leaves %+v, want the target in two environments and that of two tenants", plan.Left)
	}

	plan = pipeline.PlanRemoval(all, baseline, 2)
	if plan.Blocked == "" || len(plan.Remove) > 0 {
		t.Errorf("removes %+v although only one of two new targets stands", plan.Remove)
	}
	if plan := pipeline.PlanRemoval([]pipeline.Target{available("Machines-5")}, baseline, 2); plan.Blocked != "" || plan.Short == "" {
		t.Errorf("nothing is left to remove, and one of two stands: blocked %q, short %q", plan.Blocked, plan.Short)
	}
}

// TestPlanRemovalProperties holds the plan against invariant 7: nothing outside
// the baseline, nothing that is alive, nothing below the minimum.
func TestPlanRemovalProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		baseline := map[string]bool{}
		standing := 0
		var targets []pipeline.Target
		for i := range rapid.IntRange(0, 8).Draw(t, "targets") {
			target := pipeline.Target{
				ID:           fmt.Sprintf("Machines-%d", i),
				Health:       rapid.SampledFrom([]string{"Healthy", "HasWarnings", "Unhealthy", "Unavailable", "Unknown"}).Draw(t, "health"),
				Disabled:     rapid.Bool().Draw(t, "disabled"),
				Environments: rapid.IntRange(1, 2).Draw(t, "environments"),
				Others:       rapid.SampledFrom([]string{"", "other tenants"}).Draw(t, "others"),
			}
			target.Available = !target.Disabled && (target.Health == "Healthy" || target.Health == "HasWarnings")
			baseline[target.ID] = rapid.Bool().Draw(t, "old")
			if target.Available && !baseline[target.ID] {
				standing++
			}
			targets = append(targets, target)
		}
		minimum := rapid.IntRange(0, 4).Draw(t, "minimum")
		plan := pipeline.PlanRemoval(targets, baseline, minimum)
		if standing < minimum && len(plan.Remove) > 0 {
			t.Fatalf("removes %v with %d of %d new targets standing", plan.Remove, standing, minimum)
		}
		if blocked := plan.Blocked != ""; blocked && standing >= minimum {
			t.Fatalf("is blocked (%s) with %d of %d new targets standing", plan.Blocked, standing, minimum)
		}
		for _, target := range plan.Remove {
			if !baseline[target.ID] || target.Available || target.Environments > 1 || target.Others != "" {
				t.Fatalf("removes %+v", target)
			}
		}
	})
}
