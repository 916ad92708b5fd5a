//go:build unix

package trial

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/localpg"
)

// postgres is a durable server of a test's own, in a directory of its own: it can
// be ended in every way, and its address stays.
type postgres struct {
	tb      testing.TB
	options localpg.Options
	*localpg.Server
}

func newPostgres(tb testing.TB, options localpg.Options) *postgres {
	tb.Helper()
	// Run by root, the server is somebody else, who may not enter tb.TempDir.
	dir, err := os.MkdirTemp("", "regrow-trial-")
	if err == nil {
		err = os.Chmod(dir, 0o755) // what is in it is not open
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	options.Dir, options.MaxConnections = dir, 60
	p := &postgres{tb: tb, options: options}
	p.start()
	tb.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// newDatabase is a server with a migrated database, and the database's address.
func newDatabase(tb testing.TB, options localpg.Options) (*postgres, string) {
	tb.Helper()
	p := newPostgres(tb, options)
	p.migrate()
	return p, p.URL(localpg.DefaultDatabase)
}

func (p *postgres) start() {
	p.tb.Helper()
	server, err := localpg.Start(context.Background(), p.options)
	if err != nil {
		p.tb.Fatal(err)
	}
	p.Server = server
}

func (p *postgres) migrate() {
	p.tb.Helper()
	pool, err := pgxpool.New(p.tb.Context(), p.URL(localpg.DefaultDatabase))
	if err != nil {
		p.tb.Fatal(err)
	}
	defer pool.Close()
	if err := Migrate(p.tb.Context(), pool); err != nil {
		p.tb.Fatal(err)
	}
}

// way is how a server ends.
type way func(*localpg.Server, context.Context) error

var fast, immediate way = (*localpg.Server).Stop, (*localpg.Server).Crash

// away ends the server for a while.
func (p *postgres) away(how way, meanwhile func()) {
	p.tb.Helper()
	if err := how(p.Server, context.Background()); err != nil {
		p.tb.Fatal(err)
	}
	meanwhile()
	p.start()
}

// execute runs a statement as the superuser, on a connection of its own.
func (p *postgres) execute(statement string) {
	p.tb.Helper()
	conn, err := pgx.Connect(p.tb.Context(), p.URL(localpg.DefaultDatabase))
	if err == nil {
		_, err = conn.Exec(p.tb.Context(), statement)
		_ = conn.Close(context.Background())
	}
	if err != nil {
		p.tb.Fatal(err)
	}
}

// query reads one value as the superuser, on a connection of its own.
func (p *postgres) query(tb testing.TB, query string, into any) {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), p.URL(localpg.DefaultDatabase))
	if err == nil {
		err = conn.QueryRow(tb.Context(), query).Scan(into)
		_ = conn.Close(context.Background())
	}
	if err != nil {
		tb.Fatal(err)
	}
}
