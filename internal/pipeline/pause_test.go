package pipeline_test

import (
	"slices"
	"testing"
	"time"

	"regrow/internal/pipeline"
)

func TestPauseHolds(t *testing.T) {
	t.Parallel()
	line := func(environment, tenant string) pipeline.Pipeline {
		return pipeline.Pipeline{
			Server: pipeline.Server{URL: "https://octopus.example/", Space: "Default"}, Environment: environment, Tenant: tenant,
			Infrastructure: pipeline.Infrastructure{Project: "Web Infrastructure"},
		}
	}
	production := line("Production", "")
	pauses := map[string]pipeline.Pause{
		"all":         {Scope: pipeline.PauseAll},
		"environment": {Scope: pipeline.PauseEnvironment, Key: production.EnvironmentKey()},
		"lane":        {Scope: pipeline.PauseLane, Key: production.Lane()},
		"nonsense":    {Scope: "galaxy", Key: production.Lane()},
	}
	tests := map[string]struct {
		line pipeline.Pipeline
		want []string
	}{
		"itself":                  {production, []string{"all", "environment", "lane"}},
		"another tenant":          {line("Production", "Acme"), []string{"all", "environment"}},
		"written otherwise":       {line(" PRODUCTION", ""), []string{"all", "environment", "lane"}},
		"another environment":     {line("Production 2", ""), []string{"all"}},
		"a shorter environment":   {line("Prod", ""), []string{"all"}},
		"the same in other space": {pipeline.Pipeline{Server: pipeline.Server{URL: "https://octopus.example", Space: "Two"}, Environment: "Production"}, []string{"all"}},
	}
	for name, test := range tests {
		var got []string
		for what, pause := range pauses {
			if pause.Holds(test.line.Lane()) {
				got = append(got, what)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: held by %v, want %v", name, got, test.want)
		}
	}
}

func TestHeldBySaysAll(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 10, 24, 14, 3, 11, 0, time.FixedZone("", 7200))
	all := []pipeline.Pause{
		{Scope: pipeline.PauseEnvironment, Key: "k", Name: "Development", By: "ops", Reason: "the disk is full.", Since: since},
		{Scope: pipeline.PauseLane, Key: "a", By: "ann", Reason: "audit", Since: since},
		{Scope: pipeline.PauseAll, By: "vic", Reason: "fire", Since: since},
	}
	want := "Held: environment Development is paused by ops since 2026-10-24T12:03:11Z: the disk is full; " +
		"the lane is paused by ann since 2026-10-24T12:03:11Z: audit; everything is paused by vic since 2026-10-24T12:03:11Z: fire."
	if got := pipeline.HeldBy(all); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := pipeline.Holding(all, "a"); len(got) != 2 || got[0].By != "ann" {
		t.Errorf("lane a is held by %+v", got)
	}
}

// Nothing starts in a lane that is paused, and when it is not any more, whoever
// was there first does.
func TestEnteringAPausedLane(t *testing.T) {
	t.Parallel()
	lane := pipeline.Lane{Pauses: []pipeline.Pause{{Scope: pipeline.PauseAll}}}
	entry, lane := lane.Enter(pipeline.LaneRun{Pipeline: "a", Number: 1}, pipeline.FIFO)
	if entry.Starts || lane.Holder != nil || len(lane.Queue) != 1 {
		t.Fatalf("a run in a paused lane: %+v, %+v", entry, lane)
	}
	lane.Pauses = nil
	entry, lane = lane.Enter(pipeline.LaneRun{Pipeline: "a", Number: 2}, pipeline.FIFO)
	if entry.Starts || !slices.Equal(numbers(entry.Ahead), []int64{1}) || lane.Holder == nil || lane.Holder.Number != 1 || !slices.Equal(numbers(lane.Queue), []int64{2}) {
		t.Errorf("a run behind one whose pause is over: %+v, %+v", entry, lane)
	}
}
