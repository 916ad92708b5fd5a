package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// pause pauses something of the pipeline's.
func (w *world) pause(scope pipeline.PauseScope, p pipeline.Pipeline) pipeline.Pause {
	w.t.Helper()
	wanted := pipeline.Pause{Scope: scope, Reason: "the disk is full", By: "ops"}
	switch scope {
	case pipeline.PauseLane:
		wanted.Key, wanted.Name = p.Lane(), p.Lane()
	case pipeline.PauseEnvironment:
		wanted.Key, wanted.Name = p.EnvironmentKey(), p.Environment
	case pipeline.PauseAll:
	}
	pause, _ := w.mustPause(wanted)
	return pause
}

func (w *world) mustPause(wanted pipeline.Pause) (pause pipeline.Pause, created bool) {
	w.t.Helper()
	err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) (err error) {
		pause, created, err = w.engine.Pause(w.t.Context(), tx, wanted)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return pause, created
}

// lift lifts a pause and leaves it to the reconciler to notice.
func (w *world) lift(pause pipeline.Pause) error {
	return pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := w.engine.Resume(w.t.Context(), tx, pause.ID, "ann")
		return err
	})
}

// resume lifts a pause as an operator does.
func (w *world) resume(pause pipeline.Pause) {
	w.t.Helper()
	if err := w.lift(pause); err != nil {
		w.t.Fatal(err)
	}
	if err := w.engine.Release(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// untilHeld waits until a pause holds the run in a stage and nobody is at it.
func (w *world) untilHeld(id uuid.UUID, stage pipeline.Stage) store.Run {
	w.t.Helper()
	w.until(fmt.Sprintf("a pause holds run %s in %s", id, stage), func() bool {
		run := w.run(id)
		if run.Status.Terminal() {
			w.t.Fatalf("the run is %s: %s", run.Status, run.Reason)
		}
		return run.Status == pipeline.Waiting && run.Stage == stage && run.HeldSince != nil
	})
	run := w.run(id)
	if !strings.HasPrefix(run.Reason, "Held: ") || !strings.Contains(run.Reason, "is paused by ops since ") || !strings.Contains(run.Reason, "the disk is full") {
		w.t.Errorf("the reason is %q", run.Reason)
	}
	if run.DeadlineAt != nil {
		w.t.Errorf("the stage's time passes: it ends at %v", run.DeadlineAt)
	}
	return run
}

// changes are what regrow has asked Octopus to change.
func (w *world) changes() []simulator.Entry {
	asked := w.sim.JournalOf(
		simulator.ReleaseCreated, simulator.DeploymentCreated, simulator.FreezeOverridden, simulator.RunbookRunCreated,
		simulator.OverrideSet, simulator.OverrideCleared, simulator.MachineDeleted, simulator.TaskCancelled,
	)
	return slices.DeleteFunc(asked, func(e simulator.Entry) bool { return e.Actor != simulator.ActorAPI })
}

// Nothing of a paused lane starts, whatever the pause covers; commits are taken
// and queue, and when it is lifted the newest goes at once.
func TestPausedCommitsQueue(t *testing.T) {
	t.Parallel()
	for _, scope := range []pipeline.PauseScope{pipeline.PauseLane, pipeline.PauseEnvironment, pipeline.PauseAll} {
		t.Run(string(scope), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{config: func(c *Config) { c.Interval = time.Hour }})
			p := w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Timeout = 2 * time.Hour })
			pause := w.pause(scope, p)
			first, second := w.commit(p, "aaaaaaaaaa"), w.commit(p, "bbbbbbbbbb")
			if err := w.engine.Reconcile(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := w.run(first.ID).Status; got != pipeline.Superseded {
				t.Errorf("the first run is %s, want it superseded", got)
			}
			if got := w.run(second.ID).Status; got != pipeline.Queued {
				t.Errorf("the second run is %s, want it queued", got)
			}
			if changes := w.changes(); len(changes) > 0 {
				t.Errorf("during the pause something was changed: %+v", changes)
			}
			w.resume(pause)
			w.untilWaiting(second.ID, pipeline.VerifyStage, "")
		})
	}
}

