//go:build unix

package trial

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"regrow/internal/localpg"
)

var stops = flag.Int("stops", 5, "how many processes TestStopUnderLoad stops")

// shutdown is what processes are given to stop, and slow how much longer a busy
// machine may take.
const (
	shutdown = 3 * time.Second
	slow     = 5 * time.Second
)

// stopped stops a process and checks how long that takes.
func stopped(t *testing.T, p *Process) (took time.Duration) {
	t.Helper()
	began := time.Now()
	p.Terminate()
	select {
	case <-p.Done():
	case <-time.After(startTime):
		t.Fatalf("process %d does not stop:\n%s", p.Number, tail(p.log))
	}
	if took = time.Since(began); took > shutdown+slow {
		t.Errorf("process %d took %s to stop, may %s:\n%s", p.Number, took, shutdown, tail(p.log))
	}
	return took
}

// One process after the other is stopped in the middle of a storm, while the next
// one serves already: what one has answered with 2xx is stored, and what it was at
// goes on.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	random := chance(t)
	w := New(t, Options{Lanes: stormLanes(), Flags: []string{"--shutdown-timeout", shutdown.String()}})
	serving := w.Serve("")
	end := w.storm(t, random, 12)
	var took []time.Duration
	for range *stops {
		rest(t.Context(), time.Duration(random.IntN(1000))*time.Millisecond)
		next := w.Serve("")
		took = append(took, stopped(t, serving))
		if serving.ended != nil {
			t.Errorf("process %d ended with %v:\n%s", serving.Number, serving.ended, tail(serving.log))
		}
		serving = next
	}
	end()
	slices.Sort(took)
	t.Logf("%d stops, the median in %s, the longest in %s", len(took), took[len(took)/2], took[len(took)-1])
	w.comesTrue(t, fmt.Sprintf("seed %d, %d stops", chosenSeed(), *stops))
}

// Octopus does not answer, so that nothing can be finished: it is handed back in
// time, and another process goes on with it.
func TestStopWhileOctopusIsSilent(t *testing.T) {
	t.Parallel()
	random := chance(t)
	var network *wire
	w := New(t, Options{
		Lanes: stormLanes(), Lease: 10 * time.Second, Flags: []string{"--shutdown-timeout", shutdown.String()},
		ThroughOctopus: func(address string) string {
			network = newWire(t, hostOf(t, address))
			return withHost(t, address, network.address)
		},
	})
	serving := w.Serve("")
	end := w.storm(t, random, 4)
	for range 3 {
		rest(t.Context(), time.Duration(random.IntN(1000))*time.Millisecond)
		network.quiet()
		until(t, "stages are being performed", func() bool { return w.leased() > 0 })
		stopped(t, serving)
		if left := w.leased(); serving.ended != nil || left > 0 {
			t.Errorf("process %d ended with %v and did not hand %d runs back:\n%s", serving.Number, serving.ended, left, tail(serving.log))
		}
		network.mend()
		serving = w.Serve("")
	}
	end()
	w.comesTrue(t, fmt.Sprintf("seed %d, stopped while Octopus was silent", chosenSeed()))
}

// leased counts the runs that some process performs.
func (w *World) leased() (n int) {
	if err := w.Pool.QueryRow(w.tb.Context(), "select count(*) from runs where lease_until is not null").Scan(&n); err != nil {
		w.tb.Error(err)
	}
	return n
}

// The database does not answer: the process ends in time all the same, and what it
// could not hand back is found by its lease.
func TestStopWhilePostgresIsSilent(t *testing.T) {
	t.Parallel()
	random := chance(t)
	server, address := newDatabase(t, localpg.Options{Port: quietPort(t)})
	var network *wire
	w := New(t, Options{
		Database: address, Lanes: stormLanes(), Flags: []string{"--shutdown-timeout", shutdown.String()},
		ThroughDatabase: func(address string) string {
			network = newWire(t, hostOf(t, address))
			return withHost(t, address, network.address)
		},
	})
	serving := w.Serve("")
	end := w.storm(t, random, 4)
	for range 2 {
		rest(t.Context(), time.Second)
		network.quiet()
		rest(t.Context(), time.Duration(random.IntN(3000))*time.Millisecond)
		stopped(t, serving)
		network.mend()
		serving = w.Serve("")
	}
	end()
	w.comesTrue(t, fmt.Sprintf("seed %d, stopped while Postgres was silent; its log is %s", chosenSeed(), server.LogFile()))
}
