package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/variables"

	"regrow/internal/simulator"
)

// setOf is the variable set of the scene's project, and where it is.
func (w *world) setOf(projectID string) (path string, set object) {
	w.t.Helper()
	path = "/api/Spaces-1/variables/" + w.get("/api/Spaces-1/projects/" + projectID)["VariableSetId"].(string)
	return path, w.get(path)
}

func TestSensitiveValuesAreNeverShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	path, set := w.setOf(w.scene.ProjectID)
	set["Variables"] = []object{
		{"Name": "Plain", "Value": "seen"},
		{"Name": "By type", "Type": "Sensitive", "Value": "hush-1"},
		{"Name": "By flag", "IsSensitive": true, "Value": "hush-2"},
		{"Name": "As object", "Type": "Sensitive", "Value": object{"HasValue": true, "NewValue": "hush-3"}},
	}
	answer := w.call(http.MethodPut, path, set, 200)
	for _, shown := range []object{answer, w.get(path)} {
		for i, v := range shown["Variables"].([]any) {
			v := v.(object)
			if v["Id"] == "" || v["Id"] == nil {
				t.Errorf("expected an id, got %v", v)
			}
			if i > 0 && (v["Value"] != nil || v["Type"] != "Sensitive" || v["IsSensitive"] != true) || i == 0 && v["Value"] != "seen" {
				t.Errorf("expected only the plain value, got %v", v)
			}
		}
	}
	for _, address := range []string{path, "/api/Spaces-1/variables/all", "/simulator/journal", "/simulator/state", "/api/events?take=1000"} {
		if _, data, err := w.send(http.MethodGet, address, nil); err != nil || strings.Contains(string(data), "hush-") {
			t.Errorf("expected no secret in %s, got %s (%v)", address, data, err)
		}
	}
	all := must[*variables.VariableSet](t)(variables.GetVariableSet(w.client("Spaces-1"), "Spaces-1", answer["Id"].(string)))
	if len(all.Variables) != 4 || all.Variables[1].Value != "" || !all.Variables[1].IsSensitive {
		t.Errorf("expected the official client to read the set, got %+v", all.Variables)
	}
	answer["Variables"] = append(answer["Variables"].([]any), object{"Value": "x"})
	if w.call(http.MethodPut, path, answer, 400)["Errors"] == nil {
		t.Error("expected a variable without a name to be refused")
	}
}

func TestStaleVariableSetsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	path, set := w.setOf(w.scene.ProjectID)
	w.call(http.MethodPut, path, set, 200)
	w.call(http.MethodPut, path, set, 409)
}

// A machine whose address has no meaning answers nobody, however well it is.
func TestHostsThatNeverResolve(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	id := w.scene.TargetIDs[0]
	path := "/api/Spaces-1/machines/" + id
	target := w.get(path)
	for _, uri := range []string{"https://gone.invalid:10933/", "https://GONE.INVALID.:10933/", "https://a.b.invalid/"} {
		target["Endpoint"].(object)["Uri"] = uri
		if after := w.call(http.MethodPut, path, target, 200); after["Uri"] != uri {
			t.Errorf("expected the address of the endpoint, got %v", after["Uri"])
		}
		if err := w.SetCondition(id, "Healthy"); err != nil {
			t.Fatal(err)
		}
		if w.Machines()[0].Answers {
			t.Errorf("expected %s not to answer", uri)
		}
	}
	w.Advance(3 * time.Minute) // one round of checks
	if got := w.get(path)["HealthStatus"]; got != "Unavailable" {
		t.Errorf("expected the target to be found unavailable, got %v", got)
	}
	target["Endpoint"].(object)["Uri"] = "https://not-invalid:10933/"
	w.call(http.MethodPut, path, target, 200)
	w.Advance(2 * time.Minute)
	if got := w.get(path)["HealthStatus"]; got != "Healthy" {
		t.Errorf("expected the target to be back, got %v", got)
	}
}

func TestDiscoveredThumbprints(t *testing.T) {
	t.Parallel()
	w := newServer(t, simulator.Options{})
	discover := func(query string) string {
		return w.get("/api/Spaces-1/machines/discover?type=TentaclePassive&" + query)["Endpoint"].(object)["Thumbprint"].(string)
	}
	first := discover("host=web-1&port=10933")
	if len(first) != 40 || strings.ToUpper(first) != first {
		t.Errorf("expected 40 hexadecimal digits, got %q", first)
	}
	if discover("host=web-1") != first {
		t.Error("expected the same thumbprint for the same host and the default port")
	}
	if discover("host=web-2&port=10933") == first || discover("host=web-1&port=10934") == first {
		t.Error("expected other thumbprints for other hosts and ports")
	}
}
