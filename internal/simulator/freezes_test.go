package simulator_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/deploymentfreezes"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/deployments"

	"regrow/internal/simulator"
)

// frozen freezes the scene's project for an hour from now on.
func (w *world) frozen(name string) string {
	w.t.Helper()
	return must[string](w.t)(w.AddFreeze(simulator.FreezeOptions{Name: name, ProjectID: w.scene.ProjectID, EnvironmentID: w.scene.EnvironmentID}))
}

func TestOfficialClientAndFreezes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Tenant: "Acme"})
	c := w.client("Spaces-1")
	at := func(hours int) *time.Time { return new(w.Now().Add(time.Duration(hours) * time.Hour)) }
	add := func(name string, start, end int, tenant bool) *deploymentfreezes.DeploymentFreeze {
		f := &deploymentfreezes.DeploymentFreeze{Name: name, Start: at(start), End: at(end)}
		if tenant {
			f.TenantProjectEnvironmentScope = []deploymentfreezes.TenantProjectEnvironment{{TenantId: w.scene.TenantID, ProjectId: w.scene.InfrastructureProjectID, EnvironmentId: w.scene.EnvironmentID}}
		} else {
			f.ProjectEnvironmentScope = map[string][]string{w.scene.ProjectID: {w.scene.EnvironmentID}, "Projects-77": {"Environments-77"}}
		}
		return must[*deploymentfreezes.DeploymentFreeze](t)(deploymentfreezes.Add(c, f))
	}
	add("Over", -2, -1, false)
	add("Now", -1, 1, false)
	add("For the tenant", -1, 1, true)
	add("Later", 1, 2, false)
	for name, test := range map[string]struct {
		query deploymentfreezes.DeploymentFreezeQuery
		want  []string
		count int
	}{
		"what is not over": {deploymentfreezes.DeploymentFreezeQuery{}, []string{"Now", "For the tenant", "Later"}, 3},
		"all":              {deploymentfreezes.DeploymentFreezeQuery{IncludeComplete: true}, []string{"Over", "Now", "For the tenant", "Later"}, 4},
		"a project":        {deploymentfreezes.DeploymentFreezeQuery{ProjectIds: []string{w.scene.ProjectID}}, []string{"Now", "Later"}, 2},
		"another project":  {deploymentfreezes.DeploymentFreezeQuery{ProjectIds: []string{w.scene.InfrastructureProjectID}}, []string{"For the tenant"}, 1},
		"a tenant":         {deploymentfreezes.DeploymentFreezeQuery{TenantIds: []string{w.scene.TenantID}}, []string{"For the tenant"}, 1},
		"an environment":   {deploymentfreezes.DeploymentFreezeQuery{EnvironmentIds: []string{"Environments-77"}}, []string{"Now", "Later"}, 2},
		"a part of a name": {deploymentfreezes.DeploymentFreezeQuery{PartialName: "THE"}, []string{"For the tenant"}, 1},
		"upcoming":         {deploymentfreezes.DeploymentFreezeQuery{Status: "Upcoming"}, []string{"Later"}, 1},
		"active":           {deploymentfreezes.DeploymentFreezeQuery{Status: "active"}, []string{"Now", "For the tenant"}, 2},
		"a page":           {deploymentfreezes.DeploymentFreezeQuery{Skip: 1, Take: 1}, []string{"For the tenant"}, 3},
	} {
		got := must[*deploymentfreezes.DeploymentFreezes](t)(deploymentfreezes.Get(c, test.query))
		var names []string
		for _, f := range got.DeploymentFreezes {
			names = append(names, f.Name)
		}
		if !slices.Equal(names, test.want) || got.Count != test.count {
			t.Errorf("%s: expected %v of %d, got %v of %d", name, test.want, test.count, names, got.Count)
		}
	}
	all := must[*deploymentfreezes.DeploymentFreezes](t)(deploymentfreezes.GetAll(c)).DeploymentFreezes
	all[0].End = at(0)
	must[*deploymentfreezes.DeploymentFreeze](t)(deploymentfreezes.Update(c, &all[0]))
	if err := deploymentfreezes.Delete(c, &all[1]); err != nil {
		t.Error(err)
	}
	if left := must[*deploymentfreezes.DeploymentFreezes](t)(deploymentfreezes.GetAll(c)).DeploymentFreezes; len(left) != 1 || left[0].Name != "Later" {
		t.Errorf("expected only the later one, got %+v", left)
	}
	for _, wrong := range []object{{"Name": "x"}, {"Name": "x", "Start": at(1), "End": at(0)}, {"Name": "later", "Start": at(0), "End": at(1)}, {"Name": strings.Repeat("x", 201), "Start": at(0), "End": at(1)}} {
		w.call(http.MethodPost, "/api/deploymentfreezes", wrong, 400)
	}
	w.call(http.MethodGet, "/api/Spaces-1/deploymentfreezes", nil, 404) // freezes belong to the server
}

