package setup_test

import (
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// bothOf are the options for two pipelines of one configuration.
func bothOf(first, second pipeline.Pipeline) []setup.Options {
	return []setup.Options{
		optionsOf(func(o *setup.Options) { o.Pipeline, o.Neighbours = first, []pipeline.Pipeline{second} }),
		optionsOf(func(o *setup.Options) { o.Pipeline, o.Neighbours = second, []pipeline.Pipeline{first} }),
	}
}

// anyPipeline draws a pipeline that may share anything with another one.
func anyPipeline(t *rapid.T, name string) pipeline.Pipeline {
	p := pipelineOf()
	p.Name = name
	p.Environment = rapid.SampledFrom([]string{"Development", "Production"}).Draw(t, "environment")
	p.Tenant = rapid.SampledFrom([]string{"", "Acme", "Zenith"}).Draw(t, "tenant")
	p.Application.Project = rapid.SampledFrom([]string{"Hello World", "Other World"}).Draw(t, "application")
	p.Infrastructure.Project = rapid.SampledFrom([]string{"Hello World Infrastructure", "Other Infrastructure"}).Draw(t, "infrastructure")
	p.Infrastructure.Roles = rapid.SampledFrom([][]string{{"hello-world", "web"}, {"Web", "hello-world"}, {"web"}, {"other"}}).Draw(t, "roles")
	p.Infrastructure.Targets = rapid.SampledFrom([]int{2, 2, 3}).Draw(t, "targets")
	p.Infrastructure.MachinePolicy = rapid.SampledFrom([]string{"Immutable Infrastructure", "Immutable Infrastructure", "Another"}).Draw(t, "policy")
	return p
}

// TestTwoPipelinesSettle: whatever two pipelines share, what the setup of one
// makes that of the other leaves, or says what is in the way.
func TestTwoPipelinesSettle(t *testing.T) {
	t.Parallel()
	pairs := rapid.Custom(func(t *rapid.T) []setup.Options { return bothOf(anyPipeline(t, "one"), anyPipeline(t, "other")) })
	for number := range 30 {
		w, both := newNearWorld(t, simulator.Options{}), pairs.Example(number)
		if number%2 == 0 {
			w.openLifecycle(t)
		}
		for _, options := range append(both, both...) { // the second time for what the first found blocked
			w.apply(t, options)
		}
		settled := len(w.Journal())
		for _, options := range both {
			for _, item := range w.inspect(t, options).Items {
				if item.Action != setup.ActionLeave && item.Action != setup.ActionBlocked || item.Action == setup.ActionBlocked && item.Note == "" {
					t.Errorf("%d: %s: %s %s %q: %+v %s", number, options.Pipeline.Name, item.Action, item.Kind, item.Name, item.Changes, item.Note)
				}
			}
			w.apply(t, options)
		}
		if written := w.writes(settled); len(written) > 0 {
			t.Errorf("%d: in the end still writes %+v", number, written)
		}
	}
}

// TestPipelinesThatWantOtherValues of one variable in one place block it, and
// nothing else.
func TestPipelinesThatWantOtherValues(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*pipeline.Pipeline)
		says   string // "" for nothing in the way
	}{
		"targets":             {func(p *pipeline.Pipeline) { p.Infrastructure.Targets = 7 }, `HelloWorld.Targets for both: hello-world wants "2", acme wants "7". Give both the same infrastructure.targets`},
		"roles":               {func(p *pipeline.Pipeline) { p.Infrastructure.Roles = []string{"acme"} }, `acme wants "acme"`},
		"policy":              {func(p *pipeline.Pipeline) { p.Infrastructure.MachinePolicy = "Acme's" }, "infrastructure.machine_policy"},
		"the order of roles":  {func(p *pipeline.Pipeline) { p.Infrastructure.Roles = []string{"WEB", "hello-world"} }, ""},
		"nothing":             {func(*pipeline.Pipeline) {}, ""},
		"another environment": {func(p *pipeline.Pipeline) { p.Environment, p.Infrastructure.Targets = "Production", 7 }, ""},
		"another project":     {func(p *pipeline.Pipeline) { p.Infrastructure.Project, p.Infrastructure.Targets = "Acme's", 7 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newNearWorld(t, simulator.Options{})
			w.openLifecycle(t)
			first, second := pipelineOf(), pipelineOf()
			second.Name, second.Tenant = "acme", "Acme"
			test.change(&second)
			both := bothOf(first, second)
			for _, options := range both {
				w.apply(t, options)
			}
			for _, item := range w.inspect(t, both[0]).Items {
				switch {
				case test.says != "" && item.Kind == setup.KindVariables:
					if item.Action != setup.ActionBlocked || !strings.Contains(item.Note, test.says) {
						t.Errorf("%s: %s", item.Action, item.Note)
					}
				case item.Action != setup.ActionLeave:
					t.Errorf("%s %s %q: %+v %s", item.Action, item.Kind, item.Name, item.Changes, item.Note)
				}
			}
		})
	}
}

// TestVariableOfSeveralEnvironments is changed for none of them.
func TestVariableOfSeveralEnvironments(t *testing.T) {
	t.Parallel()
	w, options := newNearWorld(t, simulator.Options{}), optionsOf()
	w.apply(t, options)
	production := w.must(t, http.MethodPost, "/api/Spaces-1/environments", object{"Name": "Production"})
	item := itemOf(t, w.inspect(t, options), setup.KindVariables)
	shared := func(value string) octopus.Document {
		d := w.documentOf(t, item)
		for pointer, value := range map[string]any{"/Variables/1/Value": value, "/Variables/1/Scope/Environment": []string{"Environments-1", production.ID()}} {
			var err error
			if d, err = d.With(pointer, value); err != nil {
				t.Fatal(err)
			}
		}
		w.must(t, http.MethodPut, pathOf(item), d)
		return w.documentOf(t, item)
	}
	shared("2")
	if item := itemOf(t, w.apply(t, options), setup.KindVariables); item.Action != setup.ActionLeave {
		t.Errorf("with the value that is wanted: %+v", item)
	}
	before := shared("5")
	got := itemOf(t, w.apply(t, options), setup.KindVariables)
	if got.Action != setup.ActionBlocked || !strings.Contains(got.Note, `HelloWorld.Targets has one value, "5", for "Development" and other environments`) {
		t.Errorf("with another value: %+v", got)
	}
	if after := w.documentOf(t, item); string(after) != string(before) {
		t.Errorf("changed to %s", after)
	}
}
