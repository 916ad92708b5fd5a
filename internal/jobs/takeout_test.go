package jobs

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// terminates is a pipeline that takes unproven targets out. Its release is
// deployed by regrow at most once.
func terminates(p *pipeline.Pipeline) {
	p.OnFailure, p.Policy, p.Verify.Redeployments = pipeline.Terminate, pipeline.FIFO, 1
	p.Cleanup.Mode = pipeline.CleanupPolicy
}

// keepOld is an infrastructure project whose deployment leaves the old targets
// alone.
var keepOld = simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{KeepOld: true}}

// failOnTargets has every deployment of the application fail.
func (w *world) failOnTargets() {
	w.arm(simulator.BehaviourFault{Behaviour: simulator.FailDeployment, ProjectID: w.scene.ProjectID, Times: 1000})
}

// wantTakenOut wants the old generation, and nothing else, to stand.
func (w *world) wantTakenOut(ended store.Run, removed int) {
	w.t.Helper()
	if standing := w.standing(); !slices.Equal(standing, w.scene.TargetIDs) {
		w.t.Errorf("%v stand, want the old generation %v", standing, w.scene.TargetIDs)
	}
	if got := w.effects(simulator.MachineDeleted); got != removed {
		w.t.Errorf("%d targets were deleted, want %d", got, removed)
	}
	told := 0
	for _, kind := range w.events(ended.ID) {
		if kind == eventTargetTakenOut {
			told++
		}
	}
	if told != removed {
		w.t.Errorf("%d removals are told, want %d", told, removed)
	}
	for _, target := range w.targets(ended.ID) {
		if target.Generation == generationNew && (target.RemovedAt == nil || target.Available || !strings.Contains(target.Note, "removed because")) {
			w.t.Errorf("new target %s: removed at %v, available %t: %s", target.Name, target.RemovedAt, target.Available, target.Note)
		}
	}
	if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
		w.t.Errorf("the override to %s is left behind", left)
	}
}

func TestFailedGenerationIsTerminated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	w.failOnTargets()
	run := w.commit(w.pipeline(terminates), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	w.wantTakenOut(failed, 2)
	if !strings.Contains(failed.Reason, "2 new targets are removed from Octopus") {
		t.Errorf("the reason is %q", failed.Reason)
	}

	// What is gone cannot be gone on with.
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := w.engine.Retry(t.Context(), tx, run.ID, pipeline.VerifyStage, "test")
		return err
	})
	if refused, ok := errors.AsType[*pipeline.Refusal](err); !ok || !strings.Contains(refused.Remedy, "provision") {
		t.Errorf("a retry from verify: %v", err)
	}
	w.sim.Faults().Clear()
	if again := w.retry(run.ID, ""); again.Stage != pipeline.Provision {
		t.Errorf("retried from %s", again.Stage)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkRelease(run.ID)
}

// The machines of targets that are gone from Octopus are the runbook's.
func TestFailureRunbook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	w.addRunbook("Remove failed machines")
	w.failOnTargets()
	run := w.commit(w.pipeline(terminates, func(p *pipeline.Pipeline) { p.FailureRunbook = "Remove failed machines" }), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	w.wantTakenOut(failed, 2)
	if got := w.effects(simulator.RunbookRunCreated); got != 1 || !strings.Contains(failed.Reason, "Runbook Remove failed machines has run.") {
		t.Errorf("%d runbook runs: %s", got, failed.Reason)
	}

	w = newWorld(t, worldOptions{scene: keepOld})
	w.failOnTargets()
	run = w.commit(w.pipeline(terminates, func(p *pipeline.Pipeline) { p.FailureRunbook = "Remove failed machines" }), "aaaaaaaaaa")
	failed = w.untilDone(run.ID, pipeline.Failed)
	w.wantTakenOut(failed, 2)
	if !strings.Contains(failed.Reason, "The machines of its targets may still run") {
		t.Errorf("without the runbook the reason is %q", failed.Reason)
	}
}

func TestFailedGenerationIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	w.failOnTargets()
	run := w.commit(w.pipeline(terminates, func(p *pipeline.Pipeline) { p.OnFailure = pipeline.Keep }), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Failed)
	if got := w.effects(simulator.MachineDeleted); got != 0 || len(w.standing()) != 4 {
		t.Errorf("%d targets were deleted, %d stand", got, len(w.standing()))
	}
}

