package pipeline

import (
	"fmt"
	"slices"
)

// Guards bound what clean-up may do with the old generation.
type Guards struct {
	// Minimum is how many new targets have to be available all the while.
	Minimum int
	// MaxRemovals is the most targets that may go in all; 0 sets no limit.
	MaxRemovals int
	// Gone are the ids of the targets that this clean-up has set out to delete
	// before: they count towards MaxRemovals.
	Gone []string
}

// Removal is what clean-up may do with the old generation now.
type Removal struct {
	// Remove are the baseline targets to delete.
	Remove []Target
	// Held are those that could be deleted if Blocked or Excess did not forbid it.
	Held []Target
	// Pending are baseline targets that still look alive, or that a deployment
	// uses; they may be terminated already without Octopus having noticed.
	Pending []Target
	// Left are baseline targets that clean-up must not delete, with the reason.
	Left []LeftTarget
	// Available is how many new targets are available.
	Available int
	// Short is the sentence that too few new targets stand, or "".
	Short string
	// Blocked is Short when there is something to remove, or to wait for.
	Blocked string
	// Excess is the sentence that more would go than may, or "".
	Excess string
	// Going is how many targets would go in all.
	Going int
}

// LeftTarget is a target of the old generation that stays, and why.
type LeftTarget struct {
	Target
	Reason string
}

// PlanRemoval decides which targets of the old generation may go. It never
// names a target outside the baseline, and none at all while fewer than the
// minimum of the new generation are available, or when more would go than may,
// also later: so many old targets are likelier those of a wrong environment.
func PlanRemoval(targets []Target, baseline map[string]bool, guards Guards) Removal {
	var r Removal
	for _, target := range targets {
		switch {
		case !baseline[target.ID]:
			if target.Available && !target.Moved {
				r.Available++
			}
		default:
			r.place(target)
		}
	}
	r.guard(guards)
	return r
}

// place puts a target of the baseline where it belongs.
func (r *Removal) place(target Target) {
	leave := func(reason string) { r.Left = append(r.Left, LeftTarget{target, reason}) }
	switch {
	case target.Environments > 1:
		leave("it is in other environments too")
	case target.Others != "":
		leave("it serves " + target.Others + " too")
	case target.Moved:
		leave("it is no longer where the run deployed to, or has lost the target tags of the pipeline")
	case target.Gone() && !target.InUse:
		r.Remove = append(r.Remove, target)
	default:
		r.Pending = append(r.Pending, target)
	}
}

func (r *Removal) guard(g Guards) {
	going := map[string]bool{}
	for _, id := range g.Gone {
		going[id] = true
	}
	for _, list := range [][]Target{r.Remove, r.Pending} {
		for _, target := range list {
			going[target.ID] = true
		}
	}
	r.Going = len(going)
	if open := len(r.Remove) + len(r.Pending); g.MaxRemovals > 0 && r.Going > g.MaxRemovals && open > 0 {
		r.Excess = fmt.Sprintf("%d old targets would go, and no more than %d may", r.Going, g.MaxRemovals)
	}
	if r.Available < g.Minimum {
		r.Short = fmt.Sprintf("%d of the %d new targets that have to stand are available", r.Available, g.Minimum)
		if len(r.Remove)+len(r.Pending) > 0 {
			r.Blocked = r.Short
		}
	}
	if r.Short != "" || r.Excess != "" {
		r.Held, r.Remove = r.Remove, nil
	}
}

// Fates tells of each target of the baseline what becomes of it by this plan.
func (r Removal) Fates(c Cleanup) map[string]FateOf {
	fates := map[string]FateOf{}
	for _, target := range r.Remove {
		fates[target.ID] = FateOf{FateRemoved, whyGone(target)}
	}
	for _, target := range r.Held {
		why := r.Excess
		if why == "" {
			why = r.Short
		}
		fates[target.ID] = FateOf{FateHeld, whyGone(target) + ", but " + why}
	}
	for _, target := range r.Pending {
		why := "it still stands; it goes once Octopus finds it unavailable, within " + c.Timeout.String()
		if target.Gone() {
			why = whyGone(target) + ", but a deployment uses it or may do so; it goes after that, within " + c.Timeout.String()
		}
		fates[target.ID] = FateOf{FateRemovedWhenGone, why}
	}
	for _, left := range r.Left {
		fates[left.ID] = FateOf{FateStays, left.Reason}
	}
	return fates
}

func whyGone(t Target) string {
	if t.Disabled {
		return "it is disabled"
	}
	return "it is unavailable"
}

// Guarded tells whether a guard keeps clean-up from going on.
func (r Removal) Guarded() bool { return r.Blocked != "" || r.Excess != "" }

// About is the part of the plan that concerns one target, with what holds for all.
func (r Removal) About(id string) Removal {
	is := func(target Target) bool { return target.ID == id }
	only := func(targets []Target) []Target {
		if i := slices.IndexFunc(targets, is); i >= 0 {
			return targets[i : i+1 : i+1]
		}
		return nil
	}
	r.Remove, r.Held, r.Pending = only(r.Remove), only(r.Held), only(r.Pending)
	r.Left = slices.DeleteFunc(slices.Clone(r.Left), func(left LeftTarget) bool { return !is(left.Target) })
	return r
}
