package setup_test

import (
	"bytes"
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
	"regrow/internal/simulator"
)

// managed is a setting of one resource.
type managed struct {
	item    setup.Item
	setting setup.Setting
}

// allManaged are all settings of a plan whose values can be seen.
func allManaged(plan setup.Plan) []managed {
	var all []managed
	for _, item := range plan.Items {
		for _, setting := range item.Settings {
			if setting.Shape != setup.Secret {
				all = append(all, managed{item, setting})
			}
		}
	}
	return all
}

// elsewhere is a lifecycle that does not reach the environment.
func (w *world) elsewhere(t tester) string {
	t.Helper()
	production := w.must(t, http.MethodPost, "/api/Spaces-1/environments", map[string]any{"Name": "Production"})
	return w.must(t, http.MethodPost, "/api/Spaces-1/lifecycles", map[string]any{"Name": "Production only",
		"Phases": []any{map[string]any{"Name": "Production", "OptionalDeploymentTargets": []string{production.ID()}}}}).ID()
}

// wrong draws another value for a setting of a document: the document as
// somebody leaves it who changed just that.
func wrong(t *rapid.T, d octopus.Document, m managed, otherLifecycle string) octopus.Document {
	t.Helper()
	word := rapid.StringMatching(`x-[a-z0-9 ]{1,12}`)
	write := func(value any) octopus.Document {
		changed, err := d.With(m.setting.Pointer, value)
		if err != nil {
			t.Fatalf("%s: %v", m.setting.Field, err)
		}
		return changed
	}
	raw, _, err := d.Value(m.setting.Pointer)
	if err != nil {
		t.Fatal(err)
	}
	switch m.setting.Shape {
	case setup.Text, setup.Nothing:
		return write(word.Draw(t, "text"))
	case setup.Flag:
		changed := write(string(raw) != "true")
		if variable, is := strings.CutSuffix(m.setting.Pointer, "/IsSensitive"); is { // Octopus has this twice
			changed, err = changed.With(variable+"/Type", "String")
			if err != nil {
				t.Fatal(err)
			}
		}
		return changed
	case setup.Span:
		return write(rapid.Custom(anySpan).Filter(func(s string) bool { return !bytes.Contains(raw, []byte(s)) }).Draw(t, "span"))
	case setup.Set:
		var now []string
		if err := json.Unmarshal(raw, &now); err != nil {
			t.Fatal(err)
		}
		return write(wrongSet(t, now, word))
	case setup.Names:
		now := strings.FieldsFunc(string(raw), func(r rune) bool { return r == ',' || r == '"' })
		return write(strings.Join(wrongSet(t, now, rapid.StringMatching(`x-[a-z0-9]{1,12}`)), ","))
	case setup.OneOf:
		return write(map[string]string{"/LifecycleId": otherLifecycle, "/TenantedDeploymentMode": "Untenanted"}[m.setting.Pointer])
	case setup.Member:
		return write([]string{})
	case setup.Part, setup.Order:
		return write(wrongParts(t, raw, m.setting))
	default:
		t.Fatalf("no wrong value is known for a setting of the shape %q", m.setting.Shape)
		return nil
	}
}

// wrongSet draws a set that is another one and not empty: Octopus takes no
// trigger without an event.
func wrongSet(t *rapid.T, now []string, word *rapid.Generator[string]) []string {
	others := rapid.SliceOfNDistinct(word, 1, 3, rapid.ID[string]).Draw(t, "others")
	kept := rapid.SliceOfN(rapid.SampledFrom(append(now, "")), 0, 2).Draw(t, "kept")
	return slices.Concat(others, slices.DeleteFunc(kept, func(s string) bool { return s == "" }))
}

// anySpan draws a time span as Octopus writes it.
func anySpan(t *rapid.T) string {
	clock := fmt.Sprintf("%02d:%02d:%02d", rapid.IntRange(0, 23).Draw(t, "hours"), rapid.IntRange(0, 59).Draw(t, "minutes"), rapid.IntRange(0, 59).Draw(t, "seconds"))
	if days := rapid.IntRange(0, 30).Draw(t, "days"); days > 0 {
		return fmt.Sprintf("%d.%s", days, clock)
	}
	return clock
}

// wrongParts leaves one element out, or changes the order of all.
func wrongParts(t *rapid.T, raw json.RawMessage, setting setup.Setting) []octopus.Document {
	var list []octopus.Document
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if setting.Shape == setup.Part {
		return slices.DeleteFunc(list, func(d octopus.Document) bool { return strings.HasSuffix(setting.Field, " "+d.Name()) })
	}
	for at := range len(list) - 1 { // one rotation at least is another order
		list[at], list[at+1] = list[at+1], list[at]
	}
	return list
}

