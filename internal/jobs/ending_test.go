package jobs

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// fails is an Octopus whose operations fail as a test wants; each of its members
// may be nil.
type fails struct {
	Octopus
	release  func(octopus.ReleaseSpec) error
	override func() error
	active   func() error
	task     func() error
}

func (f fails) EnsureRelease(ctx context.Context, spec octopus.ReleaseSpec) (octopus.Release, bool, error) {
	if f.release != nil {
		if err := f.release(spec); err != nil {
			return octopus.Release{}, false, err
		}
	}
	return f.Octopus.EnsureRelease(ctx, spec)
}

func (f fails) SetOverride(ctx context.Context, projectID, environmentID, tenantID, releaseID string) error {
	if f.override != nil {
		if err := f.override(); err != nil {
			return err
		}
	}
	return f.Octopus.SetOverride(ctx, projectID, environmentID, tenantID, releaseID)
}

func (f fails) ActiveTasks(ctx context.Context, projectID, environmentID, tenantID string) ([]octopus.Task, error) {
	if f.active != nil {
		if err := f.active(); err != nil {
			return nil, err
		}
	}
	return f.Octopus.ActiveTasks(ctx, projectID, environmentID, tenantID)
}

func (f fails) Task(ctx context.Context, id string) (octopus.Task, error) {
	if f.task != nil {
		if err := f.task(); err != nil {
			return octopus.Task{}, err
		}
	}
	return f.Octopus.Task(ctx, id)
}

func refusal() error {
	return &octopus.Error{Kind: octopus.Permanent, Message: "Octopus will not", Remedy: "make it"}
}

func outage() error {
	return &octopus.Error{Kind: octopus.Transient, Message: "Octopus is away"}
}

// wayToEnd is one way in which a run can end without success.
type wayToEnd struct {
	scene  simulator.HelloWorldOptions
	around func(fails) fails
	line   func(*pipeline.Pipeline)
	// before makes the run's way, end ends it; either may be nil.
	before, end func(*world, store.Run)

	status pipeline.Status
	stage  pipeline.Stage
	// reason are parts of the sentence for people.
	reason []string
	// leaves is the release whose override is left; "" for none.
	leaves string
}

const foreignRelease = "Releases-of-somebody"

// TestEveryWayToEnd takes a run to its end in every way but success, with another
// one behind it in the lane. Whatever way it is: the run's own override is
// cleared and nobody else's, no target of the old generation is deleted, people
// are told why and what to do, and the next run starts.
func TestEveryWayToEnd(t *testing.T) {
	t.Parallel()
	for name, way := range waysToEnd() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			way.take(t)
		})
	}
}

func (way wayToEnd) take(t *testing.T) {
	t.Helper()
	w := newWorld(t, worldOptions{scene: way.scene, config: func(c *Config) {
		if way.around != nil {
			wrap(c, func(o Octopus) Octopus { return way.around(fails{Octopus: o}) })
		}
	}})
	p := w.pipeline(func(p *pipeline.Pipeline) {
		p.Policy = pipeline.FIFO
		if way.line != nil {
			way.line(p)
		}
	})
	run := w.commit(p, "aaaaaaaaaa")
	next := w.commit(p, "bbbbbbbbbb")
	if way.before != nil {
		way.before(w, run)
	}
	standing := w.standing()
	if way.end != nil {
		way.end(w, run)
	}
	ended := w.untilEnd(run.ID)
	if ended.Status != way.status || ended.Stage != way.stage {
		t.Errorf("the run is %s in %s (%s), want %s in %s", ended.Status, ended.Stage, ended.Reason, way.status, way.stage)
	}
	for _, part := range way.reason {
		if !strings.Contains(ended.Reason, part) {
			t.Errorf("the reason %q does not tell of %q", ended.Reason, part)
		}
	}
	if ended.Status == pipeline.Failed && ended.Remedy == "" {
		t.Errorf("there is no remedy for %q", ended.Reason)
	}
	if ended.Ending != nil || ended.JobID != nil {
		t.Errorf("the run is not through with: %s", ended.Ending)
	}
	way.checkOctopus(w, standing)
	w.until("the next run has its turn", func() bool { return w.run(next.ID).StartedAt != nil })
}

