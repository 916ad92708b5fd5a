package pipeline_test

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"regrow/internal/pipeline"
)

func TestEnter(t *testing.T) {
	t.Parallel()
	run := func(name string, number int64) pipeline.LaneRun {
		return pipeline.LaneRun{Pipeline: name, Number: number}
	}
	holder := run("a", 1)
	tests := map[string]struct {
		holder            *pipeline.LaneRun
		queue             []pipeline.LaneRun
		policy            pipeline.LanePolicy
		starts            bool
		supersedes, ahead []int64
	}{
		"a free lane":                 {nil, nil, pipeline.Latest, true, nil, nil},
		"a taken lane":                {&holder, nil, pipeline.Latest, false, nil, nil},
		"latest takes the place":      {&holder, []pipeline.LaneRun{run("b", 7), run("a", 2), run("b", 8), run("a", 3)}, pipeline.Latest, false, []int64{2, 3}, []int64{7}},
		"fifo goes to the end":        {&holder, []pipeline.LaneRun{run("b", 7), run("a", 2), run("a", 3)}, pipeline.FIFO, false, nil, []int64{7, 2, 3}},
		"others are not superseded":   {&holder, []pipeline.LaneRun{run("b", 7)}, pipeline.Latest, false, nil, []int64{7}},
		"newer ones neither":          {&holder, []pipeline.LaneRun{run("a", 5)}, pipeline.Latest, false, nil, []int64{5}},
		"a free lane with stragglers": {nil, []pipeline.LaneRun{run("a", 2), run("b", 7)}, pipeline.Latest, true, []int64{2}, nil},
		"a free lane with others":     {nil, []pipeline.LaneRun{run("b", 7), run("a", 2)}, pipeline.Latest, false, []int64{2}, []int64{7}},
	}
	for name, test := range tests {
		entry, _ := pipeline.Lane{Holder: test.holder, Queue: test.queue}.Enter(run("a", 4), test.policy)
		if entry.Starts != test.starts || !slices.Equal(numbers(entry.Supersedes), test.supersedes) || !slices.Equal(numbers(entry.Ahead), test.ahead) {
			t.Errorf("%s: %+v", name, entry)
		}
	}
}

func numbers(runs []pipeline.LaneRun) []int64 {
	var list []int64
	for _, run := range runs {
		list = append(list, run.Number)
	}
	return list
}

// A rollback comes first, and no commit takes its place.
func TestRollbackEnters(t *testing.T) {
	t.Parallel()
	holder := pipeline.LaneRun{Pipeline: "a", Number: 1, Frozen: true, Stage: pipeline.Provision}
	lane := pipeline.Lane{Holder: &holder, Queue: []pipeline.LaneRun{{Pipeline: "b", Number: 7}, {Pipeline: "a", Number: 2}}}
	entry, lane := lane.Enter(pipeline.LaneRun{Pipeline: "a", Number: 3, Rollback: true}, pipeline.Latest)
	if entry.Starts || len(entry.Ahead) != 0 || !slices.Equal(numbers(entry.Supersedes), []int64{2}) || !slices.Equal(numbers(lane.Queue), []int64{3, 7}) {
		t.Errorf("a rollback: %+v, queue %+v", entry, lane.Queue)
	}
	entry, lane = lane.Enter(pipeline.LaneRun{Pipeline: "a", Number: 4}, pipeline.Latest)
	if len(entry.Supersedes) != 0 || !slices.Equal(numbers(lane.Queue), []int64{3, 7, 4}) {
		t.Errorf("a commit behind a rollback: %+v, queue %+v", entry, lane.Queue)
	}
	entry, lane = lane.Enter(pipeline.LaneRun{Pipeline: "a", Number: 5, Rollback: true}, pipeline.Latest)
	if !slices.Equal(numbers(entry.Supersedes), []int64{3, 4}) || !slices.Equal(numbers(lane.Queue), []int64{5, 7}) {
		t.Errorf("a newer rollback: %+v, queue %+v", entry, lane.Queue)
	}
	entry, lane = lane.Enter(pipeline.LaneRun{Pipeline: "c", Number: 1, Rollback: true}, pipeline.FIFO)
	if len(entry.Supersedes) != 0 || !slices.Equal(numbers(lane.Queue), []int64{1, 5, 7}) {
		t.Errorf("a rollback under fifo: %+v, queue %+v", entry, lane.Queue)
	}
	line := pipeline.Pipeline{Name: "a", Policy: pipeline.Latest}
	if !holder.GivesWay(line) {
		t.Error("a frozen commit does not give way")
	}
	holder.Rollback = true
	if holder.GivesWay(line) {
		t.Error("a frozen rollback gives way to a commit")
	}
}

// Whoever enters, in whatever order: nobody is lost, nobody is in the lane twice,
// and under "latest" one run of each pipeline waits, the newest.
func TestEnteringLosesNobody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policies := map[string]pipeline.LanePolicy{"a": pipeline.Latest, "b": pipeline.FIFO, "c": pipeline.Latest}
		var lane pipeline.Lane
		last, superseded, inside := map[string]int64{}, 0, 0
		for range rapid.IntRange(1, 12).Draw(t, "runs") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "pipeline")
			last[name]++
			run := pipeline.LaneRun{Pipeline: name, Number: last[name]}
			entry, after := lane.Enter(run, policies[name])
			superseded, inside = superseded+len(entry.Supersedes), inside+1
			place := slices.IndexFunc(after.Queue, func(queued pipeline.LaneRun) bool { return queued.Pipeline == name && queued.Number == run.Number })
			if entry.Starts != (place < 0) || entry.Starts != (after.Holder != nil && lane.Holder == nil) {
				t.Fatalf("it starts: %t, and is in the queue at %d", entry.Starts, place)
			}
			if !entry.Starts && place != len(entry.Ahead) {
				t.Fatalf("it waits at %d behind %d others", place, len(entry.Ahead))
			}
			lane = after
		}
		if got := len(lane.Queue) + superseded + 1; got != inside {
			t.Fatalf("%d runs came in, %d are left or superseded", inside, got)
		}
		waiting := map[string]int{}
		for _, queued := range lane.Queue {
			waiting[queued.Pipeline]++
			if policies[queued.Pipeline] == pipeline.Latest && (waiting[queued.Pipeline] > 1 || queued.Number != last[queued.Pipeline]) {
				t.Fatalf("of %s wait %+v", queued.Pipeline, lane.Queue)
			}
		}
		inOrder := slices.DeleteFunc(slices.Clone(lane.Queue), func(queued pipeline.LaneRun) bool { return queued.Pipeline != "b" })
		if !slices.IsSortedFunc(inOrder, func(x, y pipeline.LaneRun) int { return cmp.Compare(x.Number, y.Number) }) {
			t.Fatalf("fifo is out of order: %+v", inOrder)
		}
	})
}
