package jobs

import (
	"context"
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

// meddler lets a test do something right before clean-up looks at an old target
// for the last time, or deletes it.
type meddler struct {
	Octopus
	*meddling
}

type meddling struct {
	mu sync.Mutex
	// before is called with what is about to happen and the how-manieth time.
	before map[string]func(n int, id string) error
	count  map[string]int
}

const (
	aLook     = "look"
	aDeletion = "deletion"
)

func (m *meddling) step(what, id string) error {
	m.mu.Lock()
	m.count[what]++
	n, before := m.count[what], m.before[what]
	m.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(n, id)
}

func (m *meddling) on(what string, before func(n int, id string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before[what] = before
}

func (m meddler) Target(ctx context.Context, id string) (octopus.Target, error) {
	if err := m.step(aLook, id); err != nil {
		return octopus.Target{}, err
	}
	return m.Octopus.Target(ctx, id)
}

func (m meddler) DeleteTarget(ctx context.Context, id string) error {
	if err := m.step(aDeletion, id); err != nil {
		return err
	}
	return m.Octopus.DeleteTarget(ctx, id)
}

// newCleanupWorld is a world with two old targets, disabled and therefore up for
// deletion from the beginning, in which a test can meddle.
func newCleanupWorld(t *testing.T, o worldOptions) (*world, *meddling) {
	t.Helper()
	m := &meddling{before: map[string]func(int, string) error{}, count: map[string]int{}}
	change := o.config
	o.config = func(c *Config) {
		if change != nil {
			change(c)
		}
		wrap(c, func(o Octopus) Octopus { return meddler{o, m} })
	}
	w := newWorld(t, o)
	for _, id := range w.scene.TargetIDs {
		w.disable(id)
	}
	return w, m
}

func (w *world) disable(id string) {
	w.t.Helper()
	w.edit("machines/"+id, func(d map[string]any) { d["IsDisabled"] = true })
}

// deleted lists the targets that regrow has deleted, in order.
func (w *world) deleted() []string {
	var ids []string
	for _, entry := range w.sim.JournalOf(simulator.MachineDeleted) {
		if entry.Actor == simulator.ActorAPI {
			ids = append(ids, entry.ID)
		}
	}
	return ids
}

// untilCleanup moves Octopus' clock until the run waits in clean-up because of the
// text.
func (w *world) untilCleanup(id uuid.UUID, text string) store.Run {
	w.t.Helper()
	w.until(fmt.Sprintf("run %s waits in cleanup because %q", id, text), func() bool {
		run := w.run(id)
		if run.Status.Terminal() {
			w.t.Fatalf("the run is %s: %s", run.Status, run.Reason)
		}
		there := run.Stage == pipeline.CleanupStage && run.Status == pipeline.Waiting && strings.Contains(run.Reason, text)
		if run.Status == pipeline.Waiting && !run.Paused && !there {
			w.sim.Advance(10 * time.Second)
			w.wake()
		}
		return there
	})
	return w.run(id)
}

func (w *world) notes(id uuid.UUID) map[string]string {
	w.t.Helper()
	notes := map[string]string{}
	for _, target := range w.targets(id) {
		if target.Generation == generationBaseline {
			notes[target.TargetID] = target.Note
		}
	}
	return notes
}

func (w *world) cleanUp(id uuid.UUID, most int) error {
	return pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := w.engine.CleanUp(w.t.Context(), tx, id, most, "ada")
		return err
	})
}

func withGrace(p *pipeline.Pipeline) { p.Cleanup.Grace = 2 * time.Hour }

// endGrace lets the grace time of the run be over.
func (w *world) endGrace(id uuid.UUID) {
	w.t.Helper()
	w.exec("update stages set ended_at = ended_at - interval '3 hours' where run_id = $1 and stage = 'verify'", id)
	w.wake()
}