// A pause of one lane holds no other.
func TestPauseHoldsNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline()
	other := w.pipeline(func(p *pipeline.Pipeline) { p.Environment = "Production" })
	w.pause(pipeline.PauseEnvironment, other)
	w.pause(pipeline.PauseLane, other)
	run := w.commit(p, "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
	w.wantEvents(run.ID, map[string]int{eventRunHeld: 0, eventRunReleased: 0})
}

func TestPauseTwiceAndResumeTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline()
	first := w.pause(pipeline.PauseLane, p)
	again, created := w.mustPause(pipeline.Pause{Scope: pipeline.PauseLane, Key: p.Lane(), Reason: "another", By: "vic"})
	if created || again.ID != first.ID || again.Reason != "the disk is full" || again.By != "ops" {
		t.Errorf("pausing again: created %t, %+v", created, again)
	}
	w.resume(first)
	if err := w.lift(first); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("resuming again: %v", err)
	}
	if err := w.lift(pipeline.Pause{ID: uuid.New()}); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("resuming what was never paused: %v", err)
	}
	if fresh := w.pause(pipeline.PauseLane, p); fresh.ID == first.ID {
		t.Error("the lifted pause stands again")
	}
}

// Two that pause the same at once make one pause.
func TestPauseAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	var all sync.WaitGroup
	ids := make([]uuid.UUID, 8)
	for i := range ids {
		all.Go(func() { ids[i] = w.pause(pipeline.PauseAll, pipeline.Pipeline{}).ID })
	}
	all.Wait()
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("the pauses are %v", ids)
	}
}

// interrupting has something happen once, right before or after a change that a
// stage makes.
type interrupting struct {
	Octopus
	at   string
	once *sync.Once
	do   func()
}

func (i interrupting) reach(at string) {
	if at == i.at {
		i.once.Do(i.do)
	}
}

func (i interrupting) EnsureRelease(ctx context.Context, spec octopus.ReleaseSpec) (octopus.Release, bool, error) {
	i.reach("before release")
	release, created, err := i.Octopus.EnsureRelease(ctx, spec)
	i.reach("release of " + spec.ProjectName)
	return release, created, err
}

func (i interrupting) EnsureDeployment(ctx context.Context, spec octopus.DeploymentSpec) (octopus.Deployment, bool, error) {
	what := "deployment"
	if len(spec.MachineIDs) > 0 {
		what = "redeployment"
	}
	i.reach("before " + what)
	deployment, created, err := i.Octopus.EnsureDeployment(ctx, spec)
	i.reach(what)
	return deployment, created, err
}

func (i interrupting) SetOverride(ctx context.Context, projectID, environmentID, tenantID, releaseID string) error {
	i.reach("before override")
	err := i.Octopus.SetOverride(ctx, projectID, environmentID, tenantID, releaseID)
	i.reach("override")
	return err
}

func (i interrupting) ClearOverride(ctx context.Context, projectID, environmentID, tenantID, releaseID string) (bool, error) {
	i.reach("before clearing")
	return i.Octopus.ClearOverride(ctx, projectID, environmentID, tenantID, releaseID)
}

func (i interrupting) DeleteTarget(ctx context.Context, id string) error {
	i.reach("before deletion")
	err := i.Octopus.DeleteTarget(ctx, id)
	i.reach("deletion")
	return err
}

func (i interrupting) EnsureRunbookRun(ctx context.Context, spec octopus.RunbookSpec) (octopus.Task, bool, error) {
	i.reach("before runbook")
	task, created, err := i.Octopus.EnsureRunbookRun(ctx, spec)
	i.reach("runbook")
	return task, created, err
}

