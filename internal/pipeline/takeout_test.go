package pipeline_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"regrow/internal/pipeline"
)

func TestPlanTakeOut(t *testing.T) {
	t.Parallel()
	target := func(id string, available bool) pipeline.Target {
		return pipeline.Target{ID: id, Available: available, Environments: 1}
	}
	old, fresh := []pipeline.Target{target("o1", true), target("o2", true)}, target("n1", false)
	tests := map[string]struct {
		targets      []pipeline.Target
		baseline     []string
		minimum      int
		remove, left int
		short        string
	}{
		"the old ones serve":           {append(old, fresh), []string{"o1", "o2"}, 2, 1, 0, ""},
		"one old one is gone":          {[]pipeline.Target{target("o1", true), target("o2", false), fresh}, []string{"o1", "o2"}, 2, 0, 0, "1 of the 2 old targets that would have to serve are available"},
		"one is enough":                {[]pipeline.Target{target("o1", true), target("o2", false), fresh}, []string{"o1", "o2"}, 1, 1, 0, ""},
		"there were fewer":             {[]pipeline.Target{target("o1", true), fresh}, []string{"o1"}, 2, 1, 0, ""},
		"there was none":               {[]pipeline.Target{fresh}, nil, 2, 0, 0, "0 of the 1 old targets that would have to serve are available"},
		"another run knows it":         {append(old, target("f1", true)), []string{"o1", "o2"}, 2, 0, 1, ""},
		"it is in two environments":    {append(old, pipeline.Target{ID: "n1", Environments: 2}), []string{"o1", "o2"}, 2, 0, 1, ""},
		"it serves another tenant too": {append(old, pipeline.Target{ID: "n1", Environments: 1, Others: "other tenants"}), []string{"o1", "o2"}, 2, 0, 1, ""},
	}
	for name, test := range tests {
		baseline := map[string]bool{}
		for _, id := range test.baseline {
			baseline[id] = true
		}
		got := pipeline.PlanTakeOut(test.targets, baseline, map[string]bool{"f1": true}, test.minimum)
		if len(got.Remove) != test.remove || len(got.Left) != test.left || got.Short != test.short {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Whatever stands: nothing of the baseline and nothing that another run knows is
// removed, and nothing at all while too few old ones serve.
func TestTakeOutRemovesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		baseline, foreign := map[string]bool{}, map[string]bool{}
		var targets []pipeline.Target
		serving := 0
		for i := range rapid.IntRange(0, 12).Draw(t, "targets") {
			target := pipeline.Target{
				ID: fmt.Sprint(i), Available: rapid.Bool().Draw(t, "available"), Environments: rapid.IntRange(1, 2).Draw(t, "environments"),
				Others: rapid.SampledFrom([]string{"", "other tenants"}).Draw(t, "others"),
			}
			switch rapid.SampledFrom([]string{"old", "foreign", "new"}).Draw(t, "kind") {
			case "old":
				baseline[target.ID] = true
				if target.Available {
					serving++
				}
			case "foreign":
				foreign[target.ID] = true
			}
			targets = append(targets, target)
		}
		minimum := rapid.IntRange(1, 6).Draw(t, "minimum")
		plan := pipeline.PlanTakeOut(targets, baseline, foreign, minimum)
		for _, target := range plan.Remove {
			if baseline[target.ID] || foreign[target.ID] || target.Environments != 1 || target.Others != "" {
				t.Fatalf("%+v would be removed", target)
			}
		}
		if enough := serving >= 1 && (serving >= minimum || serving == len(baseline)); (plan.Short == "") != enough || !enough && len(plan.Remove) > 0 {
			t.Fatalf("%d of %d serve, minimum %d: %+v", serving, len(baseline), minimum, plan)
		}
	})
}
