package simulator_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"regrow/internal/simulator"
)

func TestScene(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Targets: 3})
	if len(w.Machines()) != 3 {
		t.Fatalf("expected 3 targets, got %+v", w.Machines())
	}
	for _, m := range w.Machines() {
		if m.Installed[w.scene.ProjectID] != w.scene.ReleaseID || m.HealthStatus != "Healthy" || !m.Answers {
			t.Errorf("expected a healthy target with the initial release, got %+v", m)
		}
	}
	before := w.Deployments("Hello World")
	if len(before) != 1 || before[0].State != "Success" || len(before[0].DeployedToMachineIDs) != 3 {
		t.Fatalf("expected one successful deployment to 3 targets, got %+v", before)
	}
	w.Advance(30 * time.Minute)
	if after := w.Deployments("Hello World"); len(after) != 1 || !slices.Equal(after[0].DeployedToMachineIDs, before[0].DeployedToMachineIDs) {
		t.Errorf("expected that nothing happens by itself, got %+v", after)
	}
	if n := len(w.JournalOf(simulator.MachineDeleted, simulator.DeploymentRequeued)); n != 0 {
		t.Errorf("expected no machine deleted and nothing queued again, got %d effects", n)
	}
}

func TestScenesShareASpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	staging, err := w.HelloWorld(simulator.HelloWorldOptions{Environment: "Staging", InfrastructureProject: "Staging Infrastructure", Role: "hello-world"})
	if err != nil {
		t.Fatal(err)
	}
	tenanted, err := w.HelloWorld(simulator.HelloWorldOptions{Project: "Shop", Tenant: "Acme", Targets: 1})
	if err != nil {
		t.Fatal(err)
	}
	if staging.ProjectID != w.scene.ProjectID || staging.InfrastructureProjectID == w.scene.InfrastructureProjectID || staging.ReleaseID != w.scene.ReleaseID {
		t.Errorf("expected one application project and two infrastructure projects, got %+v and %+v", w.scene, staging)
	}
	if got := w.Deployments("Shop"); len(got) != 1 || got[0].TenantID != tenanted.TenantID || !slices.Equal(got[0].DeployedToMachineIDs, tenanted.TargetIDs) {
		t.Errorf("expected a deployment for the tenant, got %+v", got)
	}
}

// The whole story of the guide: new targets get the release of the override, the override is used
// up, the old targets are found to be gone and are deleted by the machine policy.
func TestTurnoverWithOverride(t *testing.T) {
	t.Parallel()
	for _, tenant := range []string{"", "Acme"} {
		t.Run("tenant "+tenant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Targets: 3, Tenant: tenant})
			infrastructure := w.release(w.scene.InfrastructureProjectID, "0.0.1")
			w.deploy(infrastructure, object{"TenantId": nilIfEmpty(w.scene.TenantID)})
			release := w.release(w.scene.ProjectID, "0.0.2")
			w.setOverride(release)

			w.until(5*time.Minute, "all new targets run the release", func() bool {
				return len(w.machines(true)) == 3 && w.allRun(w.machines(true), release)
			})
			created := w.Deployments("Hello World")[1:]
			if len(created) == 0 {
				t.Fatal("expected a new deployment, because there was an override")
			}
			for _, d := range created {
				if d.ReleaseID != release || d.DeployedBy != "system" || len(d.SpecificMachineIDs) == 0 || d.TenantID != w.scene.TenantID {
					t.Errorf("expected a deployment of the override's release by the system to specific machines, got %+v", d)
				}
			}
			if left := w.overrides(); len(left) != 0 {
				t.Errorf("expected the override to be used up, got %+v", left)
			}

			w.until(20*time.Minute, "the old targets are gone", func() bool { return len(w.machines(false)) == 0 })
			for _, e := range w.JournalOf(simulator.MachineDeleted) {
				if e.Actor != simulator.ActorPolicy || !slices.Contains(w.scene.TargetIDs, e.ID) {
					t.Errorf("expected the policy to delete old targets only, got %+v", e)
				}
			}
			if len(w.machines(true)) != 3 || !w.allRun(w.machines(true), release) {
				t.Errorf("expected the new generation to be complete, got %+v", w.machines(true))
			}
		})
	}
}