func (way wayToEnd) checkOctopus(w *world, standing []string) {
	w.t.Helper()
	if got := w.effects(simulator.MachineDeleted); got != 0 {
		w.t.Errorf("%d targets were deleted", got)
	}
	for _, id := range standing {
		if !slices.Contains(w.standing(), id) {
			w.t.Errorf("target %s is gone", id)
		}
	}
	if _, there := w.sim.Project(w.scene.ProjectID); !there {
		return
	}
	left := w.override(w.scene.ProjectID, w.scene.EnvironmentID)
	switch {
	case way.leaves == foreignRelease && left != w.scene.ReleaseID:
		w.t.Errorf("the override of somebody else is %q, want %q", left, w.scene.ReleaseID)
	case way.leaves == "" && left != "":
		w.t.Errorf("an override to %s is left behind", left)
	}
}

// waysToEnd are all of them, by what happens.
func waysToEnd() map[string]wayToEnd {
	all := map[string]wayToEnd{}
	for _, some := range []map[string]wayToEnd{refusedWays(), lateWays(), cancelledWays(), configuredWays(), octopusWays()} {
		for name, way := range some {
			all[name] = way
		}
	}
	return all
}

func application(spec octopus.ReleaseSpec) bool { return spec.ProjectName == "Hello World" }

// refusedWays are those in which a stage meets what no repetition mends.
func refusedWays() map[string]wayToEnd {
	return map[string]wayToEnd{
		"provision is refused": {
			around: func(f fails) fails { f.active = refusal; return f },
			status: pipeline.Failed, stage: pipeline.Provision, reason: []string{"Octopus will not"},
		},
		"create_release is refused": {
			around: func(f fails) fails {
				f.release = func(spec octopus.ReleaseSpec) error {
					if application(spec) {
						return refusal()
					}
					return nil
				}
				return f
			},
			status: pipeline.Failed, stage: pipeline.CreateRelease, reason: []string{"Octopus will not"},
		},
		"override is refused": {
			around: func(f fails) fails { f.override = refusal; return f },
			status: pipeline.Failed, stage: pipeline.Override, reason: []string{"Octopus will not"},
		},
		"verify is refused": {
			around: func(f fails) fails { f.task = refusal; return f },
			status: pipeline.Failed, stage: pipeline.VerifyStage, reason: []string{"Octopus will not"},
		},
		"cleanup is refused": {
			line: func(p *pipeline.Pipeline) {
				p.Cleanup.Mode, p.Cleanup.Runbook = pipeline.CleanupRunbook, "No such runbook"
			},
			before: untilStage(pipeline.CleanupStage),
			status: pipeline.Failed, stage: pipeline.CleanupStage, reason: []string{"No such runbook"},
		},
		"a stage panics": {
			around: func(f fails) fails { f.task = func() error { panic("out of luck") }; return f },
			status: pipeline.Failed, stage: pipeline.VerifyStage, reason: []string{"out of luck"},
		},
	}
}

// untilStage moves Octopus' clock until the run has come to a stage.
func untilStage(stage pipeline.Stage) func(*world, store.Run) {
	return func(w *world, run store.Run) {
		w.until("the run comes to "+string(stage), func() bool {
			now := w.run(run.ID)
			if now.Stage != stage && now.Status == pipeline.Waiting {
				w.sim.Advance(10 * time.Second)
				w.wake()
			}
			return now.Stage == stage || now.Status.Terminal()
		})
	}
}

// untilVerifying waits until the run waits for its targets.
func untilVerifying(w *world, run store.Run) { w.untilWaiting(run.ID, pipeline.VerifyStage, "") }

// outOfTime lets the time of the stage be over, whenever a try has failed.
func outOfTime(w *world, run store.Run) {
	w.until("the stage is out of time", func() bool {
		if _, err := w.pool.Exec(w.t.Context(),
			"update runs set deadline_at = now() - interval '1 second' where id = $1 and status = 'waiting'", run.ID); err != nil {
			w.t.Fatal(err)
		}
		w.wake()
		return w.run(run.ID).Status.Terminal()
	})
}

