//go:build unix

package trial

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"regrow/internal/pipeline"
)

// stormLanes take all commits of a storm: the newest one counts.
func stormLanes() []Lane {
	lanes := DefaultLanes()
	for i := range lanes {
		lanes[i].Policy = pipeline.Latest
	}
	return lanes
}

// storm has many senders post commits at the same time, each until it is
// acknowledged, whatever is answered meanwhile. Its end waits until they all are.
func (w *World) storm(tb testing.TB, random *rand.Rand, senders int) (end func()) {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var blowing sync.WaitGroup
	errs := make([]error, senders)
	for i := range senders {
		chance := rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
		blowing.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				var d *Delivery
				if d, errs[i] = w.Push(context.Background(), w.Lanes[chance.IntN(len(w.Lanes))]); errs[i] == nil && chance.IntN(8) == 0 {
					errs[i] = w.pushAgain(context.Background(), d)
				}
				rest(ctx, time.Duration(chance.IntN(400))*time.Millisecond)
			}
		})
	}
	return func() {
		tb.Helper()
		stop()
		blowing.Wait()
		if err := errors.Join(errs...); err != nil {
			tb.Error(err)
		}
	}
}

// endsWell waits until every run has ended, and holds the history against what is
// promised: also that every process has come through.
func (w *World) endsWell(tb testing.TB, tried string) {
	tb.Helper()
	for _, p := range w.Processes() {
		if !p.Alive() {
			tb.Errorf("process %d has ended: %v\n%s", p.Number, p.ended, tail(p.log))
		}
	}
	w.comesTrue(tb, tried)
}

// comesTrue is endsWell, whatever has become of the processes, as long as one of
// them is left.
func (w *World) comesTrue(tb testing.TB, tried string) {
	tb.Helper()
	err := w.Settle(tb.Context(), settleTime)
	h := w.MustHold(tb, tried)
	if err = errors.Join(err, h.failed()); err != nil {
		w.Complain(tb, h, tried, err.Error())
	}
	for _, p := range w.Processes() {
		if p.Alive() {
			p.Stop(tb)
		}
	}
	tb.Logf("%d deliveries, %d runs; answers to senders, by status: %v", len(h.Sent), len(h.Runs), w.Answers())
}
