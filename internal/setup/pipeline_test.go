package setup_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"regrow/internal/config"
	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// TestWithoutExampleNothingOfPeopleIsMade: environments, projects, channels and
// tenants are for people to make.
func TestWithoutExampleNothingOfPeopleIsMade(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(withoutExample, tenanted, withChannels)
	plan := w.apply(t, options)
	for _, item := range plan.Items {
		want, note := setup.ActionBlocked, "It needs the "
		switch item.Kind {
		case setup.KindMachinePolicy, setup.KindSubscription:
			want, note = setup.ActionCreate, ""
		case setup.KindEnvironment, setup.KindProject:
			note = "There is no such " + string(item.Kind)
		}
		if item.Action != want || !strings.HasPrefix(item.Note, note) || item.Missing != "" {
			t.Errorf("%s %q: %s %s, want %s %s", item.Kind, item.Name, item.Action, item.Note, want, note)
		}
	}
	if plan.Count(setup.ActionBlocked) != 7 || plan.Count(setup.ActionCreate) != 2 {
		t.Errorf("%d blocked, %d created", plan.Count(setup.ActionBlocked), plan.Count(setup.ActionCreate))
	}
}

// TestWithoutExampleOnlyThePipelinesOwnIsMade in a space that people have filled.
func TestWithoutExampleOnlyThePipelinesOwnIsMade(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	if _, err := w.HelloWorld(simulator.HelloWorldOptions{NoTrigger: true}); err != nil {
		t.Fatal(err)
	}
	options := optionsOf(withoutExample)
	plan := w.apply(t, options)
	created := []setup.Kind{}
	for _, item := range plan.Items {
		switch item.Action {
		case setup.ActionCreate:
			created = append(created, item.Kind)
		case setup.ActionLeave:
		default:
			t.Errorf("%+v", item)
		}
	}
	if want := []setup.Kind{setup.KindTrigger, setup.KindSubscription}; !slices.Equal(created, want) {
		t.Errorf("created %v, want %v", created, want)
	}
}

// TestTenantHasToBeConnected by people, unless it is an example's.
func TestTenantHasToBeConnected(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	if _, err := w.HelloWorld(simulator.HelloWorldOptions{}); err != nil {
		t.Fatal(err)
	}
	w.must(t, http.MethodPost, "/api/Spaces-1/tenants", object{"Name": "Acme"})
	options := optionsOf(withoutExample, tenanted)
	item := itemOf(t, w.apply(t, options), setup.KindTenant)
	if item.Action != setup.ActionBlocked || len(item.Changes) != 2 || !strings.Contains(item.Note, "Connect it in Octopus") {
		t.Errorf("%+v", item)
	}
	options.Example = true
	if item := itemOf(t, w.apply(t, options), setup.KindTenant); item.Action != setup.ActionChange || !strings.Contains(item.Note, "did not make this tenant") {
		t.Errorf("%+v", item)
	}
}

// TestForeignProcessStays: the example completes a project of the same name, says
// so, and leaves the steps in it alone.
func TestForeignProcessStays(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	scene, err := w.HelloWorld(simulator.HelloWorldOptions{})
	if err != nil {
		t.Fatal(err)
	}
	application := w.must(t, http.MethodGet, "/api/Spaces-1/projects/"+scene.ProjectID, nil)
	disabled, err := application.With("/IsDisabled", true)
	if err != nil {
		t.Fatal(err)
	}
	w.must(t, http.MethodPut, "/api/Spaces-1/projects/"+scene.ProjectID, disabled)
	plan := w.apply(t, optionsOf())
	project := itemOf(t, plan, setup.KindProject)
	if project.Action != setup.ActionChange || len(project.Changes) != 1 || !strings.Contains(project.Note, "regrow did not make this project") {
		t.Errorf("the project: %+v", project)
	}
	for _, kind := range []setup.Kind{setup.KindProcess, setup.KindVariables, setup.KindPackage} {
		if item := itemOf(t, plan, kind); item.Action != setup.ActionLeave || item.Note == "" {
			t.Errorf("the %s: %+v", kind, item)
		}
	}
}