// lateWays are those in which a stage's time is over.
func lateWays() map[string]wayToEnd {
	return map[string]wayToEnd{
		"provision is late": {
			around: func(f fails) fails { f.active = outage; return f }, end: outOfTime,
			status: pipeline.Failed, stage: pipeline.Provision, reason: []string{"not through after", "Octopus is away"},
		},
		"create_release is late": {
			around: func(f fails) fails {
				f.release = func(spec octopus.ReleaseSpec) error {
					if application(spec) {
						return outage()
					}
					return nil
				}
				return f
			},
			end:    outOfTime,
			status: pipeline.Failed, stage: pipeline.CreateRelease, reason: []string{"not through after", "Octopus is away"},
		},
		"override is late": {
			around: func(f fails) fails { f.override = outage; return f }, end: outOfTime,
			status: pipeline.Failed, stage: pipeline.Override, reason: []string{"not through after", "Octopus is away"},
		},
		"verify is late": {
			before: untilVerifying, end: outOfTime,
			status: pipeline.Failed, stage: pipeline.VerifyStage, reason: []string{"not proven within"},
		},
		"cleanup is late": {
			line: func(p *pipeline.Pipeline) {
				p.Cleanup.Mode, p.Cleanup.Runbook = pipeline.CleanupRunbook, "Remove old targets"
			},
			before: func(w *world, run store.Run) {
				w.addRunbook("Remove old targets")
				untilStage(pipeline.CleanupStage)(w, run)
			},
			end: func(w *world, run store.Run) {
				w.fault(simulator.Fault{Status: http.StatusServiceUnavailable, PathPattern: "/tasks", Times: 1 << 20})
				w.fault(simulator.Fault{Status: http.StatusServiceUnavailable, PathPattern: "/runbook", Times: 1 << 20})
				outOfTime(w, run)
			},
			status: pipeline.Failed, stage: pipeline.CleanupStage, reason: []string{"not through after"},
		},
	}
}

// cancelledWays are those in which an operator ends the run.
func cancelledWays() map[string]wayToEnd {
	cancel := func(w *world, run store.Run) { w.cancel(run.ID) }
	return map[string]wayToEnd{
		"cancelled while it waits": {
			before: untilVerifying, end: cancel,
			status: pipeline.Cancelled, stage: pipeline.VerifyStage, reason: []string{"Cancelled by"},
		},
		"cancelled while it waits after an error": {
			around: func(f fails) fails { f.override = outage; return f },
			before: func(w *world, run store.Run) { w.untilWaiting(run.ID, pipeline.Override, "Octopus is away") },
			end:    cancel,
			status: pipeline.Cancelled, stage: pipeline.Override, reason: []string{"Cancelled by"},
		},
		"cancelled in cleanup": {
			scene:  simulator.HelloWorldOptions{Provisioner: simulator.Provisioner{KeepOld: true}},
			before: untilStage(pipeline.CleanupStage), end: cancel,
			status: pipeline.Cancelled, stage: pipeline.CleanupStage, reason: []string{"Cancelled by"},
		},
		"the override is somebody else's by then": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				client := w.engine.Servers[serverName].Client
				if err := client.SetOverride(w.t.Context(), w.scene.ProjectID, w.scene.EnvironmentID, "", w.scene.ReleaseID); err != nil {
					w.t.Fatal(err)
				}
				w.cancel(run.ID)
			},
			status: pipeline.Cancelled, stage: pipeline.VerifyStage, leaves: foreignRelease,
		},
	}
}

// restart ends the world's engine and starts another one.
func (w *world) restart(change func(*Config)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	if err := w.engine.Stop(ctx); err != nil {
		w.t.Fatal(err)
	}
	w.engine = w.start(change)
}

