package simulator_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/projects"

	"regrow/internal/simulator"
)

func TestSpellingsOfAPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{BasePath: "octopus"}, simulator.HelloWorldOptions{})
	w.url = strings.TrimSuffix(w.url, "octopus") + "/octopus"
	id := w.scene.ProjectID
	for _, path := range []string{
		"/api/Spaces-1/projects/" + id, "/api/Spaces-1/projects/" + id + "/", "/api/spaces/Spaces-1/projects/" + id, "/api/projects/" + id,
		"/API/SPACES-1/Projects/" + strings.ToUpper(id), "/api/Spaces-1/projects/hello-world",
	} {
		if got := w.get(path); got["Id"] != id {
			t.Errorf("expected %s at %s, got %v", id, path, got["Id"])
		}
	}
	for _, path := range []string{"/api/Spaces-1/projects/Hello%20World", "/api/Spaces-2/projects/" + id, "/api/Spaces-1/nonsense", "/api/Spaces-1/projects/Projects-77"} {
		body := w.call(http.MethodGet, path, nil, 404)
		if _, has := body["Errors"]; has || body["ErrorMessage"] == "" {
			t.Errorf("expected a message and no Errors at %s, got %v", path, body)
		}
	}
	if body := w.call(http.MethodGet, "/api/Spaces-1/projects/Projects-77", nil, 404); body["ErrorMessage"] != "The resource 'Projects-77' was not found." {
		t.Errorf("expected the id as it was sent, got %v", body)
	}
	w.call(http.MethodDelete, "/api/Spaces-1/tasks/ServerTasks-1", nil, 405)
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	w := newServer(t, simulator.Options{APIKey: "API-ADMIN", ReadOnlyAPIKey: "API-AUDIT"})
	w.get("/api/users/me")
	w.key = "API-WRONG"
	w.get("/api")
	if body := w.call(http.MethodGet, "/api/Spaces-1/projects", nil, 401); !strings.HasPrefix(body["ErrorMessage"].(string), "You must be logged in") {
		t.Errorf("expected to be asked to log in, got %v", body)
	}
	w.call(http.MethodGet, "/api/Spaces-1", nil, 401)
	w.call(http.MethodGet, "/simulator/state", nil, 401)
	w.key = "API-AUDIT"
	w.get("/api/Spaces-1/projects")
	if body := w.call(http.MethodPost, "/api/Spaces-1/releases", object{}, 403); !strings.Contains(body["ErrorMessage"].(string), "ReleaseCreate") {
		t.Errorf("expected the missing permission to be named, got %v", body)
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	target := w.get("/api/Spaces-1/machines/" + w.scene.TargetIDs[0])
	with := func(changes object) object {
		changed := object{}
		for _, fields := range []object{target, changes} {
			for key, value := range fields {
				changed[key] = value
			}
		}
		return changed
	}
	for name, test := range map[string]struct {
		path string
		body any
		text string
	}{
		"duplicate release":         {"releases", object{"ProjectId": w.scene.ProjectID, "Version": " 0.0.1 "}, "Release '0.0.1' already exists for this project."},
		"release without version":   {"releases", object{"ProjectId": w.scene.ProjectID}, "version is required"},
		"endless version":           {"releases", object{"ProjectId": w.scene.ProjectID, "Version": strings.Repeat("1", 350)}, "349"},
		"release without project":   {"releases", object{"Version": "1"}, "ProjectId"},
		"duplicate environment":     {"environments", object{"Name": "development"}, "already exists"},
		"environment without name":  {"environments", object{}, "name is required"},
		"duplicate target":          {"machines", target, "already exists"},
		"target without role":       {"machines", with(object{"Name": "x", "Roles": []string{}}), "role"},
		"target without env":        {"machines", with(object{"Name": "x", "EnvironmentIds": []string{}}), "environment"},
		"target of unknown policy":  {"machines", with(object{"Name": "x", "MachinePolicyId": "MachinePolicies-9"}), "policy"},
		"deployment of nothing":     {"deployments", object{"EnvironmentId": w.scene.EnvironmentID}, "ReleaseId"},
		"deployment to nowhere":     {"deployments", object{"ReleaseId": w.scene.ReleaseID}, "EnvironmentId"},
		"deployment to no machine":  {"deployments", object{"ReleaseId": w.scene.ReleaseID, "EnvironmentId": w.scene.EnvironmentID, "SpecificMachineIds": []string{"Machines-99"}}, "Machines-99"},
		"untenanted project":        {"deployments", object{"ReleaseId": w.scene.ReleaseID, "EnvironmentId": w.scene.EnvironmentID, "TenantId": "Tenants-1"}, "TenantId"},
		"project without lifecycle": {"projects", object{"Name": "x", "ProjectGroupId": "ProjectGroups-1"}, "lifecycle"},
		"trigger on nothing":        {"projecttriggers", object{"Name": "x", "Filter": object{"FilterType": "MachineFilter"}}, "event group"},
		"bad time span":             {"machinepolicies", object{"Name": "x", "MachineHealthCheckPolicy": object{"HealthCheckInterval": "2m"}}, "time span"},
		"unknown task":              {"tasks", object{"Name": "Backup"}, "Backup"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := w.call(http.MethodPost, "/api/Spaces-1/"+test.path, test.body, 400)
			texts, err := json.Marshal(body["Errors"])
			if err != nil || !strings.Contains(string(texts), test.text) || body["ErrorMessage"] != "There was a problem with your request." {
				t.Errorf("expected an error about %q, got %v", test.text, body)
			}
		})
	}
	w.call(http.MethodDelete, "/api/Spaces-1/environments/"+w.scene.EnvironmentID, nil, 400)
	w.call(http.MethodDelete, "/api/Spaces-1/machinepolicies/MachinePolicies-1", nil, 400)
	if response, data, err := w.send(http.MethodPost, "/api/Spaces-1/releases", "no object"); err != nil || response.StatusCode != 400 {
		t.Errorf("expected a body that is no object to be refused, got %s (%v)", data, err)
	}
}

