// Package pgtest gives tests fresh databases on a real PostgreSQL server.
//
// The server is the one that REGROW_TEST_DATABASE_URL names, else a private one
// that the first test of a process to ask for it starts, and that ends with the
// process. Each database is cloned from a template that is migrated once.
package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx" that pgtestdb works through
	"github.com/peterldowns/pgtestdb"

	"regrow/internal/localpg"
)

// EnvURL names the environment variable with the URL of a server to test on
// instead of a private one. Its user must be a superuser.
const EnvURL = "REGROW_TEST_DATABASE_URL"

// Migrate fills the empty database of pool. It runs once per template.
type Migrate func(ctx context.Context, pool *pgxpool.Pool) error

// server starts the process's private server when it is first needed. It is
// global because it stands for something global: one per test process.
var server = sync.OnceValues(func() (*localpg.Server, error) {
	return localpg.Start(context.Background(), localpg.Options{MaxConnections: 300})
})

// URL returns the connection string of a superuser on the shared server, in its
// maintenance database. Tests that change something that all databases share,
// such as roles, start a server of their own with localpg.Start.
func URL(tb testing.TB) string {
	tb.Helper()
	if given := os.Getenv(EnvURL); given != "" {
		return given
	}
	private, err := server()
	if err != nil {
		tb.Fatalf("these tests need a PostgreSQL server; give the URL of one in %s or make a private one possible: %v", EnvURL, err)
	}
	return private.URL("postgres")
}

// New returns a pool on a database of the test's own, cloned from a template
// that migrate has filled. hash stands for everything that migrate does:
// templates with the same hash are taken for equal. The database's owner is an
// ordinary role, as in production. When the test ends the pool is closed and
// the database dropped, which fails the test if it left a connection open.
func New(tb testing.TB, migrate Migrate, hash string) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(context.Background(), NewURL(tb, migrate, hash))
	if err != nil {
		tb.Fatalf("connecting to the test database: %v", err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// NewURL is New for tests that connect themselves.
func NewURL(tb testing.TB, migrate Migrate, hash string) string {
	tb.Helper()
	admin, err := adminConfig(URL(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return pgtestdb.Custom(quiet{tb}, admin, migrator{migrate, hash}).URL()
}

// adminConfig takes a connection string apart for pgtestdb, which puts it
// together again for every database.
func adminConfig(connection string) (pgtestdb.Config, error) {
	u, err := url.Parse(connection)
	if err != nil {
		return pgtestdb.Config{}, errors.New(EnvURL + " is not a URL such as postgres://user:password@127.0.0.1:5432/postgres") // err would show the password
	}
	password, _ := u.User.Password()
	return pgtestdb.Config{ // its parts in the form that they have in a URL
		DriverName: "pgx",
		User:       url.User(u.User.Username()).String(),
		Password:   url.User(password).String(),
		Host:       strings.TrimSuffix(u.Host, ":"+u.Port()),
		Port:       u.Port(),
		Database:   u.Path[min(1, len(u.Path)):],
		Options:    u.RawQuery,
	}, nil
}

// migrator makes a Migrate one for pgtestdb.
type migrator struct {
	migrate Migrate
	hash    string
}

func (m migrator) Hash() (string, error) { return m.hash, nil }

func (m migrator) Migrate(ctx context.Context, _ *sql.DB, template pgtestdb.Config) error {
	pool, err := pgxpool.New(ctx, template.URL())
	if err != nil {
		return fmt.Errorf("connecting to the template database: %w", err)
	}
	defer pool.Close() // a template with a connection cannot be cloned
	return m.migrate(ctx, pool)
}

// quiet keeps pgtestdb from writing connection strings into the output of every
// test: they are of no use once the server has ended.
type quiet struct{ testing.TB }

func (quiet) Logf(string, ...any) {}
