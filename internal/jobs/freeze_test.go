package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// coldWorld is a world whose engine and Octopus agree on the time.
type coldWorld struct {
	*world
	shift *atomic.Int64
}

func newColdWorld(t *testing.T, o worldOptions) *coldWorld {
	t.Helper()
	shift := &atomic.Int64{}
	configure := o.config
	o.start = time.Now()
	o.config = func(c *Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
		if configure != nil {
			configure(c)
		}
	}
	return &coldWorld{world: newWorld(t, o), shift: shift}
}

// pipeline leaves the stages the time that pass takes in one go.
func (w *coldWorld) pipeline(change ...func(*pipeline.Pipeline)) pipeline.Pipeline {
	patient := func(p *pipeline.Pipeline) { p.Verify.Timeout, p.Cleanup.Timeout = 20*time.Minute, 20*time.Minute }
	return w.world.pipeline(append([]func(*pipeline.Pipeline){patient}, change...)...)
}

// pass lets time go by for Octopus and the engine.
func (w *coldWorld) pass(d time.Duration) {
	w.sim.Advance(d)
	w.shift.Add(int64(d))
	w.wake()
}

// freeze makes a deployment freeze of projects in the scene's environment, from
// now on for so long.
func (w *world) freeze(name string, d time.Duration, projects ...string) (end time.Time) {
	w.t.Helper()
	return w.freezeFrom(name, w.sim.Now().Add(-time.Minute), d+time.Minute, projects...)
}

func (w *world) freezeFrom(name string, start time.Time, d time.Duration, projects ...string) (end time.Time) {
	w.t.Helper()
	var scope []string
	for _, project := range projects {
		scope = append(scope, fmt.Sprintf("%q:[%q]", project, w.scene.EnvironmentID))
	}
	end = start.Add(d).UTC().Truncate(time.Second)
	_, err := w.post("/api/deploymentfreezes", fmt.Sprintf(`{"Name":%q,"Start":%q,"End":%q,"ProjectEnvironmentScope":{%s}}`,
		name, start.UTC().Format(time.RFC3339), end.Format(time.RFC3339), strings.Join(scope, ",")))
	if err != nil {
		w.t.Error(err) // perhaps in a goroutine of the engine
	}
	return end
}

// untilFrozen waits until a freeze of that name holds the run in the stage.
func (w *world) untilFrozen(id uuid.UUID, stage pipeline.Stage, name string) store.Run {
	w.t.Helper()
	w.until(fmt.Sprintf("freeze %q holds run %s in %s", name, id, stage), func() bool {
		run := w.run(id)
		if run.Status.Terminal() {
			w.t.Fatalf("the run is %s: %s", run.Status, run.Reason)
		}
		return run.Status == pipeline.Waiting && run.Stage == stage && run.FreezeName != nil && *run.FreezeName == name
	})
	return w.run(id)
}

// untilThawed lets the freeze pass and then the rest of the run.
func (w *coldWorld) untilThawed(id uuid.UUID, end time.Time) {
	w.t.Helper()
	w.pass(max(0, end.Sub(w.sim.Now())) + time.Minute)
	w.untilDone(id, pipeline.Succeeded)
	run := w.run(id)
	if run.FreezeName != nil || run.FreezeUntil != nil {
		w.t.Errorf("the ended run is still frozen: %+v", run)
	}
}

func (w *world) ignoreFreeze(id uuid.UUID) error {
	return pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := w.engine.IgnoreFreeze(w.t.Context(), tx, id, "the shop is down", "ops")
		return err
	})
}

func (w *world) mustIgnoreFreeze(id uuid.UUID) {
	w.t.Helper()
	if err := w.ignoreFreeze(id); err != nil {
		w.t.Fatal(err)
	}
}

// wantEvents compares how often each kind of event is in a run's history.
func (w *world) wantEvents(id uuid.UUID, want map[string]int) {
	w.t.Helper()
	events := w.events(id)
	for kind, n := range want {
		got := 0
		for _, event := range events {
			if event == kind {
				got++
			}
		}
		if got != n {
			w.t.Errorf("%d events %s, want %d, in %v", got, kind, n, events)
		}
	}
}

