package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// hold is what a run waits for that must not deploy now.
type hold struct {
	// name are the names of the deployment freezes.
	name string
	// until is when the last of them ends; zero where Octopus does not tell.
	until time.Time
	// note is one more sentence for people; may be empty.
	note string
}

// unnamedFreeze stands for one that Octopus refuses a deployment for and does
// not list as active: the clocks differ, or freezes cannot be read.
const unnamedFreeze = "a deployment freeze that Octopus does not list"

// held reads which deployment freezes of the projects hold now in the run's
// place, and returns what the run has to wait for; nil when it may deploy,
// because there are none or because an operator wants it to. Octopus itself
// refuses what a freeze forbids, so when regrow may not read them it goes on.
func (x *execution) held(ctx context.Context, projectIDs ...string) (*hold, error) {
	var holding []octopus.Freeze
	for _, id := range projectIDs {
		freezes, err := x.readFreezes(ctx, id)
		if err != nil {
			return nil, err
		}
		holding = append(holding, freezes...)
	}
	if len(holding) == 0 || x.ignoresFreezes() {
		return nil, x.thaw(ctx)
	}
	return x.holdOf(holding), nil
}

// readFreezes keeps and returns the freezes of a project that hold now.
func (x *execution) readFreezes(ctx context.Context, projectID string) ([]octopus.Freeze, error) {
	place := x.results.provision
	freezes, err := x.octopus.Freezes(ctx, projectID, place.EnvironmentID, place.TenantID)
	if refused := asFailure(err); refused != nil {
		x.noteUnread(refused)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now := x.Now()
	freezes = slices.DeleteFunc(freezes, func(f octopus.Freeze) bool {
		// Of recurring ones Octopus may tell another time than this one.
		return !f.Active(now) && !(x.refusedByFreeze && f.Recurring)
	})
	if x.freezes == nil {
		x.freezes = map[string][]octopus.Freeze{}
	}
	x.freezes[projectID] = freezes
	return freezes, nil
}

// noteUnread records, once while provision waits, that freezes cannot be read.
func (x *execution) noteUnread(why *failure) {
	if x.results.provision.FreezesUnread {
		return
	}
	x.results.provision.FreezesUnread = true
	message := "Deployment freezes cannot be read; Octopus itself will refuse what they forbid. " + sentence(why.message)
	x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
		return record(ctx, q, x.run, x.Now(), eventFreezesUnread, message, map[string]any{"remedy": why.remedy})
	})
}

func (x *execution) holdOf(freezes []octopus.Freeze) *hold {
	var names []string
	var h hold
	for _, f := range freezes {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
		if f.End.After(h.until) && f.End.After(x.Now()) {
			h.until = f.End
		}
	}
	h.name = storable(strings.Join(names, ", "))
	return &h
}

// waitFor parks the run until the freeze is over or an operator ignores it.
func (x *execution) waitFor(h *hold) (outcome, error) {
	holds := fmt.Sprintf("The deployment freeze %q holds", h.name)
	if h.name == unnamedFreeze {
		holds = "Octopus refuses to deploy because of a deployment freeze"
	}
	if !h.until.IsZero() {
		holds += " until " + h.until.UTC().Format(time.RFC3339)
	}
	when, note := "at once", h.note
	if refused := x.freezeRefused(); refused != nil && *refused != "" {
		when, note = "once that is put right", *refused
	}
	message := fmt.Sprintf("%s. The run goes on by itself when it is over, or %s with: regrow runs ignore-freeze %s#%d --reason TEXT",
		holds, when, x.run.Pipeline, x.run.Number)
	if note != "" {
		message = note + " " + message
	}
	return outcome{message: message, hold: h}, nil
}

// freezeRefused is where the stage keeps that Octopus refused to override a
// freeze: people read why for as long as the run waits, and not at one look only.
func (x *execution) freezeRefused() *string {
	switch x.run.Stage {
	case pipeline.Provision:
		return &x.results.provision.FreezeOverrideRefused
	case pipeline.VerifyStage:
		return &x.results.verify.FreezeOverrideRefused
	default:
		return nil // deploys nothing by itself
	}
}

// ignoresFreezes tells whether an operator told the run not to heed freezes.
func (x *execution) ignoresFreezes() bool { return x.run.FreezeOverrideReason != nil }

