package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// ending is how an execution ends, as it is written.
type ending struct {
	kind    endKind
	message string
	remedy  string
	// from is where a retry of a failed run makes sense.
	from pipeline.Stage
	// pause is how long to wait before the next try.
	pause time.Duration
	// hold is the deployment freeze that is waited for; nil when none is.
	hold *hold
	// until is when to look again; zero for the usual interval.
	until time.Time
	// paused tells that the run waits for a pause to be lifted.
	paused bool
}

type endKind int

const (
	endDone endKind = iota
	endWait
	endRetry
	endFail
	endCancel
)

func (k endKind) String() string {
	return [...]string{"done", "wait", "retry", "fail", "cancel"}[k]
}

// judge turns what a stage returned into an ending, and tidies up when the run is
// about to end.
func (x *execution) judge(ctx context.Context, result outcome, err error) ending {
	x.noteSettling(err)
	failed := asFailure(err)
	known, isDecided := errors.AsType[*decidedError](err)
	switch {
	case x.stoppedByPause(ctx, err):
		return pausedEnding(result, err)
	case isDecided:
		return x.tidied(ctx, known.end)
	case err == nil && result.done:
		return ending{kind: endDone, message: result.message}
	case errors.Is(err, errCancelRequested):
		return x.tidied(ctx, ending{kind: endCancel, message: x.run.CancelReason})
	case failed != nil:
		return x.tidied(ctx, ending{kind: endFail, message: failed.message, remedy: failed.remedy, from: failed.from})
	case stopped(ctx, err):
		return handedBack(err)
	case err == nil && result.hold != nil:
		return ending{kind: endWait, message: result.message, hold: result.hold}
	case x.overdue() && (err == nil || x.failures >= lastTries):
		return x.tidied(ctx, x.outOfTime(result, err))
	case err == nil:
		return ending{kind: endWait, message: result.message, until: result.until}
	default:
		return ending{kind: endRetry, message: sentence(err.Error()), pause: x.backoff(err, x.failures)}
	}
}

// handedBack leaves the run to another execution: at once, or when what was
// under way has had time to settle.
func handedBack(err error) ending {
	return ending{
		kind: endRetry, message: "The process was stopped; another execution goes on.", pause: octopus.Settling(err),
	}
}

// lastTries is how many errors in a row end a stage whose time is over: one 503
// at the last moment should not fail what is as good as done.
const lastTries = 3

// outOfTime ends a run whose stage has neither succeeded nor failed in its time.
func (x *execution) outOfTime(result outcome, err error) ending {
	what := result.message
	if err != nil {
		what = err.Error()
	}
	return ending{
		kind:    endFail,
		message: fmt.Sprintf("Stage %s was not through after %s: %s", x.run.Stage, stageTime(x.run), sentence(what)),
		remedy:  "find out what holds Octopus up, then retry the run",
	}
}
