package simulator_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/client"
	"go.uber.org/goleak"

	"regrow/internal/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server in manual time, with the scene of the guide, behind real HTTP.
type world struct {
	*simulator.Server
	t     *testing.T
	url   string
	key   string
	scene simulator.Scene
	http  *http.Client
}

func newServer(t *testing.T, options simulator.Options) *world {
	t.Helper()
	s := simulator.New(options)
	listener := httptest.NewServer(s)
	if options.RunScripts { // they call back
		s.SetPublicURL(listener.URL)
	}
	t.Cleanup(func() {
		listener.Close()
		s.Close()
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	key := options.APIKey
	if key == "" {
		key = simulator.DefaultAPIKey
	}
	return &world{Server: s, t: t, url: listener.URL + options.BasePath, key: key, http: &http.Client{Transport: transport}}
}

func newWorld(t *testing.T, options simulator.Options, scene simulator.HelloWorldOptions) *world {
	t.Helper()
	w := newServer(t, options)
	built, err := w.HelloWorld(scene)
	if err != nil {
		t.Fatal(err)
	}
	w.scene = built
	return w
}

// client is the official client, as an independent witness.
func (w *world) client(space string) *client.Client {
	w.t.Helper()
	address, err := url.Parse(w.url)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := client.NewClient(w.http, address, w.key, space)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

type object = map[string]any

// send makes a request and returns the response with its body read.
func (w *world) send(method, path string, body any) (*http.Response, []byte, error) {
	w.t.Helper()
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, reader)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("X-Octopus-ApiKey", w.key)
	request.Header.Set("User-Agent", "simulator-test")
	response, err := w.http.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	return response, data, err
}

// call makes a request that must be answered with the status, and returns the body's object.
func (w *world) call(method, path string, body any, status int) object {
	w.t.Helper()
	response, data, err := w.send(method, path, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	if response.StatusCode != status {
		w.t.Fatalf("%s %s: expected status %d, got %d: %s", method, path, status, response.StatusCode, data)
	}
	var o object
	if len(data) > 0 && data[0] == '{' {
		if err := json.Unmarshal(data, &o); err != nil {
			w.t.Fatalf("%s %s: %v in %s", method, path, err, data)
		}
	}
	return o
}

func (w *world) get(path string) object { w.t.Helper(); return w.call(http.MethodGet, path, nil, 200) }

// setOverride does what a careful client does: it reads the project, changes one field and writes it back.
func (w *world) setOverride(releaseID string) {
	w.t.Helper()
	path := "/api/Spaces-1/projects/" + w.scene.ProjectID
	project := w.get(path)
	project["AutoDeployReleaseOverrides"] = []object{{"EnvironmentId": w.scene.EnvironmentID, "TenantId": nilIfEmpty(w.scene.TenantID), "ReleaseId": releaseID}}
	w.call(http.MethodPut, path, project, 200)
}

func nilIfEmpty(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (w *world) release(projectID, version string) string {
	w.t.Helper()
	id, err := w.AddRelease(projectID, version)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// deploy posts a deployment to the scene's environment and returns its id.
func (w *world) deploy(releaseID string, more object) string {
	w.t.Helper()
	body := object{"ReleaseId": releaseID, "EnvironmentId": w.scene.EnvironmentID}
	for key, value := range more {
		body[key] = value
	}
	return w.call(http.MethodPost, "/api/Spaces-1/deployments", body, 201)["Id"].(string)
}

// turnover provisions a new generation: a release of the infrastructure project, deployed.
func (w *world) turnover(version string) string {
	w.t.Helper()
	return w.deploy(w.release(w.scene.InfrastructureProjectID, version), nil)
}

func (w *world) machines(provisioned bool) []simulator.Machine {
	var list []simulator.Machine
	for _, m := range w.Machines() {
		if (m.ProvisionedBy != "") == provisioned {
			list = append(list, m)
		}
	}
	return list
}

// until advances virtual time until the condition holds.
func (w *world) until(limit time.Duration, what string, holds func() bool) {
	w.t.Helper()
	if err := w.AdvanceUntil(limit, holds); err != nil {
		w.t.Fatalf("waiting until %s: %v", what, err)
	}
}

// allRun says whether all machines run the release of the scene's project.
func (w *world) allRun(machines []simulator.Machine, releaseID string) bool {
	for _, m := range machines {
		if m.Installed[w.scene.ProjectID] != releaseID {
			return false
		}
	}
	return true
}

func (w *world) overrides() []simulator.Override {
	w.t.Helper()
	p, found := w.Project(w.scene.ProjectID)
	if !found {
		w.t.Fatal("the project is gone")
	}
	return p.Overrides
}