// TestProjectInGitStays because setup does not write to repositories.
func TestProjectInGitStays(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf()
	w.apply(t, options)
	project := itemOf(t, w.inspect(t, options), setup.KindProject)
	converted, err := w.documentOf(t, project).With("/IsVersionControlled", true)
	if err != nil {
		t.Fatal(err)
	}
	if converted, err = converted.With("/ProjectConnectivityPolicy/SkipMachineBehavior", "None"); err != nil {
		t.Fatal(err)
	}
	w.must(t, http.MethodPut, pathOf(project), converted)
	for _, kind := range []setup.Kind{setup.KindProject, setup.KindProcess} {
		if item := itemOf(t, w.inspect(t, options), kind); item.Action != setup.ActionLeave || !strings.Contains(item.Note, "in Git") {
			t.Errorf("%+v", item)
		}
	}
}

// TestNoLifecycleReaches says what to do.
func TestNoLifecycleReaches(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	production := w.must(t, http.MethodPost, "/api/Spaces-1/environments", object{"Name": "Production"})
	all := w.listed(t, octopus.Lifecycles)
	closed, err := all[0].With("/Phases", []object{{"Name": "Production", "OptionalDeploymentTargets": []string{production.ID()}}})
	if err != nil {
		t.Fatal(err)
	}
	w.must(t, http.MethodPut, "/api/Spaces-1/lifecycles/"+closed.ID(), closed)
	item := itemOf(t, w.apply(t, optionsOf()), setup.KindProject)
	if item.Action != setup.ActionBlocked || !strings.Contains(item.Note, `No lifecycle of the space lets new releases go to "Development": no phase of the lifecycle "Default Lifecycle" holds`) {
		t.Errorf("%+v", item)
	}
	later, err := closed.With("/Phases/-", object{"Name": "Any Environments"})
	if err != nil {
		t.Fatal(err)
	}
	w.must(t, http.MethodPut, "/api/Spaces-1/lifecycles/"+closed.ID(), later)
	item = itemOf(t, w.apply(t, optionsOf()), setup.KindProject)
	if item.Action != setup.ActionBlocked || !strings.Contains(item.Note, `pass the phase "Production" first`) {
		t.Errorf("with an earlier phase: %+v", item)
	}
	opened, err := later.With("/Phases/0/IsOptionalPhase", true)
	if err != nil {
		t.Fatal(err)
	}
	w.must(t, http.MethodPut, "/api/Spaces-1/lifecycles/"+closed.ID(), opened)
	if item := itemOf(t, w.apply(t, optionsOf()), setup.KindProject); item.Action != setup.ActionCreate {
		t.Errorf("with a phase for all environments: %+v", item)
	}
}

// TestNeighboursShareTheSteps: pipelines that share the example's projects do not
// take each other's roles away, nor each other's variables.
func TestNeighboursShareTheSteps(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	w.openLifecycle(t)
	first, second := pipelineOf(), pipelineOf()
	second.Name, second.Environment, second.Infrastructure.Roles, second.Infrastructure.Targets = "production", "Production", []string{"prod"}, 7
	one := optionsOf(func(o *setup.Options) { o.Pipeline, o.Neighbours = first, []pipeline.Pipeline{second} })
	other := optionsOf(func(o *setup.Options) { o.Pipeline, o.Neighbours = second, []pipeline.Pipeline{first} })
	w.apply(t, one)
	w.apply(t, other)
	wantAll(t, w.inspect(t, one), setup.ActionLeave)
	wantAll(t, w.inspect(t, other), setup.ActionLeave)
	if raw, _, err := w.documentOf(t, itemOf(t, w.inspect(t, one), setup.KindProcess)).Value("/Steps/0/Properties/Octopus.Action.TargetRoles"); err != nil || string(raw) != `"hello-world,web,prod"` {
		t.Errorf("the roles of the application's step: %s %v", raw, err)
	}
}

