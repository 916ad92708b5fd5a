package setup_test

import (
	"net/http"
	"strings"
	"testing"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// Octopus makes up phases where there are none, and one without environments is
// for all that no other names.
func TestLifecyclesForNewReleases(t *testing.T) {
	t.Parallel()
	environments := []octopus.Document{
		octopus.Document(`{"Id": "Environments-1", "Name": "Test", "SortOrder": 4}`), octopus.Document(`{"Id": "Environments-2", "Name": "Production", "SortOrder": 3}`),
	}
	first := object{"Name": "First", "OptionalDeploymentTargets": []string{"Environments-1"}}
	optional := object{"Name": "Early", "IsOptionalPhase": true, "AutomaticDeploymentTargets": []string{"Environments-1"}}
	anywhere := object{"Name": "Any"}
	for name, given := range map[string]struct {
		phases []object
		// what a refusal says for either environment; "" for none
		test, production string
	}{
		"none":              {nil, `pass the phase "Production" first`, ""},
		"one":               {[]object{first}, "", "no phase"},
		"any":               {[]object{anywhere}, "", ""},
		"any after another": {[]object{first, anywhere}, "", `pass the phase "First" first`},
		"any before":        {[]object{anywhere, first}, `pass the phase "Any" first`, ""},
		"an optional one":   {[]object{optional, anywhere}, "", ""},
	} {
		d, err := octopus.NewDocument(object{"Id": "Lifecycles-1", "Name": "Ours", "Phases": given.phases})
		if err != nil {
			t.Fatal(err)
		}
		l, err := setup.ReadLifecycle(d, environments)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{given.test, given.production} {
			if got := l.Refuses(environments[i].ID(), environments[i].Name()); (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("%s: %s: %q", name, environments[i].Name(), got)
			}
		}
	}
}

// openLifecycle has the default lifecycle let every release go everywhere.
func (w *world) openLifecycle(t *testing.T) {
	t.Helper()
	opened, err := w.listed(t, octopus.Lifecycles)[0].With("/Phases", []object{{"Name": "Any Environments"}})
	if err != nil {
		t.Fatal(err)
	}
	w.must(t, http.MethodPut, "/api/Spaces-1/lifecycles/"+opened.ID(), opened)
}

// TestLaterEnvironmentNeedsALifecycle: a lifecycle without phases wants releases
// to go to the environments in their order.
func TestLaterEnvironmentNeedsALifecycle(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	w.must(t, http.MethodPost, "/api/Spaces-1/environments", object{"Name": "Test"})
	planned, done := w.inspect(t, optionsOf()), w.apply(t, optionsOf())
	for _, plan := range []setup.Plan{planned, done} {
		if item := itemOf(t, plan, setup.KindProject); item.Action != setup.ActionBlocked || !strings.Contains(item.Note, `pass the phase "Test" first`) {
			t.Errorf("%+v", item)
		}
	}
	direct := w.must(t, http.MethodPost, "/api/Spaces-1/lifecycles", object{"Name": "Straight", "Phases": []object{{"Name": "Any Environments"}}})
	w.apply(t, optionsOf())
	plan := w.inspect(t, optionsOf())
	wantAll(t, plan, setup.ActionLeave)
	if got := w.documentOf(t, itemOf(t, plan, setup.KindProject)).Text("/LifecycleId"); got != direct.ID() {
		t.Errorf("the project has the lifecycle %s", got)
	}
}

// TestSharedProjectNeedsALifecycleForAll: of lifecycles that let releases go to
// one environment each, no setup takes what another one needs.
func TestSharedProjectNeedsALifecycleForAll(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	only := func(environment string) {
		id := w.must(t, http.MethodPost, "/api/Spaces-1/environments", object{"Name": environment}).ID()
		w.must(t, http.MethodPost, "/api/Spaces-1/lifecycles",
			object{"Name": "Only " + environment, "Phases": []object{{"Name": environment, "OptionalDeploymentTargets": []string{id}}}})
	}
	only("Development")
	only("Production")
	first, second := pipelineOf(), pipelineOf()
	second.Name, second.Environment = "production", "Production"
	both := []setup.Options{
		optionsOf(func(o *setup.Options) { o.Pipeline, o.Neighbours = first, []pipeline.Pipeline{second} }),
		optionsOf(func(o *setup.Options) { o.Pipeline, o.Neighbours = second, []pipeline.Pipeline{first} }),
	}
	for _, options := range both {
		item := itemOf(t, w.apply(t, options), setup.KindProject)
		for _, part := range []string{`"Development"`, `"Production"`, `"Only Development" holds Production`, "Library → Lifecycles"} {
			if item.Action != setup.ActionBlocked || !strings.Contains(item.Note, part) {
				t.Errorf("%s: %s without %q: %s", options.Pipeline.Name, item.Action, part, item.Note)
			}
		}
	}
	w.openLifecycle(t)
	for _, options := range both {
		w.apply(t, options)
	}
	for _, options := range both {
		wantAll(t, w.inspect(t, options), setup.ActionLeave)
	}
}

// TestChannelWithALifecycle: what goes through one needs nothing of the project's.
func TestChannelWithALifecycle(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf()
	w.apply(t, options)
	anywhere := w.must(t, http.MethodPost, "/api/Spaces-1/lifecycles", object{"Name": "Straight", "Phases": []object{{"Name": "Any Environments"}}})
	w.must(t, http.MethodPost, "/api/Spaces-1/environments", object{"Name": "Production"})
	plan := w.inspect(t, options)
	for _, item := range plan.Items {
		if item.Kind == setup.KindProject {
			w.must(t, http.MethodPost, "/api/Spaces-1/channels", object{"Name": "Straight", "ProjectId": item.ID, "LifecycleId": anywhere.ID()})
		}
	}
	second := pipelineOf()
	second.Name, second.Environment, second.Application.Channel, second.Infrastructure.Channel = "production", "Production", "Straight", "Straight"
	options.Neighbours = []pipeline.Pipeline{second}
	kept := w.documentOf(t, itemOf(t, plan, setup.KindProject)).Text("/LifecycleId")
	w.apply(t, options)
	if now := w.documentOf(t, itemOf(t, plan, setup.KindProject)).Text("/LifecycleId"); now != kept {
		t.Errorf("the lifecycle %s took the place of %s", now, kept)
	}
}