// A pause that comes in the middle of a stage lets nothing more be changed in
// Octopus, begins no other stage, and when it is lifted the run goes on where it
// was: everything happens once.
func TestPauseInTheMiddleOfAStage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at   string
		held pipeline.Stage
	}{
		{"before release", pipeline.Provision},
		{"release of Hello World Infrastructure", pipeline.Provision},
		{"before deployment", pipeline.Provision},
		{"deployment", pipeline.CreateRelease},
		{"release of Hello World", pipeline.Override},
		{"before override", pipeline.Override},
		{"override", pipeline.VerifyStage},
		{"deletion", pipeline.CleanupStage},
	} {
		t.Run(c.at, func(t *testing.T) {
			t.Parallel()
			var w *coldWorld
			var pause pipeline.Pause
			var before int
			stop := func() {
				pause = w.world.pause(pipeline.PauseEnvironment, w.pipeline())
				before = len(w.changes())
			}
			w = newColdWorld(t, worldOptions{config: func(config *Config) {
				wrap(config, func(o Octopus) Octopus { return interrupting{o, c.at, &sync.Once{}, stop} })
			}})
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			w.until("the run is held", func() bool {
				now := w.run(run.ID)
				if now.Status == pipeline.Waiting && !now.Paused && now.HeldSince == nil {
					w.pass(10 * time.Second)
				}
				return now.HeldSince != nil
			})
			held := w.untilHeld(run.ID, c.held)
			for range 3 { // longer than any stage has time, and whatever Octopus tells
				w.pass(time.Hour)
				if err := w.engine.Reconcile(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			w.untilHeld(run.ID, c.held)
			if changes := w.changes(); len(changes) != before {
				t.Errorf("changed during the pause: %+v", changes[before:])
			}
			if c.held == pipeline.VerifyStage && held.NextCheckAt != nil {
				t.Error("verify has begun, although the pause came before it")
			}
			w.resume(pause)
			w.untilDone(run.ID, pipeline.Succeeded)
			infrastructure := slices.DeleteFunc(w.sim.JournalOf(simulator.DeploymentCreated), func(e simulator.Entry) bool {
				return e.Actor != simulator.ActorAPI || e.ProjectID != w.scene.InfrastructureProjectID
			})
			if releases, overrides := w.effects(simulator.ReleaseCreated), w.effects(simulator.OverrideSet); releases != 2 || overrides != 1 || len(infrastructure) != 1 {
				t.Errorf("%d releases, %d overrides, %d deployments of the infrastructure", releases, overrides, len(infrastructure))
			}
			w.checkRelease(run.ID)
			w.checkOrder(run.ID)
			w.wantEvents(run.ID, map[string]int{eventRunHeld: 1, eventRunReleased: 1})
		})
	}
}

// A run that has begun to verify goes on looking while it is paused, and does
// nothing about what it sees.
func TestPausedVerifyLooksOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		scene simulator.HelloWorldOptions
		sees  string
		// end is how the run ends when the pause is lifted.
		end pipeline.Status
	}{
		"proven":              {simulator.HelloWorldOptions{}, "2 expected, 2 available, 2 deployed", pipeline.Succeeded},
		"left without":        {simulator.HelloWorldOptions{NoTrigger: true}, "2 expected, 2 available, 0 deployed", pipeline.Succeeded},
		"provisioning failed": {simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{Fail: true}}, "ended as Failed", pipeline.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newColdWorld(t, worldOptions{scene: c.scene})
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			w.untilWaiting(run.ID, pipeline.VerifyStage, "")
			pause := w.pause(pipeline.PauseAll, pipeline.Pipeline{})
			before := len(w.changes())
			w.until("the held run sees what has become of it", func() bool {
				w.pass(time.Minute)
				now := w.run(run.ID)
				return now.HeldSince != nil && strings.Contains(now.Reason, c.sees)
			})
			w.pass(3 * time.Hour)
			held := w.untilHeld(run.ID, pipeline.VerifyStage)
			if held.NextCheckAt == nil || held.Paused {
				t.Error("the run does not look any more")
			}
			if changes := w.changes(); len(changes) != before {
				t.Errorf("changed during the pause: %+v", changes[before:])
			}
			w.resume(pause)
			w.untilDone(run.ID, c.end)
			if events := w.events(run.ID); !slices.Contains(events, eventRunReleased) {
				t.Errorf("nothing says that the run went on: %v", events)
			}
		})
	}
}