// A lifecycle without phases has one for each environment, in their order.
func TestLifecycleWithoutPhases(t *testing.T) {
	t.Parallel()
	for _, unchecked := range []bool{false, true} {
		w := newServer(t, simulator.Options{Switches: simulator.Switches{NoPromotionCheck: unchecked}})
		scene, err := w.HelloWorld(simulator.HelloWorldOptions{})
		if err != nil {
			t.Fatal(err)
		}
		production, err := w.AddEnvironment("Production")
		if err != nil {
			t.Fatal(err)
		}
		project := w.get("/api/Spaces-1/projects/" + scene.ProjectID)
		project["LifecycleId"] = "Lifecycles-1"
		w.call(http.MethodPut, "/api/Spaces-1/projects/"+scene.ProjectID, project, 200)
		release, err := w.AddRelease(scene.ProjectID, "3.0.0")
		if err != nil {
			t.Fatal(err)
		}
		deploy := func(environment string, status int) {
			t.Helper()
			w.call(http.MethodPost, "/api/Spaces-1/deployments", object{"ReleaseId": release, "EnvironmentId": environment}, status)
			w.Advance(time.Minute)
		}
		if !unchecked {
			deploy(production, 400)
			deploy(scene.EnvironmentID, 201)
		}
		deploy(production, 201)
	}
}

