package jobs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// A storm of commits costs two turnovers under "latest": the one under way, and
// one for the newest commit.
func TestLatestSupersedesQueuedRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline()
	first := w.commit(p, "aaaaaaaaaa")
	w.untilWaiting(first.ID, pipeline.VerifyStage, "")
	var queued []store.Run
	for i := range 4 {
		queued = append(queued, w.commit(p, fmt.Sprintf("bbbbbbbbb%d", i)))
	}
	last := queued[len(queued)-1]
	for _, run := range queued[:len(queued)-1] {
		superseded := w.run(run.ID)
		if superseded.Status != pipeline.Superseded || !strings.Contains(superseded.Reason, "Superseded by run #") || superseded.SupersededBy == nil {
			t.Errorf("run #%d is %s: %q", run.Number, superseded.Status, superseded.Reason)
		}
	}
	if got := w.run(last.ID).Status; got != pipeline.Queued {
		t.Errorf("the newest run is %s, want queued", got)
	}
	w.untilDone(first.ID, pipeline.Succeeded)
	w.untilDone(last.ID, pipeline.Succeeded)
	w.checkRelease(last.ID)
	if got := w.effects(simulator.DeploymentCreated); got != 2 {
		t.Errorf("%d turnovers, want 2", got)
	}
}

func TestFIFORunsEveryCommitInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Policy, p.Cleanup.Mode = pipeline.FIFO, pipeline.CleanupPolicy })
	var ids []uuid.UUID
	for i := range 3 {
		ids = append(ids, w.commit(p, fmt.Sprintf("bbbbbbbbb%d", i)).ID)
	}
	for i, id := range ids {
		ended := w.untilDone(id, pipeline.Succeeded)
		if i > 0 && ended.StartedAt.Before(*w.run(ids[i-1]).EndedAt) {
			t.Errorf("run #%d began before the one ahead of it ended", ended.Number)
		}
	}
}

// Invariant 3: whatever the code does, the database takes one active run a lane.
func TestDatabaseRefusesASecondActiveRunInALane(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Policy = pipeline.FIFO })
	first := w.commit(p, "aaaaaaaaaa")
	second := w.commit(p, "bbbbbbbbbb")
	w.untilWaiting(first.ID, pipeline.VerifyStage, "")
	_, err := w.pool.Exec(t.Context(), "update runs set status = 'running', job_id = 1, lane_turn = 1, started_at = now() where id = $1", second.ID)
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.ConstraintName != "runs_one_active_per_lane" {
		t.Errorf("a second active run: %v, want the index to refuse it", err)
	}
}

// Commits that arrive at once get their numbers and their lane one by one.
func TestCommitsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline()
	const commits = 12
	var all sync.WaitGroup
	runs := make([]store.Run, commits)
	for i := range commits {
		all.Go(func() { runs[i] = w.commit(p, fmt.Sprintf("%010d", i)) })
	}
	all.Wait()
	numbers, newest := map[int64]bool{}, runs[0]
	var started []uuid.UUID
	for _, run := range runs {
		numbers[run.Number] = true
		if run.Number > newest.Number {
			newest = run
		}
		if w.run(run.ID).StartedAt != nil {
			started = append(started, run.ID)
		}
	}
	if len(numbers) != commits || !numbers[1] || !numbers[commits] {
		t.Errorf("the runs are numbered %v", numbers)
	}
	if len(started) != 1 {
		t.Fatalf("%d runs hold the lane", len(started))
	}
	w.untilDone(started[0], pipeline.Succeeded)
	w.untilDone(newest.ID, pipeline.Succeeded)
	w.checkRelease(newest.ID)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Policy = pipeline.FIFO })
	first := w.commit(p, "aaaaaaaaaa")
	second := w.commit(p, "bbbbbbbbbb")
	third := w.commit(p, "cccccccccc")
	w.untilWaiting(first.ID, pipeline.VerifyStage, "")
	if w.override(w.scene.ProjectID, w.scene.EnvironmentID) == "" {
		t.Fatal("there is no override to clear; the test proves nothing")
	}

	if queued := w.cancel(second.ID); queued.Status != pipeline.Cancelled {
		t.Errorf("a queued run is %s after its cancelling", queued.Status)
	}
	w.cancel(first.ID)
	ended := w.untilStatus(first.ID, pipeline.Cancelled)
	if !slices.Contains(w.events(first.ID), eventOverrideCleared) {
		t.Error("the cancelled run has not cleared its override")
	}
	if !strings.Contains(ended.Reason, "enough") {
		t.Errorf("the reason is lost: %q", ended.Reason)
	}
	if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left == w.result(first.ID).createRelease.ReleaseID {
		t.Error("the cancelled run's override still stands")
	}
	w.untilDone(third.ID, pipeline.Succeeded)
	w.checkRelease(third.ID)
	if err := w.tryCancel(third.ID); !isRefusal(err) {
		t.Errorf("cancelling an ended run: %v, want a refusal", err)
	}
}

func TestRetryIsRefusedWhereItWouldUndoANewerRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{
		scene:    simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{Fail: true}},
		switches: simulator.Switches{DeploymentDuration: time.Second, TaskQueueDelay: -1},
	})
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Policy, p.Verify.Grace = pipeline.FIFO, time.Second })
	first := w.commit(p, "aaaaaaaaaa")
	second := w.commit(p, "bbbbbbbbbb")
	w.untilDone(first.ID, pipeline.Failed)
	if err := w.tryRetry(first.ID, pipeline.CleanupStage); !isRefusal(err) {
		t.Errorf("a retry from a stage that was never reached: %v, want a refusal", err)
	}
	w.untilDone(second.ID, pipeline.Failed)
	if err := w.tryRetry(first.ID, ""); !isRefusal(err) || !strings.Contains(err.Error(), "#2") {
		t.Errorf("a retry after a newer run: %v, want a refusal that names run #2", err)
	}
	if err := w.tryRetry(second.ID, pipeline.CreateRelease); err != nil {
		t.Errorf("a retry from an earlier stage: %v", err)
	}
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[*pipeline.Refusal](err)
	return ok
}

func (w *world) cancel(id uuid.UUID) store.Run {
	w.t.Helper()
	if err := w.tryCancel(id); err != nil {
		w.t.Fatal(err)
	}
	return w.run(id)
}

func (w *world) tryCancel(id uuid.UUID) error {
	return pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := w.engine.Cancel(w.t.Context(), tx, id, pipeline.Cancellation{Reason: "enough", By: "test"})
		return err
	})
}

func (w *world) tryRetry(id uuid.UUID, from pipeline.Stage) error {
	return pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := w.engine.Retry(w.t.Context(), tx, id, from, "test")
		return err
	})
}
