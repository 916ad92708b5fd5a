package jobs

import (
	"errors"
	"fmt"
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

// rollback asks for a rollback as the API does.
func (w *world) rollback(id uuid.UUID, reason string) (store.Run, error) {
	w.t.Helper()
	var run store.Run
	if err := w.engine.CheckRollback(w.t.Context(), id); err != nil {
		return run, err
	}
	err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) (err error) {
		delivery := uuid.Must(uuid.NewV7())
		_, err = store.New(tx).InsertDelivery(w.t.Context(), store.InsertDeliveryParams{
			ID: delivery, Source: "api", ExternalID: delivery.String(), Kind: "api", Event: "rollback", ReceivedAt: time.Now(),
			Headers: http.Header{}, Body: []byte("{}"), BodySha256: []byte{}, Outcome: "accepted", Mismatches: []pipeline.Mismatch{},
		})
		if err != nil {
			return err
		}
		run, err = w.engine.Rollback(w.t.Context(), tx, delivery, id, reason, "ann")
		return err
	})
	return run, err
}

func (w *world) mustRollback(id uuid.UUID) store.Run {
	w.t.Helper()
	run, err := w.rollback(id, "the shop is down")
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

func (w *world) wantRefusal(id uuid.UUID, message string) {
	w.t.Helper()
	_, err := w.rollback(id, "")
	refused, ok := errors.AsType[*pipeline.Refusal](err)
	if !ok || !strings.Contains(refused.Message, message) || refused.Remedy == "" {
		w.t.Errorf("a rollback is refused by %v, want %q and a remedy", err, message)
	}
}

// quick is a pipeline whose clean-up does not wait for old targets.
func quick(p *pipeline.Pipeline) { p.Cleanup.Timeout = 2 * time.Second }

// succeed takes a commit to its end.
func (w *world) succeed(p pipeline.Pipeline, sha string) store.Run {
	w.t.Helper()
	return w.untilDone(w.commit(p, sha).ID, pipeline.Succeeded)
}

// release returns the id of the application release that a run puts out.
func (w *world) release(id uuid.UUID) string { return w.result(id).createRelease.ReleaseID }

// After clean-up the last good release goes on new infrastructure: the very
// release, and nothing else is made anew.
func TestRollbackPutsTheLastGoodReleaseOnNewInfrastructure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick)
	good := w.succeed(p, "aaaaaaaaaa")
	bad := w.succeed(p, "bbbbbbbbbb")
	before := w.effects(simulator.ReleaseCreated)

	run := w.mustRollback(bad.ID)
	if run.ID == bad.ID || run.RollbackOf == nil || *run.RollbackOf != bad.ID || run.Restores == nil || *run.Restores != good.ID || run.CommitSha != good.CommitSha {
		t.Fatalf("the rollback is %+v", run)
	}
	w.wantRefusal(bad.ID, fmt.Sprintf("is being rolled back already, for ann: by run #%d", run.Number))
	ended := w.untilDone(run.ID, pipeline.Succeeded)
	w.checkRelease(ended.ID)
	if w.release(run.ID) != w.release(good.ID) {
		t.Errorf("release %s was put out, want %s", w.release(run.ID), w.release(good.ID))
	}
	if made := w.effects(simulator.ReleaseCreated) - before; made != 1 {
		t.Errorf("%d releases were made, want the infrastructure's alone", made)
	}
	for _, id := range idsOf(w.targets(bad.ID), generationNew) {
		if slices.Contains(w.standing(), id) {
			t.Errorf("target %s of the bad run still stands", id)
		}
	}
	if got := w.run(bad.ID); got.RollbackWay == nil || *got.RollbackWay != wayNewRun || got.RollbackRun == nil || *got.RollbackRun != run.ID || *got.RollbackReason != "the shop is down" {
		t.Errorf("the bad run tells of no rollback: %+v", got)
	}
	w.wantRefusal(bad.ID, "does not run any more")
	w.wantRefusal(good.ID, "does not run any more")

	// A newer commit goes its usual way, and what comes before it now is the
	// rollback.
	newer := w.succeed(p, "cccccccccc")
	w.checkRelease(newer.ID)
	again := w.mustRollback(newer.ID)
	if *again.Restores != run.ID {
		t.Errorf("the second rollback restores %s, want the first one", *again.Restores)
	}
	w.untilDone(again.ID, pipeline.Succeeded)
	if w.release(again.ID) != w.release(good.ID) {
		t.Errorf("release %s was put out, want %s", w.release(again.ID), w.release(good.ID))
	}
	w.wantRefusal(again.ID, "is itself on the last good release")
}

