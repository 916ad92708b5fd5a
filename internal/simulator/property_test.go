package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"regrow/internal/simulator"
)

// Whatever clients do, and in whatever order: one deployment of a lane executes at a time, targets
// of a deployment are never taken back, ids are never used twice, and what runs on a machine is
// what the last successful deployment to it brought.
func TestInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := simulator.New(simulator.Options{Seed: rapid.Uint64().Draw(rt, "seed")})
		defer s.Close()
		scene, err := s.HelloWorld(simulator.HelloWorldOptions{Targets: rapid.IntRange(1, 3).Draw(rt, "targets")})
		if err != nil {
			rt.Fatal(err)
		}
		m := &machinery{Server: s, scene: scene, reached: map[string][]string{}}
		rt.Repeat(map[string]func(*rapid.T){
			"deploy":    func(rt *rapid.T) { m.deploy(rt, scene.ProjectID) },
			"provision": func(rt *rapid.T) { m.deploy(rt, scene.InfrastructureProjectID) },
			"override":  m.override,
			"fail": func(rt *rapid.T) {
				if _, err := s.Faults().Arm(simulator.BehaviourFault{Behaviour: simulator.FailDeployment}); err != nil {
					rt.Fatal(err)
				}
			},
			"miss": func(rt *rapid.T) {
				if _, err := s.Faults().Arm(simulator.BehaviourFault{Behaviour: simulator.MissMachine}); err != nil {
					rt.Fatal(err)
				}
			},
			"advance": func(rt *rapid.T) {
				s.Advance(time.Duration(rapid.IntRange(1, 400).Draw(rt, "seconds")) * time.Second)
			},
			"": m.check,
		})
	})
}

// machinery drives a server and remembers what it has seen.
type machinery struct {
	*simulator.Server
	scene    simulator.Scene
	releases int
	reached  map[string][]string // machines by deployment
}

// deploy makes a release of a project and deploys it.
func (m *machinery) deploy(rt *rapid.T, projectID string) {
	id := m.newRelease(rt, projectID)
	m.request(rt, http.MethodPost, "/api/Spaces-1/deployments", fmt.Sprintf(`{"ReleaseId":%q,"EnvironmentId":%q}`, id, m.scene.EnvironmentID))
}

func (m *machinery) newRelease(rt *rapid.T, projectID string) string {
	m.releases++
	id, err := m.AddRelease(projectID, fmt.Sprintf("1.0.%d", m.releases))
	if err != nil {
		rt.Fatal(err)
	}
	return id
}

func (m *machinery) override(rt *rapid.T) {
	id := m.newRelease(rt, m.scene.ProjectID)
	project, _ := m.Project(m.scene.ProjectID)
	body := withOverride(rt, project.Document, m.scene.EnvironmentID, id)
	m.request(rt, http.MethodPut, "/api/Spaces-1/projects/"+m.scene.ProjectID, body)
}

// request calls the handler without a network.
func (m *machinery) request(rt *rapid.T, method, path, body string) {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	recorder := httptest.NewRecorder()
	m.ServeHTTP(recorder, request)
	if recorder.Code > 299 {
		rt.Fatalf("%s %s: %d %s", method, path, recorder.Code, recorder.Body)
	}
}

func withOverride(rt *rapid.T, project json.RawMessage, environmentID, releaseID string) string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(project, &fields); err != nil {
		rt.Fatal(err)
	}
	fields["AutoDeployReleaseOverrides"] = json.RawMessage(fmt.Sprintf(`[{"EnvironmentId":%q,"ReleaseId":%q}]`, environmentID, releaseID))
	body, err := json.Marshal(fields)
	if err != nil {
		rt.Fatal(err)
	}
	return string(body)
}

func (m *machinery) check(rt *rapid.T) {
	executing := map[string]int{}
	for _, project := range []string{m.scene.ProjectID, m.scene.InfrastructureProjectID} {
		for _, d := range m.Deployments(project) {
			if d.State == "Executing" {
				executing[project]++
			}
			for _, id := range m.reached[d.ID] {
				if !slices.Contains(d.DeployedToMachineIDs, id) {
					rt.Fatalf("%s was in %s and is not any more", id, d.ID)
				}
			}
			m.reached[d.ID] = d.DeployedToMachineIDs
		}
	}
	for project, n := range executing {
		if n > 1 {
			rt.Fatalf("%d deployments of %s execute at once", n, project)
		}
	}
	m.checkMachines(rt)
}

// checkMachines compares the machines with the journal and the deployments.
func (m *machinery) checkMachines(rt *rapid.T) {
	created := map[string]bool{}
	for _, e := range m.JournalOf(simulator.MachineCreated) {
		if created[e.ID] {
			rt.Fatalf("the id %s was used twice", e.ID)
		}
		created[e.ID] = true
	}
	for _, machine := range m.Machines() {
		release := machine.Installed[m.scene.ProjectID]
		if release == "" {
			continue
		}
		if !slices.ContainsFunc(m.Deployments(m.scene.ProjectID), func(d simulator.Deployment) bool {
			return d.ReleaseID == release && slices.Contains(d.DeployedToMachineIDs, machine.ID)
		}) {
			rt.Fatalf("%s runs %s, which no deployment brought there", machine.ID, release)
		}
	}
}
