package simulator_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/actions"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/client"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/core"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/deployments"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/environments"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/events"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/filters"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/lifecycles"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/machinepolicies"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/machines"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/packages"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/projects"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/releases"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/runbooks"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/spaces"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/subscriptions"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/tasks"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/tenants"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/triggers"

	"regrow/internal/simulator"
)

// must takes the result of a call of the official client that may not fail.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// The official client builds everything from nothing and deploys it. It knows no simulator.
func TestOfficialClientBuildsAndDeploys(t *testing.T) {
	t.Parallel()
	w := newServer(t, simulator.Options{})
	c := w.client("Spaces-1")

	environment := must[*environments.Environment](t)(environments.Add(c, environments.NewEnvironment("Development")))
	sameLinks(t, environment.Links, must[*environments.Environment](t)(environments.GetByID(c, "Spaces-1", environment.ID)).Links)
	lifecycle := lifecycles.NewLifecycle("Fast")
	phase := lifecycles.NewPhase("Dev")
	phase.OptionalDeploymentTargets = []string{environment.ID}
	lifecycle.Phases = append(lifecycle.Phases, phase)
	lifecycle = must[*lifecycles.Lifecycle](t)(lifecycles.Add(c, lifecycle))
	groups, err := c.ProjectGroups.GetAll()
	if err != nil || len(groups) != 1 {
		t.Fatalf("expected the default project group, got %v (%v)", groups, err)
	}
	project := must[*projects.Project](t)(projects.Add(c, projects.NewProject("Hello World", lifecycle.ID, groups[0].ID)))
	sameLinks(t, project.Links, must[*projects.Project](t)(projects.GetByID(c, "Spaces-1", project.ID)).Links)
	if found := must[*projects.Project](t)(projects.GetByName(c, "Spaces-1", "hello world")); found.ID != project.ID {
		t.Errorf("expected to find the project by name, got %s", found.ID)
	}

	process := must[*deployments.DeploymentProcess](t)(deployments.GetDeploymentProcessByID(c, "Spaces-1", project.DeploymentProcessID))
	step := deployments.NewDeploymentStep("Run script")
	step.Properties["Octopus.Action.TargetRoles"] = core.NewPropertyValue("hello-world", false)
	action := deployments.NewDeploymentAction("Run script", "Octopus.Script")
	action.Properties["Octopus.Action.Script.ScriptBody"] = core.NewPropertyValue("echo hi", false)
	step.Actions = append(step.Actions, action)
	process.Steps = append(process.Steps, step)
	updated := must[*deployments.DeploymentProcess](t)(deployments.UpdateDeploymentProcess(c, process))
	if updated.Version != process.Version+1 || len(updated.Steps) != 1 || updated.Steps[0].ID == "" {
		t.Errorf("expected version %d with one step, got %+v", process.Version+1, updated)
	}
	if _, err := deployments.UpdateDeploymentProcess(c, process); err == nil {
		t.Error("expected a stale version to be refused")
	}

	address, err := url.Parse("https://10.0.0.7:10933/")
	if err != nil {
		t.Fatal(err)
	}
	target := machines.NewDeploymentTarget("web-1", machines.NewListeningTentacleEndpoint(address, "0123456789ABCDEF0123456789ABCDEF01234567"), []string{environment.ID}, []string{"hello-world"})
	target = must[*machines.DeploymentTarget](t)(machines.Add(c, target))
	if target.HealthStatus != "Unknown" {
		t.Errorf("expected a new target to be Unknown, got %s", target.HealthStatus)
	}
	w.Advance(10 * time.Second)
	if again := must[*machines.DeploymentTarget](t)(machines.GetByID(c, "Spaces-1", target.ID)); again.HealthStatus != "Healthy" {
		t.Errorf("expected the initial health check to find the target healthy, got %s", again.HealthStatus)
	}

	command := releases.NewCreateReleaseCommandV1("Spaces-1", "Hello World")
	command.ReleaseNotes = "run 1"
	release := must[*releases.CreateReleaseResponseV1](t)(releases.CreateReleaseV1(c, command))
	if release.ReleaseVersion != "0.0.1" {
		t.Errorf("expected the first version, got %s", release.ReleaseVersion)
	}
	command.ReleaseVersion = "0.0.1"
	if _, err := releases.CreateReleaseV1(c, command); err == nil {
		t.Error("expected an existing version to be refused")
	}
	command.IgnoreIfAlreadyExists = true
	if again := must[*releases.CreateReleaseResponseV1](t)(releases.CreateReleaseV1(c, command)); again.ReleaseID != release.ReleaseID {
		t.Errorf("expected the existing release, got %+v", again)
	}
	document := must[*releases.Release](t)(releases.GetReleaseInProject(c, "Spaces-1", project.ID, "0.0.1"))
	if document.ID != release.ReleaseID || document.ReleaseNotes != "run 1" {
		t.Errorf("expected the release with its notes, got %+v", document)
	}
	sameLinks(t, document.Links, must[*releases.Release](t)(c.Releases.GetByID(document.ID)).Links)

	deployment := deployments.NewDeployment(environment.ID, release.ReleaseID)
	deployment.Comments = "marker"
	deployment = must[*deployments.Deployment](t)(c.Deployments.Add(deployment))
	w.Advance(time.Minute)
	deployment = must[*deployments.Deployment](t)(c.Deployments.GetByID(deployment.ID))
	if !slices.Equal(deployment.DeployedToMachineIDs, []string{target.ID}) || deployment.Comments != "marker" {
		t.Errorf("expected the target and the comment in the deployment, got %+v", deployment)
	}
	list, err := c.Tasks.Get(tasks.TasksQuery{IDs: []string{deployment.TaskID}})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("expected one task, got %v (%v)", list, err)
	}
	if task := list.Items[0]; task.IsCompleted == nil || !*task.IsCompleted || !*task.FinishedSuccessfully || task.StartTime == nil || task.CompletedTime == nil {
		t.Errorf("expected a task that succeeded, got %+v", task)
	}
	v1 := deployments.NewCreateDeploymentUntenantedCommandV1("Spaces-1", "Hello World")
	v1.ReleaseVersion, v1.EnvironmentNames = "0.0.1", []string{"development"}
	if response := must[*deployments.CreateDeploymentResponseV1](t)(deployments.CreateDeploymentUntenantedV1(c, v1)); len(response.DeploymentServerTasks) != 1 {
		t.Errorf("expected one task, got %+v", response)
	}
	details := must[*tasks.TaskDetailsResource](t)(tasks.GetDetails(c, "Spaces-1", deployment.TaskID))
	if details.Task.State != "Success" || len(details.ActivityLogs) == 0 {
		t.Errorf("expected details with a log, got %+v", details)
	}
}