// Nothing old is touched before the grace time after the proof is over, however
// often the run is woken and whoever goes on with it; and the time that clean-up
// has begins only then.
func TestGraceLeavesTheOldTargetsAlone(t *testing.T) {
	t.Parallel()
	for _, mode := range []pipeline.CleanupMode{pipeline.CleanupDelete, pipeline.CleanupRunbook} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			w, m := newCleanupWorld(t, worldOptions{})
			w.addRunbook("Sweep")
			run := w.commit(w.pipeline(withGrace, func(p *pipeline.Pipeline) { p.Cleanup.Mode, p.Cleanup.Runbook = mode, "Sweep" }), "aaaaaaaaaa")
			waiting := w.untilCleanup(run.ID, "left alone for 2h0m0s")
			begins := w.result(run.ID).cleanup.BeginsAt
			proven := w.result(run.ID).proven
			if begins.Sub(proven).Abs() < 2*time.Hour || !strings.Contains(waiting.Reason, begins.UTC().Format(time.RFC3339)) {
				t.Errorf("proven at %s, begins at %s: %s", proven, begins, waiting.Reason)
			}
			for what, at := range map[string][2]time.Time{
				"the next look": {*waiting.NextCheckAt, begins}, "the deadline": {*waiting.DeadlineAt, begins.Add(time.Minute)},
			} {
				if at[0].Sub(at[1]).Abs() > time.Second {
					t.Errorf("%s is at %s, want %s", what, at[0], at[1])
				}
			}
			w.restart(func(c *Config) { wrap(c, func(o Octopus) Octopus { return meddler{o, m} }) })
			for range 3 {
				w.wake()
				again := w.untilCleanup(run.ID, "left alone")
				if !again.DeadlineAt.Equal(*waiting.DeadlineAt) || again.Reason != waiting.Reason {
					t.Errorf("after a restart it waits until %s: %s; want %s: %s", again.DeadlineAt, again.Reason, waiting.DeadlineAt, waiting.Reason)
				}
			}
			if n := w.effects(simulator.RunbookRunCreated) + len(w.deleted()) + m.count[aLook]; n > 0 {
				t.Errorf("clean-up has done %d things before its time", n)
			}
			w.wantEvents(run.ID, map[string]int{eventTargetRemoved: 0})
			w.endGrace(run.ID)
			w.untilDone(run.ID, pipeline.Succeeded)
			if fresh := idsOf(w.targets(run.ID), generationNew); !slices.Equal(w.standing(), fresh) {
				t.Errorf("in Octopus stand %v, want %v", w.standing(), fresh)
			}
		})
	}
}

// The old generation is nobody's to touch in the mode that leaves it to the
// machine policy: there is nothing to wait for.
func TestGraceMeansNothingToThePolicy(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{})
	run := w.commit(w.pipeline(withGrace, func(p *pipeline.Pipeline) { p.Cleanup.Mode = pipeline.CleanupPolicy }), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
}

// Who cancels during the grace time keeps both generations, whatever becomes of
// new targets that were not proven; and the lane is free at once.
func TestCancelDuringGrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{KeepOld: true, BootDelay: time.Second}}})
	p := w.pipeline(withGrace, func(p *pipeline.Pipeline) { p.OnFailure = pipeline.Terminate; p.Cleanup.Minimum = 1 })
	run := w.commit(p, "aaaaaaaaaa")
	w.untilCleanup(run.ID, "left alone")
	next := w.commit(p, "bbbbbbbbbb")
	w.cancel(run.ID)
	if ended := w.untilEnd(run.ID); ended.Status != pipeline.Cancelled || ended.Stage != pipeline.CleanupStage {
		t.Errorf("the run is %s in %s", ended.Status, ended.Stage)
	}
	if standing, all := w.standing(), len(w.targets(run.ID)); len(standing) < all || all != 4 || len(w.deleted()) > 0 {
		t.Errorf("of %d targets stand %v, deleted are %v", all, standing, w.deleted())
	}
	w.until("the next run has the lane", func() bool { return w.run(next.ID).Status != pipeline.Queued })
}

// When more would go than may, nothing goes and the run says so; so it does again
// when it is retried, until an operator allows it.
func TestMaxRemovals(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Infrastructure.Targets, p.Cleanup.Minimum, p.Cleanup.MaxRemovals = 1, 1, 1
	}), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	for range 2 {
		if failed.Stage != pipeline.CleanupStage || *failed.RetryFrom != pipeline.CleanupStage {
			t.Errorf("failed in %s, to be retried from %s", failed.Stage, *failed.RetryFrom)
		}
		for _, part := range []string{"would remove 2 old targets", "cleanup.max_removals allows 1", "none was removed", "The new generation stands"} {
			if !strings.Contains(failed.Reason, part) {
				t.Errorf("the reason is %q, want it to tell %q", failed.Reason, part)
			}
		}
		for _, part := range []string{"regrow runs cleanup hello-world#1 --dry-run", "--max-removals 2", "retry the run"} {
			if !strings.Contains(failed.Remedy, part) {
				t.Errorf("the remedy is %q, want it to tell %q", failed.Remedy, part)
			}
		}
		if len(w.deleted()) > 0 || len(w.standing()) != len(w.targets(run.ID)) {
			t.Errorf("deleted were %v; there stand %v", w.deleted(), w.standing())
		}
		w.retry(run.ID, "")
		failed = w.untilDone(run.ID, pipeline.Failed)
	}
	if err := w.cleanUp(run.ID, 2); err != nil {
		t.Fatal(err)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
	if deleted := w.deleted(); !slices.Equal(slices.Sorted(slices.Values(deleted)), w.scene.TargetIDs) {
		t.Errorf("deleted are %v, want %v", deleted, w.scene.TargetIDs)
	}
	w.wantEvents(run.ID, map[string]int{eventRemovalsAllowed: 1, eventRetry: 3, eventTargetRemoved: 2})
}

