package setup_test

import (
	"testing"
	"testing/synctest"

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
}