// Who gets away from a rollback goes one good release further back.
func TestRollbackOfARollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick)
	first := w.succeed(p, "aaaaaaaaaa")
	w.succeed(p, "bbbbbbbbbb")
	third := w.succeed(p, "cccccccccc")
	back := w.untilDone(w.mustRollback(third.ID).ID, pipeline.Succeeded)
	further := w.untilDone(w.mustRollback(back.ID).ID, pipeline.Succeeded)
	if w.release(further.ID) != w.release(first.ID) {
		t.Errorf("release %s was put out, want that of the first run", w.release(further.ID))
	}
	w.wantRefusal(further.ID, "is itself on the last good release")
}

// A template without the run's number makes each commit's version once.
func TestRollbackHasAVersionOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick, func(p *pipeline.Pipeline) {
		p.Infrastructure.Version, p.Application.Version = "0.1.0-{short_commit}", "1.0.0-{short_commit}"
	})
	w.engine.Pipelines["hello-world"] = p
	w.succeed(p, "aaaaaaaaaa")
	bad := w.succeed(p, "bbbbbbbbbb")
	run := w.untilDone(w.mustRollback(bad.ID).ID, pipeline.Succeeded)
	if got := w.result(run.ID).provision.ReleaseVersion; got != "0.1.0-aaaaaaaa.rollback.3" {
		t.Errorf("the infrastructure release is %s", got)
	}
}

// Before clean-up the old generation still serves: the run ends, and its targets
// go, whatever the pipeline does with failed ones.
func TestRollbackReturnsToTheOldGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	next := w.commit(w.pipeline(), "bbbbbbbbbb")
	w.until("a new target is found", func() bool {
		if w.run(run.ID).Status == pipeline.Waiting {
			w.sim.Advance(time.Second)
			w.wake()
		}
		return slices.Contains(w.events(run.ID), eventTargetFound)
	})
	same := w.mustRollback(run.ID)
	if same.ID != run.ID || same.Status.Terminal() {
		t.Fatalf("the rollback of an active run is %+v", same)
	}
	w.wantRefusal(run.ID, "is being rolled back already, for ann")
	ended := w.untilDone(run.ID, pipeline.Cancelled)
	if !strings.Contains(ended.Reason, "Rolled back by ann: The shop is down.") || !strings.Contains(ended.Reason, "2 new targets are removed from Octopus") {
		t.Errorf("the reason is %q", ended.Reason)
	}
	if *ended.RollbackWay != wayReturn || ended.RollbackRun != nil {
		t.Errorf("it went by %s to %v", *ended.RollbackWay, ended.RollbackRun)
	}
	w.wantTakenOut(ended, 2)
	w.wantRefusal(run.ID, "its old generation serves")
	w.until("the next run has its turn", func() bool { return w.run(next.ID).StartedAt != nil })
}

// Octopus goes on with what it has deployed last. After a return that has to be
// the good release, also on an old target that comes back from an outage.
func TestReturnKeepsOctopusFromTheBadRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	p := w.pipeline(quick)
	good := w.succeed(p, "aaaaaaaaaa")
	// One will not come, and is not waited for.
	more := w.pipeline(quick, func(p *pipeline.Pipeline) { p.Infrastructure.Targets, p.Verify.Grace = 3, 0 })
	bad := w.commit(more, "bbbbbbbbbb")
	w.until("the bad release is on new targets", func() bool {
		if w.run(bad.ID).Status == pipeline.Waiting {
			w.sim.Advance(5 * time.Second)
			w.wake()
		}
		return slices.Contains(w.events(bad.ID), eventTargetDeployed)
	})
	w.mustRollback(bad.ID)
	ended := w.untilDone(bad.ID, pipeline.Cancelled)
	if got := w.override(w.scene.ProjectID, w.scene.EnvironmentID); got != w.release(good.ID) {
		t.Fatalf("the override is to %q, want the good release: %s", got, ended.Reason)
	}
	old := idsOf(w.targets(good.ID), generationNew)[0]
	for _, condition := range []string{"Unavailable", "Healthy"} {
		if err := w.sim.SetCondition(old, condition); err != nil {
			t.Fatal(err)
		}
		w.sim.Advance(3 * time.Minute) // longer, and the machine policy removes it
	}
	if len(w.standing()) != 4 {
		t.Fatalf("%v stand, want the two old generations", w.standing())
	}
	for _, machine := range w.sim.Machines() {
		if got := machine.Installed[w.scene.ProjectID]; got == w.release(bad.ID) {
			t.Errorf("the bad release is on %s", machine.Name)
		}
	}
	next := w.succeed(w.pipeline(quick, func(p *pipeline.Pipeline) { p.Verify.Grace = time.Second }), "cccccccccc")
	w.checkRelease(next.ID)
	if got := w.override(w.scene.ProjectID, w.scene.EnvironmentID); got != "" {
		t.Errorf("an override to %s is left behind", got)
	}
}