// exec changes the database behind regrow's back.
func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// configuredWays are those in which a restart brings another configuration, or
// another version of regrow.
func configuredWays() map[string]wayToEnd {
	unreadable := func(w *world, run store.Run) {
		w.exec(`update runs set config = jsonb_set(config, '{verify,timeout}', '"30m"') where id = $1`, run.ID)
		w.wake()
	}
	return map[string]wayToEnd{
		"the server is not configured any more": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				w.restart(func(c *Config) { c.Servers = nil })
				outOfTime(w, run)
			},
			status: pipeline.Failed, stage: pipeline.VerifyStage, leaves: "its own",
			reason: []string{`"main"`, "not configured", "may still stand"},
		},
		"the server is not configured any more, and the run is cancelled": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				w.restart(func(c *Config) { c.Servers = nil })
				w.cancel(run.ID)
			},
			status: pipeline.Cancelled, stage: pipeline.VerifyStage, leaves: "its own", reason: []string{"may still stand"},
		},
		"the server is not configured any more, and the run is cancelled with its tasks": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				w.restart(func(c *Config) { c.Servers = nil })
				w.cancelWith(run.ID, pipeline.Cancellation{Reason: "enough", By: "test", Tasks: true})
			},
			status: pipeline.Cancelled, stage: pipeline.VerifyStage, leaves: "its own",
			reason: []string{"What Octopus does for it could not be cancelled: The server is not configured as it was."},
		},
		"another version wrote the history, and the run is cancelled with its tasks": {
			line:   func(p *pipeline.Pipeline) { p.OnFailure = pipeline.Terminate },
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				w.exec(`update stages set result = '["new"]' where run_id = $1 and stage = 'verify'`, run.ID)
				w.cancelWith(run.ID, pipeline.Cancellation{Reason: "enough", By: "test", Tasks: true})
			},
			status: pipeline.Cancelled, stage: pipeline.VerifyStage, reason: []string{
				"What Octopus does for it could not be cancelled: This version of regrow cannot read",
				"Its new targets could not be removed: This version of regrow cannot read",
			},
		},
		"the server is another one now": {
			before: untilVerifying,
			end: func(w *world, _ store.Run) {
				w.restart(func(c *Config) {
					server := c.Servers[serverName]
					server.URL = "https://another.example"
					c.Servers[serverName] = server
				})
				w.wake()
			},
			status: pipeline.Failed, stage: pipeline.VerifyStage, leaves: "its own",
			reason: []string{"https://another.example", "may still stand"},
		},
		"the pipeline is not configured any more, and the run is cancelled": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				w.restart(func(c *Config) { c.Pipelines = nil })
				w.cancel(run.ID)
			},
			status: pipeline.Cancelled, stage: pipeline.VerifyStage,
		},
		"another version wrote the configuration": {
			before: untilVerifying, end: unreadable,
			status: pipeline.Failed, stage: pipeline.VerifyStage, reason: []string{"cannot be read by this version", "verify.timeout"},
		},
		"another version wrote the configuration, and the run is cancelled": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				w.cancel(run.ID)
				unreadable(w, run)
			},
			status: pipeline.Cancelled, stage: pipeline.VerifyStage,
		},
		"another version wrote the history": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				w.exec(`update stages set result = '["new"]' where run_id = $1 and stage = 'verify'`, run.ID)
				w.wake()
			},
			status: pipeline.Failed, stage: pipeline.VerifyStage, reason: []string{"cannot be read by this version", "stage verify"},
		},
	}
}

// delete deletes a document of the scene's space in Octopus.
func (w *world) delete(path string) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodDelete, w.url+"/api/Spaces-1/"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		w.t.Fatalf("deleting %s: %s", path, answer.Status)
	}
	w.wake()
}

// untilDeployed moves Octopus' clock until the infrastructure is deployed: while
// it is, nobody can delete the project.
func untilDeployed(w *world, run store.Run) {
	w.untilWaiting(run.ID, pipeline.VerifyStage, "infrastructure deployment")
	w.until("the infrastructure is deployed", func() bool {
		w.sim.Advance(time.Second)
		w.wake()
		return !strings.Contains(w.run(run.ID).Reason, "infrastructure deployment")
	})
}

// octopusWays are those in which Octopus is changed meanwhile.
func octopusWays() map[string]wayToEnd {
	return map[string]wayToEnd{
		"the application project is deleted": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				w.delete("projects/" + w.scene.ProjectID)
				outOfTime(w, run)
			},
			status: pipeline.Failed, stage: pipeline.VerifyStage, reason: []string{"does not find project Hello World"},
		},
		"the infrastructure project is deleted": {
			before: untilDeployed,
			end: func(w *world, run store.Run) {
				w.delete("projects/" + w.scene.InfrastructureProjectID)
				outOfTime(w, run)
			},
			status: pipeline.Failed, stage: pipeline.VerifyStage,
		},
		// Octopus deletes no environment with targets in it.
		"the environment is deleted before the run's turn": {
			line:   func(p *pipeline.Pipeline) { p.Environment = "Nowhere" },
			status: pipeline.Failed, stage: pipeline.Provision, reason: []string{"Nowhere"},
		},
		"the release is deleted": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				w.delete("releases/" + w.result(run.ID).createRelease.ReleaseID)
				outOfTime(w, run)
			},
			status: pipeline.Failed, stage: pipeline.VerifyStage,
		},
		"the key is revoked": {
			before: untilVerifying,
			end: func(w *world, _ store.Run) {
				w.fault(simulator.Fault{Status: http.StatusUnauthorized, Times: 1 << 20, Body: `{"ErrorMessage":"You must be logged in to perform this action."}`})
				w.wake()
			},
			status: pipeline.Failed, stage: pipeline.VerifyStage, leaves: "its own", reason: []string{"may still stand"},
		},
		"the override is gone already": {
			before: untilVerifying,
			end: func(w *world, run store.Run) {
				if _, err := w.engine.Servers[serverName].Client.ClearOverride(w.t.Context(), w.scene.ProjectID, w.scene.EnvironmentID, "",
					w.result(run.ID).createRelease.ReleaseID); err != nil {
					w.t.Fatal(err)
				}
				outOfTime(w, run)
			},
			status: pipeline.Failed, stage: pipeline.VerifyStage, reason: []string{"not proven within"},
		},
	}
}

