package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// Invariant 5: effects happen once, however Octopus answers. Each fault strikes
// the first requests of its kind.
func TestEffectsHappenOnce(t *testing.T) {
	t.Parallel()
	faults := map[string]simulator.Fault{
		"answer lost after the effect": {DropAfter: true, Times: 2},
		"connection reset before":      {DropBefore: true, Times: 2},
		"busy with Retry-After":        {Status: http.StatusTooManyRequests, RetryAfter: "0", Times: 2},
		"unavailable, empty body":      {Status: http.StatusServiceUnavailable, EmptyBody: true, Times: 2},
		"server error":                 {Status: http.StatusInternalServerError, Times: 2},
		"truncated answer":             {Truncate: true, Times: 2},
	}
	for name, fault := range faults {
		for method, path := range map[string]string{"POST": "/(releases|deployments)$", "PUT": "/projects/[^/]+$", "GET": "/machines$"} {
			t.Run(fmt.Sprintf("%s of %s", name, method), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, worldOptions{})
				fault.Method, fault.PathPattern = method, path
				w.fault(fault)
				run := w.commit(w.pipeline(), "aaaaaaaaaa")
				w.untilDone(run.ID, pipeline.Succeeded)
				w.checkRelease(run.ID)
				w.checkOnce()
			})
		}
	}
}

// A request whose connection breaks may have its effect after regrow could have
// looked for it.
func TestEffectsHappenOnceThoughLate(t *testing.T) {
	t.Parallel()
	const late = 300 * time.Millisecond
	for name, status := range map[string]int{"connection broken": 0, "given up by a proxy": http.StatusGatewayTimeout} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{settling: 2 * late})
			w.fault(simulator.Fault{Method: "POST", PathPattern: "/(releases|deployments)$", Status: status, Late: late, Times: 3})
			w.fault(simulator.Fault{Method: "PUT", PathPattern: "/projects/[^/]+$", Status: status, Late: late, Times: 1})
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			w.untilDone(run.ID, pipeline.Succeeded)
			w.checkRelease(run.ID)
			w.checkOnce()
		})
	}
}

func (w *world) checkOnce() {
	w.t.Helper()
	for effect, want := range map[simulator.Effect]int{
		simulator.ReleaseCreated: 2, simulator.DeploymentCreated: 1, simulator.OverrideSet: 1,
	} {
		if got := w.effects(effect); got != want {
			w.t.Errorf("%d effects %s by regrow, want %d", got, effect, want)
		}
	}
}

// An execution whose process is gone is found by its lease and repeated; should
// it wake up after all, it writes nothing.
func TestLostExecutionIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{config: func(c *Config) { c.Lease = 300 * time.Millisecond }})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	lost := w.vanish(run)
	w.until("the lost execution is noticed", func() bool { return slices.Contains(w.events(run.ID), eventAttemptLost) })
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkOnce()
	w.checkRelease(run.ID)

	before := w.run(run.ID)
	err := lost.finish(t.Context(), ending{kind: endFail, message: "I was away."}, func(context.Context, pgx.Tx) error {
		t.Error("the lost execution completes its job")
		return nil
	})
	if after := w.run(run.ID); err != nil || after.Status != before.Status || after.Reason != before.Reason {
		t.Errorf("the lost execution still wrote its end: %s, %s (%v)", after.Status, after.Reason, err)
	}
	if err := lost.save(t.Context(), func(context.Context, *store.Queries) error { return nil }); !errors.Is(err, errStale) {
		t.Errorf("the lost execution could save: %v", err)
	}
}

// What a process that is gone has sent last may take its time: nobody goes on with
// its run before that has had its effect, however short the lease is.
func TestLostExecutionSettles(t *testing.T) {
	t.Parallel()
	const settling = 1500 * time.Millisecond
	w := newWorld(t, worldOptions{settling: settling, config: func(c *Config) { c.Lease = 300 * time.Millisecond }})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	lost := w.vanish(run)
	settled := lost.leasedAt.Load().Add(settling)
	<-time.After(lost.Lease)
	if _, err := w.engine.begin(t.Context(), run.ID, lost.jobID); !errors.Is(err, errLeased) && time.Now().Before(settled) {
		t.Errorf("the same job may act again: %v", err)
	}
	w.until("the lost execution is noticed", func() bool { return slices.Contains(w.events(run.ID), eventAttemptLost) })
	if now := time.Now(); now.Before(settled) {
		t.Errorf("the run was taken over %s before it had settled", settled.Sub(now))
	}
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkOnce()
}