// The new targets may be all that serves: the deployment has stopped the old ones.
func TestLastServingGenerationIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.failOnTargets()
	run := w.commit(w.pipeline(terminates), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	if got := w.effects(simulator.MachineDeleted); got != 0 {
		t.Errorf("%d targets were deleted", got)
	}
	if !strings.Contains(failed.Reason, "Its new targets are kept: 0 of the 2 old targets") {
		t.Errorf("the reason is %q", failed.Reason)
	}
}

// Right after the deployment Octopus still shows the machines that it has stopped
// as healthy: what counts is a check since then.
func TestStoppedGenerationThatLooksHealthy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{BootDelay: time.Millisecond}}})
	run := w.commit(w.pipeline(terminates), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "infrastructure deployment")
	w.cancel(run.ID)
	w.untilWaiting(run.ID, pipeline.VerifyStage, "still under way")
	w.until("the deployment has ended", func() bool {
		w.sim.Advance(time.Second)
		w.wake()
		return !strings.Contains(w.run(run.ID).Reason, "still under way")
	})
	w.untilWaiting(run.ID, pipeline.VerifyStage, "has not checked the health of old target")
	ended := w.untilDone(run.ID, pipeline.Cancelled)
	if got := w.effects(simulator.MachineDeleted); got != 0 || !strings.Contains(ended.Reason, "are kept: 0 of the 2 old targets") {
		t.Errorf("%d targets were deleted: %s", got, ended.Reason)
	}
}

// A run that is cancelled waits for its deployment, which may still bring targets
// and stop the old ones; then its targets go, and the lane with them.
func TestCancelledGenerationIsTerminated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{KeepOld: true, BootDelay: time.Millisecond}}})
	run := w.commit(w.pipeline(terminates), "aaaaaaaaaa")
	next := w.commit(w.pipeline(terminates), "bbbbbbbbbb")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "infrastructure deployment")
	w.cancel(run.ID)
	w.untilWaiting(run.ID, pipeline.VerifyStage, "still under way")
	if ending := w.run(run.ID).Ending; ending == nil {
		t.Error("how the run ends is not kept")
	}
	cancelled := w.untilDone(run.ID, pipeline.Cancelled)
	if !strings.Contains(cancelled.Reason, "Cancelled by") || !strings.Contains(cancelled.Reason, "2 new targets are removed") {
		t.Errorf("the reason is %q", cancelled.Reason)
	}
	w.wantTakenOut(cancelled, 2)
	w.untilDone(next.ID, pipeline.Succeeded)
}

// Machines that are still booting when the run is cancelled register after their
// deployment has ended: they are waited for, and go as well.
func TestBootingGenerationIsTerminated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{
		KeepOld: true, BootDelay: 20 * time.Second, RegisterSpread: 20 * time.Second,
	}}})
	run := w.commit(w.pipeline(terminates), "aaaaaaaaaa")
	untilDeployed(w, run)
	w.cancel(run.ID)
	w.untilWaiting(run.ID, pipeline.VerifyStage, "0 of 2 targets of Deployments-2 have registered")
	w.wantTakenOut(w.untilDone(run.ID, pipeline.Cancelled), 2)
}

// sharing shows the target "shared" in another environment, too.
type sharing struct{ Octopus }

func (s sharing) Targets(ctx context.Context, query octopus.TargetQuery) ([]octopus.Target, error) {
	targets, err := s.Octopus.Targets(ctx, query)
	for i, target := range targets {
		if target.Name == "shared" {
			targets[i].EnvironmentIDs = append(target.EnvironmentIDs, "Environments-9")
		}
	}
	return targets, err
}

// addTarget registers a target by hand.
func (w *world) addTarget(name string) string {
	w.t.Helper()
	id, err := w.sim.AddTarget(simulator.TargetOptions{
		Name: name, EnvironmentID: w.scene.EnvironmentID, Roles: []string{"hello-world"}, PolicyID: w.scene.PolicyID, Healthy: true,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// A target that another run knows, that serves another environment, or that shows
// something else at the last look, is not taken out.
func TestWhatIsNotItsOwnIsNotTakenOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld, config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return sharing{o} })
	}})
	run := w.commit(w.pipeline(terminates), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "infrastructure deployment")
	shared, foreign := w.addTarget("shared"), w.addTarget("foreign")
	earlier := w.commit(w.pipeline(terminates), "bbbbbbbbbb") // any other run will do
	w.exec(`insert into targets (run_id, target_id, name, generation, first_seen_at) values ($1, $2, 'foreign', 'new', now())`, earlier.ID, foreign)
	w.failOnTargets()
	failed := w.untilDone(run.ID, pipeline.Failed)
	for _, id := range append([]string{shared, foreign}, w.scene.TargetIDs...) {
		if !slices.Contains(w.standing(), id) {
			t.Errorf("target %s is gone", id)
		}
	}
	if got := w.effects(simulator.MachineDeleted); got != 2 || !strings.Contains(failed.Reason, "2 new targets are left") {
		t.Errorf("%d targets were deleted: %s", got, failed.Reason)
	}
	notes := map[string]string{}
	for _, target := range w.targets(run.ID) {
		notes[target.TargetID] = target.Note
	}
	if !strings.Contains(notes[shared], "other environments") || !strings.Contains(notes[foreign], "Another run knows it") {
		t.Errorf("the notes are %v", notes)
	}
}