func TestLifecycleAndDefects(t *testing.T) {
	t.Parallel()
	w := newServer(t, simulator.Options{})
	ids := map[string]string{}
	add := func(name string, id string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = id
	}
	for _, name := range []string{"dev", "prod", "elsewhere"} {
		id, err := w.AddEnvironment(name)
		add(name, id, err)
	}
	id, err := w.AddLifecycle("Two phases", ids["dev"], ids["prod"])
	add("lifecycle", id, err)
	id, err = w.AddProject(simulator.ProjectOptions{Name: "P", LifecycleID: ids["lifecycle"], ProjectGroupID: "ProjectGroups-1"})
	add("project", id, err)
	id, err = w.AddRelease(ids["project"], "1.0.0")
	add("release", id, err)

	deploy := func(environment string, status int) {
		t.Helper()
		w.call(http.MethodPost, "/api/Spaces-1/deployments", object{"ReleaseId": ids["release"], "EnvironmentId": ids[environment]}, status)
		w.Advance(time.Minute)
	}
	deploy("elsewhere", 400)
	deploy("prod", 400)
	deploy("dev", 201)
	w.call(http.MethodPost, "/api/Spaces-1/releases/"+ids["release"]+"/defects", object{"Description": "bad"}, 201)
	deploy("prod", 400)
	w.call(http.MethodPost, "/api/Spaces-1/releases/"+ids["release"]+"/defects/resolve", nil, 200)
	deploy("prod", 201)
	progression := w.get("/api/Spaces-1/releases/" + ids["release"] + "/progression")
	for _, phase := range progression["Phases"].([]any) {
		if phase.(object)["Progress"] != "Complete" {
			t.Errorf("expected both phases to be complete, got %v", phase)
		}
	}
	lifecycle := w.get("/api/Spaces-1/lifecycles/" + ids["lifecycle"])
	lifecycle["Phases"] = append(lifecycle["Phases"].([]any), object{"Name": "Any Environments"})
	w.call(http.MethodPut, "/api/Spaces-1/lifecycles/"+ids["lifecycle"], lifecycle, 200)
	deploy("elsewhere", 201)
	dashboard := w.get("/api/Spaces-1/projects/" + ids["project"] + "/progression")
	row := dashboard["Releases"].([]any)[0].(object)
	if len(row["Deployments"].(object)) != 3 {
		t.Errorf("expected deployments in three environments, got %v", row["Deployments"])
	}
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	w.call(http.MethodPost, "/api/deploymentfreezes", object{"Name": "holidays", "Start": w.Now(), "End": w.Now().Add(time.Hour),
		"ProjectEnvironmentScope": object{w.scene.ProjectID: []string{w.scene.EnvironmentID}}}, 201)
	if list := w.get("/api/deploymentfreezes"); list["Count"] != 1.0 {
		t.Errorf("expected one freeze, got %v", list)
	}
	w.call(http.MethodPost, "/api/Spaces-1/deployments", object{"ReleaseId": w.scene.ReleaseID, "EnvironmentId": w.scene.EnvironmentID}, 400)
	w.turnover("0.0.1") // another project
	w.until(5*time.Minute, "the triggers, which no freeze stops, have deployed", func() bool {
		return len(w.machines(true)) == 2 && w.allRun(w.machines(true), w.scene.ReleaseID)
	})
	w.Advance(time.Hour)
	w.deploy(w.scene.ReleaseID, nil)
}

func TestInterruption(t *testing.T) {
	t.Parallel()
	for result, state := range map[string]string{"Proceed": "Success", "Abort": "Failed"} {
		t.Run(result, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
			path := "/api/Spaces-1/projects/" + w.scene.ProjectID + "/deploymentprocesses"
			process := w.get(path)
			process["Steps"] = append(process["Steps"].([]any), object{"Name": "Approve", "Actions": []object{{"Name": "Approve", "ActionType": "Octopus.Manual", "Properties": object{}}}})
			w.call(http.MethodPut, path, process, 200)
			w.deploy(w.release(w.scene.ProjectID, "0.0.2"), nil)
			w.Advance(time.Hour)
			deployment := w.Deployments("Hello World")[1]
			if task := w.get("/api/tasks/" + deployment.TaskID); task["State"] != "Executing" || task["HasPendingInterruptions"] != true {
				t.Fatalf("expected the task to wait for a person, got %v", task)
			}
			pending := w.get("/api/Spaces-1/interruptions?pendingOnly=true&regarding=" + deployment.TaskID)["Items"].([]any)
			links := pending[0].(object)["Links"].(object)
			answer := object{"Instructions": nil, "Notes": "ok", "Result": result}
			w.call(http.MethodPost, links["Submit"].(string), answer, 400)
			w.call(http.MethodPut, links["Responsible"].(string), nil, 200)
			w.call(http.MethodPost, links["Submit"].(string), answer, 200)
			w.Advance(time.Minute)
			if got := w.Deployments("Hello World")[1]; got.State != state {
				t.Errorf("expected %s, got %+v", state, got)
			}
		})
	}
}

func TestPagesAndFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Targets: 5})
	seen := map[any]bool{}
	pages := 0
	for path := "/api/Spaces-1/machines?take=2&roles=hello-world"; path != ""; pages++ {
		page := w.get(path)
		for _, item := range page["Items"].([]any) {
			seen[item.(object)["Id"]] = true
		}
		path, _ = page["Links"].(object)["Page.Next"].(string)
		if path != "" && !strings.Contains(path, "roles=hello-world") {
			t.Fatalf("expected the filter in the next page's address, got %s", path)
		}
	}
	if len(seen) != 5 || pages != 3 {
		t.Errorf("expected 5 machines on 3 pages, got %d on %d", len(seen), pages)
	}
	for query, total := range map[string]float64{
		"machines?environmentIds=" + w.scene.EnvironmentID: 5,
		"machines?healthStatuses=Unavailable,Unknown":      0,
		"machines?deploymentId=" + w.scene.DeploymentID:    5,
		"machines?ids=Machines-1%2CMachines-2":             2,
		"machines?ids=Machines-1&ids=Machines-3":           2,
		"machines?partialName=OLD-3":                       1,
		"machines?isDisabled=true":                         0,
		"machines?take=2147483647":                         5,
		"machines?take=0":                                  5,
		"machines/Machines-1/tasks?type=Deploy":            1,
		"projects?name=hello+world":                        1,
		"deployments?projects=" + w.scene.ProjectID:        1,
		"deployments?taskState=Queued":                     0,
		"tasks?name=Deploy&states=Success,Failed":          1,
		"tasks?ids=":                                            1,
		"tasks?active=true":                                     0,
		"events?eventCategories=MachineAdded":                   5,
		"events?eventGroups=Machine&regarding=Machines-2":       1,
		"events?from=2030-01-01T00%3A00%3A00Z":                  0,
		"events?fromAutoId=999999":                              0,
		"events?documentTypes=Deployments":                      3,
		"releases/" + w.scene.ReleaseID + "/deployments":        1,
		"projects/" + w.scene.ProjectID + "/releases":           1,
		"projects/" + w.scene.ProjectID + "/triggers":           1,
		"projects/" + w.scene.ProjectID + "/channels":           1,
		"projectgroups/" + w.scene.ProjectGroupID + "/projects": 2,
	} {
		if got := w.get("/api/Spaces-1/" + query); got["TotalResults"] != total {
			t.Errorf("expected %v results of %s, got %v", total, query, got["TotalResults"])
		}
	}
	for _, item := range w.get("/api/events")["Items"].([]any) {
		if _, has := item.(object)["AutoId"]; has {
			t.Fatal("expected events to keep their AutoId to themselves")
		}
	}
}