// The targets of a run that has failed, and was to keep them, are taken out
// afterwards; the run is as failed as before.
func TestRollbackOfAFailedRun(t *testing.T) {
	t.Parallel()
	for _, status := range []pipeline.Status{pipeline.Failed, pipeline.Cancelled} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{scene: keepOld})
			run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Redeployments = 1 }), "aaaaaaaaaa")
			if status == pipeline.Failed {
				w.failOnTargets()
			} else {
				w.untilWaiting(run.ID, pipeline.VerifyStage, "")
				w.cancel(run.ID)
			}
			before := w.untilDone(run.ID, status)
			w.sim.Advance(5 * time.Minute)
			if len(w.standing()) != 4 {
				t.Fatalf("%d targets stand, want both generations", len(w.standing()))
			}
			again := w.mustRollback(run.ID)
			if again.ID != run.ID || !again.Status.Active() {
				t.Fatalf("the rollback of an ended run is %+v", again)
			}
			ended := w.untilDone(run.ID, status)
			w.wantTakenOut(ended, 2)
			if !strings.HasPrefix(ended.Reason, before.Reason) || !strings.Contains(ended.Reason, "Rolled back by ann") {
				t.Errorf("the reason is %q, was %q", ended.Reason, before.Reason)
			}
			w.wantRefusal(run.ID, "its old generation serves")
		})
	}
}

// A retry is another round: what an operator wanted of the one before is over.
func TestRetryAfterARollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	w.failOnTargets()
	run := w.commit(w.pipeline(quick, func(p *pipeline.Pipeline) { p.Verify.Redeployments = 1 }), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Failed)
	w.sim.Advance(5 * time.Minute)
	w.mustRollback(run.ID)
	w.wantTakenOut(w.untilDone(run.ID, pipeline.Failed), 2)

	if again := w.retry(run.ID, ""); again.RollbackWay != nil || again.RollbackDelivery != nil || again.Stage != pipeline.Provision {
		t.Errorf("the retry from %s is to be rolled back, too: %+v", again.Stage, again)
	}
	again := w.untilDone(run.ID, pipeline.Failed)
	if got := w.effects(simulator.MachineDeleted); got != 2 || len(w.standing()) != 4 {
		t.Errorf("%d targets were deleted, %d stand: %s", got, len(w.standing()), again.Reason)
	}
	w.sim.Faults().Clear()
	w.retry(run.ID, pipeline.Provision)
	w.untilDone(run.ID, pipeline.Succeeded)
	w.wantRefusal(run.ID, "has nothing good to go back to")
}

// While the run that gets away from another waits, that one is not retried.
func TestRetryOfARunThatIsBeingReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick, func(p *pipeline.Pipeline) { p.Verify.Redeployments = 1 })
	w.succeed(p, "aaaaaaaaaa")
	w.failOnTargets()
	bad := w.untilDone(w.commit(p, "bbbbbbbbbb").ID, pipeline.Failed)
	w.sim.Advance(10 * time.Minute) // Octopus finds the old targets stopped
	w.pause(pipeline.PauseLane, p)
	w.mustRollback(bad.ID)
	back := w.run(*w.untilEnd(bad.ID).RollbackRun)
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := w.engine.Retry(t.Context(), tx, bad.ID, "", "test")
		return err
	})
	if !isRefusal(err) || !strings.Contains(err.Error(), fmt.Sprintf("is being rolled back by run #%d", back.Number)) {
		t.Errorf("a retry is answered %v", err)
	}
	w.cancel(back.ID)
	if again := w.retry(bad.ID, ""); again.RollbackWay != nil {
		t.Errorf("the retry is of a run that is rolled back: %+v", again)
	}
}

