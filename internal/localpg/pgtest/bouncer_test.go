//go:build unix

package pgtest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The pooler is one that does harm: it refuses what belongs to sessions, and
// hands sessions around. Else it would prove nothing of who works behind it.
func TestBouncerHandsSessionsAround(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context, *pgxpool.Pool) error { return nil }
	url := Bouncer(t, NewURL(t, nothing, "empty"), 2)

	_, err := pgx.Connect(t.Context(), url+"&idle_in_transaction_session_timeout=30s")
	if err == nil || !strings.Contains(err.Error(), "unsupported startup parameter") {
		t.Errorf("a parameter of the session: %v", err)
	}
	pool, err := pgxpool.New(t.Context(), url+"&pool_max_conns=8")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)

	var mu sync.Mutex
	backends := map[int]bool{}
	var lost error
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				var backend int
				err := pool.QueryRow(t.Context(), "select pg_backend_pid() + $1", 0).Scan(&backend) // a prepared statement, as pgx likes it
				mu.Lock()
				if err != nil {
					lost = err
				} else {
					backends[backend] = true
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if lost == nil || !strings.Contains(lost.Error(), "prepared statement") {
		t.Errorf("prepared statements outlive the transaction: %v", lost)
	}
	if len(backends) > 2 {
		t.Errorf("eight clients met %d sessions, want at most 2", len(backends))
	}
}