func TestRequestFaults(t *testing.T) {
	t.Parallel()
	machines := "/api/Spaces-1/machines"
	arm := func(t *testing.T, fault simulator.Fault) *world {
		t.Helper()
		w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
		if _, err := w.Faults().Add(fault); err != nil {
			t.Fatal(err)
		}
		return w
	}
	t.Run("status and Retry-After, once", func(t *testing.T) {
		t.Parallel()
		w := arm(t, simulator.Fault{Method: "get", PathPattern: "/machines$", Times: 1, Status: 503, RetryAfter: "7"})
		response, data, err := w.send(http.MethodGet, machines, nil)
		if err != nil || response.StatusCode != 503 || response.Header.Get("Retry-After") != "7" || !strings.Contains(string(data), "ErrorMessage") {
			t.Errorf("expected 503 with Retry-After and a message, got %v %s (%v)", response, data, err)
		}
		w.get(machines)
	})
	t.Run("empty body reads as success to the official client", func(t *testing.T) {
		t.Parallel()
		w := arm(t, simulator.Fault{PathPattern: "/projects/", Times: 1, Status: 429, EmptyBody: true})
		project, err := projects.GetByID(w.client("Spaces-1"), "Spaces-1", w.scene.ProjectID)
		if err != nil || project.ID != "" {
			t.Errorf("expected an empty project and no error, which is the client's flaw; got %+v (%v)", project, err)
		}
	})
	t.Run("page of a proxy", func(t *testing.T) {
		t.Parallel()
		w := arm(t, simulator.Fault{Status: 502, Body: "<html>Bad gateway</html>"})
		response, data, err := w.send(http.MethodGet, machines, nil)
		if err != nil || response.StatusCode != 502 || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
			t.Errorf("expected a page of HTML, got %v %s (%v)", response, data, err)
		}
	})
	release := func(w *world) (*http.Response, error) {
		response, _, err := w.send(http.MethodPost, "/api/Spaces-1/releases", object{"ProjectId": w.scene.ProjectID, "Version": "9.9.9"})
		return response, err
	}
	for name, test := range map[string]struct {
		fault   simulator.Fault
		effects int
		status  int // 0: the connection breaks
	}{
		"dropped before the effect":   {simulator.Fault{Method: "POST", DropBefore: true}, 1, 0},
		"dropped after the effect":    {simulator.Fault{Method: "POST", DropAfter: true}, 2, 0},
		"failed after the effect":     {simulator.Fault{Method: "POST", DropAfter: true, Status: 500}, 2, 500},
		"half an answer":              {simulator.Fault{Method: "POST", Truncate: true}, 2, 0},
		"late, but good":              {simulator.Fault{Method: "POST", Delay: time.Millisecond}, 2, 201},
		"of another method":           {simulator.Fault{Method: "PUT", DropBefore: true}, 2, 201},
		"of another path":             {simulator.Fault{PathPattern: "/deployments", DropBefore: true}, 2, 201},
		"as good as never":            {simulator.Fault{Probability: 1e-12, DropBefore: true}, 2, 201},
		"never by itself, always set": {simulator.Fault{Method: "POST", Probability: 1, Status: 400}, 1, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := arm(t, test.fault)
			response, err := release(w)
			if test.status == 0 && err == nil || test.status != 0 && (err != nil || response.StatusCode != test.status) {
				t.Errorf("expected status %d, got %v (%v)", test.status, response, err)
			}
			if got := len(w.Releases("Hello World")); got != test.effects {
				t.Errorf("expected %d releases, got %d", test.effects, got)
			}
		})
	}
	for name, status := range map[string]int{"broken off, and then done": 0, "given up by a proxy, and then done": 504} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := arm(t, simulator.Fault{Method: "POST", Status: status, Late: 300 * time.Millisecond})
			response, err := release(w)
			if status == 0 && err == nil || status != 0 && (err != nil || response.StatusCode != status) {
				t.Errorf("expected status %d, got %v (%v)", status, response, err)
			}
			if got := len(w.Releases("Hello World")); got != 1 {
				t.Errorf("expected the effect to be late, got %d releases", got)
			}
			look := time.NewTicker(20 * time.Millisecond)
			defer look.Stop()
			for deadline := time.After(10 * time.Second); len(w.Releases("Hello World")) < 2; {
				select {
				case <-look.C:
				case <-deadline:
					t.Fatal("expected the effect in the end")
				}
			}
		})
	}
	// The server of the test ends only when nobody is being answered any more.
	for method, body := range map[string]string{http.MethodGet: "", http.MethodPost: `{"Name":"x"}`} {
		t.Run("client that gives up a "+method, func(t *testing.T) {
			t.Parallel()
			w := arm(t, simulator.Fault{Delay: time.Hour})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, method, w.url+machines, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.http.Do(request); err == nil {
				t.Error("expected the request to be given up")
			}
		})
	}
}

