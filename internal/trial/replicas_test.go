//go:build unix

package trial

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Three processes on one database are killed, stopped, paused and replaced while
// commits flow in.
func TestReplicas(t *testing.T) {
	t.Parallel()
	replicas(t, 6*time.Second)
}

// replicas has trouble for a while, and wants everything to be well in the end.
func replicas(t *testing.T, trouble time.Duration) {
	t.Helper()
	tried := fmt.Sprintf("seed %d, three replicas in trouble for %s", chosenSeed(), trouble)
	t.Log(tried)
	w := New(t, Options{})
	r := w.Replicas(3)
	random := rand.New(rand.NewPCG(chosenSeed(), 3))
	end := w.bustle(t.Context(), 4, 3)
	ctx, cancel := context.WithTimeout(t.Context(), trouble)
	defer cancel()
	told := time.Now()
	for ctx.Err() == nil {
		r.Trouble(ctx, random)
		rest(ctx, time.Duration(random.IntN(1500))*time.Millisecond)
		if time.Since(told) > time.Minute {
			told = time.Now()
			fmt.Printf("%s: so far %d killed, %d stopped, %d paused, %d times all replaced, %d deliveries\n",
				tried, r.Kills, r.Stops, r.Pauses, r.Rollings, len(w.Sent()))
		}
	}
	h := w.finish(t, end, tried)
	r.Stop()
	t.Logf("%d killed, %d stopped, %d paused, %d times all replaced; %s", r.Kills, r.Stops, r.Pauses, r.Rollings, h)
}
