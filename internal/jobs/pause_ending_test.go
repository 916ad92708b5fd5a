package jobs

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// During a pause a run that is cancelled or rolled back clears its override, and
// leaves its new targets alone until the pause is lifted.
func TestPauseKeepsTargetsOfARunThatEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, run uuid.UUID){
		"cancelled":   func(w *world, run uuid.UUID) { w.cancel(run) },
		"rolled back": func(w *world, run uuid.UUID) { w.mustRollback(run) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{scene: keepOld})
			w.failOnTargets()
			run := w.commit(w.pipeline(terminates, func(p *pipeline.Pipeline) { p.Verify.Redeployments = 1000 }), "aaaaaaaaaa")
			w.until("a new target is found", func() bool {
				if w.run(run.ID).Status == pipeline.Waiting {
					w.sim.Advance(time.Second)
					w.wake()
				}
				return slices.Contains(w.events(run.ID), eventTargetFound)
			})
			pause := w.pause(pipeline.PauseLane, w.pipeline())
			end(w, run.ID)
			w.until("the run waits for the pause to end", func() bool {
				now := w.run(run.ID)
				if now.Status.Terminal() {
					t.Fatalf("the run is %s during the pause: %s", now.Status, now.Reason)
				}
				if now.Status == pipeline.Waiting && !now.Paused { // for its deployment
					w.sim.Advance(10 * time.Second)
					w.wake()
				}
				return now.HeldSince != nil && now.Ending != nil && now.Paused
			})
			held := w.untilHeld(run.ID, pipeline.VerifyStage)
			if !strings.Contains(held.Reason, "Removing the new targets") {
				t.Errorf("the reason is %q", held.Reason)
			}
			if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
				t.Errorf("the override to %s still stands", left)
			}
			if err := w.engine.Reconcile(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := w.effects(simulator.MachineDeleted); got != 0 {
				t.Errorf("%d targets were deleted during the pause", got)
			}
			w.resume(pause)
			w.wantTakenOut(w.untilDone(run.ID, pipeline.Cancelled), 2)
			w.wantEvents(run.ID, map[string]int{eventRunHeld: 1, eventRunReleased: 1})
		})
	}
}

// What a pause held and an operator has cancelled does not look to the reconciler,
// after the pause, like a run that could go on at once.
func TestEndOfAHeldRunIsNotHurried(t *testing.T) {
	t.Parallel()
	var w *world
	var pause pipeline.Pause
	stop := func() { pause = w.pause(pipeline.PauseLane, w.pipeline()) }
	w = newWorld(t, worldOptions{scene: keepOld, config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return interrupting{o, "override", &sync.Once{}, stop} })
	}})
	p := w.pipeline(terminates)
	run := w.commit(p, "aaaaaaaaaa")
	w.untilHeld(run.ID, pipeline.VerifyStage)
	w.cancel(run.ID)
	w.untilWaiting(run.ID, pipeline.VerifyStage, "still under way")
	w.resume(pause)
	w.until("the run is held no longer", func() bool { return w.run(run.ID).HeldSince == nil })
	w.untilWaiting(run.ID, pipeline.VerifyStage, "still under way")
	w.wantEvents(run.ID, map[string]int{eventRunHeld: 1, eventRunReleased: 1})
	w.untilDone(run.ID, pipeline.Cancelled)
}

// A retry during a pause takes the lane and is held before it changes anything.
func TestRetryDuringAPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	w.failOnTargets()
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Redeployments, p.Cleanup.Mode = 1, pipeline.CleanupPolicy }), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Failed)
	w.sim.Faults().Clear()
	pause := w.pause(pipeline.PauseLane, w.pipeline())
	before := len(w.changes())
	again := w.retry(run.ID, "")
	w.untilHeld(run.ID, again.Stage)
	if changes := w.changes(); len(changes) != before {
		t.Errorf("changed during the pause: %+v", changes[before:])
	}
	w.resume(pause)
	w.untilDone(run.ID, pipeline.Succeeded)
}
