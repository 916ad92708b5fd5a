package simulator_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"regrow/internal/simulator"
)

func (w *world) project() string { return "/api/Spaces-1/projects/" + w.scene.ProjectID }

func (w *world) upload(name string) {
	w.t.Helper()
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	part, err := writer.CreateFormFile("file", name)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := part.Write([]byte("content")); err != nil {
		w.t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		w.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/api/Spaces-1/packages/raw", &form)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("X-Octopus-ApiKey", w.key)
	request.Header.Set("Content-Type", writer.FormDataContentType())
	response, err := w.http.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusCreated {
		w.t.Fatalf("uploading %s: expected status 201, got %d", name, response.StatusCode)
	}
}

// A process with a package: releases need its version, the executions API finds one.
func TestReleaseWithPackage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	process := w.get(w.project() + "/deploymentprocesses")
	action := process["Steps"].([]any)[0].(object)["Actions"].([]any)[0].(object)
	action["Packages"] = []object{{"Id": "p", "Name": "", "PackageId": "Acme.Web", "FeedId": "feeds-builtin"}}
	w.call(http.MethodPut, w.project()+"/deploymentprocesses", process, 200)

	template := w.get(w.project() + "/deploymentprocesses/template")
	if template["NextVersionIncrement"] != "0.0.2" || template["LastReleaseVersion"] != "0.0.1" || len(template["Packages"].([]any)) != 1 {
		t.Errorf("expected the next version and one package, got %v", template)
	}
	w.get("/api/Spaces-1/deploymentprocesses/deploymentprocess-" + w.scene.ProjectID + "/template")
	release := func(more object, status int) object {
		t.Helper()
		body := object{"spaceId": "Spaces-1", "projectName": "hello world"}
		for key, value := range more {
			body[key] = value
		}
		return w.call(http.MethodPost, "/api/Spaces-1/releases/create/v1", body, status)
	}
	release(nil, 400) // the feed is empty
	w.call(http.MethodPost, "/api/Spaces-1/releases", object{"ProjectId": w.scene.ProjectID, "Version": "7"}, 400)
	w.upload("Acme.Web.1.0.0.zip")
	w.upload("Acme.Web.1.1.0.zip")
	for wish, version := range map[string]string{"": "1.1.0", "Run script:1.0.0": "1.0.0", "Acme.Web:2.0.0": "2.0.0", "*:3.0.0": "3.0.0", "Run script:Acme.Web:4.0.0": "4.0.0"} {
		more := object{"packages": []string{wish}}
		if wish == "" {
			more = nil
		}
		id := release(more, 201)["ReleaseId"].(string)
		selected := w.get("/api/Spaces-1/releases/" + id)["SelectedPackages"].([]any)[0].(object)
		if selected["Version"] != version {
			t.Errorf("expected package version %s for %q, got %v", version, wish, selected)
		}
	}
	if got := release(object{"packageVersion": "5.0.0", "channelName": "default", "releaseVersion": "3.1-beta"}, 201); got["ReleaseVersion"] != "3.1-beta" {
		t.Errorf("expected the version that was asked for, got %v", got)
	}
	if got := release(nil, 201); got["ReleaseVersion"] != "3.1.1" {
		t.Errorf("expected the version after 3.1-beta, got %v", got)
	}
	release(object{"channelName": "nonsense"}, 400)
	release(object{"projectName": "nonsense"}, 404)

	versions := w.get("/api/Spaces-1/feeds/feeds-builtin/packages/versions?packageId=acme.web")
	if versions["TotalResults"] != 2.0 || versions["Items"].([]any)[0].(object)["Version"] != "1.1.0" {
		t.Errorf("expected two versions, the newest first, got %v", versions)
	}
	if latest := w.get("/api/Spaces-1/packages?latest=true"); latest["TotalResults"] != 1.0 {
		t.Errorf("expected one latest package, got %v", latest)
	}
	if _, data, err := w.send(http.MethodGet, "/api/Spaces-1/packages/packages-Acme.Web.1.0.0/raw", nil); err != nil || string(data) != "content" {
		t.Errorf("expected the package's content, got %q (%v)", data, err)
	}
	w.call(http.MethodDelete, "/api/Spaces-1/packages/packages-Acme.Web.1.0.0", nil, 200)
	w.call(http.MethodDelete, "/api/Spaces-1/packages/bulk?ids=packages-Acme.Web.1.1.0", nil, 200)
	if stats := w.get("/api/Spaces-1/feeds/stats"); stats["TotalPackages"] != 0.0 {
		t.Errorf("expected an empty feed, got %v", stats)
	}
	w.call(http.MethodPost, "/api/Spaces-1/packages/raw", object{}, 400)
}

func TestViewsOfARelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	release := "/api/Spaces-1/releases/" + w.scene.ReleaseID
	if promote := w.get(release + "/deployments/template")["PromoteTo"].([]any); len(promote) != 1 {
		t.Errorf("expected one environment to promote to, got %v", promote)
	}
	steps := w.get(release + "/deployments/preview/" + w.scene.EnvironmentID)["StepsToExecute"].([]any)
	if machines := steps[0].(object)["Machines"].([]any); len(machines) != 2 {
		t.Errorf("expected both targets in the preview, got %v", machines)
	}
	w.get(release + "/progression")
	channel := w.get(w.project() + "/channels")["Items"].([]any)[0].(object)["Id"].(string)
	if got := w.get("/api/Spaces-1/channels/" + channel + "/releases"); got["TotalResults"] != 1.0 {
		t.Errorf("expected one release in the channel, got %v", got)
	}
	if got := w.get(w.project() + "/summary"); got["HasBeenSuccessfullyDeployed"] != true || got["HasDeploymentProcess"] != true || got["HasRunbooks"] != false {
		t.Errorf("expected a deployed project with a process, got %v", got)
	}
	settings := w.get(w.project() + "/deploymentsettings")
	settings["ConnectivityPolicy"].(object)["SkipMachineBehavior"] = "None"
	w.call(http.MethodPut, w.project()+"/deploymentsettings", settings, 200)
	if got := w.get(w.project())["ProjectConnectivityPolicy"].(object)["SkipMachineBehavior"]; got != "None" {
		t.Errorf("expected the settings to reach the project, got %v", got)
	}
	w.call(http.MethodDelete, "/api/Spaces-1/channels/"+channel, nil, 400)
	second := w.call(http.MethodPost, "/api/Spaces-1/channels", object{"ProjectId": w.scene.ProjectID, "Name": "Hotfix"}, 201)["Id"].(string)
	w.call(http.MethodPost, "/api/Spaces-1/channels", object{"ProjectId": w.scene.ProjectID, "Name": "Hotfix"}, 400)
	w.call(http.MethodPost, "/api/Spaces-1/channels", object{"Name": "Hotfix"}, 400)
	w.call(http.MethodPost, "/api/Spaces-1/releases", object{"ProjectId": w.scene.ProjectID, "Version": "8", "ChannelId": "Channels-99"}, 400)
	w.call(http.MethodPost, "/api/Spaces-1/releases", object{"ProjectId": w.scene.ProjectID, "Version": "8", "ChannelId": second}, 201)
}

func TestDeletions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	w.call(http.MethodDelete, "/api/Spaces-1/projectgroups/"+w.scene.ProjectGroupID, nil, 400)
	w.call(http.MethodDelete, "/api/Spaces-1/lifecycles/"+w.scene.LifecycleID, nil, 400)
	w.call(http.MethodDelete, "/api/Spaces-1/machinepolicies/"+w.scene.PolicyID, nil, 400)
	w.call(http.MethodDelete, "/api/Spaces-1/variables/variableset-"+w.scene.ProjectID, nil, 405)
	w.call(http.MethodDelete, "/api/Spaces-1/deploymentprocesses/deploymentprocess-"+w.scene.ProjectID, nil, 405)
	next := w.release(w.scene.ProjectID, "0.0.2")
	deployment := w.deploy(next, nil)
	w.Advance(2 * time.Second)
	w.call(http.MethodDelete, "/api/Spaces-1/deployments/"+deployment, nil, 400)
	w.call(http.MethodPut, "/api/Spaces-1/deployments/"+deployment, object{}, 405)
	w.call(http.MethodDelete, "/api/Spaces-1/releases/"+next, nil, 400)
	w.call(http.MethodDelete, w.project(), nil, 400)
	w.Advance(time.Minute)

	// Without its newest success, the lane falls back to the one before.
	w.call(http.MethodDelete, "/api/Spaces-1/deployments/"+deployment, nil, 200)
	w.turnover("0.0.1")
	w.until(5*time.Minute, "the new targets run the older release", func() bool {
		return len(w.machines(true)) == 2 && w.allRun(w.machines(true), w.scene.ReleaseID)
	})
	waiting := w.deploy(next, nil)
	task := w.get("/api/Spaces-1/deployments/" + waiting)["TaskId"].(string)
	w.call(http.MethodDelete, w.project(), nil, 200)
	w.call(http.MethodGet, "/api/Spaces-1/releases/"+next, nil, 404)
	if got := w.get("/api/tasks/" + task); got["State"] != "Canceled" {
		t.Errorf("expected the waiting task to be canceled with its project, got %v", got["State"])
	}
	w.Advance(10 * time.Minute)
}

func TestChangesOfATarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	id := w.scene.TargetIDs[0]
	path := "/api/Spaces-1/machines/" + id
	change := func(field string, value any) {
		t.Helper()
		target := w.get(path)
		target[field] = value
		w.call(http.MethodPut, path, target, 200)
	}
	change("IsDisabled", true)
	if got := w.get("/api/Spaces-1/machines?isDisabled=true"); got["TotalResults"] != 1.0 {
		t.Errorf("expected one disabled target, got %v", got)
	}
	w.deploy(w.scene.ReleaseID, nil)
	w.Advance(time.Minute)
	if got := w.Deployments("Hello World")[1].DeployedToMachineIDs; !slices.Equal(got, w.scene.TargetIDs[1:]) {
		t.Errorf("expected the deployment to leave out the disabled target, got %v", got)
	}
	change("IsDisabled", false)
	change("Roles", []string{"hello-world", "extra"})
	want := []string{"MachineAdded", "MachineDisabled", "MachineEnabled", "MachineDeploymentRelatedPropertyWasUpdated"}
	if got := w.categoriesOf(id); !slices.Equal(got, want) {
		t.Errorf("expected %v, got %v", want, got)
	}
	if _, data, err := w.send(http.MethodGet, "/api/Spaces-1/machineroles/all", nil); err != nil || string(data) != `["hello-world","extra"]` {
		t.Errorf("expected both roles, got %s (%v)", data, err)
	}
	if got := w.get("/api/Spaces-1/environments/" + w.scene.EnvironmentID + "/machines?roles=extra"); got["TotalResults"] != 1.0 {
		t.Errorf("expected one target with the new role, got %v", got)
	}
	if got := w.get(path + "/connection"); got["Status"] != "Online" {
		t.Errorf("expected an online target, got %v", got)
	}
	discovered := w.get("/api/Spaces-1/machines/discover?host=web.example&port=10933")
	discovered["EnvironmentIds"], discovered["Roles"] = []string{w.scene.EnvironmentID}, []string{"x"}
	w.call(http.MethodPost, "/api/Spaces-1/machines/v1", discovered, 201)
	w.call(http.MethodGet, "/api/Spaces-1/machines/discover", nil, 400)
	cloud := w.call(http.MethodPost, "/api/Spaces-1/machines", object{"Name": "cloud", "EnvironmentIds": []string{w.scene.EnvironmentID}, "Roles": []string{"x"},
		"Endpoint": object{"CommunicationStyle": "None"}}, 201)
	if cloud["HealthStatus"] != "Healthy" {
		t.Errorf("expected a cloud region to be healthy at once, got %v", cloud["HealthStatus"])
	}
	template := w.get("/api/Spaces-1/machinepolicies/template")
	if template["MachineHealthCheckPolicy"].(object)["HealthCheckInterval"] != "1.00:00:00" {
		t.Errorf("expected the default policy, got %v", template)
	}
}

// A policy whose interval changes is checked by the new one.
func TestPolicyWithAnotherInterval(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	path := "/api/Spaces-1/machinepolicies/" + w.scene.PolicyID
	policy := w.get(path)
	policy["MachineHealthCheckPolicy"].(object)["HealthCheckInterval"] = "1.00:00:00"
	w.call(http.MethodPut, path, policy, 200)
	w.Advance(23 * time.Hour)
	if got := w.get("/api/tasks?name=Health"); got["TotalResults"] != 0.0 {
		t.Errorf("expected no check within a day, got %v", got["TotalResults"])
	}
	w.Advance(2 * time.Hour)
	if got := w.get("/api/tasks?name=Health"); got["TotalResults"] != 1.0 {
		t.Errorf("expected one check after a day, got %v", got["TotalResults"])
	}
}