// stopsOld shows the old targets as unavailable after the first deletion.
type stopsOld struct {
	Octopus
	old     []string
	deleted *atomic.Bool
}

func (s stopsOld) DeleteTarget(ctx context.Context, id string) error {
	defer s.deleted.Store(true)
	return s.Octopus.DeleteTarget(ctx, id)
}

func (s stopsOld) Targets(ctx context.Context, query octopus.TargetQuery) ([]octopus.Target, error) {
	targets, err := s.Octopus.Targets(ctx, query)
	for i, target := range targets {
		if s.deleted.Load() && slices.Contains(s.old, target.ID) {
			targets[i].HealthStatus = "Unavailable"
		}
	}
	return targets, err
}

// Before each deletion counts what stands then.
func TestTakingOutStopsWhenTheOldOnesDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld, config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return stopsOld{o, []string{"Machines-1", "Machines-2"}, &atomic.Bool{}} })
	}})
	w.failOnTargets()
	run := w.commit(w.pipeline(terminates), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	if got := w.effects(simulator.MachineDeleted); got != 1 || len(w.standing()) != 3 {
		t.Errorf("%d targets were deleted, %d stand: %s", got, len(w.standing()), failed.Reason)
	}
	const told = "1 new target is removed from Octopus; any others are kept: 0 of the 2 old targets"
	if !strings.Contains(failed.Reason, told) || strings.Contains(failed.Reason, "goes on serving") || *failed.RetryFrom != pipeline.Provision {
		t.Errorf("to be retried from %s: %s", *failed.RetryFrom, failed.Reason)
	}
}

// A return that stops halfway has not given the old generation back: the last good
// release has to go on new infrastructure.
func TestReturnThatStopsHalfway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld, config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return stopsOld{o, []string{"Machines-1", "Machines-2"}, &atomic.Bool{}} })
	}})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	untilDeployed(w, run)
	w.sim.Advance(5 * time.Minute)
	w.mustRollback(run.ID)
	ended := w.untilDone(run.ID, pipeline.Cancelled)
	if got := w.effects(simulator.MachineDeleted); got != 1 {
		t.Errorf("%d targets were deleted: %s", got, ended.Reason)
	}
	if *ended.RollbackWay != wayNone || !strings.Contains(ended.Reason, "has nothing good to go back to") {
		t.Errorf("the rollback is over by %s: %s", *ended.RollbackWay, ended.Reason)
	}
}

// While Octopus does not delete, the end is put off; it is told in the end, and
// the lane goes on.
func TestTakingOutIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	w.failOnTargets()
	w.fault(simulator.Fault{Method: http.MethodDelete, PathPattern: "/machines/", Status: http.StatusServiceUnavailable, Times: 1 << 20})
	run := w.commit(w.pipeline(terminates, func(p *pipeline.Pipeline) { p.Verify.Timeout, p.Verify.Grace = 20*time.Second, time.Second }), "aaaaaaaaaa")
	next := w.commit(w.pipeline(terminates), "bbbbbbbbbb")
	w.until("the end is put off", func() bool {
		now := w.run(run.ID)
		if now.Status == pipeline.Waiting && !now.Paused {
			w.sim.Advance(10 * time.Second)
			w.wake()
		}
		return strings.Contains(now.Reason, "Removing the new targets")
	})
	if w.run(next.ID).Status != pipeline.Queued {
		t.Error("the lane is free while targets are being removed")
	}
	w.exec("update runs set deadline_at = now() - interval '1 hour' where id = $1", run.ID)
	failed := w.untilEnd(run.ID)
	if failed.Status != pipeline.Failed || !strings.Contains(failed.Reason, "Its new targets could not be removed") {
		t.Errorf("the run is %s: %s", failed.Status, failed.Reason)
	}
	w.until("the next run has its turn", func() bool { return w.run(next.ID).StartedAt != nil })
}

