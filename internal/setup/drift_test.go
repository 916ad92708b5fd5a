package setup_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/setup/setuptest"
	"regrow/internal/simulator"
)

// elsewhere is a lifecycle that does not reach the environment.
func (w *world) elsewhere(t tester) string {
	t.Helper()
	production := w.must(t, http.MethodPost, "/api/Spaces-1/environments", map[string]any{"Name": "Production"})
	return w.must(t, http.MethodPost, "/api/Spaces-1/lifecycles", setuptest.ElsewhereOnly(production.ID())).ID()
}

// lasting is what stays of a document through a change and back.
func lasting(t tester, d octopus.Document) string {
	t.Helper()
	text, err := setuptest.Lasting(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestEachSettingIsNamedAndRepaired changes every setting by hand, one at a time:
// setup repairs exactly that one, and says so.
func TestEachSettingIsNamedAndRepaired(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(tenanted, withChannels)
	w.apply(t, options)
	lifecycle := w.elsewhere(t)
	every := setuptest.All(w.inspect(t, options))
	if len(every) < 70 {
		t.Fatalf("only %d settings are managed", len(every))
	}
	seen := map[setup.Shape]bool{}
	for i, m := range every {
		seen[m.Setting.Shape] = true
		if err := w.driftAndRepair(t, options, m, lifecycle, i); err != nil {
			t.Fatal(err)
		}
	}
	for _, shape := range []setup.Shape{setup.Text, setup.Flag, setup.Span, setup.Nothing, setup.Set, setup.Names, setup.OneOf, setup.Member, setup.Part, setup.Order} {
		if !seen[shape] {
			t.Errorf("no setting of the shape %q was changed", shape)
		}
	}
}

// TestAnySettingIsRepairedThroughFaults is the same for some of them, with a fifth
// of all requests going wrong. Time is that of a bubble, so that pauses take none.
func TestAnySettingIsRepairedThroughFaults(t *testing.T) {
	t.Parallel()
	const examples = 6
	number := rapid.IntRange(0, 1000)
	for seed := range examples {
		synctest.Test(t, func(t *testing.T) {
			w := newNearWorld(t, simulator.Options{Seed: uint64(seed)})
			w.disturb(t)
			options := optionsOf(tenanted, withChannels)
			w.apply(t, options)
			every := setuptest.All(w.inspect(t, options))
			which, value := number.Example(seed), number.Example(seed+examples)
			if err := w.driftAndRepair(t, options, every[which%len(every)], w.elsewhere(t), value); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}

// driftAndRepair changes one setting by hand, to a wrong value of a number, and
// has it repaired.
func (w *world) driftAndRepair(t tester, options setup.Options, m setuptest.Managed, otherLifecycle string, value int) error {
	t.Helper()
	before := w.documentOf(t, m.Item)
	changed := m.Spoiled(before, otherLifecycle, value)
	w.must(t, http.MethodPut, pathOf(m.Item), changed)
	since := len(w.Journal())
	for _, item := range w.apply(t, options).Items {
		switch {
		case item.ID == m.Item.ID && item.Kind == m.Item.Kind:
			// A process whose only step is gone is created again, to people.
			action := item.Action == setup.ActionChange || item.Action == setup.ActionCreate && m.Setting.Shape == setup.Part
			if !action || len(item.Changes) != 1 || item.Changes[0].Field != m.Setting.Field || item.Changes[0].Pointer != m.Setting.Pointer {
				return fmt.Errorf("%s %q: after changing %s to what is in %s: %s %+v", item.Kind, item.Name, m.Setting.Field, changed, item.Action, item.Changes)
			}
		case item.Action != setup.ActionLeave:
			return fmt.Errorf("after changing %s of %s, %s %q was changed, too: %s %+v", m.Setting.Field, m.Item.ID, item.Kind, item.Name, item.Action, item.Changes)
		}
	}
	for _, write := range w.writes(since) {
		if write.ID != m.Item.ID {
			return fmt.Errorf("repairing %s of %s wrote %+v, too", m.Setting.Field, m.Item.ID, write)
		}
	}
	if got, want := lasting(t, w.documentOf(t, m.Item)), lasting(t, before); got != want {
		return fmt.Errorf("after repairing %s:\n%s\nbefore:\n%s", m.Setting.Field, got, want)
	}
	return nil
}

// TestMembersKeepTheirNeighbours connects the tenant to another environment, too.
func TestMembersKeepTheirNeighbours(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(tenanted)
	w.apply(t, options)
	tenant := itemOf(t, w.inspect(t, options), setup.KindTenant)
	pointer := tenant.Settings[0].Pointer
	for _, others := range [][]string{{"Environments-98", "Environments-99"}, nil} {
		changed, err := w.documentOf(t, tenant).With(pointer, others)
		if err != nil {
			t.Fatal(err)
		}
		w.must(t, http.MethodPut, pathOf(tenant), changed)
		w.apply(t, options)
		var got []string
		raw, _, err := w.documentOf(t, tenant).Value(pointer)
		if err := errors.Join(err, json.Unmarshal(raw, &got)); err != nil {
			t.Fatal(err)
		}
		if want := append(others, "Environments-1"); !slices.Equal(got, want) {
			t.Errorf("environments of the tenant: %v, want %v", got, want)
		}
	}
}

// TestDeletedIsMadeAgain deletes what setup has made, one after the other.
func TestDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(tenanted, withChannels)
	w.apply(t, options)
	plan := w.inspect(t, options)
	for _, kind := range []setup.Kind{setup.KindMachinePolicy, setup.KindTrigger, setup.KindSubscription, setup.KindTenant, setup.KindChannel} {
		gone := itemOf(t, plan, kind)
		before := w.documentOf(t, gone)
		w.must(t, http.MethodDelete, pathOf(gone), nil)
		for _, item := range w.apply(t, options).Items {
			want := setup.ActionLeave
			if item.Kind == gone.Kind && item.Name == gone.Name {
				want = setup.ActionCreate
			}
			if item.Action != want {
				t.Errorf("without the %s, %s %q: %s, want %s", kind, item.Kind, item.Name, item.Action, want)
			}
		}
		again := itemOf(t, w.inspect(t, options), kind)
		if again.Action != setup.ActionLeave || again.ID == gone.ID {
			t.Errorf("the %s was not made again: %+v", kind, again)
		}
		want := strings.ReplaceAll(lasting(t, before), gone.ID, again.ID)
		if got := lasting(t, w.documentOf(t, again)); got != want {
			t.Errorf("made again:\n%s\nbefore:\n%s", got, want)
		}
	}
}

// TestAllIsMadeAgain deletes what most of the rest hangs on.
func TestAllIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(tenanted)
	w.apply(t, options)
	plan := w.inspect(t, options)
	for _, item := range plan.Items {
		if item.Kind == setup.KindProject || item.Kind == setup.KindEnvironment {
			w.must(t, http.MethodDelete, pathOf(item), nil)
		}
	}
	w.must(t, http.MethodDelete, "/api/Spaces-1/packages/packages-HelloWorldInfrastructure.1.0.0", nil)
	w.apply(t, options)
	wantAll(t, w.inspect(t, options), setup.ActionLeave)
}