// A freeze of either project holds the run before it has made anything, visibly,
// for as long as it takes, without using up the stage's time.
func TestFreezeHoldsTheRunBeforeProvision(t *testing.T) {
	t.Parallel()
	for name, project := range map[string]func(simulator.Scene) string{
		"infrastructure": func(s simulator.Scene) string { return s.InfrastructureProjectID },
		"application":    func(s simulator.Scene) string { return s.ProjectID },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newColdWorld(t, worldOptions{})
			end := w.freeze("Christmas", 6*time.Hour, project(w.scene))
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			frozen := w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
			if frozen.FreezeUntil == nil || !frozen.FreezeUntil.Equal(end) || frozen.DeadlineAt != nil {
				t.Errorf("frozen until %v with the deadline %v, want %v and none", frozen.FreezeUntil, frozen.DeadlineAt, end)
			}
			for _, part := range []string{`"Christmas"`, end.Format(time.RFC3339), "regrow runs ignore-freeze hello-world#1 "} {
				if !strings.Contains(frozen.Reason, part) {
					t.Errorf("the reason %q does not tell of %s", frozen.Reason, part)
				}
			}
			for range 5 { // longer than any timeout in all
				w.pass(time.Hour)
				w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
			}
			if got := w.effects(simulator.ReleaseCreated) + w.effects(simulator.DeploymentCreated); got != 0 {
				t.Errorf("%d things were made in Octopus during the freeze", got)
			}
			w.wantEvents(run.ID, map[string]int{eventRunFrozen: 1, eventRunThawed: 0, eventStageWaiting: 0})
			w.untilThawed(run.ID, end)
			w.checkRelease(run.ID)
			w.checkOnce()
			w.wantEvents(run.ID, map[string]int{eventRunFrozen: 1, eventRunThawed: 1})
		})
	}
}

// Octopus being away during a freeze, for longer than the stage has time, is no
// failure: nothing was to be done anyway.
func TestOctopusAwayDuringAFreeze(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{})
	end := w.freeze("Christmas", 6*time.Hour, w.scene.InfrastructureProjectID)
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
	w.fault(simulator.Fault{Status: http.StatusServiceUnavailable})
	tries := func(n int) func() bool {
		return func() bool {
			failed := 0
			for _, kind := range w.events(run.ID) {
				if kind == eventStageRetrying {
					failed++
				}
			}
			if now := w.run(run.ID); now.Status == pipeline.Waiting {
				w.pass(time.Hour)
			}
			return failed >= n
		}
	}
	w.until("Octopus was away for hours", tries(lastTries+2))
	if now := w.run(run.ID); now.Status.Terminal() || now.FreezeName == nil {
		t.Fatalf("the run is %s: %s", now.Status, now.Reason)
	}
	w.sim.Faults().Clear()
	w.untilThawed(run.ID, end)
	w.wantEvents(run.ID, map[string]int{eventRunFrozen: 1, eventRunThawed: 1})
}

// The run looks again when the freeze is over, not only at the next interval.
func TestFrozenRunLooksAgainAtTheEnd(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{config: func(c *Config) { c.Interval = 24 * time.Hour }})
	end := w.freeze("Lunch", 2*time.Hour, w.scene.InfrastructureProjectID)
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	frozen := w.untilFrozen(run.ID, pipeline.Provision, "Lunch")
	if late := frozen.NextCheckAt.Sub(end).Abs(); late > time.Second {
		t.Errorf("the next look is at %s, want the end %s", frozen.NextCheckAt, end)
	}
	w.sim.Advance(3 * time.Hour)
	w.shift.Add(int64(3 * time.Hour)) // nothing wakes it but the reconciler
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
}

// Of two freezes the run names both, and waits for the later end.
func TestTwoFreezesAndTwoProjects(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{})
	first := w.freeze("Audit", time.Hour, w.scene.InfrastructureProjectID)
	last := w.freeze("Christmas", 3*time.Hour, w.scene.ProjectID)
	w.freezeFrom("New Year", w.sim.Now().Add(24*time.Hour), time.Hour, w.scene.ProjectID, w.scene.InfrastructureProjectID)
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	if both := w.untilFrozen(run.ID, pipeline.Provision, "Audit, Christmas"); !both.FreezeUntil.Equal(last) {
		t.Errorf("frozen until %v, want %v", both.FreezeUntil, last)
	}
	w.pass(first.Sub(w.sim.Now()) + time.Minute)
	w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
	w.wantEvents(run.ID, map[string]int{eventRunFrozen: 2})
	w.untilThawed(run.ID, last)
}

