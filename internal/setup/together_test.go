package setup_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// meeting is an Octopus at which two setups always see the same before either of
// them creates anything: the worst that can happen.
type meeting struct {
	*octopus.Client
	before func(octopus.Collection)
}

func (m meeting) Create(ctx context.Context, k octopus.Collection, d octopus.Document) (octopus.Document, error) {
	m.before(k)
	return m.Client.Create(ctx, k, d)
}

// rendezvous returns a function that two callers leave together, once for each
// collection. Who comes later goes on alone.
func rendezvous() func(octopus.Collection) {
	var mu sync.Mutex
	waiting := map[octopus.Collection]chan struct{}{}
	return func(k octopus.Collection) {
		mu.Lock()
		other, second := waiting[k]
		if !second {
			other = make(chan struct{})
			waiting[k] = other
			mu.Unlock()
			<-other
			return
		}
		select {
		case <-other:
		default:
			close(other)
		}
		mu.Unlock()
	}
}

// TestTwoAtOnceEndInOneOfEach lets two setups begin at the same time, through
// faults, in a server that takes some names twice.
func TestTwoAtOnceEndInOneOfEach(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			w := newNearWorld(t, simulator.Options{Seed: seed})
			w.disturb(t)
			options := optionsOf(tenanted, withChannels)
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					if _, err := setup.Apply(t.Context(), w.client, options, nil); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
				})
			}
			both.Wait()
			w.wantOneOfEach(t, options)
		})
	}
}

// TestTwoThatSeeTheSameEndInOneOfEach has both look before either creates.
func TestTwoThatSeeTheSameEndInOneOfEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	options := optionsOf()
	together := meeting{w.client, rendezvous()}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := setup.Apply(t.Context(), together, options, nil); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	w.wantOneOfEach(t, options)
}

func (w *world) wantOneOfEach(t *testing.T, options setup.Options) {
	t.Helper()
	plan := w.inspect(t, options)
	wantAll(t, plan, setup.ActionLeave)
	for _, k := range []octopus.Collection{
		octopus.MachinePolicies, octopus.Environments, octopus.ProjectGroups, octopus.Projects, octopus.ProjectTriggers, octopus.Subscriptions, octopus.Tenants,
	} {
		seen := map[string]bool{}
		for _, d := range w.listed(t, k) {
			if seen[d.Name()] {
				t.Errorf("%q is twice in the %s", d.Name(), k)
			}
			seen[d.Name()] = true
		}
	}
	for _, item := range plan.Items {
		switch item.Kind {
		case setup.KindProcess, setup.KindVariables:
			if d := w.documentOf(t, item); strings.Count(string(d), `"Name":"Provision"`) > 2 || strings.Count(string(d), "HelloWorld.Targets") > 1 {
				t.Errorf("something is twice in %s", d)
			}
		}
	}
}

func (w *world) listed(t tester, k octopus.Collection) []octopus.Document {
	t.Helper()
	var page struct{ Items []octopus.Document }
	if err := json.Unmarshal(w.must(t, http.MethodGet, "/api/Spaces-1/"+string(k)+"?take=1000", nil), &page); err != nil {
		t.Fatal(err)
	}
	return page.Items
}

// TestLostAnswersMakeNothingTwice loses the answer to every first creation of a
// kind, and to every first change.
func TestLostAnswersMakeNothingTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for _, collection := range []string{"machinepolicies", "environments", "projectgroups", "projects", "deploymentprocesses", "variables", "packages/raw", "projecttriggers", "subscriptions"} {
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			if _, err := w.Faults().Add(simulator.Fault{Method: method, PathPattern: "/" + collection + "(/|$)", Times: 1, DropAfter: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	options := optionsOf()
	w.apply(t, options)
	w.wantOneOfEach(t, options)
	made := map[string]int{}
	for _, e := range w.writes(0) {
		if e.Effect == simulator.DocumentCreated || e.Effect == simulator.PackageUploaded {
			made[e.Detail+" "+e.Name]++
		}
	}
	for what, times := range made {
		if times > 1 && what != "Channel Default" { // which each project comes with
			t.Errorf("%s was made %d times", what, times)
		}
	}
	if len(made) < 8 {
		t.Errorf("only %v was made", made)
	}
}
