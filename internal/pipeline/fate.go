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
	// FateHeld: it could be deleted, and a guard forbids it.
	FateHeld Fate = "held"
	// FateGone: Octopus does not have it any more.
	FateGone Fate = "gone"
	// FateUnknown: Octopus could not be asked.
	FateUnknown Fate = "unknown"
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
	fates := planOfOld(baseline, Guards{}).Fates(c)
	list := make([]FateOf, len(baseline))
	for i, target := range baseline {
		list[i] = fates[target.ID]
	}
	return list
}

// ForeseeExcess is the sentence that more would go than may, if the old targets
// stayed as they are, or "".
func (c Cleanup) ForeseeExcess(baseline []Target) string {
	if c.Mode == CleanupPolicy {
		return ""
	}
	return planOfOld(baseline, Guards{MaxRemovals: c.MaxRemovals}).Excess
}

// planOfOld is the plan while there are no new targets yet, and none are asked for.
func planOfOld(baseline []Target, guards Guards) Removal {
	all := map[string]bool{}
	for _, target := range baseline {
		all[target.ID] = true
	}
	return PlanRemoval(baseline, all, guards)
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