func sameLinks(t *testing.T, a, b map[string]string) {
	t.Helper()
	if len(a) == 0 || !maps.Equal(a, b) {
		t.Errorf("expected a GET to return the links of the POST, got %v and %v", a, b)
	}
}

func TestOfficialClientReadsTheScene(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Targets: 3, SubscriptionURL: "http://127.0.0.1:9/", SubscriptionSecret: "hush"})
	c := w.client("")
	if space := must[*spaces.Space](t)(spaces.GetDefaultSpace(c)); space.ID != "Spaces-1" || !space.IsDefault {
		t.Errorf("expected the default space, got %+v", space)
	}
	page := must[pageOf](t)(machinePage(c, machines.MachinesQuery{EnvironmentIDs: []string{w.scene.EnvironmentID}, Roles: []string{"hello-world"}, Take: 2}))
	if page.total != 3 || page.items != 2 {
		t.Errorf("expected 2 of 3 machines on the page, got %+v", page)
	}
	if all := must[[]*machines.DeploymentTarget](t)(machines.GetAll(c, "Spaces-1")); len(all) != 3 {
		t.Errorf("expected 3 machines, got %d", len(all))
	}
	if roles, err := c.MachineRoles.GetAll(); err != nil || !slices.Equal(roles2text(roles), []string{"hello-world"}) {
		t.Errorf("expected one role, got %v (%v)", roles, err)
	}
	policies := must[[]*machinepolicies.MachinePolicy](t)(machinepolicies.GetAll(c, "Spaces-1"))
	if len(policies) != 2 || policies[1].MachineHealthCheckPolicy.HealthCheckInterval != 2*time.Minute ||
		policies[1].MachineCleanupPolicy.DeleteMachinesElapsedTimeSpan != 5*time.Minute {
		t.Errorf("expected the policy of the guide, got %+v", policies)
	}
	trigger := must[*triggers.ProjectTrigger](t)(triggers.GetById(c, "Spaces-1", w.scene.TriggerID))
	if trigger.Action.GetActionType() != actions.AutoDeploy || trigger.Filter.GetFilterType() != filters.MachineFilter {
		t.Errorf("expected an auto-deploy trigger on machines, got %+v", trigger)
	}
	subscription := must[*subscriptions.Subscription](t)(subscriptions.GetByID(c, "Spaces-1", w.scene.SubscriptionID))
	if n := subscription.EventNotificationSubscription; n.WebhookURI != "http://127.0.0.1:9/" || n.WebhookHeaderValue != "" {
		t.Errorf("expected the address and no secret, got %+v", n)
	}
	groups, err := c.Events.GetGroups(events.EventGroupsQuery{})
	if err != nil || len(*groups) < 5 {
		t.Errorf("expected the groups of machine events, got %v (%v)", groups, err)
	}
	list, err := c.Events.Get(events.EventsQuery{Regarding: w.scene.DeploymentID})
	if err != nil || len(list.Items) != 3 {
		t.Errorf("expected the three events of a deployment, got %+v (%v)", list, err)
	}
	if _, err := projects.GetByID(c, "Spaces-1", "Projects-99"); !isNotFound(err) {
		t.Errorf("expected the client to recognise a 404, got %v", err)
	}
	if _, err := c.Projects.GetByID("Projects-99"); !isNotFound(err) { //nolint:staticcheck // the older way goes through the links, which is what is tested
		t.Errorf("expected the old service to recognise a 404, got %v", err)
	}
}

