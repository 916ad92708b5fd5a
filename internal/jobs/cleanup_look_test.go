package jobs

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// Things change between the plan and a deletion: what the last look finds counts.
func TestLastLookKeepsWhatHasChanged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*world, string)
		waits  string // what the run waits for then, "" when it leaves the target
		left   string
	}{
		"it serves again": {func(w *world, id string) {
			w.edit("machines/"+id, func(d map[string]any) { d["IsDisabled"] = false })
		}, "1 old target is not yet unavailable", ""},
		"it is in another environment, too": {func(w *world, id string) {
			production, err := w.sim.AddEnvironment("Production")
			if err != nil {
				w.t.Error(err)
			}
			w.edit("machines/"+id, func(d map[string]any) { d["EnvironmentIds"] = []string{w.scene.EnvironmentID, production} })
		}, "", "it is in other environments too"},
		"it is in another environment": {func(w *world, id string) {
			production, err := w.sim.AddEnvironment("Production")
			if err != nil {
				w.t.Error(err)
			}
			w.edit("machines/"+id, func(d map[string]any) { d["EnvironmentIds"] = []string{production} })
		}, "", "it is no longer where the run deployed to"},
		"it has another role": {func(w *world, id string) {
			w.edit("machines/"+id, func(d map[string]any) { d["Roles"] = []string{"database"} })
		}, "", "it is no longer where the run deployed to"},
		"it serves tenants": {func(w *world, id string) {
			tenant, err := w.sim.AddTenant("Acme")
			if err != nil {
				w.t.Error(err)
			}
			w.edit("machines/"+id, func(d map[string]any) {
				d["TenantedDeploymentParticipation"], d["TenantIds"] = "TenantedOrUntenanted", []string{tenant}
			})
		}, "", "it serves tenants too"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, m := newCleanupWorld(t, worldOptions{})
			changed := ""
			m.on(aLook, func(n int, id string) error {
				if n == 1 {
					changed = id
					c.change(w, id)
				}
				return nil
			})
			run := w.commit(w.pipeline(), "aaaaaaaaaa")
			if c.waits != "" {
				w.untilCleanup(run.ID, c.waits)
				w.expire(run.ID)
			}
			w.untilDone(run.ID, pipeline.Succeeded)
			if deleted := w.deleted(); len(deleted) != 1 || slices.Contains(deleted, changed) {
				t.Errorf("deleted are %v; %s has changed", deleted, changed)
			}
			r := w.result(run.ID).cleanup
			if !slices.Equal(r.Left, []string{changed}) || len(r.Deletions) != 1 || !strings.Contains(strings.ToLower(w.notes(run.ID)[changed]), c.left) {
				t.Errorf("left are %v, noted %q: %+v", r.Left, w.notes(run.ID)[changed], r)
			}
		})
	}
}

// Somebody else deletes the target first: that is all right.
func TestLastLookFindsItGone(t *testing.T) {
	t.Parallel()
	w, m := newCleanupWorld(t, worldOptions{})
	gone := ""
	m.on(aLook, func(n int, id string) error {
		if n == 1 {
			gone = id
			w.delete("machines/" + id)
		}
		return nil
	})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilDone(run.ID, pipeline.Succeeded)
	if note := w.notes(run.ID)[gone]; note != "It was gone from Octopus already." {
		t.Errorf("noted is %q", note)
	}
	if r := w.result(run.ID).cleanup; len(r.Removed) != 2 {
		t.Errorf("removed are %v", r.Removed)
	}
}

// A target of the new generation falls between two deletions: the second one
// waits until enough stand again.
func TestMinimumIsLookedAtBeforeEachDeletion(t *testing.T) {
	t.Parallel()
	w, m := newCleanupWorld(t, worldOptions{})
	var fresh string
	m.on(aDeletion, func(n int, _ string) error {
		if n == 1 {
			fresh = w.freshTargets()[0]
			w.disable(fresh)
		}
		return nil
	})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilCleanup(run.ID, "1 of the 2 new targets that have to stand are available; no old target is removed meanwhile")
	if deleted := w.deleted(); len(deleted) != 1 {
		t.Fatalf("deleted are %v, want one", deleted)
	}
	w.wake()
	w.untilCleanup(run.ID, "1 of the 2 new targets")
	if deleted := w.deleted(); len(deleted) != 1 {
		t.Errorf("deleted are %v, want one still", deleted)
	}
	w.edit("machines/"+fresh, func(d map[string]any) { d["IsDisabled"] = false })
	w.untilDone(run.ID, pipeline.Succeeded)
	if deleted := w.deleted(); len(deleted) != 2 || slices.Contains(deleted, fresh) {
		t.Errorf("deleted are %v", deleted)
	}
}

