package octopus_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	official "github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/client"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/machines"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/projects"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/releases"

	"regrow/internal/octopus"
	"regrow/internal/simulator"
)

// world is the scene of the guide on a simulated server in manual time.
type world struct {
	*simulator.Server
	simulator.Scene
	t    *testing.T
	http *httptest.Server
	base string
}

func newWorld(t *testing.T, options simulator.Options, scene simulator.HelloWorldOptions) *world {
	t.Helper()
	w := &world{Server: simulator.New(options), t: t}
	t.Cleanup(w.Close)
	w.http = httptest.NewServer(w.Server)
	t.Cleanup(w.http.Close)
	w.base = w.http.URL + options.BasePath
	built, err := w.HelloWorld(scene)
	if err != nil {
		t.Fatal(err)
	}
	w.Scene = built
	return w
}

func (w *world) client(change ...func(*octopus.Config)) *octopus.Client {
	w.t.Helper()
	cfg := octopus.Config{URL: w.base, APIKey: simulator.DefaultAPIKey, Space: "default", RequestsPerMinute: 60_000}
	for _, c := range change {
		c(&cfg)
	}
	client, err := octopus.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}

func (w *world) fault(f simulator.Fault) {
	w.t.Helper()
	if _, err := w.Faults().Add(f); err != nil {
		w.t.Fatal(err)
	}
}

// send speaks to the server as an administrator would.
func (w *world) send(method, path, contentType string, body io.Reader) []byte {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode > 299 {
		w.t.Fatalf("%s %s: %s %s %v", method, path, res.Status, answer, err)
	}
	return answer
}

func (w *world) appRelease(version string) octopus.ReleaseSpec {
	return octopus.ReleaseSpec{ProjectID: w.ProjectID, ProjectName: "Hello World", Version: version, Notes: "Commit abc", Marker: "[regrow run 1]"}
}

func (w *world) mustRelease(c *octopus.Client, spec octopus.ReleaseSpec) octopus.Release {
	w.t.Helper()
	release, _, err := c.EnsureRelease(w.t.Context(), spec)
	if err != nil {
		w.t.Fatal(err)
	}
	return release
}

// made counts what requests of a client under test have made.
func (w *world) made(effect simulator.Effect) int {
	n := 0
	for _, e := range w.JournalOf(effect) {
		if e.Actor == simulator.ActorAPI {
			n++
		}
	}
	return n
}

func TestSimulatorPingAndLookUps(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/octopus"} {
		w := newWorld(t, simulator.Options{BasePath: path}, simulator.HelloWorldOptions{Tenant: "Acme"})
		c := w.client()
		info, err := c.Ping(t.Context())
		if err != nil || info.Version != simulator.Version || info.SpaceID != w.SpaceID || info.InstallationID == "" {
			t.Errorf("got %+v, %v", info, err)
		}
		if e, err := c.Environment(t.Context(), "DEVELOPMENT"); err != nil || e.ID != w.EnvironmentID {
			t.Errorf("got %+v, %v", e, err)
		}
		if p, err := c.Project(t.Context(), "hello world"); err != nil || p.ID != w.ProjectID || p.Slug != "hello-world" || !strings.HasPrefix(p.WebURL, w.base+"/app#/") {
			t.Errorf("got %+v, %v", p, err)
		}
		if tenant, err := c.Tenant(t.Context(), "acme"); err != nil || tenant.ID != w.TenantID {
			t.Errorf("got %+v, %v", tenant, err)
		}
		ch, err := c.Channel(t.Context(), w.ProjectID, "")
		if err != nil || ch.Name != "Default" {
			t.Errorf("got %+v, %v", ch, err)
		}
		if same, err := c.Channel(t.Context(), w.ProjectID, "default"); err != nil || same != ch {
			t.Errorf("got %+v, %v", same, err)
		}
		_, err = c.Environment(t.Context(), "Hello")
		wantPermanent(t, err, `"Hello"`)
		targets, err := c.Targets(t.Context(), octopus.TargetQuery{EnvironmentID: w.EnvironmentID, TenantID: w.TenantID, Roles: []string{"hello-world"}})
		if err != nil || len(targets) != 2 || !targets[0].Available() {
			t.Errorf("got %+v, %v", targets, err)
		}
		// A target of a tenant takes no part in untenanted deployments.
		if targets, err := c.Targets(t.Context(), octopus.TargetQuery{EnvironmentID: w.EnvironmentID}); err != nil || len(targets) != 0 {
			t.Errorf("got %+v, %v", targets, err)
		}
	}
}

func TestSimulatorRefusesTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{ReadOnlyAPIKey: "API-AUDITOR"}, simulator.HelloWorldOptions{})
	_, err := w.client(func(c *octopus.Config) { c.APIKey = "API-WRONG" }).Ping(t.Context())
	wantPermanent(t, err, "401", "api_key", w.base)
	auditor := w.client(func(c *octopus.Config) { c.APIKey = "API-AUDITOR" })
	if _, err := auditor.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	_, _, err = auditor.EnsureRelease(t.Context(), w.appRelease("1.0.0"))
	wantPermanent(t, err, "403", "ReleaseCreate")
	wantPermanent(t, auditor.SetOverride(t.Context(), w.ProjectID, w.EnvironmentID, "", w.ReleaseID), "403", "ProjectEdit")
}

// lostAnswers are ways in which an effect happens and its answer does not come.
func lostAnswers(method, path string) map[string]simulator.Fault {
	return map[string]simulator.Fault{
		"dropped":   {Method: method, PathPattern: path, Times: 1, DropAfter: true},
		"empty 503": {Method: method, PathPattern: path, Times: 1, DropAfter: true, Status: 503, EmptyBody: true},
		"HTML 502":  {Method: method, PathPattern: path, Times: 1, DropAfter: true, Status: 502, Body: "<html>Bad Gateway</html>"},
		"empty 200": {Method: method, PathPattern: path, Times: 1, DropAfter: true, Status: 200, EmptyBody: true},
		"truncated": {Method: method, PathPattern: path, Times: 1, Truncate: true},
	}
}

func TestSimulatorEffectsHappenOnceWhenAnswersAreLost(t *testing.T) {
	t.Parallel()
	for name, fault := range lostAnswers("POST", "/releases$") {
		t.Run("release "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
			c := w.client()
			w.fault(fault)
			_, _, err := c.EnsureRelease(t.Context(), w.appRelease("1.0.0"))
			wantTransient(t, err)
			release, created, err := c.EnsureRelease(t.Context(), w.appRelease("1.0.0"))
			if err != nil || created || release.Version != "1.0.0" || w.made(simulator.ReleaseCreated) != 1 {
				t.Errorf("got %+v, created %v, %v; %d releases were made", release, created, err, w.made(simulator.ReleaseCreated))
			}
		})
	}
	for name, fault := range lostAnswers("POST", "/deployments$") {
		t.Run("deployment "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
			c := w.client()
			spec := octopus.DeploymentSpec{ReleaseID: w.ReleaseID, ProjectID: w.ProjectID, EnvironmentID: w.EnvironmentID, Marker: "[regrow run 1]"}
			w.fault(fault)
			_, _, err := c.EnsureDeployment(t.Context(), spec)
			wantTransient(t, err)
			deployment, created, err := c.EnsureDeployment(t.Context(), spec)
			if err != nil || created || deployment.Task.State != "Queued" || w.made(simulator.DeploymentCreated) != 1 {
				t.Errorf("got %+v, created %v, %v; %d deployments were made", deployment, created, err, w.made(simulator.DeploymentCreated))
			}
		})
	}
	for name, fault := range lostAnswers("POST", "/runbookRuns$") {
		t.Run("runbook run "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
			c := w.client()
			runbook := w.runbook(c, true)
			spec := octopus.RunbookSpec{ProjectID: w.ProjectID, RunbookID: runbook.ID, EnvironmentID: w.EnvironmentID, Marker: "[regrow run 1]"}
			w.fault(fault)
			_, _, err := c.EnsureRunbookRun(t.Context(), spec)
			wantTransient(t, err)
			task, created, err := c.EnsureRunbookRun(t.Context(), spec)
			if err != nil || created || task.State != "Queued" || w.made(simulator.RunbookRunCreated) != 1 {
				t.Errorf("got %+v, created %v, %v; %d runs were made", task, created, err, w.made(simulator.RunbookRunCreated))
			}
			w.Advance(time.Minute)
			if task, err = c.Task(t.Context(), task.ID); err != nil || !task.FinishedSuccessfully {
				t.Errorf("got %+v, %v", task, err)
			}
		})
	}
}

