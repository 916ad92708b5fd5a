//go:build unix

package localpg

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errHeld says that the shared memory of a crashed server is still in use: its
// children take a moment to notice that it is gone.
var errHeld = errors.New("processes of a crashed PostgreSQL server have not ended yet")

// launch starts the server process and returns when it accepts connections.
func (s *Server) launch(ctx context.Context, bins binaries, owner account) error {
	for {
		err := s.launchOnce(ctx, bins, owner)
		if !errors.Is(err, errHeld) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func (s *Server) launchOnce(ctx context.Context, bins binaries, owner account) error {
	log, err := s.layout.openLog()
	if err != nil {
		return err
	}
	command := append([]string{bins.path("postgres")}, s.settings()...)
	s.proc, err = startPostmaster(s.layout, owner, log, command...)
	_ = log.Close() // the child has its own
	if err != nil {
		return err
	}
	err = s.awaitReady(ctx)
	if err == nil {
		return nil
	}
	err = errors.Join(err, s.proc.stop(context.WithoutCancel(ctx), s.layout.temporary))
	tail := s.layout.logTail()
	if strings.Contains(tail, "shared memory block") && strings.Contains(tail, "still in use") {
		err = errors.Join(errHeld, err)
	}
	return fmt.Errorf("starting PostgreSQL %s in %s: %w\nits log ends with:\n%s", bins.version, s.layout.root, err, tail)
}

// settings are the postmaster's arguments. They go on the command line, so that
// a directory always obeys the program that starts it, whatever its files say.
func (s *Server) settings() []string {
	values := []string{
		"listen_addresses=",
		"port=" + strconv.Itoa(s.port()),
		`unix_socket_directories="` + s.layout.socket + `"`,
		"unix_socket_permissions=0700",
		"max_connections=" + strconv.Itoa(s.opts.MaxConnections),
		"logging_collector=off",
		"log_destination=stderr",
		"log_line_prefix=%m [%p] %d ",
		"timezone=UTC",
	}
	if s.opts.Port != 0 {
		values = append(values, "listen_addresses=127.0.0.1")
	}
	if s.layout.temporary {
		values = append(values, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", s.layout.data()}
	for _, value := range append(values, s.opts.Settings...) {
		args = append(args, "-c", value)
	}
	return args
}

// port is part of the name of the socket, even when nothing listens on TCP.
func (s *Server) port() int { return cmp.Or(s.opts.Port, socketPort) }

// awaitReady returns when the server answers a query, or when it cannot any
// more. The answer must be from the process that was just started: if that one
// ended because another holds the data, the other one answers on its socket.
func (s *Server) awaitReady(ctx context.Context) error {
	var last error
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if last = s.holdsData(); last == nil {
			last = s.execute(ctx, "select 1")
		}
		if last == nil || !worthAnotherTry(last) {
			return last
		}
		select {
		case <-tick.C:
		case <-s.proc.done:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("the server accepts no connection: %w (last: %w)", ctx.Err(), last)
		}
	}
}

// holdsData tells if the server process has made the data its own.
func (s *Server) holdsData() error {
	holder, err := readHolder(s.layout)
	if err != nil {
		return err
	}
	if holder == nil || holder.pid != s.proc.process.Pid {
		return errors.New("the server has not opened its data yet")
	}
	return nil
}

// worthAnotherTry tells a server that is not ready yet from one that says no.
func worthAnotherTry(err error) bool {
	const cannotConnectNow = "57P03" // starting up, or recovering
	state := sqlState(err)
	return state == "" || state == cannotConnectNow
}

// sqlState is the code of an error that the server answered with; "" if it did
// not answer.
func sqlState(err error) string {
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refusal.Code
	}
	return ""
}

// prepareDatabase makes the default database, and the password for TCP.
func (s *Server) prepareDatabase(ctx context.Context) error {
	if s.layout.followsStill() { // it cannot, and has what the server has that it follows
		if s.opts.Follow != nil {
			s.password = s.opts.Follow.password
		}
		return nil
	}
	const duplicateDatabase = "42P04" // a durable server has it from the first time
	err := s.execute(ctx, "create database "+DefaultDatabase)
	if err != nil && sqlState(err) != duplicateDatabase {
		return fmt.Errorf("making the database %s: %w", DefaultDatabase, err)
	}
	if s.opts.Port == 0 {
		return nil
	}
	s.password = rand.Text() // letters and digits only
	if err := s.execute(ctx, "alter role "+superuser+" password '"+s.password+"'"); err != nil {
		return errors.New("setting the password for connections over TCP failed") // the statement holds it
	}
	return nil
}

// execute runs one statement over the socket, as the superuser.
func (s *Server) execute(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.socketURL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}