// TestUnreachable ends with the error, at once and not for each thing again.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"no answer": {DropBefore: true}, "no such key": {Status: http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newNearWorld(t, simulator.Options{})
				if _, err := w.Faults().Add(fault); err != nil {
					t.Fatal(err)
				}
				plan, err := setup.Inspect(t.Context(), w.client, optionsOf())
				if err == nil || len(plan.Items) != 0 {
					t.Errorf("inspecting: %v %+v", err, plan)
				}
				done, err := setup.Apply(t.Context(), w.client, optionsOf(), nil)
				if err == nil || len(done.Items) != 0 || len(w.writes(0)) != 0 {
					t.Errorf("applying: %v %+v", err, done)
				}
			})
		})
	}
}

// TestOneThatFailsHoldsNothingUp lets Octopus refuse all triggers for good.
func TestOneThatFailsHoldsNothingUp(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"refused": http.StatusBadRequest, "broken": http.StatusInternalServerError} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newNearWorld(t, simulator.Options{})
				if _, err := w.Faults().Add(simulator.Fault{Method: http.MethodPost, PathPattern: "/projecttriggers", Status: status}); err != nil {
					t.Fatal(err)
				}
				var told []error
				done, err := setup.Apply(t.Context(), w.client, optionsOf(), func(_ setup.Item, err error) { told = append(told, err) })
				failure, is := errors.AsType[*octopus.Error](err)
				if !is || failure.Status != status || !slices.Contains(told, error(failure)) {
					t.Errorf("the error: %v, told %v", err, told)
				}
				if item := itemOf(t, done, setup.KindTrigger); item.Action != setup.ActionBlocked || !strings.Contains(item.Note, "This failure was asked for") {
					t.Errorf("the trigger: %+v", item)
				}
				if item := itemOf(t, done, setup.KindSubscription); item.Action != setup.ActionCreate {
					t.Errorf("the subscription: %+v", item)
				}
			})
		})
	}
}

// stubborn is an Octopus that takes every change and keeps none.
type stubborn struct{ *octopus.Client }

func (stubborn) Update(_ context.Context, _ octopus.Collection, d octopus.Document) (octopus.Document, error) {
	return d, nil
}

// TestWritesThatDoNotLast are given up.
func TestWritesThatDoNotLast(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	done, err := setup.Apply(t.Context(), stubborn{w.client}, optionsOf(withoutExample), nil)
	if err == nil || !strings.Contains(err.Error(), "still is not as written: time between health checks") {
		t.Errorf("the error: %v", err)
	}
	if item := itemOf(t, done, setup.KindMachinePolicy); item.Action != setup.ActionBlocked {
		t.Errorf("the policy: %+v", item)
	}
}

// TestCancelled stops where it is.
func TestCancelled(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done, err := setup.Apply(ctx, w.client, optionsOf(), func(setup.Item, error) { cancel() })
	if !errors.Is(err, context.Canceled) || len(done.Items) != 1 {
		t.Errorf("%v, %d items", err, len(done.Items))
	}
}

func TestOptionsThatMeanNothing(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	for _, options := range []setup.Options{optionsOf(func(o *setup.Options) { o.Shell = "fish" }), {}} {
		if _, err := setup.Inspect(t.Context(), w.client, options); err == nil {
			t.Errorf("inspected %+v", options)
		}
		if _, err := setup.Apply(t.Context(), w.client, options, nil); err == nil {
			t.Errorf("applied %+v", options)
		}
	}
}

