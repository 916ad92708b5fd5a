package pipeline

import "fmt"

// TakeOut is what may be removed of the new targets of a run that has failed.
type TakeOut struct {
	// Remove are the targets that count as the run's own.
	Remove []Target
	// Serving are the old targets that are available.
	Serving []Target
	// Left are new targets that must not be removed, with the reason.
	Left []LeftTarget
	// Short is the sentence that too few old targets serve, or "". Nothing is
	// removed then: the new targets may be all that serves.
	Short string
}

// PlanTakeOut decides which new targets of a failed run may go: all that stand and
// are neither in baseline, which stood before it, nor in foreign, which other runs
// know. Who has registered a target is not to be seen, so one that somebody has
// registered by hand since the baseline was recorded counts as the run's own. As
// many old targets as minimum have to be available, or all where there were fewer,
// and at least one.
func PlanTakeOut(targets []Target, baseline, foreign map[string]bool, minimum int) TakeOut {
	var t TakeOut
	for _, target := range targets {
		switch {
		case baseline[target.ID]:
			if target.Available {
				t.Serving = append(t.Serving, target)
			}
		case foreign[target.ID]:
			t.Left = append(t.Left, LeftTarget{target, "another run knows it"})
		case target.Environments > 1:
			t.Left = append(t.Left, LeftTarget{target, "it is in other environments too"})
		case target.Others != "":
			t.Left = append(t.Left, LeftTarget{target, "it serves " + target.Others + " too"})
		default:
			t.Remove = append(t.Remove, target)
		}
	}
	if need, available := max(1, min(minimum, len(baseline))), len(t.Serving); available < need {
		t.Short = fmt.Sprintf("%d of the %d old targets that would have to serve are available", available, need)
		t.Remove = nil
	}
	return t
}