// Without an override the deployment that succeeded last runs again, under its own ids.
func TestTurnoverWithoutOverride(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	before := w.Deployments("Hello World")[0]
	w.turnover("0.0.1")
	var states []string
	w.until(5*time.Minute, "all new targets run the old release", func() bool {
		state := w.Deployments("Hello World")[0].State
		if len(states) == 0 || states[len(states)-1] != state {
			states = append(states, state)
		}
		return len(w.machines(true)) == 2 && w.allRun(w.machines(true), w.scene.ReleaseID)
	})
	after := w.Deployments("Hello World")
	if len(after) != 1 || after[0].ID != before.ID || after[0].TaskID != before.TaskID {
		t.Fatalf("expected the same deployment and task, got %+v", after)
	}
	if len(after[0].DeployedToMachineIDs) != 4 || after[0].Created != before.Created {
		t.Errorf("expected the list of targets to grow and nothing else to change, got %+v", after[0])
	}
	if got := strings.Join(states, " "); got != "Success Queued Executing Success" {
		t.Errorf("expected the task to be queued again after its success, got the states %s", got)
	}
	response, data, err := w.send(http.MethodGet, "/api/tasks/"+before.TaskID+"/raw", nil)
	if err != nil || response.StatusCode != 200 || !strings.Contains(string(data), "re-queued") {
		t.Errorf("expected the log to tell of the second passage, got %s (%v)", data, err)
	}
}

func TestDeploymentClearsOverride(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		switches simulator.Switches
		during   int // overrides while the deployment is queued
	}{
		"at its creation": {simulator.Switches{}, 0},
		"at its success":  {simulator.Switches{ClearOverrideOnSuccess: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{Switches: test.switches}, simulator.HelloWorldOptions{})
			release := w.release(w.scene.ProjectID, "0.0.2")
			w.setOverride(release)
			w.deploy(w.scene.ReleaseID, nil)
			if got := w.overrides(); len(got) != test.during {
				t.Errorf("expected %d overrides while the deployment is queued, got %+v", test.during, got)
			}
			w.Advance(time.Minute)
			if got := w.overrides(); len(got) != 0 {
				t.Errorf("expected any deployment to clear the override, got %+v", got)
			}
			if cleared := w.JournalOf(simulator.OverrideCleared); len(cleared) != 1 || cleared[0].ReleaseID != release {
				t.Errorf("expected the journal to tell, got %+v", cleared)
			}
		})
	}
}

func TestFailedReleaseLeavesTheChoiceToTheLastSuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	bad := w.release(w.scene.ProjectID, "0.0.2")
	if _, err := w.Faults().Arm(simulator.BehaviourFault{Behaviour: simulator.FailDeployment, ProjectID: w.scene.ProjectID}); err != nil {
		t.Fatal(err)
	}
	w.deploy(bad, nil)
	w.Advance(time.Minute)
	if got := w.Deployments("Hello World"); got[1].State != "Failed" {
		t.Fatalf("expected the second deployment to fail, got %+v", got[1])
	}
	w.turnover("0.0.1")
	w.until(5*time.Minute, "the new targets run the last good release", func() bool {
		return len(w.machines(true)) == 2 && w.allRun(w.machines(true), w.scene.ReleaseID)
	})
}

func TestNothingToAutoDeploy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{NoInitialTargets: true})
	w.turnover("0.0.1")
	w.Advance(5 * time.Minute)
	if got := w.Deployments("Hello World"); len(w.machines(true)) != 2 || len(got) != 0 {
		t.Errorf("expected new targets and no deployment, because no release was ever deployed; got %+v", got)
	}
}

func TestDisabledTriggerDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	path := "/api/Spaces-1/projecttriggers/" + w.scene.TriggerID
	trigger := w.get(path)
	trigger["IsDisabled"] = true
	w.call(http.MethodPut, path, trigger, 200)
	w.turnover("0.0.1")
	w.Advance(5 * time.Minute)
	if n := len(w.JournalOf(simulator.DeploymentRequeued)); n != 0 {
		t.Errorf("expected no auto-deploy, got %d", n)
	}
}

