package simulator_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/machinepolicies"

	"regrow/internal/simulator"
)

func TestClockSkew(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, 7 * time.Minute, -time.Hour} {
		w := newServer(t, simulator.Options{Switches: simulator.Switches{ClockSkew: skew}})
		if _, err := w.Faults().Add(simulator.Fault{PathPattern: "/events$", Status: 503}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/api", "/api/users/me", "/api/nonsense", "/api/events", "/simulator/state"} {
			before := time.Now()
			response, _, err := w.send(http.MethodGet, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			told, err := http.ParseTime(response.Header.Get("Date"))
			if earliest := before.Add(skew).Truncate(time.Second); err != nil || told.Before(earliest) || told.After(time.Now().Add(skew)) {
				t.Errorf("%s: expected a clock that is %v off, got %v (%v)", path, skew, told, err)
			}
		}
	}
}

// A policy that only has a name is what the template shows.
func TestMachinePolicyDefaults(t *testing.T) {
	t.Parallel()
	w := newServer(t, simulator.Options{})
	made := w.call(http.MethodPost, "/api/Spaces-1/machinepolicies", object{"Name": "Immutable Infrastructure"}, 201)
	template := w.get("/api/Spaces-1/machinepolicies/template")
	for key, value := range template {
		if key == "Name" || key == "Links" {
			continue
		}
		if !reflect.DeepEqual(value, made[key]) {
			t.Errorf("%s: expected %v as in the template, got %v", key, value, made[key])
		}
	}
	health, cleanup := made["MachineHealthCheckPolicy"].(object), made["MachineCleanupPolicy"].(object)
	if health["HealthCheckInterval"] != "1.00:00:00" || cleanup["DeleteMachinesBehavior"] != "DoNotDelete" ||
		made["MachineConnectivityPolicy"].(object)["MachineConnectivityBehavior"] != "ExpectedToBeOnline" {
		t.Errorf("expected the defaults of the guide's first step, got %v", made)
	}
	policy := must[*machinepolicies.MachinePolicy](t)(machinepolicies.GetByID(w.client("Spaces-1"), "Spaces-1", made["Id"].(string)))
	if policy.Name != "Immutable Infrastructure" || policy.MachineCleanupPolicy.DeleteMachinesBehavior != "DoNotDelete" {
		t.Errorf("expected the official client to read it, got %+v", policy)
	}
}