// vanish begins an execution of a waiting run, as a process does that is then
// killed: its lease is never extended.
func (w *world) vanish(run store.Run) *execution {
	w.t.Helper()
	const jobID = 1 << 40 // none of River's
	var x *execution
	w.until("the run can be taken", func() bool {
		err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
			locked, err := store.New(tx).LockRun(w.t.Context(), run.ID)
			if err != nil || locked.Status != pipeline.Waiting {
				return errors.Join(err, errStale)
			}
			return store.New(tx).ContinueRun(w.t.Context(), store.ContinueRunParams{ID: run.ID, JobID: jobID})
		})
		if err == nil {
			x, err = w.engine.begin(w.t.Context(), run.ID, jobID)
		}
		return err == nil
	})
	return x
}

// A River job that is gone is replaced.
func TestVanishedRiverJobIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		locked, err := store.New(tx).LockRun(t.Context(), run.ID)
		if err != nil {
			return err
		}
		if err := w.engine.resume(t.Context(), tx, locked, ""); err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), "delete from river_job where id = (select job_id from runs where id = $1)", run.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
}

// A stale job does nothing: not even its stage's first look.
func TestStaleJobDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	performed := false
	err := w.engine.execute(t.Context(), run.ID, 1<<40,
		func(context.Context, pgx.Tx) error { return errors.New("completed") },
		func(context.Context, *execution) (outcome, error) { performed = true; return done("") })
	if err != nil || performed {
		t.Errorf("a stale job performed %t, error %v", performed, err)
	}
}

// Invariant 4: when the end of an execution cannot be written whole, nothing of
// it is.
func TestEndIsWrittenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{config: func(c *Config) { c.Interval = time.Hour }})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	jobID := int64(1 << 40)
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		return store.New(tx).ContinueRun(t.Context(), store.ContinueRunParams{ID: run.ID, JobID: jobID})
	})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the River job could not be completed")
	err = w.engine.execute(t.Context(), run.ID, jobID,
		func(context.Context, pgx.Tx) error { return broken },
		func(context.Context, *execution) (outcome, error) { return done("All is well.") })
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	after := w.run(run.ID)
	if after.Stage != pipeline.VerifyStage || *after.JobID != jobID {
		t.Errorf("the run went on to %s although the end was not written", after.Stage)
	}
	var jobs int
	if err := w.pool.QueryRow(t.Context(), "select count(*) from river_job where kind = 'cleanup'").Scan(&jobs); err != nil || jobs != 0 {
		t.Errorf("%d jobs of the next stage were inserted (%v)", jobs, err)
	}
}

// Events wake a waiting run at once, long before its next look is due.
func TestEventsWakeWaitingRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{config: func(c *Config) { c.Interval = time.Hour }})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Cleanup.Mode, p.Verify.Timeout = pipeline.CleanupPolicy, 2*time.Hour
	}), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "0 available")
	w.sim.Advance(5 * time.Minute)
	for range 3 { // as Octopus may: again and again
		w.wake()
	}
	w.untilStatus(run.ID, pipeline.Succeeded)
	w.checkRelease(run.ID)
}

// Octopus being away for a while is no failure.
func TestOctopusAwayForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.fault(simulator.Fault{Status: http.StatusBadGateway, Times: 8})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkOnce()
}

// slowTask lets the first look at the infrastructure deployment take its time.
type slowTask struct {
	Octopus
	first    *sync.Once
	looking  chan struct{}
	goOn     chan struct{}
	answered *atomic.Int64
}

func (s slowTask) Task(ctx context.Context, id string) (octopus.Task, error) {
	task, err := s.Octopus.Task(ctx, id)
	s.first.Do(func() { close(s.looking); <-s.goOn })
	s.answered.Add(1)
	return task, err
}

// An event that comes while the run is looked at is not lost: the run is looked
// at once more, although its next look is an hour away.
func TestEventDuringALookMakesAnother(t *testing.T) {
	t.Parallel()
	slow := slowTask{first: &sync.Once{}, looking: make(chan struct{}), goOn: make(chan struct{}), answered: &atomic.Int64{}}
	w := newWorld(t, worldOptions{config: func(c *Config) {
		c.Interval = time.Hour
		wrap(c, func(o Octopus) Octopus { slow.Octopus = o; return slow })
	}})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Verify.Timeout = 2 * time.Hour }), "aaaaaaaaaa")
	<-slow.looking
	w.wake()
	close(slow.goOn)
	w.until("the run was looked at twice", func() bool { return slow.answered.Load() >= 2 })
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
}

