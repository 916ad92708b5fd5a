//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"regrow/internal/localpg"
)

// Bouncer puts a PgBouncer in transaction mode before the server of a database
// and returns the database's URL through it. It opens at most so many connections
// to the server and keeps no prepared statements: what a client leaves in a
// session, any other may find there. It ends with the test.
func Bouncer(tb testing.TB, database string, connections int) string {
	tb.Helper()
	program, err := findBouncer()
	if err != nil {
		tb.Fatal(err)
	}
	b, err := newBouncer(database, connections)
	if err != nil {
		tb.Fatal(err)
	}
	attendant, err := b.start(program)
	if err != nil {
		tb.Fatalf("starting %s: %v\n%s", program, errors.Join(err, os.RemoveAll(b.dir)), b.output())
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("PgBouncer printed:\n%s", b.output())
		}
		if err := errors.Join(attendant.Stop(), b.log.Close(), os.Remove(b.log.Name())); err != nil {
			tb.Errorf("stopping PgBouncer: %v", err)
		}
	})
	if err := b.awaitReady(tb.Context(), attendant); err != nil {
		tb.Fatalf("%s does not answer: %v\n%s", program, err, b.output())
	}
	return b.url()
}

// findBouncer returns the program, which Debian puts where the paths of ordinary
// users do not lead.
func findBouncer() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", errors.New("this test needs PgBouncer: make bootstrap-test installs it")
}

// bouncer is where a PgBouncer has its files, and what it stands before.
type bouncer struct {
	dir      string
	log      *os.File
	database *pgconn.Config
	// connections is how many it opens to the server.
	connections int
}

func newBouncer(database string, connections int) (*bouncer, error) {
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return nil, fmt.Errorf("reading the address of the database: %w", err)
	}
	b := &bouncer{database: &config.Config, connections: connections}
	// Not the test's own directory: its account may not enter that one, and its
	// name may be too long for a socket.
	if b.dir, err = os.MkdirTemp("/tmp", "regrow-bouncer-"); err != nil {
		return nil, err
	}
	if b.log, err = os.CreateTemp("", "regrow-bouncer-*.log"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	return b, nil
}

const bouncerPort = "6432" // a part of the socket's name

func (b *bouncer) start(program string) (*localpg.Attendant, error) {
	settings, err := b.settings(program)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(settings), 0o644); err != nil { //nolint:gosec // its account reads it, in a directory closed to others
		return nil, err
	}
	return localpg.Attend(b.dir, b.log, program, file)
}

// settings are the configuration file. Whoever gets as far as the socket may
// come in as the database's user.
func (b *bouncer) settings(program string) (string, error) {
	c := b.database
	lines := []string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%d user=%s password=%s", quoted(c.Host), c.Port, quoted(c.User), quoted(c.Password)),
		"[pgbouncer]",
		"unix_socket_dir = " + b.dir,
		"listen_port = " + bouncerPort,
		"auth_type = any",
		"pool_mode = transaction",
		"default_pool_size = " + strconv.Itoa(b.connections),
		"max_client_conn = 500",
	}
	named, err := keepsStatements(program)
	if named {
		lines = append(lines, "max_prepared_statements = 0")
	}
	return strings.Join(lines, "\n") + "\n", err
}

// quoted is a value in a connection string of PgBouncer's configuration.
func quoted(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

// keepsStatements tells whether this PgBouncer can follow prepared statements, as
// it can from 1.21 on, and refuses to be told not to before.
func keepsStatements(program string) (bool, error) {
	out, err := exec.Command(program, "--version").Output() //nolint:noctx // it answers at once
	if err != nil {
		return false, fmt.Errorf("asking for the version: %w", err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "PgBouncer %d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("reading the version in %q: %w", out, err)
	}
	return major > 1 || minor >= 21, nil
}

func (b *bouncer) url() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(b.database.User),
		Path:     "/" + b.database.Database,
		RawQuery: url.Values{"host": {b.dir}, "port": {bouncerPort}}.Encode(),
	}
	return u.String()
}

func (b *bouncer) awaitReady(ctx context.Context, attendant *localpg.Attendant) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, b.url())
		if err == nil {
			return errors.Join(conn.Ping(ctx), conn.Close(ctx))
		}
		select {
		case <-tick.C:
		case <-attendant.Done():
			return errors.New("it ended at once")
		case <-ctx.Done():
			return err
		}
	}
}

func (b *bouncer) output() string {
	text, err := os.ReadFile(b.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}