func TestFaultsAreChecked(t *testing.T) {
	t.Parallel()
	faults := newServer(t, simulator.Options{}).Faults()
	if _, err := faults.Add(simulator.Fault{PathPattern: "("}); err == nil {
		t.Error("expected a bad pattern to be refused")
	}
	if _, err := faults.Arm(simulator.BehaviourFault{Behaviour: "nonsense"}); err == nil {
		t.Error("expected an unknown behaviour to be refused")
	}
	if _, err := faults.Disturb(simulator.DeliveryFault{Action: "nonsense"}); err == nil {
		t.Error("expected an unknown action to be refused")
	}
	id, err := faults.Add(simulator.Fault{Status: 500})
	if err != nil || !faults.Remove(id) || faults.Remove(id) {
		t.Errorf("expected to remove the fault once (%v)", err)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	w := newServer(t, simulator.Options{Switches: simulator.Switches{RateLimitPerMinute: 3}})
	for range 3 {
		w.get("/api/Spaces-1/machines")
	}
	response, _, err := w.send(http.MethodGet, "/api/Spaces-1/machines", nil)
	if err != nil || response.StatusCode != 429 || response.Header.Get("Retry-After") == "" {
		t.Errorf("expected 429 with Retry-After, got %v (%v)", response, err)
	}
	w.Advance(20 * time.Second)
	w.get("/api/Spaces-1/machines")
}

func TestControlOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	added := w.call(http.MethodPost, "/simulator/faults", object{"request": object{"pathPattern": "/api", "status": 500}}, 201)
	w.call(http.MethodGet, "/api/Spaces-1/machines", nil, 500)
	w.call(http.MethodDelete, "/simulator/faults/"+added["id"].(string), nil, 200)
	w.call(http.MethodDelete, "/simulator/faults/"+added["id"].(string), nil, 404)
	w.get("/api/Spaces-1/machines")
	w.call(http.MethodPost, "/simulator/faults", object{"behaviour": object{"behaviour": "fail-deployment", "times": 2}}, 201)
	w.call(http.MethodPost, "/simulator/faults", object{"delivery": object{"action": "lose"}}, 201)
	w.call(http.MethodPost, "/simulator/faults", object{"nonsense": true}, 400)
	w.call(http.MethodPost, "/simulator/faults", object{"behaviour": object{"behaviour": "nonsense"}}, 400)
	if list := w.get("/simulator/faults"); len(list["behaviours"].([]any)) != 1 || len(list["deliveries"].([]any)) != 1 {
		t.Errorf("expected two faults, got %v", list)
	}
	w.call(http.MethodDelete, "/simulator/faults", nil, 200)
	w.call(http.MethodPut, "/simulator/provisioners/"+w.scene.InfrastructureProjectID, simulator.Provisioner{Targets: 5, Roles: []string{"hello-world"}}, 200)
	w.turnover("0.0.1")
	before := w.Now()
	w.call(http.MethodPost, "/simulator/advance?by=90s", nil, 200)
	if passed := w.Now().Sub(before); passed != 90*time.Second {
		t.Errorf("expected 90 s to pass, got %v", passed)
	}
	w.call(http.MethodPost, "/simulator/advance?by=soon", nil, 400)
	w.call(http.MethodPost, "/simulator/machines/Machines-1/condition", object{"condition": "HasWarnings"}, 200)
	w.call(http.MethodPost, "/simulator/machines/Machines-1/condition", object{"condition": "Bored"}, 400)
	if targets := w.get("/simulator/state")["targets"].([]any); len(targets) != 7 {
		t.Errorf("expected 2 old and 5 new targets, got %d", len(targets))
	}
	_, data, err := w.send(http.MethodGet, "/simulator/journal?after=2", nil)
	var entries []simulator.Entry
	if err == nil {
		err = json.Unmarshal(data, &entries)
	}
	if err != nil || len(entries) == 0 || entries[0].Seq != 3 {
		t.Errorf("expected the journal from the third entry on, got %s (%v)", data, err)
	}
}

// The running clock does the same as Advance, by itself.
func TestRunningClock(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{}, 100)
	receiver := newReceiver(t, func(http.ResponseWriter, *http.Request) { seen <- struct{}{} })
	w := newWorld(t, simulator.Options{Speed: 2000}, simulator.HelloWorldOptions{SubscriptionURL: receiver, Categories: []string{"DeploymentSucceeded"}})
	w.Start(t.Context())
	release := w.release(w.scene.ProjectID, "0.0.2")
	w.setOverride(release) // first: a slow machine would find the new targets deployed to already
	w.turnover("0.0.1")
	for deadline := time.After(20 * time.Second); len(w.machines(true)) < 2 || !w.allRun(w.machines(true), release); {
		select {
		case <-seen: // something has succeeded; look again
		case <-deadline:
			t.Fatalf("expected all new targets to run the release by now, got %+v", w.machines(true))
		}
	}
	before := w.Now()
	w.Advance(time.Hour)
	if passed := w.Now().Sub(before); passed < time.Hour {
		t.Errorf("expected a jump of an hour, got %v", passed)
	}
}

func TestDeterminism(t *testing.T) {
	t.Parallel()
	story := func() []simulator.Entry {
		w := newWorld(t, simulator.Options{Seed: 7}, simulator.HelloWorldOptions{Targets: 3})
		w.turnover("0.0.1")
		w.setOverride(w.release(w.scene.ProjectID, "0.0.2"))
		w.Advance(30 * time.Minute)
		return w.Journal()
	}
	a, err := json.Marshal(story())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(story())
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Error("expected the same journal twice")
	}
}