// runbook makes a runbook of the application project.
func (w *world) runbook(c *octopus.Client, publish bool) octopus.Runbook {
	w.t.Helper()
	made := w.send("POST", "/api/Spaces-1/runbooks", "application/json", strings.NewReader(fmt.Sprintf(`{"Name":"Remove old","ProjectId":%q}`, w.ProjectID)))
	if publish {
		id := decode[struct{ Id string }](w.t, string(made)).Id
		w.send("POST", "/api/Spaces-1/runbookSnapshots?publish=true", "application/json", strings.NewReader(fmt.Sprintf(`{"RunbookId":%q,"ProjectId":%q}`, id, w.ProjectID)))
	}
	runbook, err := c.Runbook(w.t.Context(), w.ProjectID, "remove OLD")
	if err != nil {
		w.t.Fatal(err)
	}
	return runbook
}

func TestSimulatorRunbookWithoutSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	c := w.client()
	_, _, err := c.EnsureRunbookRun(t.Context(), octopus.RunbookSpec{ProjectID: w.ProjectID, RunbookID: w.runbook(c, false).ID, EnvironmentID: w.EnvironmentID, Marker: "[run]"})
	wantPermanent(t, err, "publish")
}

func TestSimulatorReleaseOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	_, _, err := w.client().EnsureRelease(t.Context(), w.appRelease("0.0.1")) // the scene's
	if !errors.Is(err, octopus.ErrVersionTaken) {
		t.Fatalf("got %v, want a taken version", err)
	}
	wantPermanent(t, err, "0.0.1", "Hello World")
}

func TestSimulatorReleaseMadeByTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		created int
	)
	for range 8 {
		c := w.client()
		wg.Go(func() {
			release, made, err := c.EnsureRelease(t.Context(), w.appRelease("1.0.0"))
			if err != nil || release.Version != "1.0.0" {
				t.Errorf("got %+v, %v", release, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if made {
				created++
			}
		})
	}
	wg.Wait()
	if created != 1 || w.made(simulator.ReleaseCreated) != 1 {
		t.Errorf("%d calls say that they created it, %d releases were made", created, w.made(simulator.ReleaseCreated))
	}
}

func TestSimulatorPackages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	part, err := mw.CreateFormFile("file", "Shop.Web.1.4.0.zip")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(part, "content")
	mw.Close()
	w.send("POST", "/api/Spaces-1/packages/raw", mw.FormDataContentType(), &form)

	path := "/api/Spaces-1/deploymentprocesses/deploymentprocess-" + w.ProjectID
	var process map[string]any
	if err := json.Unmarshal(w.send("GET", path, "", nil), &process); err != nil {
		t.Fatal(err)
	}
	process["Steps"] = []any{map[string]any{"Name": "Deploy web", "Properties": map[string]any{"Octopus.Action.TargetRoles": "hello-world"}, "Actions": []any{map[string]any{
		"Name": "Deploy web", "ActionType": "Octopus.TentaclePackage", "Packages": []any{map[string]any{"Name": "", "PackageId": "Shop.Web", "FeedId": "feeds-builtin"}}}}}}
	changed, err := json.Marshal(process)
	if err != nil {
		t.Fatal(err)
	}
	w.send("PUT", path, "application/json", bytes.NewReader(changed))

	c := w.client()
	for version, pins := range map[string][]octopus.PackageVersion{
		"1.0.0": nil,
		"1.0.1": {{Step: "Deploy web", Version: "1.3.9"}},
		"1.0.2": {{Step: "Shop.Web", Version: "1.3.9"}},
	} {
		spec := w.appRelease(version)
		spec.Packages = pins
		release := w.mustRelease(c, spec)
		seen, err := w.official().Releases.GetByID(release.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := "1.4.0"
		if pins != nil {
			want = "1.3.9"
		}
		if len(seen.SelectedPackages) != 1 || seen.SelectedPackages[0].Version != want {
			t.Errorf("release %s has the packages %+v, want version %s", version, seen.SelectedPackages, want)
		}
	}
	spec := w.appRelease("1.0.3")
	spec.Packages = []octopus.PackageVersion{{Step: "Deploy wbe", Version: "1.0"}}
	_, _, err = c.EnsureRelease(t.Context(), spec)
	wantPermanent(t, err, "Deploy wbe", "Deploy web")
}

// official is the official client, an independent witness.
func (w *world) official() *official.Client {
	w.t.Helper()
	base, err := url.Parse(w.base)
	if err != nil {
		w.t.Fatal(err)
	}
	witness, err := official.NewClient(nil, base, simulator.DefaultAPIKey, w.SpaceID)
	if err != nil {
		w.t.Fatal(err)
	}
	return witness
}

func TestOfficialClientSeesWhatWasMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	c, witness := w.client(), w.official()
	release := w.mustRelease(c, w.appRelease("1.0.0"))
	if err := c.SetOverride(t.Context(), w.ProjectID, w.EnvironmentID, "", release.ID); err != nil {
		t.Fatal(err)
	}
	project, err := projects.GetByID(witness, w.SpaceID, w.ProjectID)
	if err != nil {
		t.Fatal(err)
	}
	if got := project.AutoDeployReleaseOverrides; len(got) != 1 || got[0] != (projects.AutoDeployReleaseOverride{EnvironmentID: w.EnvironmentID, ReleaseID: release.ID}) {
		t.Errorf("the override is %+v", got)
	}
	made, _, err := c.EnsureDeployment(t.Context(), octopus.DeploymentSpec{ReleaseID: release.ID, ProjectID: w.ProjectID, EnvironmentID: w.EnvironmentID,
		Comment: "To two of them", Marker: "[regrow run 1]", MachineIDs: w.TargetIDs[:1]})
	if err != nil {
		t.Fatal(err)
	}

	seen, err := releases.GetReleaseInProject(witness, w.SpaceID, w.ProjectID, "1.0.0")
	if err != nil || seen.ID != release.ID || seen.ReleaseNotes != "Commit abc\n\n[regrow run 1]" {
		t.Errorf("the release is %+v, %v", seen, err)
	}
	found, err := witness.Deployments.GetByID(made.ID)
	if err != nil || found.ReleaseID != release.ID || found.Comments != "To two of them\n\n[regrow run 1]" || !slices.Equal(found.SpecificMachineIDs, w.TargetIDs[:1]) || found.TaskID != made.TaskID {
		t.Errorf("the deployment is %+v, %v", found, err)
	}
	w.Advance(time.Minute)
	if task, err := c.Task(t.Context(), made.TaskID); err != nil || !task.FinishedSuccessfully {
		t.Errorf("got %+v, %v", task, err)
	}
	if err := c.DeleteTarget(t.Context(), w.TargetIDs[0]); err != nil {
		t.Fatal(err)
	}
	left, err := machines.GetAll(witness, w.SpaceID)
	if err != nil || len(left) != 1 || left[0].GetID() != w.TargetIDs[1] {
		t.Errorf("the targets are %+v, %v", left, err)
	}
	if err := c.DeleteTarget(t.Context(), w.TargetIDs[0]); err != nil {
		t.Errorf("deleting it again: %v", err)
	}
	if _, err := c.Target(t.Context(), w.TargetIDs[0]); !octopus.IsNotFound(err) {
		t.Errorf("reading it gives %v", err)
	}
}