// Only the executions API, by name, and /deployments/override, by id, get past a freeze.
func TestFreezesAreOverridden(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	c := w.client("Spaces-1")
	w.frozen("Christmas")
	w.frozen("Audit")
	refused := func(what string, body object, path string) {
		t.Helper()
		if answer := w.call(http.MethodPost, "/api/Spaces-1/deployments"+path, body, 400); !strings.Contains(answer["Errors"].([]any)[0].(string), what) {
			t.Errorf("expected %q, got %v", what, answer)
		}
	}
	classic := object{"ReleaseId": w.scene.ReleaseID, "EnvironmentId": w.scene.EnvironmentID}
	refused("freeze 'Christmas'", classic, "")
	refused("freeze 'Christmas'", object{"ReleaseId": w.scene.ReleaseID, "EnvironmentId": w.scene.EnvironmentID,
		"DeploymentFreezeNames": []string{"Christmas", "Audit"}, "DeploymentFreezeOverrideReason": "a hot fix"}, "")

	command := deployments.NewCreateDeploymentUntenantedCommandV1("Spaces-1", "Hello World")
	command.ReleaseVersion, command.EnvironmentNames = "0.0.1", []string{"Development"}
	try := func(reason string, names ...string) error {
		command.DeploymentFreezeNames, command.DeploymentFreezeOverrideReason = names, reason
		_, err := deployments.CreateDeploymentUntenantedV1(c, command)
		return err
	}
	for name, err := range map[string]error{"no names": try("a hot fix"), "no reason": try(" ", "Christmas", "Audit"), "one of two": try("a hot fix", "Christmas"), "no such": try("a hot fix", "Easter")} {
		if err == nil {
			t.Errorf("%s: expected a refusal", name)
		}
	}
	if err := try("a hot fix", "audit", "Christmas"); err != nil {
		t.Fatal(err)
	}
	made := w.get("/api/Spaces-1/deployments?take=1")["Items"].([]any)[0].(object)
	if made["DeploymentFreezeOverrideReason"] != "a hot fix" || len(made["DeploymentFreezeNames"].([]any)) != 2 {
		t.Errorf("expected the deployment to say what it overrode, got %v", made)
	}
	w.Advance(time.Minute)
	if got := w.Deployments("Hello World")[1]; got.State != "Success" {
		t.Errorf("expected it to run during the freeze, got %s: %s", got.State, got.Error)
	}
	if got := w.JournalOf(simulator.FreezeOverridden); len(got) != 1 || got[0].Detail != "a hot fix" || got[0].Name != "Christmas, Audit" {
		t.Errorf("expected one effect, got %+v", got)
	}

	refused("reason is required", object{"CreateDeploymentCommand": classic, "FreezeIds": []string{"DeploymentFreezes-1"}}, "/override")
	refused("no valid freezes", object{"CreateDeploymentCommand": classic, "FreezeIds": []string{"DeploymentFreezes-9"}, "Reason": "x"}, "/override")
	refused("freeze 'Audit'", object{"CreateDeploymentCommand": classic, "FreezeIds": []string{"DeploymentFreezes-1"}, "Reason": "x"}, "/override")
	both := object{"CreateDeploymentCommand": classic, "FreezeIds": []string{"DeploymentFreezes-1", "DeploymentFreezes-2"}, "Reason": "x"}
	if err := w.SetMissingPermissions("DeploymentFreezeAdminister"); err != nil {
		t.Fatal(err)
	}
	w.call(http.MethodPost, "/api/Spaces-1/deployments/override", both, 403)
	if err := w.SetMissingPermissions(); err != nil {
		t.Fatal(err)
	}
	w.call(http.MethodPost, "/api/Spaces-1/deployments/override", both, 201)

	w.Advance(2 * time.Hour)
	w.call(http.MethodPost, "/api/Spaces-1/deployments", classic, 201)
}

// A freeze that begins while a deployment waits fails it, even if it overrode another one.
func TestFreezesFailWhatIsQueued(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Tenant: "Acme"})
	id := w.frozen("First")
	w.call(http.MethodPost, "/api/Spaces-1/deployments/override", object{"FreezeIds": []string{id}, "Reason": "x",
		"CreateDeploymentCommand": object{"ReleaseId": w.scene.ReleaseID, "EnvironmentId": w.scene.EnvironmentID, "TenantId": w.scene.TenantID}}, 201)
	must[string](t)(w.AddFreeze(simulator.FreezeOptions{Name: "Second", ProjectID: w.scene.ProjectID, EnvironmentID: w.scene.EnvironmentID, TenantID: w.scene.TenantID}))
	w.Advance(time.Minute)
	if got := w.Deployments("Hello World")[1]; got.State != "Failed" || !strings.Contains(got.Error, "freeze 'Second'") {
		t.Errorf("expected the second freeze to fail the deployment, got %s: %s", got.State, got.Error)
	}
}
