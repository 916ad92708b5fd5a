//go:build unix

package trial

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Flow has commits come in, one after another into lanes of chance, until it is
// ended. In no lane more than a few runs are left to do. It returns errors of
// senders, which are violations: answers with which a delivery would be lost.
func (w *World) Flow(ctx context.Context, random *rand.Rand, unfinished int) (end func() error) {
	flowing, stop := context.WithCancel(ctx)
	var flow sync.WaitGroup
	var failed error
	flow.Go(func() {
		for flowing.Err() == nil && failed == nil {
			lane := w.Lanes[random.IntN(len(w.Lanes))]
			if w.unfinished(flowing, lane) < unfinished {
				_, failed = w.Push(flowing, lane)
			}
			rest(flowing, time.Duration(20+random.IntN(100))*time.Millisecond)
		}
	})
	return func() error {
		stop()
		flow.Wait()
		return failed
	}
}

// unfinished counts the runs of a lane that have not ended; while the database
// does not tell, there are too many.
func (w *World) unfinished(ctx context.Context, lane Lane) int {
	const many = 1 << 20
	n := many
	if err := w.Pool.QueryRow(ctx, "select count(*) from runs where pipeline = $1 and ended_at is null", lane.Name).Scan(&n); err != nil {
		return many
	}
	return n
}

// rest waits for a time, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