// withoutStamps is a document without what the server writes into it with every
// change, and without the ids of its parts, which are new for one made again.
func withoutStamps(t tester, d octopus.Document) string {
	t.Helper()
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(d))
	decoder.UseNumber()
	if err := decoder.Decode(&members); err != nil {
		t.Fatal(err)
	}
	for _, stamp := range []string{"LastModifiedOn", "LastModifiedBy", "Version"} {
		delete(members, stamp)
	}
	for _, list := range []string{"Steps", "Variables"} {
		withoutIDs(members[list])
	}
	if notification, ok := members["EventNotificationSubscription"].(map[string]any); ok {
		delete(notification, "WebhookLastProcessedEventAutoId")
	}
	text, err := json.MarshalIndent(members, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func withoutIDs(parts any) {
	list, _ := parts.([]any)
	for _, element := range list {
		if members, ok := element.(map[string]any); ok {
			delete(members, "Id")
			withoutIDs(members["Actions"])
		}
	}
}

// TestEachSettingIsNamedAndRepaired changes every setting by hand, one at a time:
// the plan names exactly that one, and setup repairs exactly it.
func TestEachSettingIsNamedAndRepaired(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	options := optionsOf(tenanted, withChannels)
	w.apply(t, options)
	lifecycle := w.elsewhere(t)
	every := allManaged(w.inspect(t, options))
	if len(every) < 70 {
		t.Fatalf("only %d settings are managed", len(every))
	}
	seen := map[setup.Shape]bool{}
	for i, m := range every {
		seen[m.setting.Shape] = true
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
	const examples = 12
	number := rapid.IntRange(0, 1000)
	for seed := range examples {
		synctest.Test(t, func(t *testing.T) {
			w := newNearWorld(t, simulator.Options{Seed: uint64(seed)})
			w.disturb(t)
			options := optionsOf(tenanted, withChannels)
			w.apply(t, options)
			every := allManaged(w.inspect(t, options))
			which, value := number.Example(seed), number.Example(seed+examples)
			if err := w.driftAndRepair(t, options, every[which%len(every)], w.elsewhere(t), value); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
	}
}

// driftAndRepair changes one setting by hand, to a wrong value of a number, and
// has it found and repaired.
func (w *world) driftAndRepair(t tester, options setup.Options, m managed, otherLifecycle string, value int) error {
	t.Helper()
	before := w.documentOf(t, m.item)
	changed := rapid.Custom(func(t *rapid.T) octopus.Document {
		rapid.Bool().Draw(t, "anything, which rapid insists on") // some settings have one wrong value only
		return wrong(t, before, m, otherLifecycle)
	}).Example(value)
	w.must(t, http.MethodPut, pathOf(m.item), changed)
	for _, item := range w.inspect(t, options).Items {
		switch {
		case item.ID == m.item.ID && item.Kind == m.item.Kind:
			// A process whose only step is gone is created again, to people.
			action := item.Action == setup.ActionChange || item.Action == setup.ActionCreate && m.setting.Shape == setup.Part
			if !action || len(item.Changes) != 1 || item.Changes[0].Field != m.setting.Field || item.Changes[0].Pointer != m.setting.Pointer {
				return fmt.Errorf("%s %q: after changing %s to what is in %s: %s %+v", item.Kind, item.Name, m.setting.Field, changed, item.Action, item.Changes)
			}
		case item.Action != setup.ActionLeave:
			return fmt.Errorf("after changing %s of %s, %s %q is planned to be changed, too: %s %+v", m.setting.Field, m.item.ID, item.Kind, item.Name, item.Action, item.Changes)
		}
	}
	since := len(w.Journal())
	w.apply(t, options)
	for _, write := range w.writes(since) {
		if write.ID != m.item.ID {
			return fmt.Errorf("repairing %s of %s wrote %+v, too", m.setting.Field, m.item.ID, write)
		}
	}
	if got, want := withoutStamps(t, w.documentOf(t, m.item)), withoutStamps(t, before); got != want {
		return fmt.Errorf("after repairing %s:\n%s\nbefore:\n%s", m.setting.Field, got, want)
	}
	return nil
}

// TestMembersKeepTheirNeighbours connects the tenant to another environment, too.
func TestMembersKeepTheirNeighbours(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
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
	w := newWorld(t, simulator.Options{})
	options := optionsOf(tenanted, withChannels)
	w.apply(t, options)
	for _, kind := range []setup.Kind{setup.KindMachinePolicy, setup.KindTrigger, setup.KindSubscription, setup.KindTenant, setup.KindChannel} {
		gone := itemOf(t, w.inspect(t, options), kind)
		before := w.documentOf(t, gone)
		w.must(t, http.MethodDelete, pathOf(gone), nil)
		for _, item := range w.inspect(t, options).Items {
			want := setup.ActionLeave
			if item.Kind == gone.Kind && item.Name == gone.Name {
				want = setup.ActionCreate
			}
			if item.Action != want {
				t.Errorf("without the %s, %s %q: %s, want %s", kind, item.Kind, item.Name, item.Action, want)
			}
		}
		w.apply(t, options)
		again := itemOf(t, w.inspect(t, options), kind)
		if again.Action != setup.ActionLeave || again.ID == gone.ID {
			t.Errorf("the %s was not made again: %+v", kind, again)
		}
		want := strings.ReplaceAll(withoutStamps(t, before), gone.ID, again.ID)
		if got := withoutStamps(t, w.documentOf(t, again)); got != want {
			t.Errorf("made again:\n%s\nbefore:\n%s", got, want)
		}
	}
}

// TestAllIsMadeAgain deletes what most of the rest hangs on.
func TestAllIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
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