// What operators put right in Octopus themselves counts: the retry goes through.
func TestRetryAfterMaxRemovals(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Infrastructure.Targets, p.Cleanup.Minimum, p.Cleanup.MaxRemovals = 1, 1, 1
	}), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Failed)
	moved, old := w.scene.TargetIDs[0], w.scene.TargetIDs[1]
	w.edit("machines/"+moved, func(d map[string]any) { d["Roles"] = []string{"somebody-elses"} })
	w.retry(run.ID, "")
	w.untilDone(run.ID, pipeline.Succeeded)
	if deleted := w.deleted(); !slices.Equal(deleted, []string{old}) {
		t.Errorf("deleted are %v, want %s", deleted, old)
	}
	w.checkStays(run.ID, moved, "it is no longer where the run deployed to")
}

// Old targets that still look alive count as well: they are to go as soon as they
// don't, and by then others would have gone already.
func TestMaxRemovalsCountsThoseThatAreWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Targets: 3, Provisioner: simulator.Provisioner{KeepOld: true, BootDelay: time.Second}}})
	w.disable(w.scene.TargetIDs[0])
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Infrastructure.Targets, p.Cleanup.Minimum, p.Cleanup.MaxRemovals = 2, 2, 2
		p.OnFailure = pipeline.Terminate // which is for targets that were not proven
	}), "aaaaaaaaaa")
	if failed := w.untilDone(run.ID, pipeline.Failed); !strings.Contains(failed.Reason, "would remove 3 old targets") || len(w.deleted()) > 0 {
		t.Errorf("deleted were %v: %s", w.deleted(), failed.Reason)
	}
}

// A runbook that would find more old targets than may go does not begin.
func TestRunbookIsGuarded(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{})
	w.addRunbook("Sweep")
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Infrastructure.Targets, p.Cleanup.Minimum, p.Cleanup.MaxRemovals = 1, 1, 1
		p.Cleanup.Mode, p.Cleanup.Runbook = pipeline.CleanupRunbook, "Sweep"
	}), "aaaaaaaaaa")
	if failed := w.untilDone(run.ID, pipeline.Failed); !strings.Contains(failed.Reason, "cleanup.max_removals allows 1") || w.effects(simulator.RunbookRunCreated) > 0 {
		t.Errorf("%d runbook runs: %s", w.effects(simulator.RunbookRunCreated), failed.Reason)
	}
	if err := w.cleanUp(run.ID, 2); err != nil {
		t.Fatal(err)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
	if n := w.effects(simulator.RunbookRunCreated); n != 1 {
		t.Errorf("the runbook ran %d times", n)
	}
}

func TestCleanUpIsRefused(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{})
	p := w.pipeline(withGrace)
	run := w.commit(p, "aaaaaaaaaa")
	queued := w.commit(p, "bbbbbbbbbb")
	w.untilCleanup(run.ID, "left alone")
	refused := func(id uuid.UUID, want string) {
		t.Helper()
		if err := w.cleanUp(id, 0); !isRefusal(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a refusal because %s", err, want)
		}
	}
	refused(run.ID, "is waiting; only a run that failed in cleanup can clean up again; wait for its end")
	refused(queued.ID, "is queued")
	w.cancel(queued.ID)
	refused(queued.ID, "is cancelled")
	w.endGrace(run.ID)
	w.untilDone(run.ID, pipeline.Succeeded)
	refused(run.ID, "removed by the next run's clean-up")

	failing := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Application.Channel = "None such" }), "cccccccccc")
	w.untilDone(failing.ID, pipeline.Failed)
	refused(failing.ID, "failed in provision, before its clean-up; retry the run")
	if err := w.cleanUp(uuid.New(), 0); err == nil || isRefusal(err) {
		t.Errorf("a run that is not there: %v", err)
	}
}

// A newer run that has used the lane has its own idea of what is old.
func TestCleanUpAfterANewerRunIsRefused(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{})
	p := w.pipeline(func(p *pipeline.Pipeline) {
		p.Infrastructure.Targets, p.Cleanup.Minimum, p.Cleanup.MaxRemovals = 1, 1, 1
	})
	run := w.commit(p, "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Failed)
	p.Cleanup.MaxRemovals = 0
	newer := w.commit(p, "bbbbbbbbbb")
	w.untilDone(newer.ID, pipeline.Succeeded)
	if err := w.cleanUp(run.ID, 5); !isRefusal(err) || !strings.Contains(err.Error(), "has used the lane since") {
		t.Errorf("got %v", err)
	}
}
