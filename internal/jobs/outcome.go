package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// outcome is how a stage's execution ended when it did not end in an error.
type outcome struct {
	// done tells whether the stage is through; otherwise the run waits.
	done bool
	// message says in one sentence what was done or what is waited for.
	message string
	// hold is the deployment freeze that is waited for; nil when none is.
	hold *hold
	// until is when to look again; zero for the usual interval.
	until time.Time
}

// done ends the stage.
func done(format string, args ...any) (outcome, error) {
	return outcome{done: true, message: fmt.Sprintf(format, args...)}, nil
}

// wait parks the run until an event or the reconciler wakes it.
func wait(format string, args ...any) (outcome, error) {
	return outcome{message: fmt.Sprintf(format, args...)}, nil
}

// failure ends the run: trying again by itself would not help.
type failure struct {
	// message is one sentence for people, with the names of what is concerned.
	message string
	// remedy says what to do about it.
	remedy string
	// from is the stage from which a retry makes sense; "" is the failed one.
	from pipeline.Stage
}

func (f *failure) Error() string { return f.message }

// asFailure tells whether an error is one that no repetition can mend.
func asFailure(err error) *failure {
	if failed, ok := errors.AsType[*failure](err); ok {
		return failed
	}
	if refused, ok := errors.AsType[*octopus.Error](err); ok && refused.Kind == octopus.Permanent {
		return &failure{message: refused.Message, remedy: refused.Remedy}
	}
	return nil
}

// maxBackoff is the longest pause between two tries that regrow chooses itself.
const maxBackoff = time.Minute

// backoff is the pause before the next try: what Octopus asked for, or one that
// doubles with every failure, and always long enough for what was sent to have
// its effect: the next try looks for that.
func (e *Engine) backoff(err error, failures int64) time.Duration {
	pause := min(e.Backoff<<min(failures, 10), maxBackoff)
	if asked := octopus.RetryAfter(err); asked > 0 {
		pause = asked
	}
	return max(pause, octopus.Settling(err))
}

// stopped tells whether an execution ended because its process is being
// stopped or another one took over, which is nobody's error.
func stopped(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && ctx.Err() != nil
}
