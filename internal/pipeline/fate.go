package pipeline

// Fate is what clean-up would make of an old target.
type Fate string

// The fates of old targets.
const (
	// FateRemoved: clean-up deletes it.
	FateRemoved Fate = "removed"
	// FateRemovedWhenGone: clean-up deletes it once Octopus finds it unavailable.
	FateRemovedWhenGone Fate = "removed_when_gone"
	// FateStays: clean-up must not delete it.
	FateStays Fate = "stays"
	// FateRunbook: the pipeline's runbook decides.
	FateRunbook Fate = "runbook"
	// FatePolicy: the machine policy decides.
	FatePolicy Fate = "policy"
)

// Foresee tells what clean-up would make of the baseline, in the order given, by
// the rules that it plans by, if the old targets stayed as they are and enough
// new ones stood.
func (c Cleanup) Foresee(baseline []Target) []FateOf {
	switch c.Mode {
	case CleanupRunbook:
		return sameFate(baseline, FateRunbook, "the runbook "+c.Runbook+" decides")
	case CleanupPolicy:
		return sameFate(baseline, FatePolicy, "the machine policy decides")
	case CleanupDelete:
	}
	all := map[string]bool{}
	for _, target := range baseline {
		all[target.ID] = true
	}
	const none = 0 // new targets: there are none yet
	removal := PlanRemoval(baseline, all, none)
	fates := map[string]FateOf{}
	for _, target := range removal.Remove {
		reason := "it is unavailable"
		if target.Disabled {
			reason = "it is disabled"
		}
		fates[target.ID] = FateOf{FateRemoved, reason}
	}
	for _, target := range removal.Pending {
		fates[target.ID] = FateOf{FateRemovedWhenGone, "it still stands; it goes once Octopus finds it unavailable, within " + c.Timeout.String()}
	}
	for _, left := range removal.Left {
		fates[left.ID] = FateOf{FateStays, left.Reason}
	}
	list := make([]FateOf, len(baseline))
	for i, target := range baseline {
		list[i] = fates[target.ID]
	}
	return list
}

// FateOf is the fate of a target, and why.
type FateOf struct {
	Fate   Fate
	Reason string
}

func sameFate(targets []Target, fate Fate, reason string) []FateOf {
	list := make([]FateOf, len(targets))
	for i := range targets {
		list[i] = FateOf{fate, reason}
	}
	return list
}