// Where the deployment has stopped the old targets, the run's end makes the run
// that puts the last good release on new infrastructure, once.
func TestRollbackWhenTheOldGenerationIsStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick, func(p *pipeline.Pipeline) { p.Verify.Redeployments = 1 })
	good := w.succeed(p, "aaaaaaaaaa")
	w.failOnTargets()
	bad := w.untilDone(w.commit(p, "bbbbbbbbbb").ID, pipeline.Failed)
	w.sim.Faults().Clear()
	if same := w.mustRollback(bad.ID); same.ID != bad.ID {
		t.Fatalf("the rollback is another run at once: %+v", same)
	}
	ended := w.untilDone(bad.ID, pipeline.Failed)
	if ended.RollbackRun == nil || *ended.RollbackWay != wayNewRun {
		t.Fatalf("it led to no run: %s", ended.Reason)
	}
	for _, part := range []string{"Its new targets are kept: 0 of the 2 old targets", "A new run puts release 1.0.1, which run #1 put out"} {
		if !strings.Contains(ended.Reason, part) {
			t.Errorf("the reason %q does not tell of %q", ended.Reason, part)
		}
	}
	back := w.untilDone(*ended.RollbackRun, pipeline.Succeeded)
	w.checkRelease(back.ID)
	if w.release(back.ID) != w.release(good.ID) {
		t.Errorf("release %s was put out, want %s", w.release(back.ID), w.release(good.ID))
	}
}

// Whoever makes a run takes its lane first and numbers it then, also the end of
// another run: two who went different ways would wait for each other.
func TestRollbackAtARunsEndTakesTheLaneFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick, func(p *pipeline.Pipeline) { p.Verify.Redeployments = 1 })
	w.succeed(p, "aaaaaaaaaa")
	w.failOnTargets()
	bad := w.untilDone(w.commit(p, "bbbbbbbbbb").ID, pipeline.Failed)
	w.sim.Advance(10 * time.Minute) // Octopus finds the old targets stopped
	tidying, goOn := make(chan struct{}), make(chan struct{})
	w.restart(func(c *Config) {
		wrap(c, func(o Octopus) Octopus {
			return interrupting{o, "before clearing", &sync.Once{}, func() { close(tidying); <-goOn }}
		})
	})
	w.mustRollback(bad.ID)
	<-tidying
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		q := store.New(tx)
		if err := lockLane(t.Context(), q, bad.Lane); err != nil {
			return err
		}
		close(goOn)
		w.until("the run's end waits for the lane", func() bool {
			waiting := 0
			err := w.pool.QueryRow(t.Context(), `select count(*) from pg_locks join pg_database on oid = database
				where datname = current_database() and locktype = 'advisory' and not granted`).Scan(&waiting)
			return err != nil || waiting > 0
		})
		if _, err := tx.Exec(t.Context(), "set local lock_timeout = '500ms'"); err != nil {
			return err
		}
		_, err := q.NextRunNumber(t.Context(), p.Name)
		return err
	})
	if err != nil {
		t.Errorf("who holds the lane cannot number a run: %v", err)
	}
	if ended := w.untilEnd(bad.ID); ended.RollbackRun == nil {
		t.Errorf("no run was made: %s", ended.Reason)
	}
}

// A rollback comes first in its lane and takes the place of what waits under
// "latest"; no commit takes its own.
func TestRollbackInItsLane(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick)
	w.succeed(p, "aaaaaaaaaa")
	bad := w.succeed(p, "bbbbbbbbbb")
	other := w.pipeline(quick, func(p *pipeline.Pipeline) {
		p.Name, p.Infrastructure.Version, p.Application.Version = "other", "8.{run}", "8.{run}"
	})
	holder := w.commit(other, "cccccccccc")
	first := w.commit(other, "dddddddddd")
	older := w.commit(p, "eeeeeeeeee")
	back := w.mustRollback(bad.ID)
	if back.Status != pipeline.Queued {
		t.Fatalf("the rollback is %s in a taken lane", back.Status)
	}
	if got := w.run(older.ID); got.Status != pipeline.Superseded || *got.SupersededBy != back.ID {
		t.Errorf("the queued commit is %s", got.Status)
	}
	newer := w.commit(p, "ffffffffff")
	if got := w.run(back.ID).Status; got != pipeline.Queued {
		t.Errorf("a newer commit made the rollback %s", got)
	}
	w.untilDone(holder.ID, pipeline.Succeeded)
	w.untilDone(back.ID, pipeline.Succeeded)
	w.untilDone(first.ID, pipeline.Succeeded)
	w.untilDone(newer.ID, pipeline.Succeeded)
	turns := []int64{*w.run(holder.ID).LaneTurn, *w.run(back.ID).LaneTurn, *w.run(first.ID).LaneTurn, *w.run(newer.ID).LaneTurn}
	if !slices.IsSorted(turns) {
		t.Errorf("the turns of holder, rollback, other and newer commit are %v", turns)
	}
}