// Runs that wait for their lane can be ended, too.
func TestEndsOfQueuedRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline()
	first := w.commit(p, "aaaaaaaaaa")
	second := w.commit(p, "bbbbbbbbbb")
	third := w.commit(p, "cccccccccc")
	if got := w.run(second.ID); got.Status != pipeline.Superseded || !strings.Contains(got.Reason, fmt.Sprintf("run #%d", third.Number)) {
		t.Errorf("the second run is %s: %s", got.Status, got.Reason)
	}
	w.cancel(third.ID)
	if got := w.run(third.ID); got.Status != pipeline.Cancelled || !strings.Contains(got.Reason, "Cancelled by") {
		t.Errorf("the third run is %s: %s", got.Status, got.Reason)
	}
	fourth := w.commit(p, "dddddddddd")
	w.exec(`update runs set config = '{"name":"hello-world","cleanup":{"mode":"archive"}}' where id = $1`, fourth.ID)
	fifth := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Name, p.Infrastructure.Version = "other", "9.{run}"
		p.Application.Version = "9.{run}"
	}), "eeeeeeeeee")
	w.untilVerifyingAndCancelled(first.ID)
	if got := w.untilEnd(fourth.ID); got.Status != pipeline.Failed || !strings.Contains(got.Reason, "archive") || got.Remedy == "" {
		t.Errorf("the fourth run is %s: %s", got.Status, got.Reason)
	}
	w.until("the fifth run has its turn", func() bool { return w.run(fifth.ID).StartedAt != nil })
}

func (w *world) untilVerifyingAndCancelled(id uuid.UUID) {
	w.t.Helper()
	w.untilWaiting(id, pipeline.VerifyStage, "")
	w.cancel(id)
	w.untilEnd(id)
}

// How a run ends stays as it was decided: the cause is mended while its override
// cannot be cleared, and yet it fails.
func TestDecidedEndStays(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	w := newWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus {
			return fails{Octopus: o, task: func() error {
				if broken.Load() {
					return refusal()
				}
				return nil
			}}
		})
	}})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	untilVerifying(w, run)
	w.fault(simulator.Fault{Status: http.StatusServiceUnavailable, Method: http.MethodPut, PathPattern: "/projects/", Times: 1 << 20})
	broken.Store(true)
	w.until("the end is put off", func() bool { return w.run(run.ID).Ending != nil })
	broken.Store(false)
	w.sim.Faults().Clear()
	if ended := w.untilEnd(run.ID); ended.Status != pipeline.Failed || !strings.Contains(ended.Reason, "Octopus will not") {
		t.Errorf("the run is %s: %s", ended.Status, ended.Reason)
	}
	if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
		t.Errorf("the override to %s is left behind", left)
	}
}

// An override that the end of a round could not clear is the run's own still when
// that ends in the next round, before it has come to a release.
func TestOverrideOfTheRoundBefore(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	w := newWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus {
			return fails{Octopus: o, active: func() error {
				if away.Load() {
					return outage()
				}
				return nil
			}}
		})
	}})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	untilVerifying(w, run)
	w.fault(simulator.Fault{Status: http.StatusForbidden, Method: http.MethodPut, PathPattern: "/projects/", Times: 1, Body: `{"ErrorMessage":"You do not have permission: ProjectEdit."}`})
	w.expire(run.ID)
	if failed := w.untilEnd(run.ID); !strings.Contains(failed.Reason, "may still stand") {
		t.Fatalf("the reason is %q", failed.Reason)
	}
	away.Store(true)
	w.retry(run.ID, pipeline.Provision)
	w.untilWaiting(run.ID, pipeline.Provision, "Octopus is away")
	w.cancel(run.ID)
	w.untilEnd(run.ID)
	if left := w.override(w.scene.ProjectID, w.scene.EnvironmentID); left != "" {
		t.Errorf("the override to %s is left behind", left)
	}
}