type pageOf struct{ total, items int }

func machinePage(c *client.Client, q machines.MachinesQuery) (pageOf, error) {
	page, err := machines.Get(c, "Spaces-1", q)
	if err != nil {
		return pageOf{}, err
	}
	return pageOf{page.TotalResults, len(page.Items)}, nil
}

func roles2text(roles []*string) []string {
	var texts []string
	for _, role := range roles {
		texts = append(texts, *role)
	}
	return texts
}

func isNotFound(err error) bool {
	apiError, is := errors.AsType[*core.APIError](err)
	return is && apiError.StatusCode == http.StatusNotFound
}

// A client that loses fields it does not know must be found out: a PUT replaces.
func TestUnknownProjectFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	path := "/api/Spaces-1/projects/" + w.scene.ProjectID
	project := w.get(path)
	project["FieldOfTheFuture"] = object{"Number": json.Number("12345678901234567890"), "List": []any{nil, "x"}}
	w.call(http.MethodPut, path, project, 200)
	kept, err := json.Marshal(w.get(path)["FieldOfTheFuture"])
	if err != nil || !bytes.Contains(kept, []byte(`"List":[null,"x"]`)) {
		t.Errorf("expected the unknown field to survive, got %s (%v)", kept, err)
	}
	view, _ := w.Project(w.scene.ProjectID)
	if !bytes.Contains(view.Document, []byte("12345678901234567890")) {
		t.Errorf("expected the number to keep all its digits, got %s", view.Document)
	}
	c := w.client("Spaces-1")
	read := must[*projects.Project](t)(projects.GetByID(c, "Spaces-1", w.scene.ProjectID))
	must[*projects.Project](t)(projects.Update(c, read))
	if lost := w.get(path); lost["FieldOfTheFuture"] != nil {
		t.Errorf("expected the official client to lose the field, got %v", lost["FieldOfTheFuture"])
	}
}

func TestMissingOverridesInPut(t *testing.T) {
	t.Parallel()
	for choice, left := range map[simulator.OverridePut]int{simulator.OverridePutClear: 0, simulator.OverridePutKeep: 1} {
		t.Run(string(choice), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{Switches: simulator.Switches{MissingOverrides: choice}}, simulator.HelloWorldOptions{})
			w.setOverride(w.release(w.scene.ProjectID, "0.0.2"))
			path := "/api/Spaces-1/projects/" + w.scene.ProjectID
			project := w.get(path)
			delete(project, "AutoDeployReleaseOverrides")
			w.call(http.MethodPut, path, project, 200)
			if got := w.overrides(); len(got) != left {
				t.Errorf("expected %d overrides, got %+v", left, got)
			}
			project["AutoDeployReleaseOverrides"] = []any{}
			w.call(http.MethodPut, path, project, 200)
			if got := w.overrides(); len(got) != 0 {
				t.Errorf("expected an empty list to clear the overrides, got %+v", got)
			}
		})
	}
}

