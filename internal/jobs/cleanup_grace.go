package jobs

import (
	"fmt"
	"time"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// stageEnd is when the time of the run's stage is over, if that begins now. The
// grace that old targets have after the proof does not count.
func (x *execution) stageEnd(run store.Run) time.Time {
	from := x.Now()
	if begins := run.Config.Cleanup.Begins(x.results.proven); run.Stage == pipeline.CleanupStage && begins.After(from) {
		from = begins
	}
	return from.Add(stageTime(run))
}

// waitForGrace has the run wait until the old generation may be touched. It is
// not looked at before: nothing would follow from it.
func (x *execution) waitForGrace(begins time.Time) (outcome, error) {
	begins = begins.UTC()
	x.results.cleanup.BeginsAt = begins
	return outcome{until: begins, message: fmt.Sprintf("The old targets are left alone for %s after the proof; clean-up begins at %s.",
		x.p.Cleanup.Grace, begins.Format(time.RFC3339))}, nil
}