// A deployment freeze holds a rollback, and yet it gives its lane to no commit.
func TestFrozenRollbackDoesNotGiveWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick)
	w.succeed(p, "aaaaaaaaaa")
	bad := w.succeed(p, "bbbbbbbbbb")
	w.freezeFrom("Christmas", time.Now().Add(-time.Minute), time.Hour, w.scene.ProjectID)
	back := w.mustRollback(bad.ID)
	w.untilWaiting(back.ID, pipeline.Provision, "Christmas")
	newer := w.commit(p, "cccccccccc")
	w.wake()
	w.untilWaiting(back.ID, pipeline.Provision, "Christmas")
	if got := w.run(newer.ID).Status; got != pipeline.Queued {
		t.Errorf("the newer commit is %s", got)
	}
}

func TestRollbackIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick)
	good := w.succeed(p, "aaaaaaaaaa")
	w.wantRefusal(good.ID, "has nothing good to go back to")

	taken, err := w.sim.AddRelease(w.scene.ProjectID, "1.0.2")
	if err != nil {
		t.Fatal(err)
	}
	nothing := w.untilDone(w.commit(p, "bbbbbbbbbb").ID, pipeline.Failed)
	w.wantRefusal(nothing.ID, "has made no targets")
	w.delete("releases/" + taken)

	bad := w.succeed(p, "cccccccccc")
	w.wantRefusal(nothing.ID, "does not run any more: run #3 of hello-world has succeeded since")
	moved := w.engine.Pipelines["hello-world"]
	moved.Environment = "Production"
	w.engine.Pipelines["hello-world"] = moved
	w.wantRefusal(bad.ID, "went another way")
	delete(w.engine.Pipelines, "hello-world")
	w.wantRefusal(bad.ID, "is of a pipeline that is not configured any more")
	w.engine.Pipelines["hello-world"] = p

	holder := w.commit(p, "dddddddddd")
	w.commit(p, "eeeeeeeeee")
	w.commit(p, "ffffffffff")
	superseded := w.run(holder.ID).Number + 1
	var id uuid.UUID
	if err := w.pool.QueryRow(t.Context(), "select id from runs where number = $1", superseded).Scan(&id); err != nil {
		t.Fatal(err)
	}
	w.wantRefusal(id, "has changed nothing that could be rolled back: it is superseded")
	if _, err := w.rollback(uuid.New(), ""); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("a rollback of no run: %v", err)
	}
}

// Retention deletes releases: it is told before anything is started, or at the
// latest before anything is replaced.
func TestRollbackToAReleaseThatIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick)
	good := w.succeed(p, "aaaaaaaaaa")
	bad := w.succeed(p, "bbbbbbbbbb")
	holder := w.commit(w.pipeline(quick, func(p *pipeline.Pipeline) {
		p.Name, p.Infrastructure.Version, p.Application.Version = "other", "8.{run}", "8.{run}"
	}), "cccccccccc")
	back := w.mustRollback(bad.ID)
	w.delete("releases/" + w.release(good.ID))
	w.untilDone(holder.ID, pipeline.Succeeded)
	deployments := w.effects(simulator.DeploymentCreated)
	failed := w.untilDone(back.ID, pipeline.Failed)
	if failed.Stage != pipeline.Provision || !strings.Contains(failed.Reason, "is not in Octopus any more") || !strings.Contains(failed.Remedy, "regrow trigger") {
		t.Errorf("failed in %s: %s (%s)", failed.Stage, failed.Reason, failed.Remedy)
	}
	if got := w.effects(simulator.DeploymentCreated); got != deployments {
		t.Error("something was deployed for a release that is gone")
	}
	third := w.succeed(p, "dddddddddd")
	fourth := w.succeed(p, "eeeeeeeeee")
	w.delete("releases/" + w.release(third.ID))
	w.wantRefusal(fourth.ID, "cannot be rolled back: release "+w.result(third.ID).createRelease.ReleaseVersion)
}