// freshTargets are those that stand and did not at the beginning.
func (w *world) freshTargets() []string {
	return slices.DeleteFunc(w.standing(), func(id string) bool { return slices.Contains(w.scene.TargetIDs, id) })
}

// While a deployment of the application is under way that may use an old target,
// it stays; one that is for others only does not matter.
func TestTargetsInUseStay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		to    func(*world) []string // the targets of the deployment; none means all
		waits bool
	}{
		"a deployment to everything":   {func(*world) []string { return nil }, true},
		"a deployment to old targets":  {func(w *world) []string { return w.scene.TargetIDs }, true},
		"a deployment to a new target": {func(w *world) []string { return w.freshTargets()[:1] }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newCleanupWorld(t, worldOptions{})
			run := w.commit(w.pipeline(withGrace), "aaaaaaaaaa")
			w.untilCleanup(run.ID, "left alone")
			_, _, err := w.client().EnsureDeployment(t.Context(), octopus.DeploymentSpec{
				ReleaseID: w.scene.ReleaseID, ProjectID: w.scene.ProjectID, EnvironmentID: w.scene.EnvironmentID, Marker: "somebody's", MachineIDs: c.to(w),
			})
			if err != nil {
				t.Fatal(err)
			}
			w.endGrace(run.ID)
			if c.waits {
				w.until("the run waits for the deployment", func() bool {
					return strings.Contains(w.run(run.ID).Reason, "2 old targets are still in use by a deployment")
				})
				if len(w.deleted()) > 0 {
					t.Errorf("deleted are %v", w.deleted())
				}
				w.untilDone(run.ID, pipeline.Succeeded)
			} else {
				w.untilStatus(run.ID, pipeline.Succeeded) // the deployment is not over: Octopus' clock stands
			}
			if len(w.deleted()) != 2 {
				t.Errorf("deleted are %v", w.deleted())
			}
		})
	}
}

// client is one of the world's Octopus Server that is not regrow's.
func (w *world) client() *octopus.Client {
	w.t.Helper()
	client, err := octopus.New(octopus.Config{URL: w.url, APIKey: simulator.DefaultAPIKey, Space: "Default", RequestsPerMinute: 1e6})
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

// A target that a deployment uses until clean-up's time is over is left.
func TestTargetInUseIsLeftInTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return busyTargets{o} })
	}})
	for _, id := range w.scene.TargetIDs {
		w.disable(id)
	}
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.untilCleanup(run.ID, "still in use by a deployment")
	w.expire(run.ID)
	w.untilDone(run.ID, pipeline.Succeeded)
	for id, note := range w.notes(run.ID) {
		if !strings.Contains(note, "deployment still used it after 1m0s") {
			t.Errorf("of %s is noted %q", id, note)
		}
	}
	if len(w.deleted()) > 0 {
		t.Errorf("deleted are %v", w.deleted())
	}
}

// busyTargets shows every disabled target as used by a task.
type busyTargets struct{ Octopus }

func (b busyTargets) Targets(ctx context.Context, query octopus.TargetQuery) ([]octopus.Target, error) {
	found, err := b.Octopus.Targets(ctx, query)
	for i := range found {
		found[i].IsInProcess = found[i].IsDisabled
	}
	return found, err
}

