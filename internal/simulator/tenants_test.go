package simulator_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/deployments"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/tenants"

	"regrow/internal/simulator"
)

// A tenant that is connected to projects takes part in them only, by hand and by trigger.
func TestTenantsAndTheirProjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{Tenant: "Acme"})
	c := w.client("Spaces-1")
	tenant := must[*tenants.Tenant](t)(tenants.GetByID(c, "Spaces-1", w.scene.TenantID))
	connect := func(connections map[string][]string) {
		t.Helper()
		tenant.ProjectEnvironments = connections
		after := must[*tenants.Tenant](t)(tenants.Update(c, tenant))
		if !maps.EqualFunc(after.ProjectEnvironments, connections, slices.Equal) {
			t.Errorf("expected the connections to be kept, got %v", after.ProjectEnvironments)
		}
	}
	classic := object{"ReleaseId": w.scene.ReleaseID, "EnvironmentId": w.scene.EnvironmentID, "TenantId": w.scene.TenantID}
	command := deployments.NewCreateDeploymentTenantedCommandV1("Spaces-1", "Hello World")
	command.ReleaseVersion, command.EnvironmentName, command.Tenants = "0.0.1", "Development", []string{"Acme"}
	for name, elsewhere := range map[string]map[string][]string{
		"another project":     {"Projects-77": {w.scene.EnvironmentID}},
		"another environment": {w.scene.ProjectID: {"Environments-77"}},
		"no environment":      {w.scene.ProjectID: {}},
	} {
		connect(elsewhere)
		if answer := w.call(http.MethodPost, "/api/Spaces-1/deployments", classic, 400); !strings.Contains(answer["Errors"].([]any)[0].(string), "Tenant 'Acme' is not connected") {
			t.Errorf("%s: expected a refusal, got %v", name, answer)
		}
		if _, err := deployments.CreateDeploymentTenantedV1(c, command); err == nil {
			t.Errorf("%s: expected the executions API to refuse, too", name)
		}
	}
	w.turnoverFor(w.scene.TenantID, "1.0.0", 400) // connected to the application in no environment, and not at all to the infrastructure
	if err := w.ConnectTenant(w.scene.TenantID, w.scene.InfrastructureProjectID, w.scene.EnvironmentID); err != nil {
		t.Fatal(err)
	}
	w.turnoverFor(w.scene.TenantID, "1.0.1", 201)
	w.Advance(5 * time.Minute)
	if n := len(w.machines(true)); n != 2 || w.allRun(w.machines(true), w.scene.ReleaseID) {
		t.Errorf("expected two new targets without the application, got %+v", w.machines(true))
	}
	connect(map[string][]string{w.scene.ProjectID: {w.scene.EnvironmentID}})
	must[*deployments.CreateDeploymentResponseV1](t)(deployments.CreateDeploymentTenantedV1(c, command))
	w.Advance(time.Minute)
	if !w.allRun(w.machines(true), w.scene.ReleaseID) {
		t.Errorf("expected the new targets to have the application now, got %+v", w.machines(true))
	}
	if err := w.ConnectTenant("Tenants-77", w.scene.ProjectID); err == nil {
		t.Error("expected a tenant that does not exist to be refused")
	}
}

// turnoverFor deploys the infrastructure project for a tenant and expects the answer.
func (w *world) turnoverFor(tenant, version string, status int) {
	w.t.Helper()
	w.call(http.MethodPost, "/api/Spaces-1/deployments", object{"ReleaseId": w.release(w.scene.InfrastructureProjectID, version),
		"EnvironmentId": w.scene.EnvironmentID, "TenantId": tenant}, status)
}

// Whether a tenant without any connection takes part in all projects or in none is a choice.
func TestTenantsWithoutProjects(t *testing.T) {
	t.Parallel()
	for strict, status := range map[bool]int{false: 201, true: 400} {
		w := newWorld(t, simulator.Options{Switches: simulator.Switches{TenantsNeedProjects: strict}}, simulator.HelloWorldOptions{Tenant: "Acme", NoInitialTargets: true})
		w.turnoverFor(w.scene.TenantID, "1.0.0", status)
	}
}
