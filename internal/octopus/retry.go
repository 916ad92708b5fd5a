package octopus

import (
	"context"
	"time"
)

const (
	// firstPause and longestPause bound the pauses between tries that regrow
	// chooses itself; longestAsked bounds those that the server asks for, since
	// somebody sits before the screen.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
	longestAsked = 30 * time.Second
)

// Retry calls f until it succeeds, fails for good, or has been called as often
// as tries says, with growing pauses between. Only errors that are transient are
// worth another try. It is for commands, which people wait for; runs have their
// own, durable way of trying again.
func Retry(ctx context.Context, tries int, f func(context.Context) error) error {
	for try := 1; ; try++ {
		err := f(ctx)
		if try >= tries || !IsTransient(err) || !rest(ctx, pauseAfter(err, try)) {
			return err
		}
	}
}

// rest waits, and tells whether there is still somebody to wait for.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// longestReread is the longest pause that a read makes by itself. Whoever asked
// for it knows better what to do with a longer one.
const longestReread = 2 * time.Second

// worthRereading tells whether reading again right away may help.
func worthRereading(err error) bool {
	return IsTransient(err) && RetryAfter(err) <= longestReread
}

// pauseAfter is the pause after a number of tries in vain.
func pauseAfter(err error, tries int) time.Duration {
	if asked := RetryAfter(err); asked > 0 {
		return min(asked, longestAsked)
	}
	return min(firstPause<<min(tries-1, 10), longestPause)
}
