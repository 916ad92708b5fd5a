package simulator_test

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/permissions"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/users"

	"regrow/internal/simulator"
)

// The official client knows the permissions by name: each must be granted at first.
func TestOfficialClientReadsPermissions(t *testing.T) {
	t.Parallel()
	w := newServer(t, simulator.Options{Missing: []string{"TriggerCreate", "SpaceCreate"}, ReadOnlyAPIKey: "API-AUDITOR"})
	read := func() (me *users.User, set *permissions.UserPermissionSet) {
		c := w.client("Spaces-1")
		me = must[*users.User](t)(c.Users.GetMe())
		return me, must[*permissions.UserPermissionSet](t)(c.Users.GetPermissions(me))
	}
	me, set := read()
	if set.ID != me.ID || !set.IsPermissionsComplete || len(set.SpacePermissions.TriggerCreate) != 0 || slices.Contains(set.SystemPermissions, "SpaceCreate") {
		t.Errorf("expected a complete set without what is missing, got %+v", set)
	}
	if got := set.SpacePermissions.TriggerView; len(got) != 1 || got[0].SpaceID != "Spaces-1" || len(got[0].RestrictedToProjectIds) != 0 {
		t.Errorf("expected an unrestricted grant in the space, got %+v", got)
	}
	if err := w.SetMissingPermissions(); err != nil {
		t.Fatal(err)
	}
	_, set = read()
	granted := reflect.ValueOf(set.SpacePermissions)
	for i := range granted.NumField() {
		name := granted.Type().Field(i).Name
		if granted.Field(i).Len() == 0 && !slices.Contains(set.SystemPermissions, name) {
			t.Errorf("expected %s to be granted", name)
		}
	}
	w.key = "API-AUDITOR"
	if _, set = read(); len(set.SpacePermissions.ReleaseView) == 0 || len(set.SpacePermissions.ReleaseCreate) != 0 {
		t.Errorf("expected the auditor to have views only, got %+v", set.SpacePermissions)
	}
	if answer := w.call(http.MethodDelete, "/api/Spaces-1/packages/packages-none", nil, 403); !strings.HasSuffix(answer["ErrorMessage"].(string), "Missing permission: BuiltInFeedAdminister") {
		t.Errorf("expected the permission to be named, got %v", answer)
	}
	w.call(http.MethodPost, "/simulator/advance?by=1s", nil, 403)
	w.call(http.MethodPut, "/simulator/permissions", object{}, 403)
}

func TestMissingPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{SubscriptionURL: "http://127.0.0.1:9/"})
	const space = "/api/Spaces-1/"
	project, release, machine := "projects/"+w.scene.ProjectID, "releases/"+w.scene.ReleaseID, "machines/"+w.scene.TargetIDs[0]
	for _, request := range []struct{ permission, method, path string }{
		{"EnvironmentView", "GET", space + "environments"}, {"EnvironmentCreate", "POST", space + "environments"}, {"EnvironmentEdit", "PUT", space + "environments/Environments-1"},
		{"LifecycleView", "GET", space + "lifecycles/all"}, {"ProjectGroupView", "GET", space + "projectgroups"}, {"ProjectGroupCreate", "POST", space + "projectgroups"},
		{"ProjectView", "GET", space + project}, {"ProjectView", "GET", space + "projects?partialName=x"}, {"ProjectView", "GET", "/api/projects/all"},
		{"ProjectCreate", "POST", space + "projects"}, {"ProjectEdit", "PUT", space + project}, {"ProjectEdit", "PUT", "/api/spaces/Spaces-1/" + project}, {"ProjectDelete", "DELETE", space + project},
		{"ProjectEdit", "PUT", space + project + "/deploymentsettings"},
		{"ProcessView", "GET", space + project + "/deploymentprocesses"}, {"ProcessView", "GET", space + "deploymentprocesses/deploymentprocess-" + w.scene.ProjectID},
		{"ProcessView", "GET", space + project + "/deploymentprocesses/template"}, {"ProcessEdit", "PUT", space + "deploymentprocesses/deploymentprocess-" + w.scene.ProjectID},
		{"ProcessView", "GET", space + project + "/channels"}, {"ProcessEdit", "POST", space + "channels"},
		{"VariableView", "GET", space + "variables/variableset-" + w.scene.ProjectID}, {"VariableEdit", "PUT", space + "variables/variableset-" + w.scene.ProjectID},
		{"ReleaseView", "GET", space + project + "/releases/0.0.1"}, {"ReleaseView", "GET", space + release + "/progression"},
		{"ReleaseCreate", "POST", space + "releases"}, {"ReleaseCreate", "POST", space + "releases/create/v1"}, {"ReleaseDelete", "DELETE", space + release},
		{"DeploymentView", "GET", space + "deployments"}, {"DeploymentView", "GET", space + release + "/deployments"},
		{"DeploymentCreate", "POST", space + "deployments"}, {"DeploymentCreate", "POST", space + "deployments/create/untenanted/v1"}, {"DeploymentCreate", "POST", space + "deployments/create/tenanted/v1"},
		{"DefectReport", "POST", space + release + "/defects"}, {"DefectResolve", "POST", space + release + "/defects/resolve"},
		{"MachineView", "GET", space + "machines"}, {"MachineView", "GET", space + "environments/Environments-1/machines"}, {"MachineView", "GET", space + "machines/discover?host=x"}, {"MachineView", "GET", space + "machineroles/all"},
		{"MachineCreate", "POST", space + "machines"}, {"MachineCreate", "POST", space + "machines/v1"}, {"MachineEdit", "PUT", space + machine}, {"MachineDelete", "DELETE", space + machine},
		{"MachinePolicyView", "GET", space + "machinepolicies"}, {"MachinePolicyView", "GET", space + "machinepolicies/template"}, {"MachinePolicyCreate", "POST", space + "machinepolicies"}, {"MachinePolicyEdit", "PUT", space + "machinepolicies/MachinePolicies-1"},
		{"TriggerView", "GET", space + "projecttriggers"}, {"TriggerView", "GET", space + project + "/triggers"}, {"TriggerCreate", "POST", space + "projecttriggers"}, {"TriggerCreate", "POST", space + project + "/triggers"},
		{"TriggerEdit", "PUT", space + "projecttriggers/" + w.scene.TriggerID}, {"TriggerDelete", "DELETE", space + "projecttriggers/" + w.scene.TriggerID},
		{"SubscriptionView", "GET", space + "subscriptions"}, {"SubscriptionCreate", "POST", space + "subscriptions"}, {"SubscriptionEdit", "PUT", space + "subscriptions/" + w.scene.SubscriptionID},
		{"FeedView", "GET", space + "feeds"}, {"FeedView", "GET", space + "packages"}, {"FeedView", "GET", space + "feeds/feeds-builtin/packages/versions?packageId=x"}, {"BuiltInFeedPush", "POST", space + "packages/raw"},
		{"TaskView", "GET", "/api/tasks"}, {"TaskView", "GET", "/api/tasks/ServerTasks-1/details"}, {"TaskCreate", "POST", "/api/tasks"}, {"TaskCancel", "POST", "/api/tasks/ServerTasks-1/cancel"},
		{"EventView", "GET", "/api/events"}, {"InterruptionView", "GET", space + "interruptions"}, {"InterruptionSubmit", "POST", space + "interruptions/Interruptions-1/submit"},
		{"TenantView", "GET", space + "tenants"}, {"RunbookView", "GET", space + "runbooks"}, {"RunbookRunCreate", "POST", space + "runbook-runs/create/v1"},
		{"DeploymentFreezeAdminister", "POST", "/api/deploymentfreezes"}, {"SpaceCreate", "POST", "/api/spaces"},
	} {
		w.call(http.MethodPut, "/simulator/permissions", object{"missing": []string{request.permission, "ArtifactView"}}, 200)
		answer := w.call(request.method, request.path, object{}, 403)
		if message, want := answer["ErrorMessage"].(string), "Missing permission: "+request.permission; !strings.HasSuffix(message, want) {
			t.Errorf("%s %s: expected %q at the end, got %q", request.method, request.path, want, message)
		}
		w.call(http.MethodPut, "/simulator/permissions", object{"missing": []string{}}, 200)
		if response, data, err := w.send(request.method, request.path, object{}); err != nil || response.StatusCode == http.StatusForbidden {
			t.Errorf("%s %s: expected the permission to be back, got %s (%v)", request.method, request.path, data, err)
		}
	}
}

func TestPermissionsThatDoNotExist(t *testing.T) {
	t.Parallel()
	w := newServer(t, simulator.Options{})
	answer := w.call(http.MethodPut, "/simulator/permissions", object{"missing": []string{"TriggerCreated"}}, 400)
	if errors := answer["Errors"].([]any); len(errors) != 1 || !strings.Contains(errors[0].(string), "TriggerCreated") {
		t.Errorf("expected the name to be refused, got %v", answer)
	}
	w.call(http.MethodPut, "/simulator/permissions", object{"Mising": []string{}}, 400)
	if err := w.SetMissingPermissions("Everything"); err == nil {
		t.Error("expected the name to be refused")
	}
	w.call(http.MethodPost, "/api/Spaces-1/environments", object{"Name": "Development"}, 201)
}