// One deployment of a project, environment and tenant at a time; others wait, in order.
func TestDeploymentsQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	release := w.release(w.scene.ProjectID, "0.0.2")
	for range 3 {
		w.deploy(release, nil)
	}
	for range 60 {
		w.Advance(time.Second)
		executing := 0
		for _, d := range w.Deployments("Hello World") {
			if d.State == "Executing" {
				executing++
			}
		}
		if executing > 1 {
			t.Fatalf("expected one deployment at a time, got %d", executing)
		}
	}
	finished := w.JournalOf(simulator.DeploymentFinished)
	if len(finished) != 4 || !slices.IsSortedFunc(finished, func(a, b simulator.Entry) int { return strings.Compare(a.ID, b.ID) }) {
		t.Errorf("expected all to finish in order, got %+v", finished)
	}
	waiting := w.deploy(release, nil)
	behind := w.deploy(release, nil)
	tasks := w.get("/api/tasks?states=Queued")["Items"].([]any)
	if len(tasks) != 2 {
		t.Fatalf("expected %s and %s to be queued, got %v", waiting, behind, tasks)
	}
	newest := tasks[0].(object)["Id"].(string)
	if ahead := w.get("/api/tasks/" + newest + "/queued-behind"); ahead["TotalResults"] != 1.0 {
		t.Errorf("expected one task ahead of %s, got %v", newest, ahead)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{AfterCancel: 1}})
	w.turnover("0.0.1")
	w.Advance(3 * time.Second)
	task := w.Deployments("Hello World Infrastructure")[0].TaskID
	if got := w.call(http.MethodPost, "/api/spaces/Spaces-1/tasks/"+task+"/cancel", nil, 200); got["State"] != "Cancelling" {
		t.Errorf("expected an executing task to be Cancelling first, got %v", got["State"])
	}
	w.Advance(5 * time.Second)
	if got := w.get("/api/tasks/" + task); got["State"] != "Canceled" || got["IsCompleted"] != true || got["FinishedSuccessfully"] != false {
		t.Errorf("expected the task to be Canceled, got %v", got)
	}
	w.call(http.MethodPost, "/api/tasks/"+task+"/cancel", nil, 400)
	w.Advance(5 * time.Minute)
	if len(w.machines(true)) != 1 {
		t.Errorf("expected the machine that was already booting, got %+v", w.machines(true))
	}
	for _, m := range w.machines(false) {
		if !m.Answers {
			t.Errorf("expected the old generation to keep running, got %+v", m)
		}
	}
}

func TestProvisionersThatDisappoint(t *testing.T) {
	t.Parallel()
	t.Run("too few machines", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Targets: 4, Provisioner: simulator.Provisioner{ShortBy: 1}})
		w.turnover("0.0.1")
		w.Advance(5 * time.Minute)
		if len(w.machines(true)) != 3 {
			t.Errorf("expected 3 of 4 machines, got %d", len(w.machines(true)))
		}
	})
	t.Run("failure", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{Fail: true}})
		w.turnover("0.0.1")
		w.Advance(5 * time.Minute)
		if got := w.Deployments("Hello World Infrastructure")[0]; got.State != "Failed" || got.Error == "" || len(w.machines(true)) != 0 {
			t.Errorf("expected a failed deployment and no machine, got %+v", got)
		}
	})
	t.Run("spread over time", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Targets: 3,
			Provisioner: simulator.Provisioner{BootDelay: time.Minute, RegisterSpread: 4 * time.Minute, TerminateDelay: time.Hour}})
		w.turnover("0.0.1")
		w.Advance(20 * time.Minute)
		created := w.machines(true)
		if len(created) != 3 || created[2].Created.Sub(created[0].Created) != 4*time.Minute {
			t.Errorf("expected registrations over 4 minutes, got %+v", created)
		}
		if len(w.machines(false)) != 3 {
			t.Errorf("expected the old generation to live for another hour, got %d", len(w.machines(false)))
		}
	})
}

func TestTargetThatRecoversIsDeployedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	if _, err := w.Faults().Arm(simulator.BehaviourFault{Behaviour: simulator.MissMachine}); err != nil {
		t.Fatal(err)
	}
	w.turnover("0.0.1")
	w.Advance(3 * time.Minute)
	var missed []simulator.Machine
	for _, m := range w.machines(true) {
		if m.Installed[w.scene.ProjectID] == "" {
			missed = append(missed, m)
		}
	}
	if len(missed) != 1 {
		t.Fatalf("expected the trigger to miss one machine, got %+v", missed)
	}
	w.Advance(30 * time.Minute)
	if w.allRun(w.machines(true), w.scene.ReleaseID) {
		t.Fatal("expected the missed machine to stay without a release")
	}
	// An explicit deployment to just this machine repairs it.
	w.deploy(w.scene.ReleaseID, object{"SpecificMachineIds": []string{missed[0].ID}})
	w.Advance(time.Minute)
	if !w.allRun(w.machines(true), w.scene.ReleaseID) {
		t.Errorf("expected the release on all machines, got %+v", w.machines(true))
	}
}

