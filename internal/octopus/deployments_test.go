package octopus_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"regrow/internal/octopus"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// deploymentJSON is Deployments-n with the task ServerTasks-n, made n minutes
// past noon.
func deploymentJSON(n int, tenant, comments string) string {
	tenantID := "null"
	if tenant != "" {
		tenantID = fmt.Sprintf("%q", tenant)
	}
	return fmt.Sprintf(`{"Id":"Deployments-%d","ReleaseId":"Releases-7","ProjectId":"Projects-1","EnvironmentId":"Environments-1","TenantId":%s,"TaskId":"ServerTasks-%d","Comments":%q,"SpecificMachineIds":["Machines-1"],"DeployedToMachineIds":null,"FormValues":{"secret":{"HasValue":true}},"Created":%q,"Links":{"Web":"/app#/Spaces-1/deployments/Deployments-%d"}}`,
		n, tenantID, n, comments, noon.Add(time.Duration(n)*time.Minute).Format(time.RFC3339Nano), n)
}

// deploymentServer keeps the deployments of Releases-7.
type deploymentServer struct {
	*fake
	mu     sync.Mutex
	kept   []string
	effect func(w http.ResponseWriter)
}

func newDeploymentServer(t *testing.T, existing ...string) *deploymentServer {
	t.Helper()
	s := &deploymentServer{fake: newFake(t), kept: existing}
	s.on("GET /api/Spaces-1/releases/Releases-7/deployments", paged(100, func() []string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.Clone(s.kept)
	}))
	s.on("POST /api/Spaces-1/deployments", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		made := decode[struct{ TenantId, Comments string }](t, string(body))
		s.mu.Lock()
		defer s.mu.Unlock()
		deployment := deploymentJSON(len(s.kept)+1, made.TenantId, made.Comments)
		s.kept = append([]string{deployment}, s.kept...)
		if s.effect != nil {
			s.effect(w)
			return
		}
		reply(w, http.StatusCreated, deployment)
	})
	s.tasksByID(map[string]string{"ServerTasks-1": "Executing", "ServerTasks-2": "Success"})
	return s
}

func (s *deploymentServer) posts() []request { return s.received("POST", "/api/Spaces-1/deployments") }

var toProduction = octopus.DeploymentSpec{
	ReleaseID: "Releases-7", ProjectID: "Projects-1", EnvironmentID: "Environments-1",
	Comment: "Provisions new targets", Marker: "[regrow run 1]", MachineIDs: []string{"Machines-1"},
}

func TestEnsureDeploymentCreatesOnce(t *testing.T) {
	t.Parallel()
	s := newDeploymentServer(t)
	client := s.client()
	got, created, err := client.EnsureDeployment(t.Context(), toProduction)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	if got.ID != "Deployments-1" || got.TaskID != "ServerTasks-1" || got.Task.ID != "ServerTasks-1" || got.Task.State != "Queued" || got.WebURL != s.URL+"/app#/Spaces-1/deployments/Deployments-1" {
		t.Errorf("got %+v", got)
	}
	got, created, err = client.EnsureDeployment(t.Context(), toProduction)
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	if got.ID != "Deployments-1" || got.Task.State != "Executing" || !slices.Equal(got.SpecificMachineIDs, []string{"Machines-1"}) || !got.Created.Equal(noon.Add(time.Minute)) {
		t.Errorf("got %+v", got)
	}
	if len(s.posts()) != 1 {
		t.Fatalf("the deployment was posted %d times", len(s.posts()))
	}
	want := `{"ReleaseId":"Releases-7","EnvironmentId":"Environments-1","Comments":"Provisions new targets\n\n[regrow run 1]","SpecificMachineIds":["Machines-1"]}`
	if s.posts()[0].body != want {
		t.Errorf("posted %s\nwant   %s", s.posts()[0].body, want)
	}
}

