package octopus_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"regrow/internal/octopus"
)

func TestEnsureRunbookRun(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("answer lost %v", lost), func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			var mu sync.Mutex
			runs := []string{runJSON(8, "Environments-2", "[regrow run 1]"), runJSON(9, "Environments-1", "[regrow run 12]")}
			f.says("GET /api/Spaces-1/runbooks/Runbooks-1", `{"Id":"Runbooks-1","Name":"Remove old","PublishedRunbookSnapshotId":"RunbookSnapshots-3"}`)
			f.on("GET /api/Spaces-1/runbookRuns", paged(1, func() []string {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(runs)
			}))
			f.on("POST /api/Spaces-1/runbookRuns", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				run := runJSON(1, "Environments-1", decode[struct{ Comments string }](t, string(body)).Comments)
				mu.Lock()
				defer mu.Unlock()
				runs = append(runs, run)
				if lost {
					breakOff(w)
					return
				}
				reply(w, http.StatusCreated, run)
			})
			f.says("GET /api/tasks/ServerTasks-1", taskJSON("ServerTasks-1", "Executing"))
			client := f.client()
			spec := octopus.RunbookSpec{ProjectID: "Projects-1", RunbookID: "Runbooks-1", EnvironmentID: "Environments-1", Marker: "[regrow run 1]"}

			task, created, err := client.EnsureRunbookRun(t.Context(), spec)
			switch {
			case lost:
				wantTransient(t, err)
			case err != nil || !created || task.ID != "ServerTasks-1" || task.State != "Queued" || task.WebURL != f.URL+"/app#/Spaces-1/tasks/ServerTasks-1":
				t.Errorf("got %+v, created %v, %v", task, created, err)
			}
			task, created, err = client.EnsureRunbookRun(t.Context(), spec)
			if err != nil || created || task.ID != "ServerTasks-1" || task.State != "Executing" {
				t.Errorf("the second call gives %+v, created %v, %v", task, created, err)
			}
			posts := f.received("POST", "/api/Spaces-1/runbookRuns")
			want := `{"ProjectId":"Projects-1","RunbookId":"Runbooks-1","RunbookSnapshotId":"RunbookSnapshots-3","EnvironmentId":"Environments-1","Comments":"[regrow run 1]"}`
			if len(posts) != 1 || posts[0].body != want {
				t.Errorf("posted %+v\nwant once %s", posts, want)
			}
		})
	}
}

func runJSON(n int, environment, comments string) string {
	return fmt.Sprintf(`{"Id":"RunbookRuns-%d","RunbookId":"Runbooks-1","EnvironmentId":%q,"TenantId":null,"TaskId":"ServerTasks-%d","Comments":%q}`, n, environment, n, comments)
}

func TestEnsureRunbookRunRefusals(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/Spaces-1/runbooks/Runbooks-1", `{"Id":"Runbooks-1","Name":"Remove old"}`)
	f.says("GET /api/Spaces-1/runbooks/Runbooks-2", `{"Id":"Runbooks-2","Name":"Remove old","PublishedRunbookSnapshotId":"RunbookSnapshots-3"}`)
	f.says("GET /api/Spaces-1/runbookRuns", listOf())
	f.says("POST /api/Spaces-1/runbookRuns", `{"Id":"RunbookRuns-1"}`)
	client := f.client()
	spec := octopus.RunbookSpec{ProjectID: "Projects-1", RunbookID: "Runbooks-1", EnvironmentID: "Environments-1", TenantID: "Tenants-1", Marker: "[run]"}
	_, _, err := client.EnsureRunbookRun(t.Context(), spec)
	wantPermanent(t, err, `"Remove old"`, "publish")
	spec.RunbookID = "Runbooks-2"
	_, _, err = client.EnsureRunbookRun(t.Context(), spec)
	wantTransient(t, err)
	spec.RunbookID = "Runbooks-404"
	_, _, err = client.EnsureRunbookRun(t.Context(), spec)
	if !octopus.IsNotFound(err) {
		t.Errorf("a runbook that is gone gives %v", err)
	}
	spec.Marker = ""
	_, _, err = client.EnsureRunbookRun(t.Context(), spec)
	wantPermanent(t, err, "marker")
}