// after has something happen once, when a call of an execution is over.
type after struct {
	Octopus
	once        *sync.Once
	deployment  func(octopus.DeploymentSpec, error)
	setOverride func()
}

func (a after) EnsureDeployment(ctx context.Context, spec octopus.DeploymentSpec) (octopus.Deployment, bool, error) {
	deployment, created, err := a.Octopus.EnsureDeployment(ctx, spec)
	if a.deployment != nil {
		a.once.Do(func() { a.deployment(spec, err) })
	}
	return deployment, created, err
}

func (a after) SetOverride(ctx context.Context, projectID, environmentID, tenantID, releaseID string) error {
	err := a.Octopus.SetOverride(ctx, projectID, environmentID, tenantID, releaseID)
	if a.setOverride != nil {
		a.once.Do(a.setOverride)
	}
	return err
}

// A freeze that begins while the targets are being provisioned holds the run
// before its release goes anywhere.
func TestFreezeThatBeginsBeforeOverride(t *testing.T) {
	t.Parallel()
	var w *coldWorld
	var end time.Time
	begin := func(octopus.DeploymentSpec, error) { end = w.freeze("Christmas", 4*time.Hour, w.scene.ProjectID) }
	w = newColdWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return after{Octopus: o, once: &sync.Once{}, deployment: begin} })
	}})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilFrozen(run.ID, pipeline.Override, "Christmas")
	w.pass(2 * time.Hour) // new targets boot and get the release that is there
	w.untilFrozen(run.ID, pipeline.Override, "Christmas")
	if got := w.effects(simulator.OverrideSet); got != 0 {
		t.Errorf("the override was set %d times during the freeze", got)
	}
	w.untilThawed(run.ID, end)
	w.checkRelease(run.ID)
}

// A freeze that begins after the override holds what regrow would deploy itself.
func TestFreezeThatBeginsBeforeARedeployment(t *testing.T) {
	t.Parallel()
	var w *coldWorld
	var end time.Time
	begin := func() { end = w.freeze("Christmas", 4*time.Hour, w.scene.ProjectID) }
	w = newColdWorld(t, worldOptions{
		scene: simulator.HelloWorldOptions{NoTrigger: true},
		config: func(c *Config) {
			wrap(c, func(o Octopus) Octopus { return after{Octopus: o, once: &sync.Once{}, setOverride: begin} })
		},
	})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	w.until("the targets are missing their release for longer than the grace time", func() bool {
		if now := w.run(run.ID); now.Status == pipeline.Waiting && now.FreezeName == nil {
			w.pass(20 * time.Second)
		}
		return w.run(run.ID).FreezeName != nil
	})
	w.untilFrozen(run.ID, pipeline.VerifyStage, "Christmas")
	for range 3 { // longer than verify has time
		w.pass(time.Hour)
		w.untilFrozen(run.ID, pipeline.VerifyStage, "Christmas")
	}
	if got := len(w.result(run.ID).verify.Redeployments); got != 0 {
		t.Errorf("%d redeployments during the freeze", got)
	}
	w.untilThawed(run.ID, end)
	w.checkRelease(run.ID)
}

// A deployment whose answer was lost before a freeze began is taken for what it
// is, and the run goes on.
func TestFreezeThatBeginsAfterALostAnswer(t *testing.T) {
	t.Parallel()
	var w *coldWorld
	begin := func(_ octopus.DeploymentSpec, err error) {
		if err == nil {
			t.Error("the answer was not lost; the test proves nothing")
		}
		w.freeze("Christmas", 4*time.Hour, w.scene.InfrastructureProjectID)
	}
	w = newColdWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return after{Octopus: o, once: &sync.Once{}, deployment: begin} })
	}})
	w.fault(simulator.Fault{Method: http.MethodPost, PathPattern: "/deployments$", DropAfter: true, Times: 1})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	if got := w.effects(simulator.DeploymentCreated); got != 1 {
		t.Errorf("%d deployments, want 1", got)
	}
}

