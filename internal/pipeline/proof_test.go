package pipeline_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"regrow/internal/pipeline"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const grace = 2 * time.Minute

// scene is an observation of two new targets beside an old one, with the wanted
// release on both. Tests change what they are about.
func scene() pipeline.Observation {
	return pipeline.Observation{
		At: noon, Expected: 2, Infrastructure: pipeline.TaskSucceeded,
		Targets: []pipeline.Target{
			{ID: "Machines-1", Name: "old", Health: "Unavailable", Environments: 1},
			available("Machines-2"), available("Machines-3"),
		},
		Baseline:       map[string]bool{"Machines-1": true},
		AvailableSince: map[string]time.Time{"Machines-2": noon.Add(-time.Minute), "Machines-3": noon.Add(-time.Minute)},
		Release:        "Releases-7",
		Deployments: []pipeline.Deployment{
			deployment("Deployments-1", "Releases-6", -time.Hour, "Machines-1"),
			deployment("Deployments-2", "Releases-7", -time.Second, "Machines-2", "Machines-3"),
		},
	}
}

func available(id string) pipeline.Target {
	return pipeline.Target{ID: id, Name: id, Health: "Healthy", Available: true, Environments: 1}
}

func deployment(id, release string, ago time.Duration, targets ...string) pipeline.Deployment {
	return pipeline.Deployment{ID: id, Release: release, Task: pipeline.TaskSucceeded, Finished: noon.Add(ago), Targets: targets}
}

func TestProve(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		change   func(*pipeline.Observation)
		complete bool
		redeploy []string
		summary  string
	}{
		{"proven", func(*pipeline.Observation) {}, true, nil, "2 expected, 2 available, 2 deployed"},
		{"infrastructure still deploying", func(o *pipeline.Observation) {
			o.Infrastructure = pipeline.TaskActive
		}, false, nil, "2 expected, 2 available, 2 deployed"},
		{"a target is missing", func(o *pipeline.Observation) {
			o.Expected = 3
		}, false, nil, "3 expected, 2 available, 2 deployed"},
		{"a target is not healthy yet", func(o *pipeline.Observation) {
			o.Targets[2].Available = false
		}, false, nil, "2 expected, 1 available, 1 deployed"},
		{"Octopus deployed the old release first", func(o *pipeline.Observation) {
			o.Deployments[1].Targets = []string{"Machines-2"}
			o.Deployments[0].Targets = []string{"Machines-1", "Machines-3"}
		}, false, []string{"Machines-3"}, "2 expected, 2 available, 1 deployed"},
		{"the old release came after the wanted one", func(o *pipeline.Observation) {
			o.Deployments[0].Targets = []string{"Machines-1", "Machines-3"}
			o.Deployments[0].Finished = noon
		}, false, []string{"Machines-3"}, "2 expected, 2 available, 1 deployed"},
		{"a re-queued deployment is under way", func(o *pipeline.Observation) {
			o.Deployments[0].Task = pipeline.TaskActive
			o.Deployments[1].Targets = []string{"Machines-2"}
		}, false, nil, "2 expected, 2 available, 1 deployed"},
		{"the deployment failed", func(o *pipeline.Observation) {
			o.Deployments[1].Task = pipeline.TaskFailed
		}, false, []string{"Machines-2", "Machines-3"}, "2 expected, 2 available, 0 deployed"},
		{"Octopus still has time", func(o *pipeline.Observation) {
			o.Deployments = o.Deployments[:1]
		}, false, nil, "2 expected, 2 available, 0 deployed"},
		{"Octopus missed a target", func(o *pipeline.Observation) {
			o.Deployments[1].Targets = []string{"Machines-2"}
			o.AvailableSince["Machines-3"] = noon.Add(-grace)
		}, false, []string{"Machines-3"}, "2 expected, 2 available, 1 deployed"},
		{"a target seen for the first time", func(o *pipeline.Observation) {
			o.Deployments[1].Targets = []string{"Machines-2"}
			delete(o.AvailableSince, "Machines-3")
		}, false, nil, "2 expected, 2 available, 1 deployed"},
		{"more targets than expected, one without the release", func(o *pipeline.Observation) {
			o.Targets = append(o.Targets, available("Machines-4"))
		}, false, nil, "2 expected, 3 available, 2 deployed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := scene()
			test.change(&o)
			proof := pipeline.Prove(o, grace)
			if proof.Complete != test.complete || proof.Summary != test.summary {
				t.Errorf("got complete %t, %q; want %t, %q", proof.Complete, proof.Summary, test.complete, test.summary)
			}
			if got := ids(proof.Redeploy); !slices.Equal(got, test.redeploy) {
				t.Errorf("redeploys %v, want %v", got, test.redeploy)
			}
		})
	}
}

