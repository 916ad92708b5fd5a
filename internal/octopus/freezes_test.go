package octopus_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/simulator"
)

const freezesPath = "GET /api/deploymentfreezes"

// freezeJSON is DeploymentFreezes-n with the scopes, from n hours past noon on,
// for an hour.
func freezeJSON(n int, scopes string) string {
	at := func(hours int) string { return noon.Add(time.Duration(hours) * time.Hour).Format(time.RFC3339Nano) }
	return fmt.Sprintf(`{"Id":"DeploymentFreezes-%d","Name":"Freeze %d","Start":%q,"End":%q,%s}`, n, n, at(n), at(n+1), scopes)
}

func freezeList(items ...string) string {
	return fmt.Sprintf(`{"DeploymentFreezes":[%s],"Count":%d}`, strings.Join(items, ","), len(items))
}

func idsOf(freezes []octopus.Freeze) []string {
	var ids []string
	for _, f := range freezes {
		ids = append(ids, f.ID)
	}
	return ids
}

func TestFreezesOfADeployment(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says(freezesPath, freezeList(
		freezeJSON(5, `"ProjectEnvironmentScope":{"projects-1":["Environments-9","environments-1"]},"RecurringSchedule":{"Type":"Weekly"}`),
		freezeJSON(2, `"ProjectEnvironmentScope":{"Projects-1":["Environments-2"],"Projects-2":["Environments-1"]},"RecurringSchedule":null`),
		freezeJSON(3, `"ProjectEnvironmentScope":null,"TenantProjectEnvironmentScope":[{"TenantId":"Tenants-1","ProjectId":"Projects-1","EnvironmentId":"Environments-1"}]`),
		freezeJSON(4, `"TenantProjectEnvironmentScope":[{"TenantId":"Tenants-2","ProjectId":"Projects-1","EnvironmentId":"Environments-1"},{"TenantId":"Tenants-1","ProjectId":"Projects-2","EnvironmentId":"Environments-1"}]`),
		freezeJSON(1, `"ProjectEnvironmentScope":{},"TenantProjectEnvironmentScope":[]`),
	))
	for tenant, want := range map[string][]string{
		"":          {"DeploymentFreezes-5"},
		"Tenants-1": {"DeploymentFreezes-3", "DeploymentFreezes-5"},
		"Tenants-2": {"DeploymentFreezes-4", "DeploymentFreezes-5"},
	} {
		got, err := f.client().Freezes(t.Context(), "Projects-1", "Environments-1", tenant)
		if err != nil || !slices.Equal(idsOf(got), want) {
			t.Errorf("tenant %q: got %v, %v, want %v", tenant, idsOf(got), err, want)
		}
	}
	got, _ := f.client().Freezes(t.Context(), "Projects-1", "Environments-1", "")
	want := octopus.Freeze{ID: "DeploymentFreezes-5", Name: "Freeze 5", Start: noon.Add(5 * time.Hour), End: noon.Add(6 * time.Hour), Recurring: true}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := f.client().Freezes(t.Context(), "Projects-1", "", ""); err == nil {
		t.Error("freezes without an environment are no error")
	}
}

func TestFreezeIsActiveFromItsStartToBeforeItsEnd(t *testing.T) {
	t.Parallel()
	freeze := octopus.Freeze{Start: noon, End: noon.Add(time.Hour)}
	for at, want := range map[time.Duration]bool{-1: false, 0: true, time.Hour - 1: true, time.Hour: false} {
		if got := freeze.Active(noon.Add(at)); got != want {
			t.Errorf("%s after its start: active %t", at, got)
		}
	}
}

// The list is read to its end, also on a server that takes no notice of pages.
func TestFreezesAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	all := make([]string, 230)
	for i := range all {
		all[i] = freezeJSON(i+1, `"ProjectEnvironmentScope":{"Projects-1":["Environments-1"]}`)
	}
	for name, handler := range map[string]http.HandlerFunc{
		"pages": func(w http.ResponseWriter, r *http.Request) {
			var skip, take int
			fmt.Sscan(r.URL.Query().Get("skip"), &skip)
			fmt.Sscan(r.URL.Query().Get("take"), &take)
			reply(w, http.StatusOK, freezeList(all[min(skip, len(all)):min(skip+take, len(all))]...))
		},
		"pages of its own size": func(w http.ResponseWriter, r *http.Request) {
			var skip int
			fmt.Sscan(r.URL.Query().Get("skip"), &skip)
			reply(w, http.StatusOK, freezeList(all[min(skip, len(all)):min(skip+30, len(all))]...))
		},
		"all at once": func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, freezeList(all...)) },
	} {
		f := newFake(t)
		f.on(freezesPath, handler)
		got, err := f.client().Freezes(t.Context(), "Projects-1", "Environments-1", "")
		if err != nil || len(got) != len(all) {
			t.Errorf("%s: got %d freezes, %v, want %d", name, len(got), err, len(all))
		}
	}
}

func TestFreezesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	read := func(status int, contentType, body string) ([]octopus.Freeze, error) {
		f := newFake(t)
		f.on(freezesPath, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
		return f.client().Freezes(t.Context(), "Projects-1", "Environments-1", "")
	}
	const document = "application/json"
	if got, err := read(http.StatusNotFound, document, `{"ErrorMessage":"The resource was not found."}`); err != nil || got != nil {
		t.Errorf("a server without freezes: %v, %v", got, err)
	}
	_, err := read(http.StatusNotFound, "text/html", "<h1>no such page</h1>")
	wantTransient(t, err)
	_, err = read(http.StatusForbidden, document, `{"ErrorMessage":"You do not have permission to perform this action.","Errors":["Missing permission: ProjectView"]}`)
	wantPermanent(t, err, "ProjectView")
	_, err = read(http.StatusOK, document, freezeList(`{"Name":"odd","ProjectEnvironmentScope":{"Projects-1":["Environments-1"]}}`))
	wantTransient(t, err)
}

// A refusal because of a freeze is told from others.
func TestEnsureDeploymentTellsFreezes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"ErrorMessage":"There was a problem with your request.","Errors":["The deployment is blocked by the deployment freeze 'Christmas'."]}`: true,
		`{"ErrorMessage":"There was a problem with your request.","Errors":["The environment is not part of the lifecycle."]}`:                   false,
	} {
		s := newDeploymentServer(t)
		s.effect = func(w http.ResponseWriter) { reply(w, http.StatusBadRequest, body) }
		_, _, err := s.client().EnsureDeployment(t.Context(), toProduction)
		wantPermanent(t, err)
		if errors.Is(err, octopus.ErrFrozen) != want {
			t.Errorf("%s: of a freeze %t, want %t", body, !want, want)
		}
	}
}

// frozenWorld has a freeze that holds the scene's application project.
func frozenWorld(t *testing.T) (*world, octopus.DeploymentSpec, octopus.Freeze) {
	t.Helper()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	w.send(http.MethodPost, "/api/deploymentfreezes", "application/json", strings.NewReader(fmt.Sprintf(
		`{"Name":"Christmas","Start":%q,"End":%q,"ProjectEnvironmentScope":{%q:[%q]}}`,
		w.Now().Add(-time.Hour).Format(time.RFC3339), w.Now().Add(time.Hour).Format(time.RFC3339), w.ProjectID, w.EnvironmentID)))
	release, err := w.AddRelease(w.ProjectID, "2.0.0")
	if err != nil {
		t.Fatal(err)
	}
	freezes, err := w.client().Freezes(t.Context(), w.ProjectID, w.EnvironmentID, "")
	if err != nil || len(freezes) != 1 || !freezes[0].Active(w.Now()) {
		t.Fatalf("got the freezes %+v, %v", freezes, err)
	}
	return w, octopus.DeploymentSpec{
		ReleaseID: release, ProjectID: w.ProjectID, EnvironmentID: w.EnvironmentID, Marker: "[regrow run 1]", Comment: "In spite of all",
		MachineIDs: w.TargetIDs[:1], Override: octopus.FreezeOverride{FreezeIDs: []string{freezes[0].ID}, Reason: "the shop is down"},
	}, freezes[0]
}

// A freeze is overridden once, whatever becomes of the answer, and the
// deployment carries its marker.
func TestFreezeIsOverriddenOnce(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"no fault":          {Method: http.MethodPost, PathPattern: "/nothing$", Times: 1},
		"answer lost":       {DropAfter: true, Times: 1},
		"answer truncated":  {Truncate: true, Times: 1},
		"connection reset":  {DropBefore: true, Times: 1},
		"busy, empty body":  {Status: http.StatusTooManyRequests, EmptyBody: true, Times: 1},
		"effect, then fail": {DropAfter: true, Status: http.StatusInternalServerError, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, spec, _ := frozenWorld(t)
			plain := spec
			plain.Override = octopus.FreezeOverride{}
			if _, _, err := w.client().EnsureDeployment(t.Context(), plain); !errors.Is(err, octopus.ErrFrozen) {
				t.Fatalf("without overriding: %v, want a refusal because of the freeze", err)
			}
			if fault.PathPattern == "" {
				fault.Method, fault.PathPattern = http.MethodPost, "/deployments/override$"
			}
			w.fault(fault)
			var made octopus.Deployment
			var err error
			for range 3 {
				if made, _, err = w.client().EnsureDeployment(t.Context(), spec); err == nil {
					break
				}
				wantTransient(t, err)
			}
			if err != nil || !strings.Contains(made.Comments, spec.Marker) || !slices.Equal(made.SpecificMachineIDs, spec.MachineIDs) || made.TaskID == "" {
				t.Fatalf("got %+v, %v", made, err)
			}
			n := 0
			for _, entry := range w.JournalOf(simulator.DeploymentCreated) {
				if entry.ReleaseID == spec.ReleaseID {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d deployments were made, want 1", n)
			}
		})
	}
}

// A freeze that is over cannot be overridden; the caller looks again.
func TestFreezeThatIsOverIsNotOverridden(t *testing.T) {
	t.Parallel()
	w, spec, freeze := frozenWorld(t)
	w.Advance(freeze.End.Sub(w.Now()))
	if _, _, err := w.client().EnsureDeployment(t.Context(), spec); !errors.Is(err, octopus.ErrFrozen) || octopus.IsTransient(err) {
		t.Errorf("got %v, want a refusal because of freezes", err)
	}
	spec.Override = octopus.FreezeOverride{}
	if _, created, err := w.client().EnsureDeployment(t.Context(), spec); err != nil || !created {
		t.Errorf("after the freeze: created %t, %v", created, err)
	}
}