// A deployment that is queued when a freeze begins is failed by Octopus; the run
// waits and has it made again.
func TestFreezeThatBeginsWhileTheDeploymentIsQueued(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{switches: simulator.Switches{TaskQueueDelay: 10 * time.Minute}})
	end := w.freezeFrom("Christmas", w.sim.Now().Add(5*time.Minute), 4*time.Hour, w.scene.InfrastructureProjectID)
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "queued")
	w.pass(11 * time.Minute)
	w.untilFrozen(run.ID, pipeline.VerifyStage, "Christmas")
	w.pass(2 * time.Hour)
	w.untilFrozen(run.ID, pipeline.VerifyStage, "Christmas")
	w.untilThawed(run.ID, end)
	w.checkRelease(run.ID)
	w.wantEvents(run.ID, map[string]int{eventProvisionedAgain: 1, eventRunFrozen: 1})
	if old := idsOf(w.targets(run.ID), generationBaseline); !slices.Equal(old, w.scene.TargetIDs) {
		t.Errorf("the baseline is %v, want %v", old, w.scene.TargetIDs)
	}
}

// hiding does not list freezes for a while, as a server whose clock differs.
type hiding struct {
	Octopus
	looks *atomic.Int64
}

func (h hiding) Freezes(ctx context.Context, projectID, environmentID, tenantID string) ([]octopus.Freeze, error) {
	if h.looks.Add(-1) >= 0 {
		return nil, nil
	}
	return h.Octopus.Freezes(ctx, projectID, environmentID, tenantID)
}

// A freeze that begins between the look and the deployment, or that only Octopus
// knows of, holds the run as well.
func TestDeploymentThatOctopusRefusesForAFreeze(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		looks int64
		shown string
	}{"began in between": {2, "Christmas"}, "is not listed": {1 << 20, unnamedFreeze}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looks := &atomic.Int64{}
			looks.Store(c.looks)
			w := newColdWorld(t, worldOptions{config: func(c *Config) {
				wrap(c, func(o Octopus) Octopus { return hiding{o, looks} })
			}})
			end := w.freeze("Christmas", 4*time.Hour, w.scene.InfrastructureProjectID)
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			frozen := w.untilFrozen(run.ID, pipeline.Provision, c.shown)
			if !strings.Contains(frozen.Reason, "freeze") || frozen.DeadlineAt != nil {
				t.Errorf("the reason is %q, the deadline %v", frozen.Reason, frozen.DeadlineAt)
			}
			if w.result(run.ID).provision.Baseline {
				t.Error("the run would rely on a baseline from before the freeze")
			}
			if c.shown == unnamedFreeze && frozen.FreezeUntil != nil {
				t.Errorf("an end is told that nobody knows: %v", frozen.FreezeUntil)
			}
			w.untilThawed(run.ID, end)
			w.checkRelease(run.ID)
		})
	}
}

func TestFrozenRunCanBeCancelled(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{})
	w.freeze("Christmas", 4*time.Hour, w.scene.ProjectID)
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Policy = pipeline.FIFO })
	run, next := w.commit(p, "aaaaaaaaaa"), w.commit(p, "bbbbbbbbbb")
	w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
	w.cancel(run.ID)
	ended := w.untilStatus(run.ID, pipeline.Cancelled)
	if ended.FreezeName != nil || !strings.Contains(ended.Reason, "enough") {
		t.Errorf("ended with %q, frozen by %v", ended.Reason, ended.FreezeName)
	}
	w.untilFrozen(next.ID, pipeline.Provision, "Christmas")
}

