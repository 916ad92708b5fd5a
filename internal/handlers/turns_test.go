package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/client"
	"regrow/internal/store"
)

func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := turns{lines: map[string]*line{}}
		first, err := queue.take(t.Context(), []string{"b", "a", "b"})
		if err != nil {
			t.Fatal(err)
		}
		// Nobody has to wait for what others want.
		other, err := queue.take(t.Context(), []string{"c"})
		if err != nil {
			t.Fatal(err)
		}
		// Who comes first is served first; who gives up is passed over.
		var order []int
		for i := range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if i == 2 {
				ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
			}
			go func() {
				defer cancel()
				done, err := queue.take(ctx, []string{"c", "a"})
				if err != nil {
					if i != 2 || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("turn %d: %v", i, err)
					}
					return
				}
				order = append(order, i) // race-free only because of the turn
				done()
			}()
			synctest.Wait() // it stands in line
		}
		if len(order) != 0 {
			t.Errorf("%v had their turns while another had it", order)
		}
		time.Sleep(2 * time.Minute)
		other()
		synctest.Wait()
		if len(order) != 0 {
			t.Errorf("%v had their turns while another had one of both", order)
		}
		first()
		synctest.Wait()
		if fmt.Sprint(order) != "[0 1 3 4]" {
			t.Errorf("the order is %v", order)
		}
		if len(queue.lines) != 0 {
			t.Errorf("there are lines left that nobody stands in: %v", queue.lines)
		}
	})
}

// A storm on one lane that cannot go on leaves the database to the others.
func TestStormOnALaneHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	const connections, storm = 4, 40
	s := serve(t, func(d *Deps) {
		config := d.Pool.Config()
		config.MaxConns = connections
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		d.Pool, d.Timing.Intake = pool, time.Minute
	})
	holding, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.New(holding).LockLane(t.Context(), testPipelines()[0].Lane()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var answered atomic.Int64
	for i := range storm {
		all.Go(func() {
			if got := s.send(s.github(push{id: fmt.Sprint(i), ref: "refs/heads/release/1"})); got.status != http.StatusAccepted {
				t.Errorf("push %d was answered %d: %s", i, got.status, got.body)
			}
			answered.Add(1)
		})
	}
	for i := range connections * 3 { // more than there are connections
		now := time.Now()
		body := fmt.Sprintf(`{"repository":"acme/shop","ref":"refs/heads/main","commit":%q,"version":"1.%d"}`, sha('b'), i)
		s.send(s.generic(fmt.Sprintf("build-%d", i), now, body)).want(t, http.StatusAccepted)
		get[client.RunList](s, "/api/v1/runs")
	}
	if n := answered.Load(); n != 0 {
		t.Errorf("%d of the storm were answered while the lane was locked; the test proves nothing", n)
	}
	if err := holding.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if n := s.count("runs where pipeline = 'shop'"); n != storm {
		t.Errorf("%d runs, want %d", n, storm)
	}
}