// inSpiteOf says which freezes a deployment of the project is made in spite of.
func (x *execution) inSpiteOf(projectID string) octopus.FreezeOverride {
	if !x.ignoresFreezes() {
		return octopus.FreezeOverride{}
	}
	o := octopus.FreezeOverride{Reason: fmt.Sprintf("%s (%s, in regrow, for run #%d of pipeline %s)",
		*x.run.FreezeOverrideReason, *x.run.FreezeOverrideBy, x.run.Number, x.run.Pipeline)}
	for _, f := range x.freezes[projectID] {
		o.FreezeIDs = append(o.FreezeIDs, f.ID)
	}
	return o
}

// deploy makes sure of a deployment, in spite of freezes where an operator wants
// that. A freeze that began after they were read holds the run as well.
func (x *execution) deploy(ctx context.Context, spec octopus.DeploymentSpec) (octopus.Deployment, *hold, error) {
	spec.Override = x.inSpiteOf(spec.ProjectID)
	deployment, _, err := x.octopus.EnsureDeployment(ctx, spec)
	if errors.Is(err, octopus.ErrFrozen) {
		x.refusedByFreeze = true
		held, lookErr := x.held(ctx, spec.ProjectID)
		if held != nil || lookErr != nil {
			return deployment, held, lookErr
		}
		// One began that is to be ignored, or the one to be ignored is over.
		spec.Override = x.inSpiteOf(spec.ProjectID)
		deployment, _, err = x.octopus.EnsureDeployment(ctx, spec)
	}
	refused, ok := errors.AsType[*octopus.Error](err)
	switch {
	case !ok:
		return deployment, nil, err
	case len(spec.Override.FreezeIDs) > 0 && refusesOverride(refused):
		return deployment, x.overrideRefused(spec.ProjectID, refused), nil
	case errors.Is(err, octopus.ErrFrozen):
		return deployment, &hold{name: unnamedFreeze, note: sentence(refused.Message)}, nil
	default:
		return deployment, nil, err
	}
}

// refusesOverride tells whether Octopus refused to override a freeze: for want of
// a permission, for the freeze's sake, or because it has no call for that.
func refusesOverride(refused *octopus.Error) bool {
	return refused.Status == http.StatusForbidden || octopus.IsNotFound(refused) || errors.Is(refused, octopus.ErrFrozen)
}

// overrideRefused has the run wait again: that a freeze cannot be overridden is
// no reason to give up what can be done when it is over.
func (x *execution) overrideRefused(projectID string, refused *octopus.Error) *hold {
	x.run.FreezeOverrideReason, x.run.FreezeOverrideBy = nil, nil
	message := "Octopus refused to override the deployment freeze. " + sentence(refused.Message)
	if refused.Status == http.StatusForbidden {
		message += " Overriding takes the permission DeploymentFreezeAdminister."
	}
	x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
		if err := q.ForgetFreezeOverride(ctx, x.run.ID); err != nil {
			return fmt.Errorf("forgetting that freezes are to be ignored: %w", err)
		}
		return record(ctx, q, x.run, x.Now(), eventFreezeOverrideRefused, message, nil)
	})
	if kept := x.freezeRefused(); kept != nil {
		*kept = message
	}
	return x.holdOf(x.freezes[projectID])
}

// thaw notes that no freeze holds the run any more.
func (x *execution) thaw(ctx context.Context) error {
	if x.run.FreezeName == nil {
		return nil
	}
	return x.save(ctx, func(ctx context.Context, q *store.Queries) error { return x.writeThaw(ctx, q, &x.run) })
}

func (x *execution) writeThaw(ctx context.Context, q *store.Queries, run *store.Run) error {
	deadline := x.Now().Add(stageTime(*run))
	if err := q.ThawRun(ctx, store.ThawRunParams{ID: run.ID, DeadlineAt: deadline}); err != nil {
		return fmt.Errorf("noting that no freeze holds the run: %w", err)
	}
	message := "No deployment freeze holds the run any more; it goes on."
	if run.FreezeOverrideReason != nil {
		message = fmt.Sprintf("The run goes on in spite of the deployment freeze %q.", *run.FreezeName)
	}
	data := map[string]any{"freeze": *run.FreezeName}
	run.FreezeName, run.FreezeUntil, run.DeadlineAt = nil, nil, &deadline
	return record(ctx, q, *run, x.Now(), eventRunThawed, message, data)
}