// A run that waits for its lane has changed nothing: it is over at once.
func TestRollbackOfAQueuedRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.commit(w.pipeline(), "aaaaaaaaaa")
	queued := w.mustRollback(w.commit(w.pipeline(), "bbbbbbbbbb").ID)
	if queued.Status != pipeline.Cancelled || !strings.Contains(queued.Reason, "Rolled back by ann") || *queued.RollbackWay != wayReturn {
		t.Errorf("the run is %s: %s", queued.Status, queued.Reason)
	}
}

// A rollback that is asked for while the run is being looked at is not lost,
// whatever that look comes to.
func TestRollbackDuringALook(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]struct {
		task error
		old  bool
	}{
		"that finds nothing new": {nil, true},
		"that fails":             {refusal(), true},
		"that fails, and the old generation is stopped": {refusal(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looking, goOn := make(chan struct{}), make(chan struct{})
			var first sync.Once
			w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{KeepOld: look.old}}, config: func(c *Config) {
				c.Interval = time.Hour
				wrap(c, func(o Octopus) Octopus {
					return fails{Octopus: o, task: func() (err error) {
						first.Do(func() { close(looking); <-goOn; err = look.task })
						return err
					}}
				})
			}})
			run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Timeout = 2 * time.Hour }), "aaaaaaaaaa")
			<-looking
			w.sim.Advance(10 * time.Minute)
			w.mustRollback(run.ID)
			close(goOn)
			ended := w.untilEnd(run.ID)
			if ended.Status != pipeline.Cancelled || !strings.Contains(ended.Reason, "Rolled back by ann") {
				t.Errorf("the run is %s: %s", ended.Status, ended.Reason)
			}
			if look.old {
				w.wantTakenOut(ended, 2)
			} else if !strings.Contains(ended.Reason, "has nothing good to go back to") || ended.Remedy == "" {
				t.Errorf("the reason is %q, the remedy %q", ended.Reason, ended.Remedy)
			} else if *ended.RollbackWay != wayNone {
				t.Errorf("it went by %s", *ended.RollbackWay)
			}
		})
	}
}

// While a run waits for old targets to become unavailable it has removed none:
// it can give back.
func TestRollbackInCleanup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: keepOld})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	untilStage(pipeline.CleanupStage)(w, run)
	w.untilWaiting(run.ID, pipeline.CleanupStage, "")
	w.mustRollback(run.ID)
	w.wantTakenOut(w.untilDone(run.ID, pipeline.Cancelled), 2)
}

// A run that has begun to remove its old generation, and that a new run is to
// replace, keeps its targets whatever becomes of it: they serve until then.
func TestEndOfARunThatANewOneReplaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status pipeline.Status
		end    func(*world, store.Run)
	}{
		"it is cancelled": {pipeline.Cancelled, func(w *world, run store.Run) { w.cancel(run.ID) }},
		"its clean-up fails": {pipeline.Failed, func(w *world, run store.Run) {
			w.fault(simulator.Fault{Status: http.StatusForbidden, Method: http.MethodGet, PathPattern: "/machines", Times: 1, Body: `{"ErrorMessage":"You do not have permission: MachineView."}`})
			w.wake()
		}},
	} {
		for _, serving := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, old targets serve: %t", name, serving), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, worldOptions{scene: keepOld})
				p := w.pipeline(quick, func(p *pipeline.Pipeline) {
					if serving {
						p.Cleanup.Minimum = 1
					}
				})
				w.engine.Pipelines["hello-world"] = p
				good := w.succeed(p, "aaaaaaaaaa")
				p.Cleanup.Timeout = time.Hour
				bad := w.commit(p, "bbbbbbbbbb")
				untilStage(pipeline.CleanupStage)(w, bad)
				for _, id := range idsOf(w.targets(bad.ID), generationBaseline)[1:] {
					w.disable(id)
				}
				w.until("all old targets but one are removed", func() bool {
					w.wake()
					return len(w.standing()) == 3
				})
				back := w.mustRollback(bad.ID)
				if *back.Restores != good.ID || back.Status != pipeline.Queued {
					t.Fatalf("the rollback is %s: %+v", back.Status, back)
				}
				removed := w.effects(simulator.MachineDeleted)
				c.end(w, bad)
				ended := w.untilEnd(bad.ID)
				if ended.Status != c.status || *ended.RollbackWay != wayNewRun || *ended.RollbackRun != back.ID {
					t.Errorf("the run is %s: %s", ended.Status, ended.Reason)
				}
				if got := w.effects(simulator.MachineDeleted); got != removed {
					t.Errorf("its end has removed %d targets", got-removed)
				}
				w.untilDone(back.ID, pipeline.Succeeded)
				w.checkRelease(back.ID)
			})
		}
	}
}

