package pipeline

import "fmt"

// Removal is what clean-up may do with the old generation now.
type Removal struct {
	// Remove are the baseline targets to delete.
	Remove []Target
	// Pending are baseline targets that still look alive; they may be
	// terminated already without Octopus having noticed.
	Pending []Target
	// Left are baseline targets that clean-up must not delete, with the reason.
	Left []LeftTarget
	// Short is the sentence that too few new targets stand, or "".
	Short string
	// Blocked is Short when there is something to remove, or to wait for.
	Blocked string
}

// LeftTarget is a target of the old generation that stays, and why.
type LeftTarget struct {
	Target
	Reason string
}

// PlanRemoval decides which targets of the old generation may go. It never
// names a target outside the baseline, and none at all while fewer than
// minimum targets of the new generation are available.
func PlanRemoval(targets []Target, baseline map[string]bool, minimum int) Removal {
	var r Removal
	available := 0
	for _, target := range targets {
		switch {
		case !baseline[target.ID]:
			if target.Available {
				available++
			}
		case target.Environments > 1:
			r.Left = append(r.Left, LeftTarget{target, "it is in other environments too"})
		case target.Others != "":
			r.Left = append(r.Left, LeftTarget{target, "it serves " + target.Others + " too"})
		case target.Gone():
			r.Remove = append(r.Remove, target)
		default:
			r.Pending = append(r.Pending, target)
		}
	}
	if available < minimum {
		r.Short = fmt.Sprintf("%d of the %d new targets that have to stand are available", available, minimum)
		if len(r.Remove)+len(r.Pending) > 0 {
			r.Blocked = r.Short
		}
		r.Remove = nil
	}
	return r
}