// A run that fails just when a pause begins is tidied up after it.
func TestPauseWhileARunFails(t *testing.T) {
	t.Parallel()
	var w *coldWorld
	var pause pipeline.Pause
	stop := func() { pause = w.world.pause(pipeline.PauseLane, w.pipeline()) }
	w = newColdWorld(t, worldOptions{
		scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{Fail: true}},
		config: func(c *Config) {
			wrap(c, func(o Octopus) Octopus { return interrupting{o, "before clearing", &sync.Once{}, stop} })
		},
	})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.until("the run is held", func() bool {
		if now := w.run(run.ID); now.Status == pipeline.Waiting && now.HeldSince == nil {
			w.pass(10 * time.Second)
		}
		return w.run(run.ID).HeldSince != nil
	})
	for range 3 {
		w.pass(time.Hour)
		if err := w.engine.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.untilHeld(run.ID, pipeline.VerifyStage)
	if w.override(w.scene.ProjectID, w.scene.EnvironmentID) == "" {
		t.Error("the override was cleared during the pause")
	}
	w.resume(pause)
	failed := w.untilEnd(run.ID)
	if failed.Status != pipeline.Failed || !strings.Contains(failed.Reason, "ended as Failed") {
		t.Errorf("the run is %s: %s", failed.Status, failed.Reason)
	}
	if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
		t.Errorf("the override of %s still stands", left)
	}
}

// Several pauses hold a run until the last of them is lifted, also when nobody
// but the reconciler notices.
func TestOverlappingPauses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline()
	lane := w.pause(pipeline.PauseLane, p)
	everything := w.pause(pipeline.PauseAll, p)
	run := w.commit(p, "aaaaaaaaaa")
	w.resume(lane)
	if got := w.run(run.ID).Status; got != pipeline.Queued {
		t.Fatalf("with a pause left the run is %s", got)
	}
	if err := w.lift(everything); err != nil {
		t.Fatal(err)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
}

// An active run that a pause held is found by the reconciler, too.
func TestReconcilerReleases(t *testing.T) {
	t.Parallel()
	var w *world
	var pause pipeline.Pause
	stop := func() { pause = w.pause(pipeline.PauseLane, w.pipeline()) }
	w = newWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return interrupting{o, "override", &sync.Once{}, stop} })
	}})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilHeld(run.ID, pipeline.VerifyStage)
	if err := w.lift(pause); err != nil {
		t.Fatal(err)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
	if kinds := w.events(run.ID); !slices.Contains(kinds, eventRunReleased) {
		t.Errorf("nothing says that the run went on: %v", kinds)
	}
}

// While a lane is paused a cancel counts: the run ends and clears its override,
// and whoever comes next stays where it is.
func TestCancelWhilePaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Policy = pipeline.FIFO })
	first, second := w.commit(p, "aaaaaaaaaa"), w.commit(p, "bbbbbbbbbb")
	w.untilWaiting(first.ID, pipeline.VerifyStage, "")
	w.pause(pipeline.PauseLane, p)
	w.cancel(first.ID)
	w.untilStatus(first.ID, pipeline.Cancelled)
	if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
		t.Errorf("the override of %s still stands", left)
	}
	if err := w.engine.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.run(second.ID).Status; got != pipeline.Queued {
		t.Errorf("the next run is %s, want it queued", got)
	}
	if queued := w.cancel(second.ID); queued.Status != pipeline.Cancelled {
		t.Errorf("the queued run is %s after its cancelling", queued.Status)
	}
}

// Under "latest" a run that was held before it made anything gives way to the
// newest commit when the pause is lifted.
func TestHeldRunGivesWayToANewerCommit(t *testing.T) {
	t.Parallel()
	var w *world
	var pause pipeline.Pause
	stop := func() { pause = w.pause(pipeline.PauseLane, w.pipeline()) }
	w = newWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return interrupting{o, "before release", &sync.Once{}, stop} })
	}})
	p := w.pipeline()
	first := w.commit(p, "aaaaaaaaaa")
	w.untilHeld(first.ID, pipeline.Provision)
	second := w.commit(p, "bbbbbbbbbb")
	w.resume(pause)
	given := w.untilEnd(first.ID)
	if given.Status != pipeline.Superseded || given.SupersededBy == nil || *given.SupersededBy != second.ID || !strings.Contains(given.Reason, "pause") {
		t.Errorf("the first run is %s by %v: %s", given.Status, given.SupersededBy, given.Reason)
	}
	w.untilDone(second.ID, pipeline.Succeeded)
	if got := w.effects(simulator.DeploymentCreated); got != 1 {
		t.Errorf("%d turnovers, want 1", got)
	}
}

