package octopus_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"regrow/internal/octopus"
)

func TestTasksAreAskedForInBatches(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	states := map[string]string{}
	var ids []string
	for n := range 120 {
		id := fmt.Sprintf("ServerTasks-%d", n)
		ids = append(ids, id, id, "")
		if n != 60 {
			states[id] = "Success"
		}
	}
	f.tasksByID(states)
	client := f.client()
	got, err := client.Tasks(t.Context(), ids...)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 119 {
		t.Errorf("got %d tasks, want the 119 that exist", len(got))
	}
	if n := len(f.received("GET", "/api/tasks")); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
	for _, none := range [][]string{nil, {""}} {
		if got, err := client.Tasks(t.Context(), none...); err != nil || len(got) != 0 {
			t.Errorf("no ids give %v, %v", got, err)
		}
	}
}

func TestTaskFields(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/tasks/ServerTasks-1", `{"Id":"ServerTasks-1","State":"Executing","Description":"Deploy Shop","ErrorMessage":"","IsCompleted":false,"FinishedSuccessfully":false,"HasPendingInterruptions":true,"QueueTime":"2024-09-25T14:20:00.1+00:00","StartTime":"2024-09-25T16:20:01+02:00","CompletedTime":null}`)
	got, err := f.client().Task(t.Context(), "ServerTasks-1")
	if err != nil {
		t.Fatal(err)
	}
	if got.State != "Executing" || !got.HasPendingInterruptions || !got.CompletedTime.IsZero() ||
		!got.StartTime.Equal(time.Date(2024, 9, 25, 14, 20, 1, 0, time.UTC)) || got.WebURL != f.URL+"/app#/Spaces-1/tasks/ServerTasks-1" {
		t.Errorf("got %+v", got)
	}
	if _, err := f.client().Task(t.Context(), "ServerTasks-2"); !octopus.IsNotFound(err) {
		t.Errorf("a task that is gone gives %v", err)
	}
}

func TestActiveTasks(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/tasks", listOf(taskJSON("ServerTasks-1", "Executing"), taskJSON("ServerTasks-2", "Success"), taskJSON("ServerTasks-3", "Cancelling")))
	got, err := f.client().ActiveTasks(t.Context(), "Projects-1", "Environments-1", "Tenants-1")
	if err != nil || len(got) != 2 || got[0].ID != "ServerTasks-1" || got[1].ID != "ServerTasks-3" {
		t.Errorf("got %+v, %v", got, err)
	}
	query := f.received("GET", "/api/tasks")[0].query
	for _, part := range []string{"active=true", "project=Projects-1", "environment=Environments-1", "tenant=Tenants-1", "spaces=Spaces-1"} {
		if !strings.Contains(query, part) {
			t.Errorf("asked with %s, want %s in it", query, part)
		}
	}
	for _, ids := range [][2]string{{"", "Environments-1"}, {"Projects-1", ""}} {
		_, err := f.client().ActiveTasks(t.Context(), ids[0], ids[1], "")
		wantPermanent(t, err, "is \"\"")
	}
}

// An untenanted look leaves out what is under way for tenants.
func TestActiveTasksOfUntenantedDeployments(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	task := func(n int, arguments string) string {
		return strings.Replace(taskJSON(fmt.Sprintf("ServerTasks-%d", n), "Executing"), "{", `{"Arguments":`+arguments+`,`, 1)
	}
	f.says("GET /api/tasks", listOf(task(1, `{"DeploymentId":"Deployments-1"}`), task(2, `{"DeploymentId":"Deployments-2"}`), task(3, `{"RunbookRunId":"RunbookRuns-1"}`), task(4, `{"DeploymentId":"Deployments-404"}`)))
	f.says("GET /api/Spaces-1/deployments/Deployments-1", deploymentJSON(1, "Tenants-1", ""))
	f.says("GET /api/Spaces-1/deployments/Deployments-2", deploymentJSON(2, "", ""))
	var ids []string
	got, err := f.client().ActiveTasks(t.Context(), "Projects-1", "Environments-1", "")
	for _, active := range got {
		ids = append(ids, active.ID)
	}
	if want := []string{"ServerTasks-2", "ServerTasks-3", "ServerTasks-4"}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("got %v, %v, want %v", ids, err, want)
	}
}

func TestActiveDeployments(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	task := func(n int, arguments string) string {
		return strings.Replace(taskJSON(fmt.Sprintf("ServerTasks-%d", n), "Executing"), "{", `{"Arguments":`+arguments+`,`, 1)
	}
	f.says("GET /api/tasks", listOf(
		task(1, `{"DeploymentId":"Deployments-1"}`), task(2, `{"DeploymentId":"Deployments-2"}`), task(3, `{"RunbookRunId":"RunbookRuns-1"}`),
		task(4, `{"DeploymentId":"Deployments-404"}`), strings.Replace(taskJSON("ServerTasks-5", "Success"), "{", `{"Arguments":{"DeploymentId":"Deployments-2"},`, 1)))
	f.says("GET /api/Spaces-1/deployments/Deployments-1", deploymentJSON(1, "Tenants-1", ""))
	f.says("GET /api/Spaces-1/deployments/Deployments-2", deploymentJSON(2, "", ""))
	for tenant, want := range map[string]string{"": "Deployments-2", "tenants-1": "Deployments-1"} {
		got, err := f.client().ActiveDeployments(t.Context(), "Projects-1", "Environments-1", tenant)
		if err != nil || len(got) != 1 || got[0].ID != want || got[0].Task.State != "Executing" {
			t.Errorf("of tenant %q: got %+v, %v, want %s", tenant, got, err, want)
		}
	}
	refusing := newFake(t)
	refusing.says("GET /api/tasks", listOf(task(1, `{"DeploymentId":"Deployments-1"}`)))
	refusing.on("GET /api/Spaces-1/deployments/Deployments-1", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusForbidden, `{}`) })
	_, err := refusing.client().ActiveDeployments(t.Context(), "Projects-1", "Environments-1", "")
	wantPermanent(t, err, "list the active deployments of Projects-1 to Environments-1")
}

func TestCancelTask(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		state  string // of the task afterwards; "" when it is gone
		want   outcome
	}{
		{"done", 200, "Cancelling", success},
		{"completed already", 400, "Success", success},
		{"completed already, as conflict", 409, "Failed", success},
		{"refused", 400, "Executing", permanent},
		{"gone", 404, "", success},
		{"gone after refusal", 400, "", success},
		{"not permitted", 403, "Success", permanent},
		{"no key", 401, "Success", permanent},
		{"unavailable", 503, "Success", transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.on("POST /api/tasks/ServerTasks-1/cancel", func(w http.ResponseWriter, _ *http.Request) {
				reply(w, tt.status, `{"ErrorMessage":"The task cannot be cancelled"}`)
			})
			if tt.state != "" {
				f.says("GET /api/tasks/ServerTasks-1", taskJSON("ServerTasks-1", tt.state))
			}
			if got := outcomeOf(f.client().CancelTask(t.Context(), "ServerTasks-1")); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
