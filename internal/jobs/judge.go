package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"regrow/internal/pipeline"
	"regrow/internal/store"
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

// judge turns what a stage returned into an ending, and clears the run's own
// override when the run is about to end.
func (x *execution) judge(ctx context.Context, result outcome, err error) ending {
	failed := asFailure(err)
	switch {
	case err == nil && result.done:
		return ending{kind: endDone, message: result.message}
	case errors.Is(err, errCancelRequested):
		return x.tidied(ctx, ending{kind: endCancel, message: x.run.CancelReason})
	case failed != nil:
		return x.tidied(ctx, ending{kind: endFail, message: failed.message, remedy: failed.remedy, from: failed.from})
	case stopped(ctx, err):
		return ending{kind: endRetry, message: "The process was stopped; another execution goes on."}
	case err == nil && result.hold != nil:
		return ending{kind: endWait, message: result.message, hold: result.hold}
	case x.overdue() && (err == nil || x.failures >= lastTries):
		return x.tidied(ctx, x.outOfTime(result, err))
	case err == nil:
		return ending{kind: endWait, message: result.message}
	default:
		return ending{kind: endRetry, message: sentence(err.Error()), pause: x.backoff(err, x.failures)}
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

// tidied clears the run's own override, if it still stands, before the run
// ends. While Octopus cannot be reached the end is put off, because a run that
// came next could do nothing either, but not for longer than the stage had.
func (x *execution) tidied(ctx context.Context, end ending) ending {
	cleared, err := x.clearOverride(ctx)
	switch {
	case err != nil && stopped(ctx, err):
		return ending{kind: endRetry, message: "The process was stopped; another execution goes on."}
	case err != nil && asFailure(err) == nil && x.mayTidyStill():
		message := fmt.Sprintf("%s Clearing the override before the run ends: %s", end.message, sentence(err.Error()))
		return ending{kind: endRetry, message: message, pause: x.backoff(err, x.failures)}
	case err != nil:
		end.message += " The override of this run could not be cleared and may still stand: " + sentence(err.Error())
	case cleared:
		x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
			return record(ctx, q, x.run, x.Now(), eventOverrideCleared, "The run's override was cleared.", nil)
		})
	}
	return end
}

// mayTidyStill tells whether there is time left to clear the override: as much
// again as the stage had, from its deadline or from the request to cancel.
func (x *execution) mayTidyStill() bool {
	from := x.run.DeadlineAt
	if x.run.CancelRequestedAt != nil {
		from = x.run.CancelRequestedAt
	}
	return from == nil || x.Now().Sub(*from) < stageTime(x.run)
}