// A process dies between two deletions, or between a deletion and writing it down:
// whoever goes on deletes the rest, each target once, and still counts all.
func TestDeathBetweenDeletions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(*world, *execution, map[string]store.Target) error
		note string
	}{
		"after the first is written down": {func(w *world, x *execution, known map[string]store.Target) error {
			_, err := x.remove(w.t.Context(), known, pipeline.Target{ID: w.scene.TargetIDs[0], Name: "old"})
			return err
		}, "It was disabled."},
		"before the first is written down": {func(w *world, x *execution, _ map[string]store.Target) error {
			id := w.scene.TargetIDs[0]
			return errors.Join(x.announce(w.t.Context(), id), x.octopus.DeleteTarget(w.t.Context(), id))
		}, "It was deleted."},
		"before the first is deleted": {func(w *world, x *execution, _ map[string]store.Target) error {
			return x.announce(w.t.Context(), w.scene.TargetIDs[0])
		}, "It was disabled."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newCleanupWorld(t, worldOptions{config: func(c *Config) { c.Lease = 500 * time.Millisecond }})
			run := w.commit(w.pipeline(withGrace, func(p *pipeline.Pipeline) { p.Cleanup.MaxRemovals = 2 }), "aaaaaaaaaa")
			w.untilCleanup(run.ID, "left alone")
			x := w.vanish(run)
			x.octopus = w.engine.Servers[serverName].Client
			known, err := x.knownTargets(t.Context())
			if err := errors.Join(err, c.do(w, x, known)); err != nil {
				t.Fatal(err)
			}
			w.endGrace(run.ID)
			w.untilDone(run.ID, pipeline.Succeeded)
			if !slices.Equal(slices.Sorted(slices.Values(w.deleted())), w.scene.TargetIDs) {
				t.Errorf("deleted are %v, want each of %v once", w.deleted(), w.scene.TargetIDs)
			}
			if got := w.notes(run.ID)[w.scene.TargetIDs[0]]; got != c.note {
				t.Errorf("noted is %q, want %q", got, c.note)
			}
			if r := w.result(run.ID).cleanup; len(r.Deletions) != 2 || len(r.Removed) != 2 {
				t.Errorf("the result is %+v", r)
			}
			w.wantEvents(run.ID, map[string]int{eventTargetRemoved: 2, eventAttemptLost: 1})
		})
	}
}

// What went before a crash counts: nothing more may go than may in all.
func TestDeathDoesNotWidenTheLimit(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{config: func(c *Config) { c.Lease = 500 * time.Millisecond }})
	first, second := w.scene.TargetIDs[0], w.scene.TargetIDs[1]
	w.edit("machines/"+second, func(d map[string]any) { d["Roles"] = []string{"hello-world", "other"} })
	run := w.commit(w.pipeline(withGrace, func(p *pipeline.Pipeline) {
		p.Infrastructure.Targets, p.Cleanup.Minimum, p.Cleanup.MaxRemovals = 1, 1, 1
	}), "aaaaaaaaaa")
	w.untilCleanup(run.ID, "left alone")
	w.edit("machines/"+second, func(d map[string]any) { d["Roles"] = []string{"other"} }) // it does not count for now
	x := w.vanish(run)
	x.octopus = w.engine.Servers[serverName].Client
	known, err := x.knownTargets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.remove(t.Context(), known, pipeline.Target{ID: first, Name: "old"}); err != nil {
		t.Fatal(err)
	}
	w.edit("machines/"+second, func(d map[string]any) { d["Roles"] = []string{"hello-world"} })
	w.endGrace(run.ID)
	failed := w.untilDone(run.ID, pipeline.Failed)
	if !slices.Equal(w.deleted(), []string{first}) || !strings.Contains(failed.Reason, "no more than the 1 before") {
		t.Errorf("deleted are %v: %s", w.deleted(), failed.Reason)
	}
}

// Whatever Octopus answers, each old target is deleted once.
func TestDeletionsHappenOnce(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"answer lost after the effect": {DropAfter: true, Times: 2},
		"connection reset before":      {DropBefore: true, Times: 2},
		"server error":                 {Status: http.StatusInternalServerError, Times: 2},
		"truncated answer":             {Truncate: true, Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newCleanupWorld(t, worldOptions{})
			fault.Method, fault.PathPattern = http.MethodDelete, "/machines/"
			w.fault(fault)
			run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Cleanup.MaxRemovals = 2 }), "aaaaaaaaaa")
			w.untilDone(run.ID, pipeline.Succeeded)
			if !slices.Equal(slices.Sorted(slices.Values(w.deleted())), w.scene.TargetIDs) {
				t.Errorf("deleted are %v, want each of %v once", w.deleted(), w.scene.TargetIDs)
			}
		})
	}
}
