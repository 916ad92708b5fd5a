package jobs

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// The whole flow: new targets, the release on all of them, the old ones gone.
func TestRunReplacesTheTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	ended := w.untilDone(run.ID, pipeline.Succeeded)
	w.checkOrder(run.ID)

	targets := w.targets(run.ID)
	old, fresh := idsOf(targets, generationBaseline), idsOf(targets, generationNew)
	if !slices.Equal(old, w.scene.TargetIDs) || len(fresh) != 2 {
		t.Errorf("baseline %v and new targets %v, want %v and two", old, fresh, w.scene.TargetIDs)
	}
	for _, target := range targets {
		if target.Generation == generationBaseline && target.RemovedAt == nil {
			t.Errorf("old target %s is not noted as removed", target.Name)
		}
		if target.Generation == generationNew && target.ReleaseState != string(pipeline.ReleaseDeployed) {
			t.Errorf("new target %s is %s", target.Name, target.ReleaseState)
		}
	}
	standing := w.standing()
	if !slices.Equal(standing, fresh) {
		t.Errorf("in Octopus stand %v, want the new targets %v", standing, fresh)
	}
	for effect, want := range map[simulator.Effect]int{simulator.ReleaseCreated: 2, simulator.DeploymentCreated: 1, simulator.OverrideSet: 1} {
		if got := w.effects(effect); got != want {
			t.Errorf("%d effects %s by regrow, want %d", got, effect, want)
		}
	}
	if w.override(w.scene.ProjectID, w.scene.EnvironmentID) != "" {
		t.Error("an override is left behind")
	}
	events := w.events(run.ID)
	if events[0] != eventRunCreated || events[len(events)-1] != eventRunSucceeded {
		t.Errorf("the history runs from %s to %s", events[0], events[len(events)-1])
	}
	if ended.EndedAt == nil || ended.JobID != nil || ended.LeaseUntil != nil {
		t.Errorf("the ended run still holds something: %+v", ended)
	}
}

// lateOverride lets time pass in Octopus just before the override is set.
type lateOverride struct {
	Octopus
	pass func()
}

func (l lateOverride) SetOverride(ctx context.Context, projectID, environmentID, tenantID, releaseID string) error {
	l.pass()
	return l.Octopus.SetOverride(ctx, projectID, environmentID, tenantID, releaseID)
}

// What Octopus says of a task proves nothing: here the new targets are up before
// the override is set, so that Octopus puts the old release on them, with
// success.
func TestOldReleaseDeployedFirstIsPutRight(t *testing.T) {
	t.Parallel()
	var w *world
	pass := func() { w.sim.Advance(3 * time.Minute) }
	w = newWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return lateOverride{o, pass} })
	}})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkRelease(run.ID)
	if !slices.Contains(w.events(run.ID), eventTargetRedeploy) {
		t.Errorf("regrow has not deployed to the wrong targets itself: %v", w.events(run.ID))
	}
	requeued := w.sim.JournalOf(simulator.DeploymentRequeued)
	if len(requeued) == 0 {
		t.Error("Octopus has not deployed the old release first; the test proves nothing")
	}
}

func TestMissedTargetIsPutRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.arm(simulator.BehaviourFault{Behaviour: simulator.MissMachine, Times: 1})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Grace = 300 * time.Millisecond }), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkRelease(run.ID)
}

func TestDroppedOverrideIsPutRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.arm(simulator.BehaviourFault{Behaviour: simulator.DropOverride, Times: 1})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkRelease(run.ID)
}

func TestNoTriggerAtAllIsPutRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{NoTrigger: true}})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Grace = 300 * time.Millisecond }), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkRelease(run.ID)
}

// The first run in an empty environment has nothing to remove.
func TestFirstGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{NoInitialTargets: true}})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkRelease(run.ID)
	if old := idsOf(w.targets(run.ID), generationBaseline); len(old) != 0 {
		t.Errorf("baseline %v in an empty environment", old)
	}
}

func TestFailedInfrastructureDeploymentFailsTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{
		scene:    simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{Fail: true}},
		switches: simulator.Switches{DeploymentDuration: time.Second, TaskQueueDelay: -1},
	})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Grace = time.Second }), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	if failed.Stage != pipeline.VerifyStage || *failed.RetryFrom != pipeline.Provision {
		t.Errorf("failed in %s, to be retried from %s", failed.Stage, *failed.RetryFrom)
	}
	for _, part := range []string{"Hello World Infrastructure", "Development", "Failed"} {
		if !strings.Contains(failed.Reason, part) {
			t.Errorf("the reason %q does not tell of %q", failed.Reason, part)
		}
	}
	if failed.Remedy == "" {
		t.Error("there is no remedy")
	}
	if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
		t.Errorf("the override to %s is left behind", left)
	}
	if standing := w.standing(); !slices.Equal(standing, w.scene.TargetIDs) {
		t.Errorf("the old generation changed: %v", standing)
	}

	// The cause is mended and an operator retries.
	w.sim.SetProvisioner(w.scene.InfrastructureProjectID, simulator.Provisioner{
		Targets: 2, Roles: []string{"hello-world"}, PolicyID: w.scene.PolicyID, BootDelay: time.Second,
	})
	again := w.retry(run.ID, "")
	if again.Stage != pipeline.Provision || again.Round != 2 {
		t.Errorf("retried from %s in round %d", again.Stage, again.Round)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkRelease(run.ID)
	if got := w.effects(simulator.ReleaseCreated); got != 2 {
		t.Errorf("%d releases were made for one run retried, want 2", got)
	}
}

func TestFewerTargetsThanExpectedFailsInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{ShortBy: 1}}})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Infrastructure.Targets = 3 }), "aaaaaaaaaa")
	w.until("one target is deployed", func() bool {
		now := w.run(run.ID)
		if now.Status == pipeline.Waiting {
			w.sim.Advance(10 * time.Second)
			w.wake()
		}
		return strings.Contains(now.Reason, "1 deployed")
	})
	w.expire(run.ID)
	failed := w.untilEnd(run.ID)
	if !strings.Contains(failed.Reason, "3 expected, 1 available, 1 deployed") {
		t.Errorf("the reason is %q", failed.Reason)
	}
	if got := w.effects(simulator.MachineDeleted); got != 0 {
		t.Errorf("regrow has deleted %d targets although the run failed", got)
	}
}

// A release that keeps failing ends the run after the allowed redeployments.
func TestReleaseThatFailsOnTargetsFailsTheRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.arm(simulator.BehaviourFault{Behaviour: simulator.FailDeployment, ProjectID: w.scene.ProjectID, Times: 10})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Redeployments = 2 }), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	if !strings.Contains(failed.Reason, "2 times") || !strings.Contains(failed.Reason, "Release 1.0.1 of Hello World") {
		t.Errorf("the reason is %q", failed.Reason)
	}
	if got := len(w.result(run.ID).verify.Redeployments); got != 2 {
		t.Errorf("%d redeployments, want 2", got)
	}
}

func TestVersionThatIsNotOursIsNeverReused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	if _, err := w.sim.AddRelease(w.scene.ProjectID, "1.0.1"); err != nil {
		t.Fatal(err)
	}
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	if failed.Stage != pipeline.Provision || !strings.Contains(failed.Reason, "1.0.1") || !strings.Contains(failed.Reason, "Hello World") {
		t.Errorf("failed in %s: %s", failed.Stage, failed.Reason)
	}
	if w.effects(simulator.DeploymentCreated) != 0 {
		t.Error("the infrastructure was replaced although the release could not be made")
	}
}

// Two pipelines put different environments on one application project; neither
// loses its override.
func TestTwoPipelinesShareAnApplicationProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	second, err := w.sim.HelloWorld(simulator.HelloWorldOptions{
		Environment: "Production", Project: "Hello World", InfrastructureProject: "Production Infrastructure",
	})
	if err != nil {
		t.Fatal(err)
	}
	development := w.commit(w.pipeline(), "aaaaaaaaaa")
	production := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Name, p.Environment, p.Infrastructure.Project = "production", "Production", "Production Infrastructure"
		p.Application.Version = "2.0.{run}"
	}), "bbbbbbbbbb")
	w.untilDone(development.ID, pipeline.Succeeded)
	w.untilDone(production.ID, pipeline.Succeeded)
	w.checkRelease(development.ID)
	w.checkRelease(production.ID)
	if got := w.effects(simulator.OverrideSet); got != 2 {
		t.Errorf("%d overrides were set, want 2", got)
	}
	if second.ProjectID != w.scene.ProjectID {
		t.Fatal("the scenes do not share the project")
	}
}

func TestCleanupByPolicyLeavesAllToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Cleanup.Mode = pipeline.CleanupPolicy }), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
	if got := w.effects(simulator.MachineDeleted); got != 0 {
		t.Errorf("regrow has deleted %d targets itself", got)
	}
}

func TestOldTargetsThatStayAliveAreLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{KeepOld: true}}})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Cleanup.Timeout = time.Second }), "aaaaaaaaaa")
	ended := w.untilDone(run.ID, pipeline.Succeeded)
	if !strings.Contains(ended.Reason, "2 old targets left") || w.effects(simulator.MachineDeleted) != 0 {
		t.Errorf("ended with %q and %d deletions", ended.Reason, w.effects(simulator.MachineDeleted))
	}
}

// flickering shows the old targets as unavailable, until the last look shows
// one of them otherwise.
type flickering struct {
	Octopus
	old    []string
	health string
}

func (f flickering) Targets(ctx context.Context, query octopus.TargetQuery) ([]octopus.Target, error) {
	targets, err := f.Octopus.Targets(ctx, query)
	for i, target := range targets {
		if slices.Contains(f.old, target.ID) {
			targets[i].HealthStatus = "Unavailable"
		}
	}
	return targets, err
}

func (f flickering) Target(ctx context.Context, id string) (octopus.Target, error) {
	target, err := f.Octopus.Target(ctx, id)
	switch {
	case id == f.old[0]:
		target.HealthStatus = f.health
	case slices.Contains(f.old, id):
		target.HealthStatus = "Unavailable"
	}
	return target, err
}

// Invariant 7: whatever the list said, the last look decides.
func TestTargetThatComesBackIsNotDeleted(t *testing.T) {
	t.Parallel()
	for _, health := range []string{"Healthy", "Unhealthy", "Unknown"} {
		t.Run(health, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{config: func(c *Config) {
				wrap(c, func(o Octopus) Octopus { return flickering{o, []string{"Machines-1", "Machines-2"}, health} })
			}})
			run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Cleanup.Timeout = 2 * time.Second }), "aaaaaaaaaa")
			w.until("the new generation is proven", func() bool {
				if now := w.run(run.ID); now.Stage != pipeline.CleanupStage && now.Status == pipeline.Waiting {
					w.sim.Advance(10 * time.Second)
					w.wake()
				}
				return w.run(run.ID).Stage == pipeline.CleanupStage
			})
			ended := w.untilEnd(run.ID)
			if ended.Status != pipeline.Succeeded || !strings.Contains(ended.Reason, "1 old target is removed, 1 old target left") {
				t.Errorf("the run is %s: %s", ended.Status, ended.Reason)
			}
			for _, entry := range w.sim.JournalOf(simulator.MachineDeleted) {
				if entry.ID == "Machines-1" && entry.Actor == simulator.ActorAPI {
					t.Error("the target that came back was deleted")
				}
			}
		})
	}
}

func TestCleanupByRunbook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.addRunbook("Remove old targets")
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Cleanup.Mode, p.Cleanup.Runbook = pipeline.CleanupRunbook, "Remove old targets"
	}), "aaaaaaaaaa")
	ended := w.untilDone(run.ID, pipeline.Succeeded)
	if got := w.effects(simulator.RunbookRunCreated); got != 1 || !strings.Contains(ended.Reason, "Remove old targets") {
		t.Errorf("%d runbook runs, ended with %q", got, ended.Reason)
	}
}

// Targets of a cancelled run that boot late are not taken for the next run's.
func TestLateTargetsOfACancelledRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{
		scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{BootDelay: time.Minute}},
	})
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Policy, p.Verify.Grace = pipeline.FIFO, 20*time.Second })
	first := w.commit(p, "aaaaaaaaaa")
	second := w.commit(p, "bbbbbbbbbb")
	w.untilWaiting(first.ID, pipeline.VerifyStage, "")
	w.cancel(first.ID)
	w.untilWaiting(second.ID, pipeline.Provision, "under way")
	w.sim.Advance(20 * time.Second) // the deployment ends, its machines boot
	w.wake()
	w.untilWaiting(second.ID, pipeline.Provision, "0 of 2 targets")
	w.untilDone(second.ID, pipeline.Succeeded)
	w.checkRelease(second.ID)
	late := 0
	for _, machine := range w.sim.Machines() {
		if machine.ProvisionedBy == w.result(first.ID).provision.DeploymentID {
			late++
		}
	}
	baseline := idsOf(w.targets(second.ID), generationBaseline)
	if len(baseline) != 4 {
		t.Errorf("the second run's baseline is %v, want the two old targets and the two late ones (%d still stand)", baseline, late)
	}
}

