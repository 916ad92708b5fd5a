package octopus

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// pace spaces the requests of all users of a Client. It has two parts: the
// limit that regrow sets itself, and the pause that the server asks for.
type pace struct {
	limiter *rate.Limiter
	// until is the end of the pause in nanoseconds since 1970; 0 means none.
	until atomic.Int64
}

// newPace allows perMinute requests a minute and a sixth of them at once.
func newPace(perMinute int) *pace {
	return &pace{limiter: rate.NewLimiter(rate.Limit(float64(perMinute)/60), max(1, perMinute/6))}
}

// wait blocks until the next request may be sent. It fails when ctx ends, or
// would end, before that.
func (p *pace) wait(ctx context.Context) error { return p.limiter.Wait(ctx) }

// pauseFor makes paused report a pause of d from now on, unless a longer one
// is under way.
func (p *pace) pauseFor(d time.Duration) {
	end := time.Now().Add(d).UnixNano()
	for {
		current := p.until.Load()
		if current >= end || p.until.CompareAndSwap(current, end) {
			return
		}
	}
}

// paused returns how long the server wants to be left alone, 0 for not at all.
func (p *pace) paused() time.Duration {
	return max(0, time.Duration(p.until.Load()-time.Now().UnixNano()))
}
