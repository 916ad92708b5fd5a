package jobs

import (
	"context"
	"sync"
	"time"

	"regrow/internal/store"
)

// leased performs the stage and judges how it ended, while it keeps the lease
// alive. When the lease is lost, the stage's context ends.
func (x *execution) leased(ctx context.Context, perform stageFunc) ending {
	ctx, cancel := context.WithTimeout(ctx, executionTime)
	defer cancel()
	var beating sync.WaitGroup
	beating.Go(func() { x.keepLease(ctx, cancel) })
	defer func() { cancel(); beating.Wait() }()
	result, err := x.attempt(ctx, perform)
	return x.judge(ctx, result, err)
}

// keepLease extends the lease until ctx ends. When it could not for as long as
// the lease lasts, another execution may act for the run: this one has to stop.
func (x *execution) keepLease(ctx context.Context, lost context.CancelFunc) {
	ticker := time.NewTicker(x.Lease / 3)
	defer ticker.Stop()
	for extended := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		owned, err := x.extendLease(ctx)
		if err == nil && owned {
			extended = began
			continue
		}
		if err == nil || time.Since(extended) >= x.Lease {
			x.log.Warn().Err(err).Msg("lost the lease; another execution may act for the run")
			lost()
			return
		}
	}
}

func (x *execution) extendLease(ctx context.Context) (owned bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, x.Lease/3)
	defer cancel()
	rows, err := store.New(x.Pool).ExtendLease(ctx, store.ExtendLeaseParams{ID: x.run.ID, JobID: x.jobID, LeaseSeconds: x.Lease.Seconds()})
	return rows > 0, err
}