func ids(targets []pipeline.ProvenTarget) []string {
	var list []string
	for _, target := range targets {
		list = append(list, target.ID)
	}
	return list
}

// TestProveProperties holds Prove against what it must never do, whatever
// Octopus shows.
func TestProveProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := drawObservation(t)
		proof := pipeline.Prove(o, grace)
		for _, target := range slices.Concat(proof.New, proof.Redeploy) {
			if o.Baseline[target.ID] {
				t.Fatalf("target %s of the baseline is taken for a new one", target.ID)
			}
		}
		for _, target := range proof.Redeploy {
			if !target.Available || target.Release == pipeline.ReleaseDeployed {
				t.Fatalf("would redeploy to %+v", target)
			}
		}
		if !proof.Complete {
			return
		}
		if o.Infrastructure != pipeline.TaskSucceeded || proof.Available < o.Expected {
			t.Fatalf("complete with %s and %s", o.Infrastructure, proof.Summary)
		}
		for _, target := range o.Targets {
			if target.Available && !o.Baseline[target.ID] && !carries(o, target.ID) {
				t.Fatalf("complete although no successful deployment of the release names %s", target.ID)
			}
		}
		if len(proof.Redeploy) > 0 {
			t.Fatalf("complete and yet to redeploy: %v", proof.Redeploy)
		}
	})
}

// carries is the least that a proof needs: a successful deployment of the
// release that names the target.
func carries(o pipeline.Observation, target string) bool {
	return slices.ContainsFunc(o.Deployments, func(d pipeline.Deployment) bool {
		return d.Release == o.Release && d.Task == pipeline.TaskSucceeded && slices.Contains(d.Targets, target)
	})
}

func drawObservation(t *rapid.T) pipeline.Observation {
	states := []pipeline.TaskState{pipeline.TaskActive, pipeline.TaskSucceeded, pipeline.TaskSucceeded, pipeline.TaskFailed}
	o := pipeline.Observation{
		At: noon, Release: "Releases-7", Baseline: map[string]bool{}, AvailableSince: map[string]time.Time{},
		Expected:       rapid.IntRange(1, 3).Draw(t, "expected"),
		Infrastructure: rapid.SampledFrom(states).Draw(t, "infrastructure"),
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "targets") {
		target := available(fmt.Sprintf("Machines-%d", i))
		target.Available = rapid.Bool().Draw(t, "available")
		o.Targets = append(o.Targets, target)
		if rapid.Bool().Draw(t, "old") {
			o.Baseline[target.ID] = true
		} else if rapid.Bool().Draw(t, "seen") {
			o.AvailableSince[target.ID] = noon.Add(-time.Duration(rapid.IntRange(0, 240).Draw(t, "since")) * time.Second)
		}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "deployments") {
		d := deployment(fmt.Sprintf("Deployments-%d", i), rapid.SampledFrom([]string{"Releases-6", "Releases-7"}).Draw(t, "release"),
			-time.Duration(rapid.IntRange(0, 100).Draw(t, "finished"))*time.Second)
		d.Task = rapid.SampledFrom(states[1:]).Draw(t, "task")
		for _, target := range o.Targets {
			if rapid.Bool().Draw(t, "took part") {
				d.Targets = append(d.Targets, target.ID)
			}
		}
		o.Deployments = append(o.Deployments, d)
	}
	return o
}