func TestQueueing(t *testing.T) {
	t.Parallel()
	t.Run("a later time", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
		w.deploy(w.scene.ReleaseID, object{"QueueTime": w.Now().Add(10 * time.Minute)})
		w.Advance(9 * time.Minute)
		if got := w.Deployments("Hello World")[1]; got.State != "Queued" {
			t.Errorf("expected the deployment to wait, got %s", got.State)
		}
		w.Advance(2 * time.Minute)
		if got := w.Deployments("Hello World")[1]; got.State != "Success" {
			t.Errorf("expected the deployment to have run, got %s", got.State)
		}
	})
	t.Run("expiry", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{Switches: simulator.Switches{DeploymentDuration: time.Hour}}, simulator.HelloWorldOptions{})
		w.deploy(w.scene.ReleaseID, nil)
		w.deploy(w.scene.ReleaseID, object{"QueueTimeExpiry": w.Now().Add(time.Minute)})
		w.Advance(2 * time.Minute)
		if got := w.Deployments("Hello World")[2]; got.State != "TimedOut" {
			t.Errorf("expected the queued deployment to expire, got %s", got.State)
		}
	})
	t.Run("task cap", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{Switches: simulator.Switches{TaskCap: 1, DeploymentPerTarget: time.Minute}}, simulator.HelloWorldOptions{})
		w.deploy(w.scene.ReleaseID, nil)
		w.turnover("0.0.1")
		w.Advance(30 * time.Second)
		if got := w.get("/api/tasks?running=true"); got["TotalResults"] != 1.0 {
			t.Errorf("expected one task to run at a time, got %v", got["TotalResults"])
		}
		if counts := w.get("/api/tasks")["TotalCounts"].(object); counts["Queued"] != 1.0 || counts["Executing"] != 1.0 {
			t.Errorf("expected one queued and one executing task, got %v", counts)
		}
	})
	t.Run("cancelled before it starts", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
		w.deploy(w.scene.ReleaseID, nil)
		task := w.Deployments("Hello World")[1].TaskID
		if got := w.call(http.MethodPost, "/api/tasks/"+task+"/cancel", nil, 200); got["State"] != "Canceled" {
			t.Errorf("expected a queued task to be Canceled at once, got %v", got["State"])
		}
		w.call(http.MethodPost, "/api/tasks/"+task+"/state", object{"state": "Success", "reason": "by hand"}, 200)
		w.call(http.MethodPost, "/api/tasks/"+task+"/state", object{"state": "Queued"}, 400)
		w.call(http.MethodPost, "/api/tasks/rerun/"+task, nil, 400)
	})
}

func TestSpaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	w.call(http.MethodPost, "/api/spaces", object{"Name": "Second"}, 400)
	id := w.call(http.MethodPost, "/api/spaces", object{"Name": "Second", "SpaceManagersTeamMembers": []string{"Users-1"}}, 201)["Id"].(string)
	if got := w.get("/api/" + id + "/machines"); got["TotalResults"] != 0.0 {
		t.Errorf("expected an empty space, got %v", got)
	}
	if got := w.get("/api/" + id + "/lifecycles"); got["TotalResults"] != 1.0 {
		t.Errorf("expected the default lifecycle, got %v", got)
	}
	w.call(http.MethodGet, "/api/"+id+"/projects/"+w.scene.ProjectID, nil, 404)
	environment := w.call(http.MethodPost, "/api/"+id+"/environments", object{"Name": "Development", "SpaceId": ""}, 201)
	if environment["SpaceId"] != id {
		t.Errorf("expected the route's space, got %v", environment["SpaceId"])
	}
	if root := w.get("/api/" + id); root["Version"] != nil || !strings.HasPrefix(root["Links"].(object)["Projects"].(string), "/api/"+id+"/projects") {
		t.Errorf("expected links and nothing else, got %v", root)
	}
	if _, data, err := w.send(http.MethodGet, "/api/spaces/Spaces-1/search?keyword=hello", nil); err != nil || strings.Count(string(data), `"Id"`) != 4 {
		t.Errorf("expected two projects and two targets, got %s (%v)", data, err)
	}
	w.call(http.MethodDelete, "/api/spaces/"+id, nil, 400)
	space := w.get("/api/spaces/" + id)
	space["TaskQueueStopped"] = true
	w.call(http.MethodPut, "/api/spaces/"+id, space, 200)
	w.call(http.MethodDelete, "/api/spaces/"+id, nil, 200)
	w.call(http.MethodGet, "/api/"+id, nil, 404)
}

func TestStoppedTaskQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	space := w.get("/api/spaces/Spaces-1")
	space["TaskQueueStopped"] = true
	w.call(http.MethodPut, "/api/spaces/Spaces-1", space, 200)
	w.deploy(w.scene.ReleaseID, nil)
	w.Advance(time.Minute)
	if got := w.Deployments("Hello World")[1].State; got != "Queued" {
		t.Errorf("expected the deployment to stay Queued while the queue is stopped, got %s", got)
	}
	space["TaskQueueStopped"] = false
	w.call(http.MethodPut, "/api/spaces/Spaces-1", space, 200)
	w.deploy(w.scene.ReleaseID, nil)
	w.Advance(time.Minute)
	for _, d := range w.Deployments("Hello World") {
		if d.State != "Success" {
			t.Errorf("expected the queue to go on, got %+v", d)
		}
	}
}

func TestAutomaticEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	path := "/api/Spaces-1/lifecycles/" + w.scene.LifecycleID
	lifecycle := w.get(path)
	lifecycle["Phases"] = []object{{"Name": "Dev", "AutomaticDeploymentTargets": []string{w.scene.EnvironmentID}}}
	w.call(http.MethodPut, path, lifecycle, 200)
	w.release(w.scene.ProjectID, "0.0.2")
	w.Advance(time.Minute)
	if got := w.Deployments("Hello World"); len(got) != 2 || got[1].State != "Success" || got[1].Version != "0.0.2" {
		t.Errorf("expected the new release to be deployed by itself, got %+v", got)
	}
	if w.call(http.MethodGet, path+"/preview", nil, 200)["Id"] != w.scene.LifecycleID {
		t.Error("expected a preview of the lifecycle")
	}
}

func TestSwitchedAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{Switches: simulator.Switches{NotFoundWithErrors: true, EchoWebhookSecret: true, PutConflictProbability: 1, PutConflictStatus: 400}},
		simulator.HelloWorldOptions{SubscriptionURL: "http://127.0.0.1:9/", SubscriptionSecret: "hush"})
	if body := w.call(http.MethodGet, "/api/Spaces-1/projects/Projects-99", nil, 404); body["Errors"] == nil {
		t.Errorf("expected Errors in the 404, got %v", body)
	}
	subscription := w.get("/api/Spaces-1/subscriptions/" + w.scene.SubscriptionID)
	if got := subscription["EventNotificationSubscription"].(object)["WebhookHeaderValue"]; got != "hush" {
		t.Errorf("expected the secret to be echoed, got %v", got)
	}
	w.call(http.MethodPut, w.project(), w.get(w.project()), 400)
	limited := newServer(t, simulator.Options{Switches: simulator.Switches{RateLimitPerMinute: 1, RateLimitEmptyBody: true}})
	limited.get("/api/Spaces-1/machines")
	if response, data, err := limited.send(http.MethodGet, "/api/Spaces-1/machines", nil); err != nil || response.StatusCode != 429 || len(data) != 0 {
		t.Errorf("expected 429 without a body, got %v %q (%v)", response, data, err)
	}
	limited.get("/simulator/state") // spared
}

func TestLookupLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	for path, text := range map[string]string{
		"/api/events/categories":                                        "MachineHealthy",
		"/api/events/groups":                                            "MachineAvailableForDeployment",
		"/api/events/agents":                                            "Server",
		"/api/events/documenttypes":                                     "Machines",
		"/api/tasks/tasktypes":                                          "RunbookRun",
		"/api/Spaces-1/machines/operatingsystem/names/all":              "Ubuntu",
		"/api/Spaces-1/machines/operatingsystem/shells/all":             "Bash",
		"/api/Spaces-1/projects/all":                                    "Hello World Infrastructure",
		"/api/Spaces-1/lifecycles/" + w.scene.LifecycleID + "/projects": "Hello World",
		"/api/users/Users-1/spaces":                                     "Spaces-1",
		"/api/serverstatus":                                             "IsInMaintenanceMode",
	} {
		response, data, err := w.send(http.MethodGet, path, nil)
		if err != nil || response.StatusCode != 200 || !strings.Contains(string(data), text) {
			t.Errorf("expected %q at %s, got %s (%v)", text, path, data, err)
		}
	}
}

func TestScenesShareAProjectUnderOtherRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	other, err := w.HelloWorld(simulator.HelloWorldOptions{Environment: "Staging", InfrastructureProject: "Other", Role: "blue", Tenant: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	got := w.Deployments("Hello World")
	if len(got) != 2 || !slices.Equal(got[1].DeployedToMachineIDs, other.TargetIDs) || got[1].ReleaseID != w.scene.ReleaseID {
		t.Errorf("expected the shared release on the targets of the other role, got %+v", got)
	}
}
