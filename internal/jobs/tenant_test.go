package jobs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// tenants are scenes of two tenants in the same projects and environment, and
// one without, if asked for.
func tenantWorld(t *testing.T, untenanted bool) (w *coldWorld, scenes map[string]simulator.Scene) {
	t.Helper()
	w = newColdWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Tenant: "Acme"}})
	scenes = map[string]simulator.Scene{"Acme": w.scene}
	add := func(tenant string) {
		scene, err := w.sim.HelloWorld(simulator.HelloWorldOptions{Tenant: tenant, NoTrigger: true})
		if err != nil {
			t.Fatal(err)
		}
		scenes[tenant] = scene
	}
	add("Globex")
	if untenanted {
		add("")
	}
	return w, scenes
}

func (w *coldWorld) pipelineOf(tenant string) pipeline.Pipeline {
	return w.pipeline(func(p *pipeline.Pipeline) {
		p.Tenant, p.Name = tenant, strings.ToLower("hello-"+tenant)
		p.Infrastructure.Version, p.Application.Version = "0.1.{run}-{pipeline}", "1.0.{run}-{pipeline}"
	})
}

// untilAllDone moves time on until all runs have succeeded.
func (w *coldWorld) untilAllDone(runs map[string]store.Run) {
	w.t.Helper()
	w.until("all runs are through", func() bool {
		ended, waiting := 0, 0
		for _, run := range runs {
			switch now := w.run(run.ID); {
			case now.Status.Terminal() && now.Status != pipeline.Succeeded:
				w.t.Fatalf("run #%d of %s is %s: %s", now.Number, now.Pipeline, now.Status, now.Reason)
			case now.Status.Terminal():
				ended++
			case now.Status == pipeline.Waiting:
				waiting++
			}
		}
		if ended < len(runs) && ended+waiting == len(runs) {
			w.pass(10 * time.Second)
		}
		return ended == len(runs)
	})
}

// overrides lists the tenants for which the scene's project has an override; ""
// is none.
func (w *world) overrides() []string {
	project, _ := w.sim.Project(w.scene.ProjectID)
	var tenants []string
	for _, entry := range project.Overrides {
		tenants = append(tenants, entry.TenantID)
	}
	slices.Sort(tenants)
	return tenants
}

// Tenants, and what is untenanted, go on side by side in the same projects and
// environment: each with a lane, an override, deployments and a proof of its own.
func TestTenantsSideBySide(t *testing.T) {
	t.Parallel()
	w, scenes := tenantWorld(t, true)
	runs := map[string]store.Run{}
	for tenant := range scenes {
		runs[tenant] = w.commit(w.pipelineOf(tenant), "aaaaaaaaaa")
	}
	for _, run := range runs {
		w.untilWaiting(run.ID, pipeline.VerifyStage, "") // all at once: no lane is another's
	}
	want := []string{"", scenes["Acme"].TenantID, scenes["Globex"].TenantID}
	slices.Sort(want)
	if got := w.overrides(); !slices.Equal(got, want) {
		t.Errorf("overrides of the tenants %q, want %q", got, want)
	}
	w.untilAllDone(runs)
	if got := w.overrides(); len(got) > 0 {
		t.Errorf("overrides of the tenants %q are left behind", got)
	}
	seen := map[string]string{}
	for tenant, run := range runs {
		w.checkRelease(run.ID)
		targets := w.targets(run.ID)
		if old := idsOf(targets, generationBaseline); !slices.Equal(old, scenes[tenant].TargetIDs) {
			t.Errorf("the baseline of %q is %v, want %v", tenant, old, scenes[tenant].TargetIDs)
		}
		for _, target := range targets {
			if other, twice := seen[target.TargetID]; twice {
				t.Errorf("target %s is of %q and of %q", target.Name, tenant, other)
			}
			seen[target.TargetID] = tenant
			if target.Generation == generationBaseline && target.RemovedAt == nil {
				t.Errorf("old target %s of %q is not removed", target.Name, tenant)
			}
		}
		if got := w.result(run.ID).provision.TenantID; got != scenes[tenant].TenantID {
			t.Errorf("run of %q deployed for %q", tenant, got)
		}
	}
	for _, entry := range w.sim.JournalOf(simulator.DeploymentCreated) {
		for tenant, scene := range scenes {
			if strings.HasSuffix(entry.Name, "-"+w.pipelineOf(tenant).Name) && entry.TenantID != scene.TenantID {
				t.Errorf("release %s was deployed for %q", entry.Name, entry.TenantID)
			}
		}
	}
}