// A key that may not delete is no reason to hold the lane.
func TestTakingOutWithoutPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	w.failOnTargets()
	if err := w.sim.SetMissingPermissions("MachineDelete"); err != nil {
		t.Fatal(err)
	}
	failed := w.untilDone(w.commit(w.pipeline(terminates), "aaaaaaaaaa").ID, pipeline.Failed)
	if !strings.Contains(failed.Reason, "could not be removed") || w.effects(simulator.MachineDeleted) != 0 {
		t.Errorf("the reason is %q", failed.Reason)
	}
}

// dies ends the first execution that has deleted a target, as SIGKILL does: it
// writes nothing any more.
type dies struct {
	Octopus
	once  chan struct{}
	world func() *world
}

func (d dies) DeleteTarget(ctx context.Context, id string) error {
	if err := d.Octopus.DeleteTarget(ctx, id); err != nil {
		return err
	}
	select {
	case d.once <- struct{}{}:
		w := d.world()
		w.exec("update runs set lease_until = now() - interval '1 second' where status = 'running' and lease_until is not null")
		w.until("another execution has the run", func() bool {
			var lost int
			err := w.pool.QueryRow(ctx, "select count(*) from run_events where kind = $1", eventAttemptLost).Scan(&lost)
			return err != nil || lost > 0
		})
		return ctx.Err()
	default:
		return nil
	}
}

// The process dies after the first deletion, before it is noted: the next one
// goes on with the same end, and each target is deleted once.
func TestDeathWhileTargetsAreTakenOut(t *testing.T) {
	t.Parallel()
	var w *world
	w = newWorld(t, worldOptions{scene: keepOld, config: func(c *Config) {
		c.Lease = 2 * time.Second
		wrap(c, func(o Octopus) Octopus { return dies{o, make(chan struct{}, 1), func() *world { return w }} })
	}})
	w.failOnTargets()
	run := w.commit(w.pipeline(terminates), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	if standing := w.standing(); !slices.Equal(standing, w.scene.TargetIDs) {
		t.Errorf("%v stand, want the old generation %v", standing, w.scene.TargetIDs)
	}
	if got := w.effects(simulator.MachineDeleted); got != 2 {
		t.Errorf("%d targets were deleted, want 2", got)
	}
	if !strings.Contains(failed.Reason, "although regrow deployed") {
		t.Errorf("the run ended for another reason: %s", failed.Reason)
	}
	if !slices.Contains(w.events(run.ID), eventAttemptLost) {
		t.Error("no execution was lost; the test proves nothing")
	}
}

// A deletion whose answer is lost, or after which the process dies, is noted all the
// same, also when nothing else is left: its machine is ended, and nobody goes on
// with it.
func TestDeletionNobodyHeardOf(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"the process dies":   {},
		"the answer is lost": {Method: http.MethodDelete, PathPattern: "/machines/", DropAfter: true, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w *world
			w = newWorld(t, worldOptions{
				scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{KeepOld: true, Targets: 1}},
				config: func(c *Config) {
					if !fault.DropAfter {
						c.Lease = 2 * time.Second
						wrap(c, func(o Octopus) Octopus { return dies{o, make(chan struct{}, 1), func() *world { return w }} })
					}
				},
			})
			w.addRunbook("Remove failed machines")
			w.failOnTargets()
			if fault.DropAfter {
				w.fault(fault)
			}
			run := w.commit(w.pipeline(terminates, func(p *pipeline.Pipeline) {
				p.Infrastructure.Targets, p.FailureRunbook = 1, "Remove failed machines"
			}), "aaaaaaaaaa")
			failed := w.untilDone(run.ID, pipeline.Failed)
			w.wantTakenOut(failed, 1)
			if got := w.effects(simulator.RunbookRunCreated); got != 1 {
				t.Errorf("the runbook ran %d times", got)
			}
			if *failed.RetryFrom != pipeline.Provision || !strings.Contains(failed.Reason, "1 new target is removed from Octopus") {
				t.Errorf("to be retried from %s: %s", *failed.RetryFrom, failed.Reason)
			}
			if gone, err := store.New(w.pool).HasTakenOut(t.Context(), run.ID); err != nil || !gone {
				t.Errorf("that its target is gone is known: %t, %v", gone, err)
			}
		})
	}
}
