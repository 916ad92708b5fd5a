package setup_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// TestPolicyKeepsWhatItHad changes a policy that holds what the official client
// would lose: time spans of days, and members that it does not know.
func TestPolicyKeepsWhatItHad(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	made := w.must(t, http.MethodPost, "/api/Spaces-1/machinepolicies", json.RawMessage(`{
		"Name": "immutable infrastructure", "Description": "by hand",
		"MachineHealthCheckPolicy": {"HealthCheckInterval": "1.00:00:00", "HealthCheckCron": null, "HealthCheckType": "OnlyConnectivity", "FromTheFuture": [1.50, {"a": null}]},
		"MachineCleanupPolicy": {"DeleteMachinesBehavior": "DoNotDelete", "DeleteMachinesElapsedTimeSpan": "2.00:00:00", "Other": "x"},
		"ConnectionRetryTimeLimit": "3.01:00:00", "PollingRequestQueueTimeout": "1.00:00:00", "NotKnown": {"deep": ["1.0", 1e3]}}`))
	options := optionsOf(withoutExample)
	item := itemOf(t, w.inspect(t, options), setup.KindMachinePolicy)
	if item.Action != setup.ActionChange || item.Name != "Immutable Infrastructure" || item.ID != made.ID() || item.Note == "" {
		t.Fatalf("the policy: %+v", item)
	}
	w.apply(t, options)
	want := made
	for pointer, value := range map[string]any{
		"/MachineHealthCheckPolicy/HealthCheckInterval":          "00:02:00",
		"/MachineConnectivityPolicy/MachineConnectivityBehavior": "MayBeOfflineAndCanBeSkipped",
		"/MachineCleanupPolicy/DeleteMachinesBehavior":           "DeleteUnavailableMachines",
		"/MachineCleanupPolicy/DeleteMachinesElapsedTimeSpan":    "00:05:00",
	} {
		var err error
		if want, err = want.With(pointer, value); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.documentOf(t, item); string(got) != string(want) {
		t.Errorf("the policy became\n%s\nwant\n%s", got, want)
	}
}

// TestPolicyIsCreatedWithTheServersDefaults and changed after that, as the guide
// does it.
func TestPolicyIsCreatedWithTheServersDefaults(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(withoutExample)
	planned := itemOf(t, w.inspect(t, options), setup.KindMachinePolicy)
	from := map[string]string{}
	for _, change := range planned.Changes {
		from[change.Field] = change.From
	}
	if planned.Action != setup.ActionCreate || len(from) != 4 || from["time between health checks"] != "1.00:00:00" {
		t.Errorf("planned: %+v", planned)
	}
	w.apply(t, options)
	var effects []simulator.Effect
	for _, e := range w.writes(0) {
		if e.Detail == "MachinePolicy" {
			effects = append(effects, e.Effect)
		}
	}
	if len(effects) != 2 || effects[0] != simulator.DocumentCreated || effects[1] != simulator.DocumentUpdated {
		t.Errorf("effects: %v, want a creation and a change", effects)
	}
}

// TestDefaultPolicyIsNamed because it is everybody's.
func TestDefaultPolicyIsNamed(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(withoutExample, func(o *setup.Options) { o.Pipeline.Infrastructure.MachinePolicy = "Default Machine Policy" })
	item := itemOf(t, w.inspect(t, options), setup.KindMachinePolicy)
	if item.Action != setup.ActionChange || item.Note != "It is the space's default machine policy: all targets that name no other one follow it." {
		t.Errorf("%s: %s", item.Action, item.Note)
	}
}

// TestSpansAreComparedByLength leaves a policy alone that is written otherwise.
func TestSpansAreComparedByLength(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(withoutExample)
	w.apply(t, options)
	item := itemOf(t, w.inspect(t, options), setup.KindMachinePolicy)
	d := w.documentOf(t, item)
	for pointer, value := range map[string]string{
		"/MachineHealthCheckPolicy/HealthCheckInterval": "0:02:00", "/MachineCleanupPolicy/DeleteMachinesElapsedTimeSpan": "0.00:05:00.0000000",
	} {
		var err error
		if d, err = d.With(pointer, value); err != nil {
			t.Fatal(err)
		}
	}
	w.must(t, http.MethodPut, pathOf(item), d)
	if again := itemOf(t, w.inspect(t, options), setup.KindMachinePolicy); again.Action != setup.ActionLeave {
		t.Errorf("%s: %+v", again.Action, again.Changes)
	}
}