// What regrow deploys itself, and what a freeze holds, is a tenant's own, too.
func TestTenantsFreezeAndRedeployment(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Tenant: "Acme", NoTrigger: true}})
	if _, err := w.sim.HelloWorld(simulator.HelloWorldOptions{Tenant: "Globex", NoTrigger: true}); err != nil {
		t.Fatal(err)
	}
	_, err := w.post("/api/deploymentfreezes", fmt.Sprintf(
		`{"Name":"Stocktaking","Start":%q,"End":%q,"TenantProjectEnvironmentScope":[{"TenantId":%q,"ProjectId":%q,"EnvironmentId":%q}]}`,
		w.sim.Now().Add(-time.Hour).Format(time.RFC3339), w.sim.Now().Add(100*time.Hour).Format(time.RFC3339), w.scene.TenantID, w.scene.ProjectID, w.scene.EnvironmentID))
	if err != nil {
		t.Fatal(err)
	}
	acme, globex := w.commit(w.pipelineOf("Acme"), "aaaaaaaaaa"), w.commit(w.pipelineOf("Globex"), "aaaaaaaaaa")
	w.untilFrozen(acme.ID, pipeline.Provision, "Stocktaking")
	w.untilAllDone(map[string]store.Run{"Globex": globex})
	w.checkRelease(globex.ID)
	if got := len(w.result(globex.ID).verify.Redeployments); got != 1 {
		t.Errorf("%d redeployments, want 1", got)
	}
	w.untilFrozen(acme.ID, pipeline.Provision, "Stocktaking")
	w.mustIgnoreFreeze(acme.ID)
	w.untilAllDone(map[string]store.Run{"Acme": acme})
	w.checkRelease(acme.ID)
}

// A target that belongs to others as well is never deleted, whatever its state:
// the run says why it stays.
func TestSharedTargetsStay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tenant string // of the pipeline
		body   func(map[string]simulator.Scene) string
		reason string
	}{
		"of another tenant": {"Acme", func(s map[string]simulator.Scene) string {
			return fmt.Sprintf(`"TenantedDeploymentParticipation":"Tenanted","TenantIds":[%q,%q]`, s["Acme"].TenantID, s["Globex"].TenantID)
		}, "it serves other tenants too"},
		"without a tenant, too": {"Acme", func(s map[string]simulator.Scene) string {
			return fmt.Sprintf(`"TenantedDeploymentParticipation":"TenantedOrUntenanted","TenantIds":[%q]`, s["Acme"].TenantID)
		}, "it serves untenanted deployments too"},
		"of tenants, too": {"", func(s map[string]simulator.Scene) string {
			return fmt.Sprintf(`"TenantedDeploymentParticipation":"TenantedOrUntenanted","TenantIds":[%q]`, s["Acme"].TenantID)
		}, "it serves tenants too"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, scenes := tenantWorld(t, true)
			shared := w.create("machines", fmt.Sprintf(
				`{"Name":"shared","EnvironmentIds":[%q],"Roles":["hello-world"],"MachinePolicyId":%q,"IsDisabled":true,"Endpoint":{"CommunicationStyle":"None"},%s}`,
				w.scene.EnvironmentID, w.scene.PolicyID, c.body(scenes)))
			run := w.commit(w.pipelineOf(c.tenant), "aaaaaaaaaa")
			w.untilAllDone(map[string]store.Run{c.tenant: run})
			w.checkStays(run.ID, shared, c.reason)
			w.checkRelease(run.ID)
		})
	}
}

// checkStays makes sure that a target is in the baseline, stands, and that the
// run shows why.
func (w *world) checkStays(id uuid.UUID, target, reason string) {
	w.t.Helper()
	if !slices.Contains(w.standing(), target) {
		w.t.Error("the target that others use was deleted")
	}
	if left := w.result(id).cleanup.Left; !slices.Equal(left, []string{target}) {
		w.t.Errorf("left are %v, want %s", left, target)
	}
	for _, known := range w.targets(id) {
		if known.TargetID == target && (known.Generation != generationBaseline || known.RemovedAt != nil || !strings.Contains(strings.ToLower(known.Note), reason)) {
			w.t.Errorf("the run shows %+v, want it left because %s", known, reason)
		}
	}
	if !slices.Contains(w.events(id), eventTargetLeft) {
		w.t.Error("there is no event that tells")
	}
}
