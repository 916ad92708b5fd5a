package jobs

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

func (w *world) previewCleanup(id uuid.UUID) pipeline.CleanupPreview {
	w.t.Helper()
	preview, err := w.engine.PreviewCleanup(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return preview
}

// said are the findings of a preview, one a line, with their kinds.
func said(p pipeline.CleanupPreview) string {
	return messages(pipeline.Survey{Findings: p.Findings})
}

func fatesOf(p pipeline.CleanupPreview) map[string]pipeline.Fate {
	fates := map[string]pipeline.Fate{}
	for _, target := range p.Targets {
		fates[target.ID] = target.Fate
	}
	return fates
}

func (w *world) wantPreview(id uuid.UUID, fates map[string]pipeline.Fate, findings ...string) pipeline.CleanupPreview {
	w.t.Helper()
	preview := w.previewCleanup(id)
	if got := fatesOf(preview); !maps.Equal(got, fates) {
		w.t.Errorf("the fates are %v, want %v\n%s", got, fates, said(preview))
	}
	if len(preview.Findings) != len(findings) {
		w.t.Errorf("found:\n%s\nwant %q", said(preview), findings)
	}
	for _, want := range findings {
		if !strings.Contains(said(preview), want) {
			w.t.Errorf("found:\n%s\nwant %s", said(preview), want)
		}
	}
	return preview
}

func (w *world) allOld(fate pipeline.Fate) map[string]pipeline.Fate {
	fates := map[string]pipeline.Fate{}
	for _, id := range w.scene.TargetIDs {
		fates[id] = fate
	}
	return fates
}

// A run that was cancelled while the old targets stood removes none of them.
func TestPreviewOfACancelledRun(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{config: func(c *Config) { c.Interval = time.Hour }})
	run := w.commit(w.pipeline(withGrace), "aaaaaaaaaa")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "0 available")
	w.cancel(run.ID)
	w.untilDone(run.ID, pipeline.Cancelled)
	preview := w.wantPreview(run.ID, w.allOld(pipeline.FateStays), "The run is cancelled; it ended in verify, and removes no old targets")
	if reason := preview.Targets[0].Reason; reason != "the run has ended" {
		t.Errorf("it stays because %q", reason)
	}
}

// A preview is to be had of a run in any state, and tells of each.
func TestPreviewFollowsTheRun(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{config: func(c *Config) { c.Interval = time.Hour }})
	p := w.pipeline(withGrace, func(p *pipeline.Pipeline) { p.Verify.Timeout = 3 * time.Hour; p.Cleanup.Timeout = time.Hour })
	run, queued := w.commit(p, "aaaaaaaaaa"), w.commit(p, "bbbbbbbbbb")

	w.wantPreview(queued.ID, map[string]pipeline.Fate{}, "waits: The run is queued; clean-up comes when its new generation is proven", "none is old to it")
	w.untilWaiting(run.ID, pipeline.VerifyStage, "0 available")
	preview := w.wantPreview(run.ID, w.allOld(pipeline.FateHeld), "waits: The run is in verify", "waits: 0 of the 2 new targets that have to stand are available")
	if !preview.Begins.IsZero() || preview.Available != 0 {
		t.Errorf("previewed before the proof: %+v", preview)
	}

	w.untilCleanup(run.ID, "left alone")
	before, changes := w.rows(), w.changes()
	preview = w.wantPreview(run.ID, w.allOld(pipeline.FateRemoved), "waits: The old targets are left alone for 2h0m0s")
	if after := w.rows(); !maps.Equal(before, after) || len(w.changes()) != len(changes) {
		t.Errorf("the preview has changed something: %v, %v", before, after)
	}
	if preview.Begins.Sub(w.result(run.ID).cleanup.BeginsAt).Abs() > time.Millisecond || preview.Available != 2 {
		t.Errorf("previewed during the grace time: %+v", preview)
	}
	if target := preview.Targets[0]; target.Reason != "it is disabled" || target.URL == "" || target.Name == "" || !target.Disabled {
		t.Errorf("previewed is %+v", target)
	}

	w.cancel(queued.ID)
	w.wantPreview(queued.ID, map[string]pipeline.Fate{}, "The run is cancelled; it ended in provision, and removes no old targets", "none is old to it")
	w.endGrace(run.ID)
	w.untilDone(run.ID, pipeline.Succeeded)
	preview = w.wantPreview(run.ID, w.allOld(pipeline.FateGone), "notice: The run has ended; it removes nothing any more")
	if reason := preview.Targets[0].Reason; !strings.Contains(reason, "It was disabled") {
		t.Errorf("gone because %q", reason)
	}
	if _, err := w.engine.PreviewCleanup(t.Context(), uuid.New()); err == nil {
		t.Error("a run that is not there has a preview")
	}
}

