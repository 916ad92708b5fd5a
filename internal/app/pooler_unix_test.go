//go:build unix

package app_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/app"
	"regrow/internal/config"
	"regrow/internal/localpg/pgtest"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// behindBouncer opens a pool of many connections behind a pooler of few.
func behindBouncer(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := app.OpenPool(t.Context(), pgtest.Bouncer(t, emptyDatabase(t), 3), 12, config.PoolerTransaction)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Statements with all kinds of values, in and out of transactions, meet another
// session each time.
func TestPoolBehindAPooler(t *testing.T) {
	t.Parallel()
	pool := behindBouncer(t)
	atOnce(t, 4, func(ctx context.Context) error { // as replicas that start together
		_, err := store.Migrate(ctx, pool)
		return err
	})
	if err := store.CheckSchema(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	atOnce(t, 12, func(ctx context.Context) error {
		for range 25 {
			if err := storeAndRead(ctx, pool); err != nil {
				return err
			}
		}
		return nil
	})
	for range 50 {
		var timeout string
		if err := pool.QueryRow(t.Context(), "show idle_in_transaction_session_timeout").Scan(&timeout); err != nil || timeout != "0" {
			t.Fatalf("a transaction left its limit %q in a session (%v)", timeout, err)
		}
	}
}

// atOnce does something several times at once.
func atOnce(t *testing.T, times int, do func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	for range times {
		group.Go(func() {
			if err := do(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// storeAndRead writes values of many types in a transaction and reads them back.
func storeAndRead(ctx context.Context, pool *pgxpool.Pool) error {
	id := uuid.Must(uuid.NewV7())
	row := store.InsertDeliveryParams{
		ID: id, Source: "github", ExternalID: id.String(), Kind: "github", Event: "push", ReceivedAt: time.Now(),
		Headers: http.Header{"X-Github-Event": {"push"}}, Body: []byte{0, 0xff}, BodySha256: []byte{1}, Outcome: "ignored",
		Mismatches: []pipeline.Mismatch{{Pipeline: "shop", Rule: "branch", Reason: "another"}}, RedeliveryKey: new(id.String()),
	}
	err := store.InTx(ctx, pool, "test", func(tx pgx.Tx) error {
		q := store.New(tx)
		if err := q.LockLane(ctx, "one of all"); err != nil {
			return err
		}
		_, err := q.InsertDelivery(ctx, row)
		return err
	})
	if err != nil {
		return err
	}
	got, err := store.New(pool).GetDelivery(ctx, id)
	if err == nil && !(reflect.DeepEqual(got.Headers, row.Headers) && reflect.DeepEqual(got.Mismatches, row.Mismatches) && string(got.Body) == string(row.Body)) {
		return fmt.Errorf("stored %+v, read %+v", row, got)
	}
	return err
}

// Who forgets the setting, or asks for something of a session, is told.
func TestPoolThatThePoolerRefuses(t *testing.T) {
	t.Parallel()
	url := pgtest.Bouncer(t, emptyDatabase(t), 1)
	for name, test := range map[string]struct {
		url    string
		pooler config.Pooler
		want   string
	}{
		"without the setting": {url, config.PoolerNone, "set database.pooler to transaction"},
		"a parameter":         {url + "&search_path=regrow", config.PoolerTransaction, "take the parameters out of database.url"},
		"another mistake":     {strings.Replace(url, "port=6432", "port=1", 1), config.PoolerTransaction, "the database does not answer"},
	} {
		pool, err := app.OpenPool(t.Context(), test.url, 1, test.pooler)
		if err == nil {
			pool.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}
