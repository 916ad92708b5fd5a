package pgtest

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestNewGivesEachTestItsOwnCloneOfOneTemplate(t *testing.T) {
	t.Parallel()
	var migrations atomic.Int32
	hash := rand.Text() // of no run before this one
	migrate := func(ctx context.Context, pool *pgxpool.Pool) error {
		migrations.Add(1)
		_, err := pool.Exec(ctx, "create table arms (n int)")
		return err
	}
	// The subtests run at the same time; the group ends when all have.
	t.Run("clones", func(t *testing.T) {
		for _, name := range []string{"one", "two", "three", "four"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				pool := New(t, migrate, hash)
				var before int
				if err := pool.QueryRow(t.Context(), "select count(*) from arms").Scan(&before); err != nil {
					t.Fatal(err)
				}
				if before != 0 {
					t.Errorf("a fresh database holds %d rows of another test", before)
				}
				if _, err := pool.Exec(t.Context(), "insert into arms values (8)"); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
	if got := migrations.Load(); got != 1 {
		t.Errorf("migrated %d times, want once", got)
	}
}

func TestNewGivesAnOrdinaryRole(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context, *pgxpool.Pool) error { return nil }
	pool := New(t, nothing, "empty")
	var superuser string
	if err := pool.QueryRow(t.Context(), "show is_superuser").Scan(&superuser); err != nil {
		t.Fatal(err)
	}
	if superuser != "off" {
		t.Error("tests run as a superuser, which hides missing rights")
	}
}

func TestAdminConfigKeepsTheServer(t *testing.T) {
	t.Parallel()
	for _, given := range []string{
		"postgres://postgres@/postgres?host=%2Ftmp%2Frun&port=5432",
		"postgres://boss:p%40ss%3A%2Fw%20rd@127.0.0.1:55439/postgres?sslmode=disable",
		"postgres://boss:secret@db.example/postgres",
		"postgres://boss:secret@[::1]:5432/postgres",
	} {
		admin, err := adminConfig(given)
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		want, err := pgx.ParseConfig(given)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.ParseConfig(admin.URL())
		if err != nil {
			t.Errorf("%s became %s: %v", given, admin.URL(), err)
			continue
		}
		if got.Host != want.Host || got.Port != want.Port || got.User != want.User || got.Password != want.Password || got.Database != want.Database {
			t.Errorf("%s became %s", given, admin.URL())
		}
	}
}