// What is previewed right before is what clean-up then does.
func TestPreviewComesTrue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{
		scene: simulator.HelloWorldOptions{Targets: 6, Provisioner: simulator.Provisioner{KeepOld: true, BootDelay: time.Second, Targets: 2}},
	})
	production, err := w.sim.AddEnvironment("Production")
	if err != nil {
		t.Fatal(err)
	}
	old := w.scene.TargetIDs
	for _, id := range old[:4] {
		w.disable(id)
	}
	run := w.commit(w.pipeline(withGrace), "aaaaaaaaaa")
	w.untilCleanup(run.ID, "left alone")
	w.edit("machines/"+old[1], func(d map[string]any) { d["EnvironmentIds"] = []string{w.scene.EnvironmentID, production} })
	w.edit("machines/"+old[2], func(d map[string]any) { d["Roles"] = []string{"database"} })
	w.delete("machines/" + old[3])
	want := map[string]pipeline.Fate{
		old[0]: pipeline.FateRemoved, old[1]: pipeline.FateStays, old[2]: pipeline.FateStays, old[3]: pipeline.FateGone,
		old[4]: pipeline.FateRemovedWhenGone, old[5]: pipeline.FateRemovedWhenGone,
	}
	w.wantPreview(run.ID, want, "left alone")
	w.endGrace(run.ID)
	w.untilCleanup(run.ID, "2 old targets are not yet unavailable")
	want[old[0]] = pipeline.FateGone
	w.wantPreview(run.ID, want)
	w.disable(old[4])
	w.untilCleanup(run.ID, "1 old target is not yet unavailable")
	w.expire(run.ID)
	w.untilDone(run.ID, pipeline.Succeeded)
	if deleted := w.deleted(); !slices.Equal(deleted, []string{old[3], old[0], old[4]}) { // the first by hand
		t.Errorf("deleted are %v, want %s and %s", deleted, old[0], old[4])
	}
	r := w.result(run.ID).cleanup
	if got := slices.Sorted(slices.Values(r.Left)); !slices.Equal(got, []string{old[1], old[2], old[5]}) {
		t.Errorf("left are %v", got)
	}
}

// A failed clean-up is previewed as it would go when it is tried again.
func TestPreviewOfAFailedCleanup(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{})
	run := w.commit(w.pipeline(func(p *pipeline.Pipeline) {
		p.Infrastructure.Targets, p.Cleanup.Minimum, p.Cleanup.MaxRemovals = 1, 1, 1
	}), "aaaaaaaaaa")
	failed := w.untilDone(run.ID, pipeline.Failed)
	w.wantPreview(run.ID, w.allOld(pipeline.FateHeld),
		"notice: The run failed in clean-up, which can be tried again: regrow runs cleanup hello-world#1", "fails: "+failed.Reason+" ("+failed.Remedy+")")
	w.edit("machines/"+w.scene.TargetIDs[0], func(d map[string]any) { d["Roles"] = []string{"database"} })
	w.wantPreview(run.ID, map[string]pipeline.Fate{w.scene.TargetIDs[0]: pipeline.FateStays, w.scene.TargetIDs[1]: pipeline.FateRemoved}, "tried again")
}