func TestSimulatorOverrideKeepsTheRestOfTheProject(t *testing.T) {
	t.Parallel()
	for _, missing := range []simulator.OverridePut{simulator.OverridePutClear, simulator.OverridePutKeep} {
		t.Run(string(missing), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{Switches: simulator.Switches{MissingOverrides: missing}}, simulator.HelloWorldOptions{})
			path := "/api/Spaces-1/projects/" + w.ProjectID
			plain := w.send("GET", path, "", nil)
			changed := strings.Replace(string(plain), "{", `{"NewerThanAnyClient":{"Value":1e3,"List":[null]},`, 1)
			w.send("PUT", path, "application/json", strings.NewReader(changed))
			before := w.documentWithoutOverrides(path)
			c := w.client()
			release := w.mustRelease(c, w.appRelease("1.0.0"))
			if err := c.SetOverride(t.Context(), w.ProjectID, w.EnvironmentID, "", release.ID); err != nil {
				t.Fatal(err)
			}
			if got, err := c.Override(t.Context(), w.ProjectID, w.EnvironmentID, ""); err != nil || got != release.ID {
				t.Errorf("the override is %q, %v", got, err)
			}
			if after := w.documentWithoutOverrides(path); after != before || !strings.Contains(after, "NewerThanAnyClient") {
				t.Errorf("the project was\n%s\nand is\n%s", before, after)
			}
			for _, want := range []bool{true, false} {
				if cleared, err := c.ClearOverride(t.Context(), w.ProjectID, w.EnvironmentID, "", release.ID); err != nil || cleared != want {
					t.Errorf("cleared %v, %v; want %v", cleared, err, want)
				}
			}
			if project, _ := w.Project(w.ProjectID); len(project.Overrides) != 0 {
				t.Errorf("left are %+v", project.Overrides)
			}
			if after := w.documentWithoutOverrides(path); after != before {
				t.Errorf("the project was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

func (w *world) documentWithoutOverrides(path string) string {
	w.t.Helper()
	document := decode[map[string]json.RawMessage](w.t, string(w.send("GET", path, "", nil)))
	delete(document, "AutoDeployReleaseOverrides")
	text, err := json.Marshal(document)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func TestSimulatorOverrideAgainstOtherWriters(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409} {
		for behaviour, times := range map[simulator.Behaviour]int{simulator.ConflictPut: 2, simulator.DropOverride: 1} {
			t.Run(fmt.Sprintf("%s, %d", behaviour, status), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, simulator.Options{Switches: simulator.Switches{PutConflictStatus: status}}, simulator.HelloWorldOptions{})
				if _, err := w.Faults().Arm(simulator.BehaviourFault{Behaviour: behaviour, ProjectID: w.ProjectID, Times: times}); err != nil {
					t.Fatal(err)
				}
				c := w.client()
				if err := c.SetOverride(t.Context(), w.ProjectID, w.EnvironmentID, "", w.ReleaseID); err != nil {
					t.Fatal(err)
				}
				if project, _ := w.Project(w.ProjectID); len(project.Overrides) != 1 || project.Overrides[0].ReleaseID != w.ReleaseID {
					t.Errorf("the overrides are %+v", project.Overrides)
				}
			})
		}
	}
	w := newWorld(t, simulator.Options{Switches: simulator.Switches{PutConflictProbability: 1}}, simulator.HelloWorldOptions{})
	wantTransient(t, w.client().SetOverride(t.Context(), w.ProjectID, w.EnvironmentID, "", w.ReleaseID))
}

func TestSimulatorFreeze(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	freeze := fmt.Sprintf(`{"Name":"Christmas","Start":%q,"End":%q,"ProjectEnvironmentScope":{%q:[%q]}}`,
		w.Now().Add(-time.Hour).Format(time.RFC3339), w.Now().Add(time.Hour).Format(time.RFC3339), w.ProjectID, w.EnvironmentID)
	w.send("POST", "/api/deploymentfreezes", "application/json", strings.NewReader(freeze))
	spec := octopus.DeploymentSpec{ReleaseID: w.ReleaseID, ProjectID: w.ProjectID, EnvironmentID: w.EnvironmentID, Marker: "[regrow run 1]"}
	_, _, err := w.client().EnsureDeployment(t.Context(), spec)
	wantPermanent(t, err, "Christmas")
	w.Advance(2 * time.Hour)
	if _, created, err := w.client().EnsureDeployment(t.Context(), spec); err != nil || !created {
		t.Errorf("after the freeze: created %v, %v", created, err)
	}
}

func TestSimulatorRateLimit(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		w := newWorld(t, simulator.Options{Switches: simulator.Switches{RateLimitPerMinute: 3, RateLimitEmptyBody: empty}}, simulator.HelloWorldOptions{})
		c := w.client()
		var err error
		for range 5 {
			if _, err = c.Ping(t.Context()); err != nil {
				break
			}
		}
		wantTransient(t, err)
		if octopus.RetryAfter(err) <= 0 {
			t.Errorf("%v does not say how long to wait", err)
		}
	}
}

// TestSimulatorTurnover goes the way of a run with this package alone.
func TestSimulatorTurnover(t *testing.T) {
	t.Parallel()
	for _, tenant := range []string{"", "Acme"} {
		t.Run("tenant "+tenant, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Tenant: tenant})
			c, start := w.client(), w.Now()
			query := octopus.TargetQuery{EnvironmentID: w.EnvironmentID, TenantID: w.TenantID, Roles: []string{"hello-world"}}
			infra := w.mustRelease(c, octopus.ReleaseSpec{ProjectID: w.InfrastructureProjectID, Version: "1.0.0", Marker: "[regrow run 1]"})
			provisioning, _, err := c.EnsureDeployment(t.Context(), octopus.DeploymentSpec{ReleaseID: infra.ID, ProjectID: w.InfrastructureProjectID,
				EnvironmentID: w.EnvironmentID, TenantID: w.TenantID, Marker: "[regrow run 1]"})
			if err != nil {
				t.Fatal(err)
			}
			active, err := c.ActiveTasks(t.Context(), w.InfrastructureProjectID, w.EnvironmentID, w.TenantID)
			if err != nil || len(active) != 1 || active[0].ID != provisioning.TaskID {
				t.Fatalf("active are %+v, %v", active, err)
			}
			if deployments, err := c.ActiveDeployments(t.Context(), w.InfrastructureProjectID, w.EnvironmentID, w.TenantID); err != nil || len(deployments) != 1 || deployments[0].ID != provisioning.ID {
				t.Fatalf("active deployments are %+v, %v", deployments, err)
			}
			app := w.mustRelease(c, w.appRelease("1.0.0"))
			if err := c.SetOverride(t.Context(), w.ProjectID, w.EnvironmentID, w.TenantID, app.ID); err != nil {
				t.Fatal(err)
			}
			deployed := func() []string {
				found, err := c.Deployments(t.Context(), octopus.DeploymentQuery{ProjectID: w.ProjectID, EnvironmentID: w.EnvironmentID, TenantID: w.TenantID, Since: start})
				if err != nil {
					t.Fatal(err)
				}
				var on []string
				for _, d := range found {
					if d.ReleaseID == app.ID && d.Task.FinishedSuccessfully {
						on = append(on, d.DeployedToMachineIDs...)
					}
				}
				return on
			}
			if err := w.AdvanceUntil(10*time.Minute, func() bool { return len(deployed()) >= 2 }); err != nil {
				t.Fatal(err)
			}
			targets, err := c.Targets(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			for _, target := range targets {
				old := slices.Contains(w.TargetIDs, target.ID)
				if on := slices.Contains(deployed(), target.ID); on == old {
					t.Errorf("the new release is on %s: %v", target.Name, on)
				}
				if !old && !target.Available() {
					t.Errorf("%s is %s", target.Name, target.HealthStatus)
				}
			}
			found, err := c.Deployments(t.Context(), octopus.DeploymentQuery{ProjectID: w.ProjectID, EnvironmentID: w.EnvironmentID, TenantID: w.TenantID, Since: start.Add(time.Second)})
			if err != nil || found[len(found)-1].ReleaseID != w.ReleaseID || !found[len(found)-1].Task.FinishedSuccessfully {
				t.Errorf("the last of %+v is not the success before the run; %v", found, err)
			}
			if override, err := c.Override(t.Context(), w.ProjectID, w.EnvironmentID, w.TenantID); err != nil || override != "" {
				t.Errorf("the override is still %q, %v", override, err)
			}
			of := w.Deployments(w.InfrastructureProjectID)
			if len(of) != 1 || of[0].ReleaseID != infra.ID || of[0].State != "Success" {
				t.Errorf("the infrastructure's deployments are %+v", of)
			}
		})
	}
}

func TestSimulatorCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	c := w.client()
	made, _, err := c.EnsureDeployment(t.Context(), octopus.DeploymentSpec{ReleaseID: w.ReleaseID, ProjectID: w.ProjectID, EnvironmentID: w.EnvironmentID, Marker: "[run]"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is over already
		if err := c.CancelTask(t.Context(), made.TaskID); err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Minute)
	}
	if task, err := c.Task(t.Context(), made.TaskID); err != nil || !task.IsCompleted || task.FinishedSuccessfully {
		t.Errorf("got %+v, %v", task, err)
	}
}

func TestSimulatorCheckRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	c := w.client()
	ours := w.appRelease("1.2.3")
	if err := c.CheckRelease(t.Context(), ours); err != nil || w.made(simulator.ReleaseCreated) != 0 {
		t.Errorf("a free version: %v, %d releases made", err, w.made(simulator.ReleaseCreated))
	}
	w.mustRelease(c, ours)
	if err := c.CheckRelease(t.Context(), ours); err != nil {
		t.Errorf("our own release: %v", err)
	}
	other := ours
	other.Marker = "[regrow run 2]"
	if err := c.CheckRelease(t.Context(), other); !errors.Is(err, octopus.ErrVersionTaken) {
		t.Errorf("a taken version: %v", err)
	}
}