// Two engines on one database, as replicas are: everything happens once, also
// when the one that began is stopped.
func TestTwoEngines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	first := w.engine
	w.engine = w.start(func(c *Config) { c.Worker = "second" })
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	stopping, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := first.Stop(stopping); err != nil {
		t.Fatal(err)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkOnce()
	w.checkRelease(run.ID)
}

// An execution that cannot reach the database for as long as its lease lasts
// stops acting: another one may have taken over.
func TestExecutionStopsWhenItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	x := w.vanish(run)
	away, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/away?connect_timeout=1")
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	x.Engine = &Engine{Config: x.Config, metrics: x.metrics}
	x.Pool, x.Lease = away, 300*time.Millisecond
	x.leasedAt.Store(new(time.Now()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	lost := false
	x.keepLease(ctx, func() { lost = true })
	if !lost {
		t.Error("the execution goes on although its lease is over")
	}
	// It may have been paused after it asked the database whether it may act:
	// nothing that changes Octopus goes out any more.
	before := len(w.sim.Journal())
	fenced := octopus.WithFence(t.Context(), x.mayAct)
	err = x.Servers[serverName].Client.SetOverride(fenced, x.results.createRelease.ProjectID, x.results.provision.EnvironmentID, "", "Releases-1")
	if !errors.Is(err, errStale) {
		t.Errorf("setting the override: %v", err)
	}
	if _, err := x.Servers[serverName].Client.Environment(fenced, "Development"); err != nil {
		t.Errorf("reading: %v", err)
	}
	if after := len(w.sim.Journal()); after != before {
		t.Errorf("%d effects after the lease was over", after-before)
	}
}

// Invariant 6: many runs that set their overrides in one project at the same
// time lose none of them, although each writes the whole document.
func TestOverridesInOneProjectAreNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	const runs = 12
	var all sync.WaitGroup
	for i := range runs {
		environment, err := w.sim.AddEnvironment(fmt.Sprintf("Environment %d", i))
		if err != nil {
			t.Fatal(err)
		}
		x := &execution{Engine: w.engine, p: w.pipeline(), octopus: w.engine.Servers[serverName].Client}
		all.Go(func() {
			err := x.withProject(t.Context(), w.scene.ProjectID, func(ctx context.Context) error {
				return x.octopus.SetOverride(ctx, w.scene.ProjectID, environment, "", w.scene.ReleaseID)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	project, _ := w.sim.Project(w.scene.ProjectID)
	if len(project.Overrides) != runs {
		t.Errorf("%d overrides stand, want %d", len(project.Overrides), runs)
	}
	if got := w.effects(simulator.OverrideSet); got != runs {
		t.Errorf("%d overrides were set, want %d: one was lost and set again", got, runs)
	}
}

// A run that cannot be read any more, as after a change of version, holds
// nobody else up.
func TestRunThatCannotBeReadHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	if _, err := w.sim.HelloWorld(simulator.HelloWorldOptions{Environment: "Production", Project: "Shop", Role: "shop"}); err != nil {
		t.Fatal(err)
	}
	odd := w.commit(w.pipeline(), "aaaaaaaaaa")
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Name, p.Environment, p.Application.Project, p.Infrastructure.Project = "shop", "Production", "Shop", "Shop Infrastructure"
		p.Infrastructure.Roles = []string{"shop"}
	}), "bbbbbbbbbb")
	w.untilWaiting(odd.ID, pipeline.VerifyStage, "")
	w.until("the run is odd", func() bool {
		_, err := w.pool.Exec(t.Context(), `update runs set config = '{"verify": "for ever"}' where id = $1 and status = 'waiting'`, odd.ID)
		if err != nil {
			t.Fatal(err)
		}
		return !w.run(odd.ID).Config.Readable()
	})
	w.untilDone(run.ID, pipeline.Succeeded)
	if ended := w.untilEnd(odd.ID); ended.Status != pipeline.Failed || ended.Remedy == "" {
		t.Errorf("the odd run is %s: %s", ended.Status, ended.Reason)
	}
}