func TestFromConfig(t *testing.T) {
	t.Parallel()
	const text = `
%s
servers:
  - {name: main, url: "https://octopus.example/base", api_key: API-OFTHECONFIG, space: Default}
  - {name: also, url: "https://octopus.example/base", api_key: API-OFANOTHER, space: default}
  - {name: elsewhere, url: "https://octopus.example/base", api_key: API-OFTHEOTHERSPACE, space: Other}
sources:
  - {name: github, kind: github, secret: a-secret-of-the-tests}
  - {name: events, kind: octopus, server: main, header: X-Token, secret: another-secret-of-the-tests}
pipelines:
  - &p
    name: shop
    source: github
    repository: acme/shop
    branches: [main]
    server: main
    environment: Development
    infrastructure: {project: Shop Infrastructure, version: "1.{run}-{pipeline}", roles: [shop], targets: 2, machine_policy: Short-lived}
    application: {project: Shop, version: "2.{run}-{pipeline}"}
  - {<<: *p, name: shop-production, server: also, environment: Production}
  - {<<: *p, name: shop-elsewhere, server: elsewhere}
`
	load := func(first string) *config.Config {
		file := filepath.Join(t.TempDir(), "regrow.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(text, "%s", first, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file, config.Options{Development: true})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := load("public_url: https://regrow.example/")
	got, err := setup.FromConfig(c, "shop")
	if err != nil {
		t.Fatal(err)
	}
	want := setup.EventSink{Name: "events", URL: "https://regrow.example/webhooks/events", Header: "X-Token", Secret: "another-secret-of-the-tests"}
	if got.Subscription == nil || *got.Subscription != want || got.APIKey != "API-OFTHECONFIG" || got.Pipeline.Infrastructure.MachinePolicy != "Short-lived" {
		t.Errorf("%+v %+v", got, got.Subscription)
	}
	if len(got.Neighbours) != 1 || got.Neighbours[0].Name != "shop-production" {
		t.Errorf("neighbours: %+v", got.Neighbours)
	}
	if other, err := setup.FromConfig(c, "shop-elsewhere"); err != nil || other.Subscription != nil || len(other.Neighbours) != 0 {
		t.Errorf("elsewhere: %v %+v", err, other)
	}
	if nowhere, err := setup.FromConfig(load(""), "shop"); err != nil || nowhere.Subscription == nil || nowhere.Subscription.URL != "" {
		t.Errorf("without an address: %v %+v", err, nowhere.Subscription)
	}
	if _, err := setup.FromConfig(c, "shp"); err == nil || !strings.Contains(err.Error(), "it has shop, shop-production, shop-elsewhere") {
		t.Errorf("no such pipeline: %v", err)
	}
}

// TestOnlySomeKinds makes the example in two parts, as the guide does.
func TestOnlySomeKinds(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	only := func(kinds ...setup.Kind) setup.Options { return optionsOf(func(o *setup.Options) { o.Only = kinds }) }
	first := []setup.Kind{setup.KindMachinePolicy, setup.KindEnvironment, setup.KindProjectGroup, setup.KindProject}

	for _, plan := range []setup.Plan{w.inspect(t, only(setup.KindTrigger)), w.apply(t, only(setup.KindTrigger))} {
		if len(plan.Items) != 1 || plan.Items[0].Action != setup.ActionBlocked || !strings.HasPrefix(plan.Items[0].Note, "It needs the environment") {
			t.Errorf("a trigger of nothing: %+v", plan.Items)
		}
	}
	planned, done := w.inspect(t, only(first...)), w.apply(t, only(first...))
	wantAll(t, planned, setup.ActionCreate)
	wantAll(t, done, setup.ActionCreate)
	if len(done.Items) != 5 { // two projects
		t.Errorf("%d items", len(done.Items))
	}
	for _, item := range w.apply(t, optionsOf()).Items {
		want := setup.ActionCreate
		if slices.Contains(first, item.Kind) {
			want = setup.ActionLeave
		}
		if item.Action != want {
			t.Errorf("%s %q: %s, want %s", item.Kind, item.Name, item.Action, want)
		}
	}
}
