package setup_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// TestFromEmpty makes the whole example in an empty server, and nothing more the
// second time.
func TestFromEmpty(t *testing.T) {
	t.Parallel()
	for name, options := range examples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newWorld(t, simulator.Options{}).fromEmpty(t, options)
		})
	}
}

// TestFromEmptyThroughFaults is the same with a fifth of all requests going wrong.
func TestFromEmptyThroughFaults(t *testing.T) {
	t.Parallel()
	for name, options := range examples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				synctest.Test(t, func(t *testing.T) {
					w := newNearWorld(t, simulator.Options{Seed: seed})
					w.disturb(t)
					w.fromEmpty(t, options)
				})
			}
		})
	}
}

func examples() map[string]setup.Options {
	return map[string]setup.Options{
		"bash":       optionsOf(),
		"powershell": optionsOf(func(o *setup.Options) { o.Shell = setup.PowerShell }),
		"tenanted":   optionsOf(tenanted, withChannels),
	}
}

func (w *world) fromEmpty(t *testing.T, options setup.Options) {
	t.Helper()
	if shell, made := w.example(t, options); made {
		t.Errorf("an example in %s was found before it was made", shell)
	}
	planned := w.inspect(t, options)
	if writes := w.writes(0); len(writes) != 0 {
		t.Fatalf("planning wrote: %+v", writes)
	}
	var told []setup.Item
	done, err := setup.Apply(t.Context(), w.client, options, func(item setup.Item, err error) {
		if err != nil {
			t.Errorf("%s: %v", item.Kind, err)
		}
		told = append(told, item)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != len(done.Items) || len(planned.Items) != len(done.Items) {
		t.Fatalf("%d items planned, %d done, %d told", len(planned.Items), len(done.Items), len(told))
	}
	for i, item := range planned.Items {
		got := done.Items[i]
		if got.Kind != item.Kind || got.Name != item.Name || got.Action != item.Action || len(got.Changes) != len(item.Changes) {
			t.Errorf("planned %+v\ndone    %+v", item, got)
		}
	}
	since := len(w.Journal())
	wantAll(t, w.inspect(t, options), setup.ActionLeave)
	wantAll(t, w.apply(t, options), setup.ActionLeave)
	if writes := w.writes(since); len(writes) != 0 {
		t.Errorf("the second time something is written: %+v", writes)
	}
	w.wantOneOfEach(t, options)
	if shell, made := w.example(t, options); !made || shell != options.Shell {
		t.Errorf("the example was found: %t, in %s", made, shell)
	}
}

func (w *world) example(t *testing.T, options setup.Options) (shell string, made bool) {
	t.Helper()
	options.Example, options.Shell = false, ""
	shell, made, err := setup.FindExample(t.Context(), w.client, options)
	if err != nil {
		t.Fatal(err)
	}
	return shell, made
}

// TestWhoseProjectsAreAnExample: those that setup has made, until somebody says
// that they are theirs.
func TestWhoseProjectsAreAnExample(t *testing.T) {
	t.Parallel()
	w := newSceneOfTriggers(t)
	if _, made := w.example(t, optionsOf()); made {
		t.Error("projects that people made were taken for an example")
	}

	w = newNearWorld(t, simulator.Options{})
	options := optionsOf(func(o *setup.Options) { o.Shell = setup.PowerShell })
	w.apply(t, options)
	if err := w.SetMissingPermissions("ProcessView"); err != nil {
		t.Fatal(err)
	}
	if shell, made := w.example(t, options); !made || shell != setup.Bash {
		t.Errorf("with processes that cannot be seen: %t, in %q", made, shell)
	}
	if err := w.SetMissingPermissions("ProjectView"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := setup.FindExample(t.Context(), w.client, options); octopus.Missing(err) != "ProjectView" {
		t.Errorf("with projects that cannot be seen: %v", err)
	}
	if err := w.SetMissingPermissions(); err != nil {
		t.Fatal(err)
	}
	for _, item := range w.inspect(t, options).Items {
		if item.Kind != setup.KindProject {
			continue
		}
		if shell, made := w.example(t, options); !made || shell != setup.PowerShell {
			t.Errorf("before %s is somebody's own: %t, in %s", item.Name, made, shell)
		}
		project := w.documentOf(t, item)
		own, err := project.With("/Description", strings.Replace(project.Text("/Description"), setup.Mark, "", 1))
		if err != nil {
			t.Fatal(err)
		}
		w.must(t, http.MethodPut, pathOf(item), own)
	}
	if _, made := w.example(t, options); made {
		t.Error("projects that are somebody's own now were taken for an example")
	}
}
