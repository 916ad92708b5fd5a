package store_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"regrow/internal/localpg/pgtest"
	"regrow/internal/pipeline"
	"regrow/internal/store"
	"regrow/migrations"
)

func newDatabase(t *testing.T) *pgxpool.Pool {
	t.Helper()
	hash, err := migrations.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return pgtest.New(t, func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := store.Migrate(ctx, pool)
		return err
	}, hash)
}

// insertRun puts a queued run of a pipeline into a lane, with its stages.
func insertRun(t *testing.T, pool *pgxpool.Pool, lane string) store.Run {
	t.Helper()
	q, ctx, now := store.New(pool), t.Context(), time.Now()
	delivery := uuid.Must(uuid.NewV7())
	_, err := q.InsertDelivery(ctx, store.InsertDeliveryParams{
		ID: delivery, Source: "github", ExternalID: delivery.String(), Kind: "github", Event: "push", ReceivedAt: now,
		Headers: http.Header{}, Body: []byte("{}"), BodySha256: []byte{}, Outcome: "accepted", Mismatches: []pipeline.Mismatch{},
	})
	if err != nil {
		t.Fatal(err)
	}
	number, err := q.NextRunNumber(ctx, "shop")
	if err != nil {
		t.Fatal(err)
	}
	run, err := q.InsertRun(ctx, store.InsertRunParams{
		ID: uuid.Must(uuid.NewV7()), Pipeline: "shop", Number: number, DeliveryID: delivery, Server: "main", Lane: lane,
		Config: pipeline.Snapshot{Pipeline: pipeline.Pipeline{Name: "shop", Verify: pipeline.Verify{Timeout: time.Minute}}},
		Ref:    "refs/heads/main", CommitSha: "abc", Stage: pipeline.Provision, CreatedAt: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.InsertStages(ctx, store.InsertStagesParams{RunID: run.ID, Stages: pipeline.StageNames()}); err != nil {
		t.Fatal(err)
	}
	return run
}

func start(ctx context.Context, pool *pgxpool.Pool, run store.Run) error {
	_, err := store.New(pool).StartRun(ctx, store.StartRunParams{ID: run.ID, Stage: pipeline.Provision, JobID: 1, Now: time.Now(), Round: 1})
	return err
}

// wantViolation wants the database to have refused something by a constraint.
func wantViolation(t *testing.T, err error, constraint string) {
	t.Helper()
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || refused.ConstraintName != constraint {
		t.Errorf("got %v, want a violation of %s", err, constraint)
	}
}

// Invariant 3, where it is kept: the index takes one active run a lane.
func TestOneActiveRunPerLane(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	first, second, other := insertRun(t, pool, "a"), insertRun(t, pool, "a"), insertRun(t, pool, "b")
	if err := start(t.Context(), pool, first); err != nil {
		t.Fatal(err)
	}
	wantViolation(t, start(t.Context(), pool, second), "runs_one_active_per_lane")
	if err := start(t.Context(), pool, other); err != nil {
		t.Errorf("another lane: %v", err)
	}
	if err := store.New(pool).ParkRun(t.Context(), store.ParkRunParams{ID: first.ID, NextCheckAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	wantViolation(t, start(t.Context(), pool, second), "runs_one_active_per_lane")
}

// Invariant 4, where it is kept: a stage begins only behind succeeded ones.
func TestStagesAdvanceInOrder(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	run := insertRun(t, pool, "a")
	q := store.New(pool)
	set := func(stage pipeline.Stage, status string) error {
		now := time.Now()
		return q.SetStage(t.Context(), store.SetStageParams{RunID: run.ID, Stage: stage, Status: status, EndedAt: &now})
	}
	for _, stage := range pipeline.Stages() {
		if next, more := stage.Next(); more {
			wantViolation(t, set(next, "running"), "stages_advance_in_order")
		}
		for _, status := range []string{"running", "waiting", "succeeded"} {
			if err := set(stage, status); err != nil {
				t.Fatalf("%s becomes %s: %v", stage, status, err)
			}
		}
	}
	if err := q.ResetStages(t.Context(), store.ResetStagesParams{RunID: run.ID, Position: 2}); err != nil {
		t.Fatal(err)
	}
	wantViolation(t, set(pipeline.VerifyStage, "running"), "stages_advance_in_order")
}

// The database and the domain agree on where a run may go from where.
func TestRunsFollowTheDomainsTransitions(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	for _, from := range pipeline.Statuses() {
		for _, to := range pipeline.Statuses() {
			if from == to {
				continue
			}
			run := insertRun(t, pool, "lane of "+string(from)+" to "+string(to))
			if err := force(t.Context(), pool, run.ID, from, true); err != nil {
				t.Fatalf("putting a run into %s: %v", from, err)
			}
			err := force(t.Context(), pool, run.ID, to, false)
			if allowed := from.CanBecome(to); allowed != (err == nil) {
				t.Errorf("from %s to %s: the domain allows it %t, the database says %v", from, to, allowed, err)
			}
		}
	}
}

// force sets a run's status with all that the status needs; without guard, also
// where no run may go.
func force(ctx context.Context, pool *pgxpool.Pool, id uuid.UUID, status pipeline.Status, unguarded bool) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if unguarded {
		if _, err := tx.Exec(ctx, "alter table runs disable trigger runs_follow_transitions"); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `update runs set status = $2,
		started_at = now(), lane_turn = 1, job_id = case when $2 = 'running' then 1 end,
		next_check_at = case when $2 = 'waiting' then now() end,
		ended_at = case when $2 in ('succeeded', 'failed', 'cancelled', 'superseded') then now() end
		where id = $1`, id, string(status))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "alter table runs enable trigger runs_follow_transitions"); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// Each migration can be taken back, with what is stored in place.
// What a stopped process has locked is free again soon, whatever stands between
// it and the database, and no session is left changed.
func TestTransactionsDoNotIdleForLong(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	idle := func(db store.DBTX) (timeout string) {
		t.Helper()
		if err := db.QueryRow(t.Context(), "show idle_in_transaction_session_timeout").Scan(&timeout); err != nil {
			t.Fatal(err)
		}
		return timeout
	}
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	before := idle(conn)
	err = store.InTx(t.Context(), conn, "test", func(tx pgx.Tx) error {
		if got := idle(tx); got != "30s" {
			t.Errorf("a transaction may be idle for %s, want 30s", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := idle(conn); after != before || after == "30s" {
		t.Errorf("afterwards the session's limit is %s, before it was %s", after, before)
	}
}

func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	t.Parallel()
	pool := newDatabase(t)
	run := insertRun(t, pool, "a lane")
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := store.CheckSchema(t.Context(), pool); !errors.Is(err, store.ErrOldSchema) || !strings.Contains(err.Error(), "00002_freezes.sql") {
		t.Errorf("after going down: %v", err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := store.New(pool).GetRun(t.Context(), run.ID); err != nil || again.Number != run.Number || again.FreezeName != nil {
		t.Errorf("after going up again: %+v, %v", again, err)
	}
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Errorf("going down to nothing: %v", err)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t, func(context.Context, *pgxpool.Pool) error { return nil }, "empty")
	err := store.CheckSchema(t.Context(), pool)
	if !errors.Is(err, store.ErrOldSchema) || !strings.Contains(err.Error(), "regrow migrate up") || !strings.Contains(err.Error(), "00001_runs.sql") {
		t.Errorf("an empty database: %v", err)
	}
	var tables int
	if err := pool.QueryRow(t.Context(), "select count(*) from pg_tables where schemaname = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("looking at the schema has made %d tables (%v)", tables, err)
	}
	// Replicas that start together migrate together.
	var all sync.WaitGroup
	applied := make([]int, 3)
	for i := range applied {
		all.Go(func() {
			list, err := store.Migrate(t.Context(), pool)
			if err != nil {
				t.Errorf("migrating at once with others: %v", err)
			}
			applied[i] = len(list)
		})
	}
	all.Wait()
	list, err := store.Migrations(t.Context(), pool)
	if err != nil || store.CheckSchema(t.Context(), pool) != nil {
		t.Errorf("after the migration: %v, %v", err, store.CheckSchema(t.Context(), pool))
	}
	if _, err := pool.Exec(t.Context(), "insert into goose_db_version (version_id, is_applied) values (99999, true)"); err != nil {
		t.Fatal(err)
	}
	if err := store.CheckSchema(t.Context(), pool); !errors.Is(err, store.ErrNewSchema) || !strings.Contains(err.Error(), "99999") {
		t.Errorf("a database of a later version: %v", err)
	}
	if sum := applied[0] + applied[1] + applied[2]; sum != len(list) {
		t.Errorf("%v migrations were applied, there are %d", applied, len(list))
	}
}
