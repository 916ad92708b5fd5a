package jobs

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// cancelWith cancels a run and, where that is wanted, its tasks.
func (w *world) cancelWith(id uuid.UUID, c pipeline.Cancellation) store.Run {
	w.t.Helper()
	var run store.Run
	err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) (err error) {
		run, err = w.engine.Cancel(w.t.Context(), tx, id, c)
		return err
	})
	if err != nil {
		w.t.Error(err) // perhaps in a goroutine of the engine
	}
	return run
}

// wantOnlyTidied wants nothing to have been changed after the first changes but
// that the run's own override was cleared, and the effects that are allowed.
func (w *world) wantOnlyTidied(run uuid.UUID, before int, allowed ...simulator.Effect) {
	w.t.Helper()
	for _, change := range w.changes()[before:] {
		ownOverride := change.Effect == simulator.OverrideCleared && change.ReleaseID == w.result(run).createRelease.ReleaseID
		if !ownOverride && !slices.Contains(allowed, change.Effect) {
			w.t.Errorf("changed after the cancel: %+v", change)
		}
	}
}

// Wherever a run is when it is cancelled, from then on nothing is changed in
// Octopus but that its own override is cleared.
func TestCancelAtEveryStep(t *testing.T) {
	t.Parallel()
	untriggered := simulator.HelloWorldOptions{NoTrigger: true}
	for at, c := range map[string]struct {
		scene    simulator.HelloWorldOptions
		override bool // it stands when the run is cancelled
		cleanup  pipeline.CleanupMode
	}{
		"before release":                        {},
		"release of Hello World Infrastructure": {},
		"before deployment":                     {},
		"deployment":                            {},
		"release of Hello World":                {},
		"before override":                       {},
		"override":                              {override: true},
		"before redeployment":                   {scene: untriggered, override: true},
		"redeployment":                          {scene: untriggered},
		"before deletion":                       {},
		"deletion":                              {},
		"before runbook":                        {cleanup: pipeline.CleanupRunbook},
		"runbook":                               {cleanup: pipeline.CleanupRunbook},
	} {
		for _, tasks := range []bool{false, true} {
			name := at
			if tasks {
				name += ", with its tasks"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var w *coldWorld
				before, stood := 0, false
				cancel := func() {
					id := w.only()
					if got := w.cancelWith(id, pipeline.Cancellation{Reason: "enough", By: "test", Tasks: tasks}); got.Status.Terminal() {
						t.Errorf("the run is %s while it is being executed", got.Status)
					}
					before, stood = len(w.changes()), w.override(w.scene.ProjectID, w.scene.EnvironmentID) != ""
				}
				w = newColdWorld(t, worldOptions{scene: c.scene, config: func(config *Config) {
					wrap(config, func(o Octopus) Octopus { return interrupting{o, at, &sync.Once{}, cancel} })
				}})
				w.addRunbook("Terminate")
				p := w.pipeline(func(p *pipeline.Pipeline) {
					if c.cleanup != "" {
						p.Cleanup.Mode, p.Cleanup.Runbook = c.cleanup, "Terminate"
					}
				})
				run := w.commit(p, "aaaaaaaaaa")
				w.until("the run has ended", func() bool {
					now := w.run(run.ID)
					if now.Status == pipeline.Waiting && !now.Paused {
						w.pass(10 * time.Second)
					}
					return now.Status.Terminal()
				})
				if ended := w.run(run.ID); ended.Status != pipeline.Cancelled || ended.Reason != "Cancelled by test: enough" {
					t.Fatalf("the run is %s: %s", ended.Status, ended.Reason)
				}
				for range 3 {
					w.pass(time.Hour)
					if err := w.engine.Reconcile(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if stood != c.override {
					t.Errorf("when the run was cancelled its override stood: %t, want %t", stood, c.override)
				}
				if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
					t.Errorf("the override of %s still stands", left)
				}
				if tasks {
					w.wantOnlyTidied(run.ID, before, simulator.TaskCancelled)
				} else {
					w.wantOnlyTidied(run.ID, before)
				}
			})
		}
	}
}

// only returns the id of the one run there is.
func (w *world) only() uuid.UUID {
	var id uuid.UUID
	if err := w.pool.QueryRow(w.t.Context(), "select id from runs").Scan(&id); err != nil {
		w.t.Error(err) // perhaps in a goroutine of the engine
	}
	return id
}