// Targets that somebody adds during a pause belong to the old generation, not to
// the run's.
func TestBaselineIsRecordedAnewAfterAPause(t *testing.T) {
	t.Parallel()
	var w *world
	var pause pipeline.Pause
	stop := func() { pause = w.pause(pipeline.PauseLane, w.pipeline()) }
	w = newWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return interrupting{o, "before deployment", &sync.Once{}, stop} })
	}})
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Cleanup.Mode = pipeline.CleanupPolicy })
	run := w.commit(p, "aaaaaaaaaa")
	w.untilHeld(run.ID, pipeline.Provision)
	if !w.result(run.ID).provision.Baseline {
		t.Fatal("no baseline was recorded before the pause; the test proves nothing")
	}
	added, err := w.sim.AddTarget(simulator.TargetOptions{Name: "by-hand", EnvironmentID: w.scene.EnvironmentID, Roles: []string{"hello-world"}, Healthy: true})
	if err != nil {
		t.Fatal(err)
	}
	w.resume(pause)
	w.untilDone(run.ID, pipeline.Succeeded)
	if old := idsOf(w.targets(run.ID), generationBaseline); !slices.Contains(old, added) {
		t.Errorf("the baseline is %v, without %s", old, added)
	}
}

// No run starts once a pause is answered for, however many commits arrive just
// then: what has started before is held before it changes anything.
func TestPauseDuringAStorm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	const lanes = 12
	lines := make([]pipeline.Pipeline, lanes)
	for i := range lines {
		lines[i] = w.pipeline(func(p *pipeline.Pipeline) { p.Name, p.Tenant = fmt.Sprintf("line-%d", i), fmt.Sprintf("Tenant %d", i) })
	}
	begin := make(chan struct{})
	var all sync.WaitGroup
	for _, line := range lines {
		all.Go(func() { <-begin; w.commit(line, "aaaaaaaaaa") })
	}
	close(begin)
	pause := w.pause(pipeline.PauseAll, pipeline.Pipeline{})
	var atThePause int
	count := "select count(*) from runs where lane_turn is not null"
	if err := w.pool.QueryRow(t.Context(), count).Scan(&atThePause); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if err := w.engine.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	var later int
	if err := w.pool.QueryRow(t.Context(), count).Scan(&later); err != nil {
		t.Fatal(err)
	}
	if later != atThePause {
		t.Errorf("%d runs have started since everything was paused", later-atThePause)
	}
	w.resume(pause)
	w.until("all have started", func() bool {
		if err := w.pool.QueryRow(t.Context(), count).Scan(&later); err != nil {
			t.Fatal(err)
		}
		return later == lanes
	})
}

// A plan says that the lane is paused, and that the run would wait.
func TestPlanOfAPausedLane(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline()
	pause := w.pause(pipeline.PauseEnvironment, p)
	preview, survey := w.survey(p)
	if preview.Entry.Starts || len(preview.Lane.Pauses) != 1 || preview.Lane.Pauses[0].ID != pause.ID {
		t.Errorf("planned: starts %t, paused by %+v", preview.Entry.Starts, preview.Lane.Pauses)
	}
	if survey.Fails() || !slices.ContainsFunc(survey.Findings, func(f pipeline.Finding) bool {
		return f.Kind == pipeline.FindingWaits && strings.HasPrefix(f.Message, "Held: environment Development is paused by ops")
	}) {
		t.Errorf("the findings are %+v", survey.Findings)
	}
	run := w.commit(p, "aaaaaaaaaa")
	if run.Number != preview.Number || run.Status != pipeline.Queued {
		t.Errorf("planned was run #%d queued, there is #%d %s", preview.Number, run.Number, run.Status)
	}
	w.resume(pause)
	w.untilDone(run.ID, pipeline.Succeeded)
}