// Two operators at once: one of them rolls back, the other is told.
func TestTwoRollbacksAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick)
	w.succeed(p, "aaaaaaaaaa")
	bad := w.succeed(p, "bbbbbbbbbb")
	const operators = 5
	answers := make(chan error, operators)
	for range operators {
		go func() {
			_, err := w.rollback(bad.ID, "")
			answers <- err
		}()
	}
	done := 0
	for range operators {
		err := <-answers
		if err == nil {
			done++
		} else if refused, ok := errors.AsType[*pipeline.Refusal](err); !ok || !strings.Contains(refused.Message, "being rolled back already") {
			t.Errorf("one was answered %v", err)
		}
	}
	var made int
	if err := w.pool.QueryRow(t.Context(), "select count(*) from runs where rollback_of = $1", bad.ID).Scan(&made); err != nil {
		t.Fatal(err)
	}
	if done != 1 || made != 1 {
		t.Errorf("%d rollbacks were taken and made %d runs, want one", done, made)
	}
}

// The process dies while the run gives back, right after a deletion: the next one
// goes on, and each target goes once.
func TestDeathWhileARunGivesBack(t *testing.T) {
	t.Parallel()
	var w *world
	w = newWorld(t, worldOptions{scene: keepOld, config: func(c *Config) {
		c.Lease = 2 * time.Second
		wrap(c, func(o Octopus) Octopus { return dies{o, make(chan struct{}, 1), func() *world { return w }} })
	}})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	untilDeployed(w, run)
	w.sim.Advance(5 * time.Minute)
	w.mustRollback(run.ID)
	ended := w.untilDone(run.ID, pipeline.Cancelled)
	if standing := w.standing(); !slices.Equal(standing, w.scene.TargetIDs) || w.effects(simulator.MachineDeleted) != 2 {
		t.Errorf("%v stand after %d deletions: %s", standing, w.effects(simulator.MachineDeleted), ended.Reason)
	}
}

// The process dies in each stage of a rollback, right after what that has made:
// one release, one deployment and one override are made all the same.
func TestDeathInARollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{config: func(c *Config) { c.Lease = 300 * time.Millisecond }})
	p := w.pipeline(quick)
	w.succeed(p, "aaaaaaaaaa")
	bad := w.succeed(p, "bbbbbbbbbb")
	releases, deployments, overrides := w.effects(simulator.ReleaseCreated), w.effects(simulator.DeploymentCreated), w.effects(simulator.OverrideSet)
	w.fault(simulator.Fault{Method: http.MethodPost, PathPattern: "/(releases|deployments)$", DropAfter: true, Times: 2})
	w.fault(simulator.Fault{Method: http.MethodPut, PathPattern: "/projects/", DropAfter: true, Times: 1})
	run := w.mustRollback(bad.ID)
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	w.vanish(w.run(run.ID))
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkRelease(run.ID)
	if a, b, c := w.effects(simulator.ReleaseCreated)-releases, w.effects(simulator.DeploymentCreated)-deployments, w.effects(simulator.OverrideSet)-overrides; a != 1 || b != 1 || c != 1 {
		t.Errorf("%d releases, %d deployments and %d overrides were made, want one of each", a, b, c)
	}
}

// A run of a rollback that fails can be rolled back as any other, and the bad one
// again.
func TestFailedRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(quick, func(p *pipeline.Pipeline) { p.Verify.Redeployments = 1 })
	good := w.succeed(p, "aaaaaaaaaa")
	bad := w.succeed(p, "bbbbbbbbbb")
	w.failOnTargets()
	failed := w.untilDone(w.mustRollback(bad.ID).ID, pipeline.Failed)
	w.sim.Faults().Clear()
	again := w.mustRollback(bad.ID)
	if again.ID == failed.ID || *again.Restores != good.ID {
		t.Errorf("the second rollback is %+v", again)
	}
	w.untilDone(again.ID, pipeline.Succeeded)
	w.checkRelease(again.ID)
}
