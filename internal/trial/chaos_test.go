//go:build unix

package trial

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	chaosTrials = flag.Int("chaos", 4, "how many trials TestChaos makes")
	// Then it is taken away, so that what is left can end.
	stormTime = flag.Duration("storm", 8*time.Second, "how long everything goes wrong in a trial of TestChaos, at most")
)

// Octopus, the network to it and its callbacks fail in every way and mixture, and
// commits come in meanwhile: in the end each run has ended as if nothing had
// happened, and every effect was there once.
func TestChaos(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", chosenSeed())
	began := time.Now()
	var done, stormed atomic.Int64
	var hands sync.WaitGroup
	turns := make(chan int)
	for range 2 * *spread { // most of a trial is waiting
		hands.Go(func() {
			for n := range turns {
				if chaos(t, n) {
					stormed.Add(1)
				}
				if d := done.Add(1); d%20 == 0 {
					fmt.Printf("%d of %d chaos trials after %s, seed %d\n", d, *chaosTrials, time.Since(began).Round(time.Second), chosenSeed())
				}
			}
		})
	}
	for n := 0; n < *chaosTrials && !t.Failed(); n++ {
		turns <- n
	}
	close(turns)
	hands.Wait()
	t.Logf("seed %d, %d chaos trials, in %d of which all runs ended before the chaos did, %s",
		chosenSeed(), done.Load(), stormed.Load(), time.Since(began).Round(time.Second))
}

// chaos makes one trial, and tells whether its runs ended in spite of everything.
func chaos(t *testing.T, n int) (through bool) {
	t.Helper()
	// A parallel subtest would hold its world until all have ended.
	t.Run(fmt.Sprint(n), func(t *testing.T) {
		random := rand.New(rand.NewPCG(chosenSeed(), 1<<32+uint64(n)))
		m := mix(random)
		tried := fmt.Sprintf("seed %d, chaos trial %d\n%s", chosenSeed(), n, m)
		var network *wire
		w := New(t, Options{
			Speed: float64(50 + random.IntN(100)),
			ThroughOctopus: func(address string) string {
				network = newWire(t, hostOf(t, address))
				return "http://" + network.address
			},
			Edit: func(config string) string { return withRequestTime(t, config) },
		})
		storm, calm := context.WithTimeout(t.Context(), *stormTime)
		defer calm()
		m.brew(t, w.Octopus.Faults())
		var blowing sync.WaitGroup
		wind := rand.New(rand.NewPCG(random.Uint64(), 0))
		blowing.Go(func() { m.blow(storm, wind, network) })
		for range 1 + random.IntN(2) {
			w.Serve("")
		}
		err := w.pushSome(t.Context(), random)
		if err == nil {
			through = w.Settle(storm, *stormTime) == nil
		}
		calm()
		blowing.Wait()
		w.Octopus.Faults().Clear()
		if err == nil {
			err = w.Settle(t.Context(), settleTime)
		}
		h := w.MustHold(t, tried)
		if err = errors.Join(err, h.failed()); err != nil {
			w.Complain(t, h, tried, err.Error())
		}
		for _, p := range w.Processes() {
			p.Stop(t)
		}
	})
	return through
}

// blow changes the weather again and again, until ctx ends and it is fine.
func (m mixture) blow(ctx context.Context, random *rand.Rand, network *wire) {
	for ctx.Err() == nil {
		network.become(m.weather[random.IntN(len(m.weather))]...)
		rest(ctx, time.Duration(random.Int64N(int64(m.keeps))))
	}
	network.mend()
}

// pushSome posts commits into lanes of chance; some deliveries come twice.
func (w *World) pushSome(ctx context.Context, random *rand.Rand) error {
	for range 2 + random.IntN(3) {
		d, err := w.Push(ctx, w.Lanes[random.IntN(len(w.Lanes))])
		if err != nil {
			return err
		}
		if random.IntN(3) == 0 {
			if err := w.pushAgain(ctx, d); err != nil {
				return err
			}
		}
		rest(ctx, time.Duration(random.IntN(1000))*time.Millisecond)
	}
	return nil
}

// pushAgain posts a delivery that was acknowledged once more.
func (w *World) pushAgain(ctx context.Context, d *Delivery) error {
	again := *d
	for {
		receipt, err := w.post(ctx, &again)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errAgain):
			rest(ctx, pause)
		case err != nil:
			return err
		case receipt.Delivery != d.Receipt.Delivery || receipt.Status != "duplicate":
			return fmt.Errorf("delivery %s was acknowledged as %s, and when it came again as %s %s", d.ID, d.Receipt.Delivery, receipt.Status, receipt.Delivery)
		default:
			return nil
		}
	}
}

// failed lists the runs that did not get through what goes over by itself.
func (h *History) failed() error {
	var errs []error
	for _, run := range h.Runs {
		if run.Status != "succeeded" && run.Status != "superseded" {
			errs = append(errs, fmt.Errorf("%s#%d is %s in %s: %s", run.Pipeline, run.Number, run.Status, run.Stage, run.Reason))
		}
	}
	return errors.Join(errs...)
}
