//go:build unix

package trial

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// Replicas are several processes that serve one world at the same time. Each is
// replaced when it has ended.
type Replicas struct {
	w         *World
	tb        testing.TB
	processes []*Process
	// What was done to them.
	Kills, Stops, Pauses, Rollings int
}

// Replicas serves a number of processes.
func (w *World) Replicas(n int) *Replicas {
	w.tb.Helper()
	r := &Replicas{w: w, tb: w.tb}
	for range n {
		r.processes = append(r.processes, w.Serve(""))
	}
	return r
}

// Trouble does something to the replicas: it kills one, stops one in order,
// pauses one for longer than its lease while the others take over, or replaces
// all of them, one after the other, as a deployment of a new version does.
func (r *Replicas) Trouble(ctx context.Context, random *rand.Rand) {
	r.tb.Helper()
	i := random.IntN(len(r.processes))
	switch random.IntN(8) {
	case 0:
		r.roll()
	case 1:
		r.Stops++
		r.processes[i].Stop(r.tb)
		r.processes[i] = r.w.Serve("")
	case 2, 3, 4:
		r.Pauses++
		r.processes[i].Pause()
		rest(ctx, r.w.options.Lease+time.Duration(random.IntN(2000))*time.Millisecond)
		r.processes[i].Resume()
	default:
		r.Kills++
		r.processes[i].Kill()
		rest(ctx, time.Duration(random.IntN(1000))*time.Millisecond)
		r.processes[i] = r.w.Serve("")
	}
}

// roll replaces every replica by a new one that is up before the old one stops.
func (r *Replicas) roll() {
	r.tb.Helper()
	r.Rollings++
	for i, old := range r.processes {
		r.processes[i] = r.w.Serve("")
		old.Stop(r.tb)
	}
}

// Stop ends all replicas in order, at the same time.
func (r *Replicas) Stop() {
	r.tb.Helper()
	var stopping sync.WaitGroup
	for _, p := range r.processes {
		stopping.Go(func() { p.Stop(r.tb) })
	}
	stopping.Wait()
}