// An operator has the run go on at once. Everything is made once, whatever
// becomes of the answers, and Octopus keeps why and who.
func TestOperatorIgnoresAFreeze(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"no fault":               {Method: http.MethodPost, PathPattern: "/nothing$", Times: 1},
		"answers lost":           {DropAfter: true, Times: 2},
		"answers truncated":      {Truncate: true, Times: 2},
		"connections reset":      {DropBefore: true, Times: 2},
		"unavailable, no body":   {Status: http.StatusServiceUnavailable, EmptyBody: true, Times: 2},
		"effect and then a 500":  {Status: http.StatusInternalServerError, DropAfter: true, Times: 2},
		"too many, no such time": {Status: http.StatusTooManyRequests, RetryAfter: "0", Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newColdWorld(t, worldOptions{scene: simulator.HelloWorldOptions{NoTrigger: true}})
			w.freeze("Christmas", 400*time.Hour, w.scene.ProjectID, w.scene.InfrastructureProjectID)
			if fault.PathPattern == "" {
				fault.Method, fault.PathPattern = http.MethodPost, "/deployments/override$"
			}
			w.fault(fault)
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
			w.mustIgnoreFreeze(run.ID)
			w.mustIgnoreFreeze(run.ID) // as a client does whose answer was lost
			w.until("the run is through", func() bool {
				if now := w.run(run.ID); now.Status == pipeline.Waiting && !now.Paused {
					w.pass(time.Minute)
				}
				return w.run(run.ID).Status.Terminal()
			})
			ended := w.untilStatus(run.ID, pipeline.Succeeded)
			w.checkRelease(run.ID)
			if got := w.effects(simulator.DeploymentCreated); got != 2 {
				t.Errorf("%d deployments, want that of the infrastructure and one to the new targets", got)
			}
			if ended.FreezeOverrideReason == nil || *ended.FreezeOverrideReason != "the shop is down" || *ended.FreezeOverrideBy != "ops" {
				t.Errorf("the history lost why freezes were ignored: %+v", ended)
			}
			w.wantEvents(run.ID, map[string]int{eventRunFrozen: 1, eventFreezeIgnored: 1, eventRunThawed: 1, eventFreezeOverrideRefused: 0})
		})
	}
}

func TestIgnoringAFreezeIsRefusedWhereNoneHolds(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	if err := w.ignoreFreeze(run.ID); !isRefusal(err) {
		t.Errorf("of a run that no freeze holds: %v, want a refusal", err)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
	if err := w.ignoreFreeze(run.ID); !isRefusal(err) {
		t.Errorf("of a run that has ended: %v, want a refusal", err)
	}
	if err := w.ignoreFreeze(uuid.New()); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("of no run: %v", err)
	}
}

// What an operator wanted once does not count for a retry, perhaps weeks later.
func TestRetryHeedsFreezesAgain(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{Fail: true}}})
	w.freeze("Christmas", 400*time.Hour, w.scene.InfrastructureProjectID)
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
	w.mustIgnoreFreeze(run.ID)
	if failed := w.untilDone(run.ID, pipeline.Failed); failed.FreezeOverrideReason == nil {
		t.Error("the history lost why freezes were ignored")
	}
	if again := w.retry(run.ID, pipeline.Provision); again.FreezeOverrideReason != nil || again.FreezeOverrideBy != nil {
		t.Errorf("the retry ignores freezes: %+v", again)
	}
	w.pass(time.Hour) // what the first round has brought may register no more
	w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
}

// Where Octopus does not let regrow override a freeze, the run waits on and says
// why; asked again it tries again.
func TestOctopusRefusesToOverrideAFreeze(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"forbidden":    {Status: http.StatusForbidden, Body: `{"ErrorMessage":"You do not have permission to perform this action."}`, Times: 1},
		"no such call": {Status: http.StatusNotFound, Times: 1},
		"in its words": {Status: http.StatusBadRequest, Body: `{"ErrorMessage":"There was a problem with your request.","Errors":["Unable to override freezes, no valid freezes were specified."]}`, Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newColdWorld(t, worldOptions{})
			w.freeze("Christmas", 400*time.Hour, w.scene.InfrastructureProjectID)
			fault.Method, fault.PathPattern = http.MethodPost, "/deployments/override$"
			w.fault(fault)
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
			w.mustIgnoreFreeze(run.ID)
			w.untilWaiting(run.ID, pipeline.Provision, "refused to override")
			if frozen := w.untilFrozen(run.ID, pipeline.Provision, "Christmas"); frozen.FreezeOverrideReason != nil {
				t.Error("the run would try again and again")
			}
			// The next look sees the same freeze, and still says why.
			planned := w.run(run.ID).NextCheckAt
			w.pass(time.Hour)
			w.until("the run looks again", func() bool {
				next := w.run(run.ID).NextCheckAt
				return next != nil && !next.Equal(*planned)
			})
			w.untilWaiting(run.ID, pipeline.Provision, "refused to override")
			w.wantEvents(run.ID, map[string]int{eventFreezeOverrideRefused: 1})
			w.mustIgnoreFreeze(run.ID)
			w.untilDone(run.ID, pipeline.Succeeded)
			w.checkRelease(run.ID)
		})
	}
}

