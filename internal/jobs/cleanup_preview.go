package jobs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// PreviewCleanup tells what the clean-up of a run would do if it began now: by the
// looks and the rules of clean-up itself, without changing anything. What Octopus
// does not show before ctx ends is unknown, and a finding says why. It returns
// pgx.ErrNoRows when there is no such run.
func (e *Engine) PreviewCleanup(ctx context.Context, id uuid.UUID) (pipeline.CleanupPreview, error) {
	q := store.New(e.Pool)
	run, err := q.GetRun(ctx, id)
	if err != nil {
		return pipeline.CleanupPreview{}, err
	}
	r, err := loadResults(ctx, q, id)
	if err != nil {
		return pipeline.CleanupPreview{}, err
	}
	known, err := knownTargets(ctx, q, id)
	if err != nil {
		return pipeline.CleanupPreview{}, err
	}
	if run.Status.Terminal() {
		r.cleanup = cleanupResult{} // what is tried again begins anew
	}
	p := cleanupPreviewer{
		surveyor: surveyor{x: &execution{Engine: e, run: run, p: run.Config.Pipeline, results: r}},
		preview:  pipeline.CleanupPreview{Cleanup: run.Config.Cleanup, At: e.Now(), Available: -1},
	}
	if !r.proven.IsZero() {
		p.preview.Begins = run.Config.Cleanup.Begins(r.proven)
	}
	p.rehearse(ctx, known)
	p.preview.Findings = p.out.Findings
	return p.preview, nil
}

// cleanupPreviewer looks as clean-up does, and only looks.
type cleanupPreviewer struct {
	surveyor
	preview pipeline.CleanupPreview
}

func (p *cleanupPreviewer) rehearse(ctx context.Context, known map[string]store.Target) {
	x := p.x
	if failed := x.unreadable(); failed != nil {
		p.find(pipeline.FindingFails, failed.message, failed.remedy)
		return
	}
	p.outlook()
	if !x.results.provision.Baseline {
		p.find(pipeline.FindingNotice, "The run has not recorded which targets stood before it; none is old to it.", "")
		return
	}
	client, err := x.Engine.octopus(x.p)
	x.octopus = client
	if !p.sees(err) {
		p.unseen(known)
		return
	}
	seen, err := x.lookFrom(ctx, known)
	if !p.sees(err) {
		p.unseen(known)
		return
	}
	plan := x.plan(seen)
	if x.p.Cleanup.Mode == pipeline.CleanupRunbook {
		plan.Blocked = plan.Short
	}
	p.preview.Available = plan.Available
	p.guards(plan)
	p.fates(seen, plan)
	p.runbook(ctx)
}

// outlook says whether and when the clean-up of the run comes.
func (p *cleanupPreviewer) outlook() {
	x := p.x
	begins := p.preview.Begins
	switch run := x.run; {
	case run.Status == pipeline.Succeeded:
		p.find(pipeline.FindingNotice, "The run has ended; it removes nothing any more.", "")
	case cleanupFailed(run):
		p.find(pipeline.FindingNotice, fmt.Sprintf("The run failed in clean-up, which can be tried again: regrow runs cleanup %s", x.ref()), "")
	case run.Status.Terminal():
		p.find(pipeline.FindingNotice, fmt.Sprintf("The run is %s; it ended in %s, and removes no old targets.", run.Status, run.Stage), "")
	case run.Status == pipeline.Queued:
		p.find(pipeline.FindingWaits, "The run is queued; clean-up comes when its new generation is proven.", "")
	case run.Stage != pipeline.CleanupStage:
		p.find(pipeline.FindingWaits, fmt.Sprintf("The run is in %s; clean-up comes when the new generation is proven.", run.Stage), "")
	case begins.After(x.Now()):
		result, _ := x.waitForGrace(begins) // its error is always nil
		p.find(pipeline.FindingWaits, result.message, "")
	}
}

// cleanupFailed tells whether the run may be told to try its clean-up again.
func cleanupFailed(run store.Run) bool {
	return run.Status == pipeline.Failed && run.Stage == pipeline.CleanupStage
}

// over tells whether the run removes nothing any more.
func (p *cleanupPreviewer) over() bool { return p.x.run.Status.Terminal() && !cleanupFailed(p.x.run) }

// guards says what keeps clean-up from removing anything.
func (p *cleanupPreviewer) guards(plan pipeline.Removal) {
	if p.x.p.Cleanup.Mode == pipeline.CleanupPolicy || p.over() {
		return
	}
	if plan.Excess != "" {
		failed := p.x.tooMany(plan)
		p.find(pipeline.FindingFails, failed.message, failed.remedy)
	}
	if plan.Blocked != "" {
		p.find(pipeline.FindingWaits, sentence(plan.Blocked), "")
	}
}

// fates says what becomes of each target of the baseline.
func (p *cleanupPreviewer) fates(seen generations, plan pipeline.Removal) {
	c := p.x.p.Cleanup
	byDeletion := plan.Fates(c)
	for _, target := range seen.standing {
		if seen.known[target.ID].Generation != generationBaseline {
			continue
		}
		fate := byDeletion[target.ID]
		switch {
		case p.over() && c.Mode != pipeline.CleanupPolicy:
			fate = pipeline.FateOf{Fate: pipeline.FateStays, Reason: "the run has ended"}
		case c.Mode == pipeline.CleanupDelete:
		case c.Mode == pipeline.CleanupRunbook && plan.Guarded():
			fate = pipeline.FateOf{Fate: pipeline.FateHeld, Reason: "the runbook does not begin: " + cmp.Or(plan.Excess, plan.Blocked)}
		default:
			fate = c.Foresee([]pipeline.Target{target})[0]
		}
		p.add(target, seen.urls[target.ID], fate)
	}
	for _, target := range seen.vanished {
		p.addKnown(target, pipeline.FateOf{Fate: pipeline.FateGone, Reason: "Octopus does not have it any more"})
	}
	for _, target := range seen.known {
		if target.Generation == generationBaseline && target.RemovedAt != nil {
			p.addKnown(target, removed(target))
		}
	}
	p.sort()
}

func removed(target store.Target) pipeline.FateOf {
	return pipeline.FateOf{Fate: pipeline.FateGone, Reason: fmt.Sprintf("it is gone since %s. %s", target.RemovedAt.UTC().Format(time.RFC3339), target.Note)}
}

// unseen lists the baseline when Octopus cannot be asked.
func (p *cleanupPreviewer) unseen(known map[string]store.Target) {
	for _, target := range known {
		switch {
		case target.Generation != generationBaseline:
		case target.RemovedAt != nil:
			p.addKnown(target, removed(target))
		default:
			p.addKnown(target, pipeline.FateOf{Fate: pipeline.FateUnknown, Reason: "Octopus could not be asked"})
		}
	}
	p.sort()
}

func (p *cleanupPreviewer) add(target pipeline.Target, url string, fate pipeline.FateOf) {
	p.preview.Targets = append(p.preview.Targets, pipeline.OldTarget{
		Target: target, URL: url, Fate: fate.Fate, Reason: strings.TrimSuffix(fate.Reason, "."),
	})
}

// addKnown adds a target of which only regrow knows.
func (p *cleanupPreviewer) addKnown(target store.Target, fate pipeline.FateOf) {
	p.add(pipeline.Target{ID: target.TargetID, Name: target.Name, Health: target.Health}, "", fate)
}

func (p *cleanupPreviewer) sort() {
	slices.SortFunc(p.preview.Targets, func(a, b pipeline.OldTarget) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}