// A cancel that ends Octopus' tasks, too, ends exactly the run's own.
func TestCancelWithTasks(t *testing.T) {
	t.Parallel()
	t.Run("the infrastructure's", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{})
		run := w.commit(w.pipeline(), "aaaaaaaaaa")
		w.untilWaiting(run.ID, pipeline.VerifyStage, "")
		before := len(w.changes())
		w.cancelWith(run.ID, pipeline.Cancellation{By: "test", Tasks: true})
		w.untilStatus(run.ID, pipeline.Cancelled)
		w.wantCancelled(w.result(run.ID).provision.TaskID)
		w.wantOnlyTidied(run.ID, before, simulator.TaskCancelled)
		w.wantEvents(run.ID, map[string]int{eventCancel: 1, eventTaskCancelled: 1, eventNoTaskCancelled: 0, eventOverrideCleared: 1})
		if got := w.result(run.ID).provision.CancelledTasks; len(got) != 1 {
			t.Errorf("the run says that it cancelled %v", got)
		}
	})
	t.Run("not without being asked", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, worldOptions{})
		run := w.commit(w.pipeline(), "aaaaaaaaaa")
		w.untilWaiting(run.ID, pipeline.VerifyStage, "")
		w.cancel(run.ID)
		w.untilStatus(run.ID, pipeline.Cancelled)
		w.wantCancelled()
		w.wantEvents(run.ID, map[string]int{eventTaskCancelled: 0, eventNoTaskCancelled: 0})
	})
	t.Run("one whose answer was lost", func(t *testing.T) {
		t.Parallel()
		var w *world
		cancel := func() { w.cancelWith(w.only(), pipeline.Cancellation{By: "test", Tasks: true}) }
		w = newWorld(t, worldOptions{config: func(c *Config) {
			wrap(c, func(o Octopus) Octopus { return interrupting{o, "deployment", &sync.Once{}, cancel} })
		}})
		w.fault(simulator.Fault{Method: http.MethodPost, PathPattern: "/deployments$", DropAfter: true, Times: 1})
		run := w.commit(w.pipeline(), "aaaaaaaaaa")
		w.untilStatus(run.ID, pipeline.Cancelled)
		if w.result(run.ID).provision.TaskID != "" {
			t.Fatal("the run knows of its deployment; the test proves nothing")
		}
		made := w.sim.JournalOf(simulator.DeploymentCreated)
		w.wantCancelled(made[len(made)-1].TaskID)
	})
	t.Run("regrow's own to new targets", func(t *testing.T) {
		t.Parallel()
		w := newColdWorld(t, worldOptions{scene: simulator.HelloWorldOptions{NoTrigger: true}})
		run := w.commit(w.pipeline(), "aaaaaaaaaa")
		w.until("regrow deploys to new targets itself", func() bool {
			if now := w.run(run.ID); now.Status == pipeline.Waiting {
				w.pass(5 * time.Second)
			}
			return len(w.result(run.ID).verify.Redeployments) > 0
		})
		made := w.sim.JournalOf(simulator.DeploymentCreated)
		w.cancelWith(run.ID, pipeline.Cancellation{By: "test", Tasks: true})
		w.untilStatus(run.ID, pipeline.Cancelled)
		w.wantCancelled(made[len(made)-1].TaskID)
	})
	t.Run("not Octopus' own", func(t *testing.T) {
		t.Parallel()
		w := newColdWorld(t, worldOptions{})
		run := w.commit(w.pipeline(), "aaaaaaaaaa")
		w.until("Octopus deploys the release to new targets", func() bool {
			if now := w.run(run.ID); now.Status == pipeline.Waiting {
				w.pass(time.Second)
			}
			return len(w.byTrigger()) > 0
		})
		w.cancelWith(run.ID, pipeline.Cancellation{By: "test", Tasks: true})
		w.untilStatus(run.ID, pipeline.Cancelled)
		w.wantCancelled()
		w.wantEvents(run.ID, map[string]int{eventTaskCancelled: 0, eventNoTaskCancelled: 1})
	})
	t.Run("asked for later", func(t *testing.T) {
		t.Parallel()
		var w *world
		cancel := func() {
			w.cancelWith(w.only(), pipeline.Cancellation{Reason: "enough", By: "test"})
			w.cancelWith(w.only(), pipeline.Cancellation{Reason: "really", By: "vic", Tasks: true})
			w.cancelWith(w.only(), pipeline.Cancellation{Reason: "really", By: "vic", Tasks: true})
		}
		w = newWorld(t, worldOptions{config: func(c *Config) {
			wrap(c, func(o Octopus) Octopus { return interrupting{o, "deployment", &sync.Once{}, cancel} })
		}})
		run := w.commit(w.pipeline(), "aaaaaaaaaa")
		ended := w.untilStatus(run.ID, pipeline.Cancelled)
		w.wantCancelled(w.result(run.ID).provision.TaskID)
		if ended.Reason != "Cancelled by test: enough" {
			t.Errorf("the reason is %q", ended.Reason)
		}
		w.wantEvents(run.ID, map[string]int{eventCancel: 2, eventTaskCancelled: 1})
	})
}