// Nor are those of a deployment that goes on for longer than its own run.
func TestTargetsOfADeploymentThatOutlivesItsRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{
		scene:    simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{BootDelay: time.Minute}},
		switches: simulator.Switches{DeploymentDuration: time.Minute},
	})
	policy := func(p *pipeline.Pipeline) { p.Policy, p.Verify.Grace = pipeline.FIFO, time.Second }
	first := w.commit(w.pipeline(policy, func(p *pipeline.Pipeline) { p.Verify.Timeout = 2 * time.Second }), "aaaaaaaaaa")
	second := w.commit(w.pipeline(policy), "bbbbbbbbbb")
	if failed := w.untilEnd(first.ID); failed.Status != pipeline.Failed {
		t.Fatalf("the first run is %s", failed.Status)
	}
	w.untilWaiting(second.ID, pipeline.Provision, "under way")
	w.sim.Advance(62 * time.Second)
	w.wake()
	w.untilWaiting(second.ID, pipeline.Provision, "0 of 2 targets")
	w.untilDone(second.ID, pipeline.Succeeded)
	w.checkRelease(second.ID)
	if baseline := idsOf(w.targets(second.ID), generationBaseline); len(baseline) != 4 {
		t.Errorf("the second run's baseline is %v, want the two old targets and the two of the first run", baseline)
	}
}

// A run whose override cannot be cleared does not hold its lane for ever.
func TestEndIsNotPutOffForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Timeout, p.Verify.Grace = 2*time.Second, time.Second }), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	w.fault(simulator.Fault{Status: http.StatusServiceUnavailable, PathPattern: "/projects/", Times: 1 << 20})
	w.cancel(run.ID)
	ended := w.untilEnd(run.ID)
	if ended.Status != pipeline.Cancelled || !strings.Contains(ended.Reason, "may still stand") {
		t.Errorf("the run is %s: %s", ended.Status, ended.Reason)
	}
}

// A task that Octopus tells of in bytes which Postgres cannot store, and a stage
// that panics, end a run like any failure.
func TestOddFailuresEndTheRun(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() (octopus.Task, error){
		"a text that cannot be stored": func() (octopus.Task, error) {
			return octopus.Task{ID: "ServerTasks-2", State: "Failed", ErrorMessage: "exit \x00 1 \xff", IsCompleted: true}, nil
		},
		"a panic": func() (octopus.Task, error) { panic("out of luck") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{config: func(c *Config) {
				wrap(c, func(o Octopus) Octopus { return oddTask{o, fail} })
			}})
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			failed := w.untilDone(run.ID, pipeline.Failed)
			if failed.Reason == "" || failed.Remedy == "" {
				t.Errorf("the reason is %q, the remedy %q", failed.Reason, failed.Remedy)
			}
			if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
				t.Errorf("the override to %s is left behind", left)
			}
		})
	}
}

type oddTask struct {
	Octopus
	fail func() (octopus.Task, error)
}

func (o oddTask) Task(context.Context, string) (octopus.Task, error) { return o.fail() }

// A stage that only ever meets errors ends with its time, and with its override
// cleared, however long Octopus was away meanwhile.
func TestStageEndsWithItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	w.fault(simulator.Fault{Status: http.StatusServiceUnavailable, Times: 6})
	w.expire(run.ID)
	failed := w.untilEnd(run.ID)
	if failed.Status != pipeline.Failed {
		t.Fatalf("the run is %s: %s", failed.Status, failed.Reason)
	}
	if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
		t.Errorf("the override to %s is left behind", left)
	}
	if *failed.RetryFrom != pipeline.Override {
		t.Errorf("to be retried from %s, want override: the failure has cleared it", *failed.RetryFrom)
	}
}

// The ids of a run mean other things on another server.
func TestServerThatIsAnotherOneNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{config: func(c *Config) {
		server := c.Servers[serverName]
		server.URL = "https://another.example"
		c.Servers[serverName] = server
	}})
	failed := w.untilDone(w.commit(w.pipeline(), "aaaaaaaaaa").ID, pipeline.Failed)
	if !strings.Contains(failed.Reason, "https://another.example") || len(w.sim.JournalOf(simulator.ReleaseCreated)) != 1 {
		t.Errorf("the reason is %q", failed.Reason)
	}
}
