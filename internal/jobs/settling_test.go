package jobs

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// late is how much later a deployment is made than its request breaks off, half
// of what requests are given to settle.
const late = 400 * time.Millisecond

// afterDeploying does something when an attempt to deploy is over, before the
// stage learns of that.
type afterDeploying struct {
	Octopus
	tries *atomic.Int64
	do    func(try int64)
}

func (a afterDeploying) EnsureDeployment(ctx context.Context, spec octopus.DeploymentSpec) (octopus.Deployment, bool, error) {
	deployment, created, err := a.Octopus.EnsureDeployment(ctx, spec)
	a.do(a.tries.Add(1))
	return deployment, created, err
}

// settlingWorld makes the deployment of the first run late, after so many tries
// that Octopus refuses. What is to happen after each try is up to the test.
func settlingWorld(t *testing.T, refused int, after func(w *world, run uuid.UUID, try int64)) (*world, uuid.UUID) {
	t.Helper()
	var w *world
	run := make(chan uuid.UUID, 1)
	w = newWorld(t, worldOptions{settling: 2 * late, config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus {
			return afterDeploying{o, &atomic.Int64{}, func(try int64) {
				id := <-run
				run <- id
				after(w, id, try)
			}}
		})
	}})
	if refused > 0 {
		w.fault(simulator.Fault{Method: "POST", PathPattern: "/deployments$", Status: http.StatusServiceUnavailable, Times: refused})
	}
	w.fault(simulator.Fault{Method: "POST", PathPattern: "/deployments$", Late: late, Times: 1})
	made := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.OnFailure = pipeline.Keep }), "aaaaaaaaaa")
	run <- made.ID
	return w, made.ID
}

func (w *world) cancelTasks(id uuid.UUID) {
	w.cancelWith(id, pipeline.Cancellation{By: "ops", Tasks: true})
}

// setDeadline has the time of the run's stage end so much later.
func (w *world) setDeadline(id uuid.UUID, in time.Duration) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), "update runs set deadline_at = $2 where id = $1", id, time.Now().Add(in)); err != nil {
		w.t.Error(err)
	}
}

// A run whose last request got no answer does not end before that could have had
// its effect: nobody else would find what is made for it.
func TestNoEndBeforeItHasSettled(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		refused int
		// during happens in the execution whose request is late, after when that is over.
		during, after func(w *world, run uuid.UUID)
	}{
		"cancelled during the execution": {during: (*world).cancelTasks},
		"cancelled while it waits":       {after: (*world).cancelTasks},
		"rolled back while it waits":     {after: func(w *world, run uuid.UUID) { w.mustRollback(run) }},
		"out of time":                    {refused: lastTries},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, run := settlingWorld(t, test.refused, func(w *world, run uuid.UUID, try int64) {
				switch {
				case try == int64(test.refused):
					w.setDeadline(run, -time.Second)
				case try == int64(test.refused)+1 && test.during != nil:
					test.during(w, run)
				}
			})
			if test.after != nil {
				w.until("the run waits for what it has sent", func() bool { return w.run(run).SettlesAt != nil })
				test.after(w, run)
			}
			ended := w.untilDone(run, map[bool]pipeline.Status{true: pipeline.Failed, false: pipeline.Cancelled}[test.refused > 0])
			made := w.effects(simulator.DeploymentCreated)
			if made != 1 || ended.SettlesAt == nil || ended.EndedAt.Before(*ended.SettlesAt) {
				t.Errorf("the run ended at %v as %s, to settle at %v, after %d deployments", ended.EndedAt, ended.Reason, ended.SettlesAt, made)
			}
		})
	}
}

// A write of a project that got no answer keeps the project's lock until it has
// settled, although the time for the change is over.
func TestProjectStaysLockedUntilAWriteHasSettled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	const settling = 700 * time.Millisecond
	locked, gaveUp := make(chan struct{}), make(chan time.Time, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), settling/7)
		defer cancel()
		err := ChangeProject(ctx, w.pool, w.url, "Projects-1", func(ctx context.Context) error {
			close(locked)
			<-ctx.Done()
			gaveUp <- time.Now()
			return &octopus.Error{Kind: octopus.Transient, Settling: settling}
		})
		if octopus.Settling(err) != settling {
			t.Errorf("the change failed with %v", err)
		}
	}()
	<-locked
	err := ChangeProject(t.Context(), w.pool, w.url, "Projects-1", func(context.Context) error {
		if settled := (<-gaveUp).Add(settling); time.Now().Before(settled) {
			t.Error("another could change the project before the write had settled")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The stage's deadline is no reason to look too early for what was made.
func TestDeadlineDoesNotShortenSettling(t *testing.T) {
	t.Parallel()
	again := make(chan time.Time, 100)
	w, run := settlingWorld(t, 0, func(w *world, run uuid.UUID, try int64) {
		if try == 1 {
			w.setDeadline(run, late/8)
			return
		}
		again <- time.Now()
	})
	second := <-again
	if settled := w.run(run).SettlesAt; settled == nil || second.Before(*settled) {
		t.Errorf("it was deployed again at %v, to settle at %v", second, settled)
	}
	if made := w.effects(simulator.DeploymentCreated); made != 1 {
		t.Errorf("the infrastructure was deployed %d times", made)
	}
}
