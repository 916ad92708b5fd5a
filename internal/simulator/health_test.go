package simulator_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"regrow/internal/simulator"
)

func (w *world) categoriesOf(machineID string) []string {
	w.t.Helper()
	var list []string
	for _, item := range w.get("/api/events?take=1000&regarding=" + machineID)["Items"].([]any) {
		list = append(list, item.(object)["Category"].(string))
	}
	slices.Reverse(list)
	return list
}

func TestHealthEvents(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		switches simulator.Switches
		want     []string
	}{
		"on change":         {simulator.Switches{}, []string{"MachineAdded", "MachineHealthy", "MachineHasWarnings"}},
		"repeated":          {simulator.Switches{RepeatHealthEvents: true}, []string{"MachineAdded", "MachineHealthy", "MachineHealthy", "MachineHasWarnings", "MachineHasWarnings"}},
		"no initial check":  {simulator.Switches{SkipInitialHealthCheck: true}, []string{"MachineAdded", "MachineHealthy", "MachineHasWarnings"}},
		"late first health": {simulator.Switches{InitialHealthCheckDelay: time.Minute}, []string{"MachineAdded", "MachineHealthy", "MachineHasWarnings"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{Switches: test.switches}, simulator.HelloWorldOptions{})
			id, err := w.AddTarget(simulator.TargetOptions{Name: "new", EnvironmentID: w.scene.EnvironmentID, Roles: []string{"other"}, PolicyID: w.scene.PolicyID})
			if err != nil {
				t.Fatal(err)
			}
			w.Advance(2*time.Minute + 30*time.Second) // the first check and one round of the policy
			if err := w.SetCondition(id, "HasWarnings"); err != nil {
				t.Fatal(err)
			}
			w.Advance(4 * time.Minute)
			if got := w.categoriesOf(id); !slices.Equal(got, test.want) {
				t.Errorf("expected %v, got %v", test.want, got)
			}
		})
	}
}

func TestPolicyDeletesWhatIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		switches simulator.Switches
		after    time.Duration // from the failure to the deletion, which waits for a check
	}{
		// Found unavailable at the check of 2:00, deleted by the first check at least 5 minutes later.
		"since it was found unavailable": {simulator.Switches{}, 8 * time.Minute},
		"since it was last reached":      {simulator.Switches{CleanupFromLastHealthy: true}, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{Switches: test.switches}, simulator.HelloWorldOptions{})
			gone := w.scene.TargetIDs[0]
			if err := w.SetCondition(gone, "Unavailable"); err != nil {
				t.Fatal(err)
			}
			w.Advance(test.after - 30*time.Second)
			if len(w.Machines()) != 2 {
				t.Fatalf("expected the target to be kept until %v", test.after)
			}
			w.Advance(time.Minute)
			deleted := w.JournalOf(simulator.MachineDeleted)
			if len(deleted) != 1 || deleted[0].ID != gone || deleted[0].Actor != simulator.ActorPolicy {
				t.Errorf("expected the policy to have deleted %s, got %+v", gone, deleted)
			}
			if got := w.categoriesOf(gone); !slices.Contains(got, "MachineDeleted") {
				t.Errorf("expected the events of the deleted target to be kept, got %v", got)
			}
			w.call(http.MethodDelete, "/api/Spaces-1/machines/"+gone, nil, 404)
		})
	}
}

func TestHealthCheckOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	id := w.scene.TargetIDs[0]
	if err := w.SetCondition(id, "Unhealthy"); err != nil {
		t.Fatal(err)
	}
	task := w.call(http.MethodPost, "/api/tasks", object{"Name": "Health", "SpaceId": "Spaces-1", "Arguments": object{"MachineIds": []string{id}}}, 201)
	w.Advance(10 * time.Second)
	if got := w.get("/api/Spaces-1/machines/" + id); got["HealthStatus"] != "Unhealthy" {
		t.Errorf("expected the check to find the target unhealthy, got %v", got["HealthStatus"])
	}
	if got := w.get("/api/tasks/" + task["Id"].(string)); got["State"] != "Success" {
		t.Errorf("expected the task to succeed, got %v", got["State"])
	}
	again := w.call(http.MethodPost, "/api/tasks/rerun/"+task["Id"].(string), nil, 200)
	if again["Id"] == task["Id"] || again["State"] != "Queued" {
		t.Errorf("expected another task, got %v", again)
	}
}

// A target whose policy expects it to be online fails the check.
func TestUnavailableTargetFailsTheCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	id, err := w.AddTarget(simulator.TargetOptions{Name: "pet", EnvironmentID: w.scene.EnvironmentID, Roles: []string{"pet"}, Healthy: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetCondition(id, "Unavailable"); err != nil {
		t.Fatal(err)
	}
	task := w.call(http.MethodPost, "/api/Spaces-1/tasks", object{"Name": "Health", "Arguments": object{"MachineIds": []string{id}}}, 201)
	w.Advance(10 * time.Second)
	if got := w.get("/api/tasks/" + task["Id"].(string)); got["State"] != "Failed" || got["ErrorMessage"] == "" {
		t.Errorf("expected the task to fail, got %v", got)
	}
	w.Advance(72 * time.Hour)
	if got := w.get("/api/Spaces-1/machines/" + id); got["HealthStatus"] != "Unavailable" {
		t.Errorf("expected the default policy to delete nothing, got %v", got)
	}
}

// A deployment to a target that has gone fails, unless the project skips unavailable targets.
func TestDeploymentToATargetThatHasGone(t *testing.T) {
	t.Parallel()
	for behaviour, state := range map[string]string{"None": "Failed", "SkipUnavailableMachines": "Success"} {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
			path := "/api/Spaces-1/projects/" + w.scene.ProjectID
			project := w.get(path)
			project["ProjectConnectivityPolicy"].(object)["SkipMachineBehavior"] = behaviour
			w.call(http.MethodPut, path, project, 200)
			if err := w.SetCondition(w.scene.TargetIDs[0], "Unavailable"); err != nil {
				t.Fatal(err)
			}
			w.deploy(w.scene.ReleaseID, nil)
			w.Advance(time.Minute)
			if got := w.Deployments("Hello World")[1]; got.State != state || !slices.Equal(got.DeployedToMachineIDs, w.scene.TargetIDs[1:]) {
				t.Errorf("expected %s with the other target, got %+v", state, got)
			}
		})
	}
}

func TestDeletionByAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	w.call(http.MethodDelete, "/api/Spaces-1/machines/"+w.scene.TargetIDs[0], nil, 200)
	w.call(http.MethodDelete, "/api/Spaces-1/machines/"+w.scene.TargetIDs[0], nil, 404)
	deleted := w.JournalOf(simulator.MachineDeleted)
	if len(deleted) != 1 || deleted[0].Actor != simulator.ActorAPI || deleted[0].Requester != "simulator-test" {
		t.Errorf("expected one deletion by the API with its requester, got %+v", deleted)
	}
}