func TestOfficialClientUploadsPackages(t *testing.T) {
	t.Parallel()
	w := newServer(t, simulator.Options{})
	c := w.client("Spaces-1")
	upload := func(mode packages.OverwriteMode) (bool, error) {
		_, created, err := packages.Upload(c, "Spaces-1", "Acme.Web.1.2.3-beta.1.zip", bytes.NewReader([]byte("content")), mode)
		return created, err
	}
	if created, err := upload(packages.OverwriteModeFailIfExists); err != nil || !created {
		t.Fatalf("expected a new package, got %v (%v)", created, err)
	}
	if created, err := upload(packages.OverwriteModeIgnoreIfExists); err != nil || created {
		t.Errorf("expected the existing package, got %v (%v)", created, err)
	}
	if _, err := upload(packages.OverwriteModeFailIfExists); err == nil {
		t.Error("expected an existing package to be refused")
	}
	list, err := packages.List(c, "Spaces-1", "acme", 10)
	if err != nil || len(list.Items) != 1 || list.Items[0].PackageID != "Acme.Web" || list.Items[0].Version != "1.2.3-beta.1" {
		t.Errorf("expected the package with its id and version, got %+v (%v)", list, err)
	}
}

func TestOfficialClientRunsARunbook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	c := w.client("Spaces-1")
	runbook := must[*runbooks.Runbook](t)(runbooks.Add(c, runbooks.NewRunbook("Terminate", w.scene.InfrastructureProjectID)))
	command := runbooks.NewRunbookRunCommandV1("Spaces-1", w.scene.InfrastructureProjectID)
	command.RunbookName, command.EnvironmentNames = "Terminate", []string{"Development"}
	if _, err := runbooks.RunbookRunV1(c, command); err == nil {
		t.Error("expected a runbook without a published snapshot to be refused")
	}
	must[*runbooks.RunbookSnapshot](t)(c.RunbookSnapshots.Publish(runbooks.NewRunbookSnapshot("one", w.scene.InfrastructureProjectID, runbook.ID)))
	w.SetCleaner(runbook.ID, simulator.Cleaner{Roles: []string{"hello-world"}})
	if err := w.SetCondition(w.scene.TargetIDs[0], "Unavailable"); err != nil {
		t.Fatal(err)
	}
	run := must[*runbooks.RunbookRunResponseV1](t)(runbooks.RunbookRunV1(c, command))
	w.Advance(time.Minute)
	task := w.get("/api/tasks/" + run.RunbookRunServerTasks[0].ServerTaskID)
	if task["State"] != "Success" || task["Name"] != "RunbookRun" {
		t.Errorf("expected a successful run, got %v", task)
	}
	if left := w.Machines(); len(left) != 1 || left[0].ID != w.scene.TargetIDs[1] {
		t.Errorf("expected the runbook to delete the target that does not answer, got %+v", left)
	}
}

func TestOfficialClientWithTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Tenant: "Acme"})
	c := w.client("Spaces-1")
	if all := must[[]*tenants.Tenant](t)(tenants.GetAll(c, "Spaces-1")); len(all) != 1 || all[0].Name != "Acme" {
		t.Fatalf("expected one tenant, got %+v", all)
	}
	command := deployments.NewCreateDeploymentTenantedCommandV1("Spaces-1", "Hello World")
	command.ReleaseVersion, command.EnvironmentName, command.Tenants = "0.0.1", "Development", []string{"acme"}
	must[*deployments.CreateDeploymentResponseV1](t)(deployments.CreateDeploymentTenantedV1(c, command))
	w.Advance(time.Minute)
	if got := w.Deployments("Hello World")[1]; got.State != "Success" || got.TenantID != w.scene.TenantID || len(got.DeployedToMachineIDs) != 2 {
		t.Errorf("expected a deployment for the tenant, got %+v", got)
	}
}

func TestOfficialClientUnderABasePath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{BasePath: "/octopus"}, simulator.HelloWorldOptions{})
	c := w.client("Spaces-1")
	project, err := c.Projects.GetByID(w.scene.ProjectID) //nolint:staticcheck // the older way goes through the links, which is what is tested
	if err != nil || project.Links["Self"] != "/octopus/api/Spaces-1/projects/"+w.scene.ProjectID {
		t.Errorf("expected links with the base path, got %+v (%v)", project, err)
	}
	if project, err := projects.GetByID(c, "Spaces-1", w.scene.ProjectID); err != nil || project.Name != "Hello World" {
		t.Errorf("expected the project, got %+v (%v)", project, err)
	}
}
