package jobs

import (
	"context"
	"slices"
	"sync"
	"time"

	"regrow/internal/failpoint"
	"regrow/internal/octopus"
	"regrow/internal/store"
)

// judgeTime bounds how long an execution may take to tidy up after a stage has used
// all of executionTime: to clear the override, cancel tasks, take targets out and
// have the runbook run. What takes longer is left to the next execution.
const judgeTime = 2 * time.Minute

// leased performs the stage and judges how it ended, while it keeps the lease
// alive. When the lease is lost, the stage's context ends.
func (x *execution) leased(ctx context.Context, perform stageFunc) ending {
	ctx, cancel := context.WithCancel(octopus.WithFence(ctx, x.mayAct))
	var beating sync.WaitGroup
	beating.Go(func() { x.keepLease(ctx, cancel) })
	defer func() { cancel(); beating.Wait() }()

	performing, done := context.WithTimeout(octopus.WithGate(ctx, x.mayChange), executionTime)
	result, err := x.attempt(performing, perform)
	done()
	judging, done := context.WithTimeout(ctx, judgeTime)
	defer done()
	return x.judge(judging, result, err)
}

// keepLease extends the lease until ctx ends. When most of the lease has passed
// without that, because the database is away or this process was paused,
// another execution may act for the run soon: this one has to stop.
func (x *execution) keepLease(ctx context.Context, lost context.CancelFunc) {
	ticker := time.NewTicker(x.Lease / 6)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if x.mayAct() != nil {
			x.log.Warn().Msg("the lease could not be extended in time; another execution may act for the run")
			lost()
			return
		}
		began := time.Now()
		owned, err := x.extendLease(ctx)
		switch {
		case err == nil && !owned:
			x.log.Warn().Msg("lost the lease; another execution acts for the run")
			lost()
			return
		case err == nil:
			x.leasedAt.Store(&began)
		}
	}
}

// mayAct returns errStale once so much of the lease has passed that another
// execution may act for the run soon. It is asked right before every request
// that changes something in Octopus, and by the clock alone: this process may
// have been paused since it asked the database. Both clocks count, because the
// monotonic one stands still while a whole machine is suspended.
func (x *execution) mayAct() error {
	leased := *x.leasedAt.Load()
	passed := max(time.Since(leased), time.Now().Round(0).Sub(leased.Round(0)))
	if passed >= x.actingTime() {
		return errStale
	}
	return nil
}

// actingTime is how much of a lease its owner uses.
func (e *Engine) actingTime() time.Duration { return e.Lease * 2 / 3 }

// settlingAfterLease is how long nobody may take a run over after its lease is
// over: what its last owner sent may have got no answer, and nobody knows of it.
func (e *Engine) settlingAfterLease(server string) time.Duration {
	return max(e.Servers[server].Settling-(e.Lease-e.actingTime()), 0)
}

// shortestSettling is settlingAfterLease of the server that takes the least.
func (e *Engine) shortestSettling() time.Duration {
	var all []time.Duration
	for server := range e.Servers {
		all = append(all, e.settlingAfterLease(server))
	}
	if len(all) == 0 {
		return 0
	}
	return slices.Min(all)
}

func (x *execution) extendLease(ctx context.Context) (owned bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, x.Lease/6)
	defer cancel()
	failpoint.Reach("before extending a lease")
	defer failpoint.Reach("after extending a lease")
	rows, err := store.New(x.Pool).ExtendLease(ctx, store.ExtendLeaseParams{ID: x.run.ID, JobID: x.jobID, LeaseSeconds: x.Lease.Seconds()})
	return rows > 0, err
}
