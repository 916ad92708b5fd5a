package jobs

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/localpg/pgtest"
	"regrow/internal/pipeline"
	"regrow/internal/store"
	"regrow/migrations"
)

const benchedLanes = 200

// benchedEngine is an engine that nobody has started, over a database with an
// active run and ten queued ones in each of 200 lanes.
func benchedEngine(b *testing.B) *Engine {
	b.Helper()
	hash, err := migrations.Hash()
	if err != nil {
		b.Fatal(err)
	}
	pool := pgtest.New(b, migrate, hash)
	server := pipeline.Server{Name: serverName, URL: "https://octopus.example", Space: "Default"}
	engine, err := New(Config{Pool: pool, Servers: map[string]Server{serverName: {URL: server.URL, Space: server.Space}}, Worker: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	for lane := range benchedLanes {
		p := pipeline.Pipeline{
			Name: fmt.Sprintf("line-%d", lane), Server: server, Environment: fmt.Sprintf("Environment %d", lane),
			Policy: pipeline.FIFO, Verify: pipeline.Verify{Timeout: time.Hour},
		}
		for n := range 11 {
			create(b, pool, engine, p, n)
		}
	}
	if _, err := pool.Exec(b.Context(), "analyze"); err != nil { // as autovacuum does
		b.Fatal(err)
	}
	return engine
}

func create(b *testing.B, pool *pgxpool.Pool, engine *Engine, p pipeline.Pipeline, n int) {
	b.Helper()
	err := pgx.BeginFunc(b.Context(), pool, func(tx pgx.Tx) error {
		id := uuid.Must(uuid.NewV7())
		_, err := store.New(tx).InsertDelivery(b.Context(), store.InsertDeliveryParams{
			ID: id, Source: "github", ExternalID: id.String(), Kind: "github", Event: "push", ReceivedAt: time.Now(),
			Headers: map[string][]string{}, Body: []byte("{}"), BodySha256: []byte{}, Outcome: "accepted", Mismatches: []pipeline.Mismatch{},
		})
		if err != nil {
			return err
		}
		_, err = engine.Create(b.Context(), tx, id, p, pipeline.Commit{Repository: "acme/shop", Ref: "refs/heads/main", SHA: fmt.Sprintf("%040x", n)})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkReconcile measures one look of the reconciler at 200 active lanes with
// queues: when nothing is to be done, and when every run is due.
func BenchmarkReconcile(b *testing.B) {
	engine := benchedEngine(b)
	wait := func(ctx context.Context, due time.Time) {
		b.Helper()
		_, err := engine.Pool.Exec(ctx, "update runs set status = 'waiting', job_id = null, next_check_at = $1 where status in ('running', 'waiting')", due)
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("nothing due", func(b *testing.B) {
		wait(b.Context(), time.Now().Add(time.Hour))
		for b.Loop() {
			if err := engine.Reconcile(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all due", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			wait(b.Context(), time.Now().Add(-time.Second))
			b.StartTimer()
			if err := engine.Reconcile(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all being looked at", func(b *testing.B) {
		for b.Loop() {
			if err := engine.Reconcile(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWake measures what an event of Octopus costs with 200 active lanes.
func BenchmarkWake(b *testing.B) {
	engine := benchedEngine(b)
	for name, statement := range map[string]string{
		"waiting runs": "update runs set status = 'waiting', job_id = null, next_check_at = now() where status in ('running', 'waiting')",
		"running runs": "update runs set status = 'running', job_id = 1, next_check_at = null where status in ('running', 'waiting')",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				if _, err := engine.Pool.Exec(b.Context(), statement); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				err := pgx.BeginFunc(b.Context(), engine.Pool, func(tx pgx.Tx) error {
					woken, err := engine.Wake(b.Context(), tx, serverName)
					if err == nil && woken != benchedLanes {
						err = fmt.Errorf("%d runs woken", woken)
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