func TestEnsureDeploymentAfterALostAnswer(t *testing.T) {
	t.Parallel()
	for name, effect := range map[string]func(http.ResponseWriter){
		"connection reset": breakOff,
		"empty 201":        func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) },
		"empty 429":        func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) },
		"500":              func(w http.ResponseWriter) { reply(w, http.StatusInternalServerError, `{"ErrorMessage":"deadlock"}`) },
		"no task":          func(w http.ResponseWriter) { reply(w, http.StatusCreated, `{"Id":"Deployments-1"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDeploymentServer(t)
			s.effect = effect
			client := s.client()
			_, _, err := client.EnsureDeployment(t.Context(), toProduction)
			wantTransient(t, err)
			got, created, err := client.EnsureDeployment(t.Context(), toProduction)
			if err != nil || created || got.ID != "Deployments-1" || len(s.posts()) != 1 {
				t.Errorf("got %+v, created %v, %v after %d posts", got, created, err, len(s.posts()))
			}
		})
	}
}

func TestEnsureDeploymentTellsItsOwnFromOthers(t *testing.T) {
	t.Parallel()
	elsewhere := strings.ReplaceAll(deploymentJSON(2, "", "[regrow run 1]"), "Environments-1", "Environments-2")
	for name, existing := range map[string]string{
		"another environment": elsewhere,
		"a tenant's":          deploymentJSON(2, "Tenants-1", "[regrow run 1]"),
		"another run's":       deploymentJSON(2, "", "[regrow run 12]"),
		"without comments":    deploymentJSON(2, "", ""),
	} {
		s := newDeploymentServer(t, existing)
		if _, created, err := s.client().EnsureDeployment(t.Context(), toProduction); err != nil || !created {
			t.Errorf("%s: created %v, %v", name, created, err)
		}
	}
	var many []string
	for n := 300; n > 2; n-- {
		many = append(many, deploymentJSON(n, "", "other"))
	}
	s := newDeploymentServer(t, append(many, deploymentJSON(2, "", "x\n\n[regrow run 1]"))...)
	got, created, err := s.client().EnsureDeployment(t.Context(), toProduction)
	if err != nil || created || got.ID != "Deployments-2" || !got.Task.FinishedSuccessfully {
		t.Errorf("on the last page: got %+v, created %v, %v", got, created, err)
	}
}

func TestEnsureDeploymentForATenant(t *testing.T) {
	t.Parallel()
	s := newDeploymentServer(t, deploymentJSON(2, "", "[regrow run 1]"))
	spec := toProduction
	spec.TenantID, spec.MachineIDs = "Tenants-1", nil
	got, created, err := s.client().EnsureDeployment(t.Context(), spec)
	if err != nil || !created || got.TenantID != "Tenants-1" {
		t.Fatalf("got %+v, created %v, %v", got, created, err)
	}
	if body := s.posts()[0].body; !strings.Contains(body, `"TenantId":"Tenants-1"`) || strings.Contains(body, "SpecificMachineIds") {
		t.Errorf("posted %s", body)
	}
}

func TestEnsureDeploymentRefusals(t *testing.T) {
	t.Parallel()
	s := newDeploymentServer(t)
	s.effect = func(w http.ResponseWriter) {
		reply(w, http.StatusBadRequest, `{"ErrorMessage":"There was a problem with your request.","Errors":["The environment is frozen by 'Christmas'."]}`)
	}
	_, _, err := s.client().EnsureDeployment(t.Context(), toProduction)
	wantPermanent(t, err, "frozen by 'Christmas'", "Releases-7", "Environments-1")
	spec := toProduction
	spec.Marker = ""
	_, _, err = s.client().EnsureDeployment(t.Context(), spec)
	wantPermanent(t, err, "marker")
	spec = toProduction
	spec.ReleaseID = "Releases-404"
	_, _, err = s.client().EnsureDeployment(t.Context(), spec)
	if !octopus.IsNotFound(err) {
		t.Errorf("a release that is gone gives %v", err)
	}
}

func TestFindDeployment(t *testing.T) {
	t.Parallel()
	s := newDeploymentServer(t, deploymentJSON(3, "", toProduction.Marker), deploymentJSON(2, "Tenants-1", toProduction.Marker))
	got, found, err := s.client().FindDeployment(t.Context(), toProduction)
	if err != nil || !found || got.ID != "Deployments-3" {
		t.Fatalf("got %+v, %t, %v", got, found, err)
	}
	if got.Task != (octopus.Task{ID: "ServerTasks-3"}) {
		t.Errorf("a task that Octopus does not show any more is told as %+v", got.Task)
	}
	forTenant := toProduction
	forTenant.TenantID = "Tenants-1"
	got, found, err = s.client().FindDeployment(t.Context(), forTenant)
	if err != nil || !found || got.Task.State != "Success" || got.TenantID != "Tenants-1" {
		t.Errorf("got %+v, %t, %v", got, found, err)
	}
	s.mu.Lock()
	s.kept = nil
	s.mu.Unlock()
	if got, found, err = s.client().FindDeployment(t.Context(), toProduction); err != nil || found {
		t.Errorf("without deployments: got %v, %v", got, err)
	}
}

func TestDeploymentsReachBackToTheOneThatIsQueuedAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		tenant string
		states map[int]string // by number; newest first is the highest
		since  int
		want   []int
	}{
		{"none", "", nil, 0, nil},
		{"all newer", "", map[int]string{5: "Success", 4: "Success"}, 1, []int{5, 4}},
		{"exactly at since", "", map[int]string{5: "Success", 4: "Success", 3: "Success"}, 4, []int{5, 4, 3}},
		{"newest older success", "", map[int]string{5: "Success", 4: "Failed", 3: "Success", 2: "Success"}, 5, []int{5, 4, 3}},
		{"the queued-again one is passed", "", map[int]string{4: "Executing", 3: "Success", 2: "Success"}, 5, []int{4, 3}},
		{"no success at all", "", map[int]string{3: "Failed", 2: "Canceled", 1: "TimedOut"}, 9, []int{3, 2, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			tasks := map[string]string{}
			var items []string
			for n := 9; n > 0; n-- {
				if state, ok := tt.states[n]; ok {
					items = append(items, deploymentJSON(n, "", ""), deploymentJSON(n+100, "Tenants-1", ""))
					tasks[fmt.Sprintf("ServerTasks-%d", n)] = state
				}
			}
			f.on("GET /api/Spaces-1/deployments", paged(3, func() []string { return items }))
			f.tasksByID(tasks)
			found, err := f.client().Deployments(t.Context(), octopus.DeploymentQuery{
				ProjectID: "Projects-1", EnvironmentID: "Environments-1", Since: noon.Add(time.Duration(tt.since) * time.Minute),
			})
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, d := range found {
				var n int
				fmt.Sscanf(d.ID, "Deployments-%d", &n)
				got = append(got, n)
				if d.Task.State != tt.states[n] {
					t.Errorf("%s has a task that is %q, want %q", d.ID, d.Task.State, tt.states[n])
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDeploymentsAskForOneTenant(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/Spaces-1/deployments", listOf(deploymentJSON(2, "Tenants-1", ""), deploymentJSON(1, "", "")))
	f.tasksByID(map[string]string{"ServerTasks-1": "Success", "ServerTasks-2": "Success"})
	got, err := f.client().Deployments(t.Context(), octopus.DeploymentQuery{ProjectID: "Projects-1", EnvironmentID: "Environments-1", TenantID: "Tenants-1"})
	if err != nil || len(got) != 1 || got[0].ID != "Deployments-2" {
		t.Errorf("got %+v, %v", got, err)
	}
	if q := f.received("GET", "/api/Spaces-1/deployments")[0].query; !strings.Contains(q, "tenants=Tenants-1") || !strings.Contains(q, "projects=Projects-1") {
		t.Errorf("asked with %s", q)
	}
	_, err = f.client().Deployments(t.Context(), octopus.DeploymentQuery{ProjectID: "Projects-1"})
	wantPermanent(t, err)
}
