//go:build unix

package trial

import (
	"regexp"
	"testing"
	"time"

	"regrow/internal/pipeline"
)

// A process is stopped right before it changes something in Octopus, for so long
// that another one takes its run over and finishes it. When it wakes up, it
// believes that the run is its own still: nothing that it wants to send arrives.
func TestPausedProcessIsFenced(t *testing.T) {
	t.Parallel()
	lane := Lane{Name: "alpha", Project: "Shop", Policy: pipeline.FIFO, Targets: 2}
	byHand, byRunbook := lane, lane
	byHand.NoTrigger, byRunbook.Runbook = true, true
	tests := map[string]struct {
		boundary string
		lane     Lane
		request  string
	}{
		"infrastructure release": {"request of POST /api/{spaceId}/releases 1 pause", lane, "POST .*/releases$"},
		"application release":    {"request of POST /api/{spaceId}/releases 2 pause", lane, "POST .*/releases$"},
		"provisioning":           {"request of POST /api/{spaceId}/deployments 1 pause", lane, "POST .*/deployments$"},
		"redeployment":           {"request of POST /api/{spaceId}/deployments 2 pause", byHand, "POST .*/deployments$"},
		"override":               {"request of PUT /api/{spaceId}/projects/{projectId} 1 pause", lane, "PUT .*/projects/[^/]+$"},
		"removal":                {"request of DELETE /api/{spaceId}/machines/{id} 1 pause", lane, "DELETE .*/machines/[^/]+$"},
		"runbook":                {"request of POST /api/{spaceId}/runbookRuns 1 pause", byRunbook, "POST .*/runbookRuns$"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := New(t, Options{Lanes: []Lane{test.lane}})
			paused := w.Serve(test.boundary)
			w.push(t)
			until(t, "the process is paused", func() bool { return paused.Struck() != "" })
			other := w.Serve("")
			stop := w.endIdleTransactions(t)
			w.settle(t)
			stop()
			request := regexp.MustCompile(test.request)
			before := w.Arrived(request)
			paused.Resume()
			until(t, "the process notices what it has missed", func() bool { return paused.Says("another execution") })
			if after := w.Arrived(request); after != before {
				t.Errorf("%d requests %s arrived after another process had taken over", after-before, test.request)
			}
			w.MustHold(t, "one process was paused at "+paused.Struck())

			// It is of use again.
			other.Stop(t)
			w.push(t)
			w.settle(t)
			w.MustHold(t, "one process was paused at "+paused.Struck())
			paused.Stop(t)
		})
	}
}

// push posts a commit into the world's first lane.
func (w *World) push(t *testing.T) {
	t.Helper()
	if _, err := w.Push(t.Context(), w.Lanes[0]); err != nil {
		t.Fatal(err)
	}
}

func (w *World) settle(t *testing.T) {
	t.Helper()
	if err := w.Settle(t.Context(), settleTime); err != nil {
		w.Complain(t, w.MustHold(t, "it did not come to an end"), "it did not come to an end", err.Error())
		t.FailNow()
	}
}

// endIdleTransactions does early what Postgres does by itself with a process that
// is paused in the middle of a transaction: after 30 seconds, or after two minutes
// where that changes a project, it ends the transaction with its locks.
func (w *World) endIdleTransactions(t *testing.T) (stop func()) {
	t.Helper()
	const query = `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and state = 'idle in transaction' and state_change < now() - interval '2 seconds'`
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if _, err := w.Pool.Exec(t.Context(), query); err != nil {
				t.Errorf("ending transactions that are idle: %v", err)
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// until waits for a condition that nothing signals.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(startTime)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