func TestOverrideFaults(t *testing.T) {
	t.Parallel()
	t.Run("dropped without deploying", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
		if _, err := w.Faults().Arm(simulator.BehaviourFault{Behaviour: simulator.DropOverride}); err != nil {
			t.Fatal(err)
		}
		w.setOverride(w.release(w.scene.ProjectID, "0.0.2"))
		if len(w.overrides()) != 0 || len(w.Deployments("Hello World")) != 1 {
			t.Errorf("expected the override to vanish without a deployment, got %+v", w.overrides())
		}
	})
	t.Run("lost by the time it is needed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
		if _, err := w.Faults().Arm(simulator.BehaviourFault{Behaviour: simulator.LoseOverride}); err != nil {
			t.Fatal(err)
		}
		w.turnover("0.0.1")
		w.setOverride(w.release(w.scene.ProjectID, "0.0.2"))
		if len(w.overrides()) != 1 {
			t.Fatal("expected the override to be there at first")
		}
		w.until(5*time.Minute, "the new targets run the old release", func() bool {
			return len(w.machines(true)) == 2 && w.allRun(w.machines(true), w.scene.ReleaseID)
		})
		if len(w.overrides()) != 0 {
			t.Errorf("expected the override to be lost, got %+v", w.overrides())
		}
	})
	t.Run("old release first", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
		if _, err := w.Faults().Arm(simulator.BehaviourFault{Behaviour: simulator.TickBeforeOverride}); err != nil {
			t.Fatal(err)
		}
		w.turnover("0.0.1")
		w.Advance(15 * time.Second) // the machines are booting now
		w.setOverride(w.release(w.scene.ProjectID, "0.0.2"))
		w.Advance(time.Minute)
		if len(w.machines(true)) != 2 || !w.allRun(w.machines(true), w.scene.ReleaseID) {
			t.Errorf("expected the old release on the new targets, got %+v", w.machines(true))
		}
		if len(w.overrides()) != 1 {
			t.Errorf("expected the override to be left, got %+v", w.overrides())
		}
	})
	t.Run("conflict", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
		if _, err := w.Faults().Arm(simulator.BehaviourFault{Behaviour: simulator.ConflictPut}); err != nil {
			t.Fatal(err)
		}
		path := "/api/Spaces-1/projects/" + w.scene.ProjectID
		project := w.get(path)
		refused := w.call(http.MethodPut, path, project, 409)
		if text := refused["Errors"].([]any)[0].(string); !strings.Contains(text, "out of date") {
			t.Errorf("expected to be told that the data is out of date, got %s", text)
		}
		w.call(http.MethodPut, path, project, 200)
	})
}

// A target that comes back gets nothing it has already, unless the trigger says so.
func TestTargetThatComesBack(t *testing.T) {
	t.Parallel()
	for name, redeploy := range map[string]bool{"has the release": false, "redeploy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
			path := "/api/Spaces-1/projecttriggers/" + w.scene.TriggerID
			trigger := w.get(path)
			trigger["Action"].(object)["ShouldRedeployWhenMachineHasBeenDeployedTo"] = redeploy
			w.call(http.MethodPut, path, trigger, 200)
			for _, condition := range []string{"Unavailable", "Healthy"} {
				if err := w.SetCondition(w.scene.TargetIDs[0], condition); err != nil {
					t.Fatal(err)
				}
				w.Advance(3 * time.Minute)
			}
			requeued := w.JournalOf(simulator.DeploymentRequeued)
			if redeploy != (len(requeued) == 1) {
				t.Errorf("expected a deployment only if the trigger redeploys (%v), got %+v", redeploy, requeued)
			}
			if decisions := w.get("/api/tasks?name=AutoDeploy"); decisions["TotalResults"] != 1.0 {
				t.Errorf("expected one task with the decision, got %v", decisions["TotalResults"])
			}
		})
	}
}