// Servers that know no freezes, or do not show them, are worked with.
func TestFreezesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status, events int
	}{"no such route": {http.StatusNotFound, 0}, "no permission": {http.StatusForbidden, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newColdWorld(t, worldOptions{})
			w.fault(simulator.Fault{Method: http.MethodGet, PathPattern: "/deploymentfreezes$", Status: c.status,
				Body: `{"ErrorMessage":"You do not have permission to do so: ProjectView."}`})
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			w.untilDone(run.ID, pipeline.Succeeded)
			w.wantEvents(run.ID, map[string]int{eventFreezesUnread: c.events})
		})
	}
}

// Under "latest" a storm of commits during a freeze costs one turnover, to the
// newest, when it is over.
func TestFrozenRunGivesWayToANewerCommit(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{})
	end := w.freeze("Christmas", 4*time.Hour, w.scene.InfrastructureProjectID)
	p := w.pipeline()
	first := w.commit(p, "aaaaaaaaaa")
	w.untilFrozen(first.ID, pipeline.Provision, "Christmas")
	second := w.commit(p, "bbbbbbbbbb")
	w.untilFrozen(second.ID, pipeline.Provision, "Christmas")
	given := w.untilEnd(first.ID)
	if given.Status != pipeline.Superseded || given.SupersededBy == nil || *given.SupersededBy != second.ID || given.FreezeName != nil {
		t.Errorf("the first run is %s by %v: %s", given.Status, given.SupersededBy, given.Reason)
	}
	w.untilThawed(second.ID, end)
	w.checkRelease(second.ID)
	if got := w.effects(simulator.DeploymentCreated); got != 1 {
		t.Errorf("%d turnovers, want 1", got)
	}
}

// Whoever ignores a freeze wants just that run to go on, and under "fifo" every
// commit gets its turn.
func TestFrozenRunKeepsItsLane(t *testing.T) {
	t.Parallel()
	t.Run("fifo", func(t *testing.T) {
		t.Parallel()
		w := newColdWorld(t, worldOptions{})
		end := w.freeze("Christmas", 4*time.Hour, w.scene.InfrastructureProjectID)
		p := w.pipeline(func(p *pipeline.Pipeline) { p.Policy = pipeline.FIFO })
		first, second := w.commit(p, "aaaaaaaaaa"), w.commit(p, "bbbbbbbbbb")
		w.untilFrozen(first.ID, pipeline.Provision, "Christmas")
		w.pass(time.Hour)
		w.untilFrozen(first.ID, pipeline.Provision, "Christmas")
		if status := w.run(second.ID).Status; status != pipeline.Queued {
			t.Errorf("the second run is %s, want queued", status)
		}
		w.untilThawed(first.ID, end)
	})
	t.Run("ignored", func(t *testing.T) {
		t.Parallel()
		w := newColdWorld(t, worldOptions{config: func(c *Config) { c.Interval = time.Hour }})
		w.freeze("Christmas", 4*time.Hour, w.scene.InfrastructureProjectID)
		p := w.pipeline()
		first := w.commit(p, "aaaaaaaaaa")
		w.untilFrozen(first.ID, pipeline.Provision, "Christmas")
		w.commit(p, "bbbbbbbbbb")
		w.mustIgnoreFreeze(first.ID)
		w.untilDone(first.ID, pipeline.Succeeded)
		w.checkRelease(first.ID)
	})
}
