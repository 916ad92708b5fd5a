package simulator_test

import (
	"slices"
	"testing"
	"time"

	"regrow/internal/simulator"
)

// world is a server in manual time with the scene of the guide.
func world(t *testing.T, options simulator.Options, scene simulator.HelloWorldOptions) (*simulator.Server, simulator.Scene) {
	t.Helper()
	s := simulator.New(options)
	t.Cleanup(s.Close)
	built, err := s.HelloWorld(scene)
	if err != nil {
		t.Fatal(err)
	}
	return s, built
}

func TestHelloWorldScene(t *testing.T) {
	t.Parallel()
	s, scene := world(t, simulator.Options{}, simulator.HelloWorldOptions{Targets: 3})
	machines := s.Machines()
	if len(machines) != 3 {
		t.Fatalf("expected 3 targets, got %d", len(machines))
	}
	for _, m := range machines {
		if m.Installed[scene.ProjectID] != scene.ReleaseID || m.HealthStatus != "Healthy" || !m.Answers {
			t.Errorf("expected a healthy target with the initial release, got %+v", m)
		}
	}
	deployments := s.Deployments("Hello World")
	if len(deployments) != 1 || deployments[0].State != "Success" || len(deployments[0].DeployedToMachineIDs) != 3 {
		t.Fatalf("expected one successful deployment to 3 targets, got %+v", deployments)
	}
	if len(s.Deployments("Hello World Infrastructure")) != 0 {
		t.Error("expected no deployment of the infrastructure project yet")
	}
	s.Advance(10 * time.Minute)
	if got := s.Deployments("Hello World"); len(got) != 1 || !slices.Equal(got[0].DeployedToMachineIDs, deployments[0].DeployedToMachineIDs) {
		t.Errorf("expected that nothing happens by itself, got %+v", got)
	}
}