func TestPreviewOfOtherModes(t *testing.T) {
	t.Parallel()
	byRunbook := func(name string) func(*pipeline.Pipeline) {
		return func(p *pipeline.Pipeline) { p.Cleanup.Mode, p.Cleanup.Runbook = pipeline.CleanupRunbook, name }
	}
	const graceLeft = "left alone"
	for name, c := range map[string]struct {
		change   func(*pipeline.Pipeline)
		fate     pipeline.Fate
		findings []string
	}{
		"runbook":                   {byRunbook("Sweep"), pipeline.FateRunbook, []string{graceLeft}},
		"runbook that is not there": {byRunbook("Dust"), pipeline.FateRunbook, []string{graceLeft, `"Dust"`}},
		"runbook that is held back": {func(p *pipeline.Pipeline) {
			byRunbook("Sweep")(p)
			p.Cleanup.MaxRemovals = 1
		}, pipeline.FateHeld, []string{graceLeft, "fails: Clean-up would remove 2 old targets"}},
		"policy": {func(p *pipeline.Pipeline) {
			p.Cleanup.Mode, p.Cleanup.MaxRemovals = pipeline.CleanupPolicy, 1
		}, pipeline.FatePolicy, []string{"The run has ended"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newCleanupWorld(t, worldOptions{})
			w.addRunbook("Sweep")
			run := w.commit(w.pipeline(withGrace, func(p *pipeline.Pipeline) { p.Infrastructure.Targets, p.Cleanup.Minimum = 1, 1 }, c.change), "aaaaaaaaaa")
			if c.fate == pipeline.FatePolicy {
				w.untilDone(run.ID, pipeline.Succeeded)
			} else {
				w.untilCleanup(run.ID, graceLeft)
			}
			w.wantPreview(run.ID, w.allOld(c.fate), c.findings...)
		})
	}
}

// What cannot be seen is unknown, and said to be.
func TestPreviewWithoutOctopus(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world, store.Run) context.Context{
		"away": func(w *world, _ store.Run) context.Context {
			w.fault(simulator.Fault{Status: http.StatusServiceUnavailable})
			return w.t.Context()
		},
		"slow": func(w *world, _ store.Run) context.Context {
			w.fault(simulator.Fault{Delay: time.Minute})
			ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second)
			w.t.Cleanup(cancel)
			return ctx
		},
		"not configured": func(w *world, _ store.Run) context.Context {
			delete(w.engine.Servers, serverName)
			return w.t.Context()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := newCleanupWorld(t, worldOptions{config: func(c *Config) { c.Interval = time.Hour }})
			run := w.commit(w.pipeline(withGrace, func(p *pipeline.Pipeline) { p.Verify.Timeout, p.Cleanup.Timeout = 2*time.Hour, time.Hour }), "aaaaaaaaaa")
			w.untilCleanup(run.ID, "left alone")
			ctx := spoil(w, run)
			preview, err := w.engine.PreviewCleanup(ctx, run.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got := fatesOf(preview); !maps.Equal(got, w.allOld(pipeline.FateUnknown)) || preview.Available != -1 || !strings.Contains(said(preview), "unknown: ") {
				t.Errorf("the fates are %v, available %d, found:\n%s", got, preview.Available, said(preview))
			}
		})
	}
}

// A plan tells beforehand that clean-up would find too many.
func TestPlanForeseesMaxRemovals(t *testing.T) {
	t.Parallel()
	w, _ := newCleanupWorld(t, worldOptions{})
	limited := func(p *pipeline.Pipeline) {
		p.Infrastructure.Targets, p.Cleanup.Minimum, p.Cleanup.MaxRemovals = 1, 1, 1
	}
	if _, survey := w.survey(w.pipeline(limited)); !strings.Contains(messages(survey), "notice: If they all stand until clean-up, that ends the run") || survey.Fails() {
		t.Errorf("found:\n%s", messages(survey))
	}
	if _, survey := w.survey(w.pipeline()); strings.Contains(messages(survey), "clean-up") {
		t.Errorf("found:\n%s", messages(survey))
	}
}