// That tasks are to be cancelled, too, comes when the run's end is past that: it is
// done all the same, and the run ends as it was going to.
func TestCancelWithTasksWhileTheRunEnds(t *testing.T) {
	t.Parallel()
	for _, status := range []pipeline.Status{pipeline.Failed, pipeline.Cancelled} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			var w *world
			cancel := func() { w.cancelWith(w.only(), pipeline.Cancellation{Reason: "really", By: "vic", Tasks: true}) }
			w = newWorld(t, worldOptions{scene: keepOld, config: func(c *Config) {
				wrap(c, func(o Octopus) Octopus { return interrupting{o, "before deletion", &sync.Once{}, cancel} })
			}})
			w.failOnTargets() // nothing is proven, or the new targets would stay
			attempts := map[pipeline.Status]int{pipeline.Failed: 0, pipeline.Cancelled: 1000}[status]
			run := w.commit(w.pipeline(terminates, func(p *pipeline.Pipeline) { p.Verify.Redeployments = attempts }), "aaaaaaaaaa")
			if status == pipeline.Cancelled {
				untilDeployed(w, run)
				w.sim.Advance(5 * time.Minute)
				w.cancel(run.ID)
			}
			ended := w.untilDone(run.ID, status)
			w.wantTakenOut(ended, 2)
			// A deployment to the new targets may be under way, or not.
			if events := w.events(run.ID); !slices.Contains(events, eventNoTaskCancelled) && !slices.Contains(events, eventTaskCancelled) {
				t.Errorf("nobody looked for tasks: %v", events)
			}
			if !strings.Contains(ended.Reason, "2 new targets are removed") {
				t.Errorf("the reason is %q", ended.Reason)
			}
		})
	}
}

// byTrigger are the deployments that Octopus has made by itself.
func (w *world) byTrigger() []simulator.Entry {
	return slices.DeleteFunc(w.sim.JournalOf(simulator.DeploymentCreated), func(e simulator.Entry) bool { return e.Actor != simulator.ActorAutoDeploy })
}

// wantCancelled wants just these tasks to have been cancelled.
func (w *world) wantCancelled(tasks ...string) {
	w.t.Helper()
	var got []string
	for _, entry := range w.sim.JournalOf(simulator.TaskCancelled) {
		got = append(got, entry.TaskID)
	}
	if !slices.Equal(got, tasks) {
		w.t.Errorf("the cancelled tasks are %q, want %q", got, tasks)
	}
}

// That tasks cannot be cancelled holds up no end for good, and is told.
func TestTasksThatCannotBeCancelled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  simulator.Fault
		reason string
	}{
		"forbidden":    {simulator.Fault{Status: http.StatusForbidden, Body: `{"ErrorMessage":"You do not have permission: TaskCancel."}`}, "What Octopus does for it could not be cancelled"},
		"away a while": {simulator.Fault{Status: http.StatusServiceUnavailable, Times: 3}, ""},
		"answers lost": {simulator.Fault{DropAfter: true, Times: 2}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			w.untilWaiting(run.ID, pipeline.VerifyStage, "")
			c.fault.Method, c.fault.PathPattern = http.MethodPost, "/cancel$"
			w.fault(c.fault)
			w.cancelWith(run.ID, pipeline.Cancellation{Reason: "enough", By: "test", Tasks: true})
			ended := w.untilStatus(run.ID, pipeline.Cancelled)
			if !strings.Contains(ended.Reason, c.reason) || !strings.HasPrefix(ended.Reason, "Cancelled by test: enough") {
				t.Errorf("the reason is %q", ended.Reason)
			}
			if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
				t.Errorf("the override of %s still stands", left)
			}
			if c.reason == "" {
				w.wantCancelled(w.result(run.ID).provision.TaskID)
			}
		})
	}
}

// Targets that come although their deployment was cancelled are not taken for the
// next run's.
func TestTargetsThatComeAfterACancel(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{AfterCancel: 1}}})
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Policy, p.Cleanup.Mode = pipeline.FIFO, pipeline.CleanupPolicy })
	first, second := w.commit(p, "aaaaaaaaaa"), w.commit(p, "bbbbbbbbbb")
	w.untilWaiting(first.ID, pipeline.VerifyStage, "queued")
	w.pass(2 * time.Second)
	w.untilWaiting(first.ID, pipeline.VerifyStage, "executing")
	standing := w.standing()
	w.cancelWith(first.ID, pipeline.Cancellation{By: "test", Tasks: true})
	w.untilStatus(first.ID, pipeline.Cancelled)
	w.until("the second run has ended", func() bool {
		if now := w.run(second.ID); now.Status == pipeline.Waiting {
			w.pass(10 * time.Second)
		}
		return w.run(second.ID).Status.Terminal()
	})
	w.untilStatus(second.ID, pipeline.Succeeded)
	w.checkRelease(second.ID)
	old := idsOf(w.targets(second.ID), generationBaseline)
	if len(old) != len(standing)+1 {
		t.Errorf("the second run's baseline is %v; want %v and the one that came after the cancel", old, standing)
	}
}
