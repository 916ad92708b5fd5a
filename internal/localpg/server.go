//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	superuser  = "postgres"
	socketPort = 5432 // names the socket of a server without Options.Port; nothing listens on it

	// startTimeout bounds Start when the caller's context does not: recovery
	// after a crash replays the log and may take a while.
	startTimeout = 2 * time.Minute
	// stopTimeout is the patience with each way of asking a postmaster to end.
	stopTimeout = 30 * time.Second
)

// Server is a running PostgreSQL server. Its methods may be called from any
// goroutine.
type Server struct {
	opts     Options
	layout   layout
	password string // of the superuser over TCP; empty without Options.Port
	proc     *postmaster
	lock     *dirLock

	stopOnce sync.Once
	stopErr  error
}

// Start starts a server and returns once it accepts connections and has the
// database DefaultDatabase. A server that crashed earlier in the same Dir is
// recovered, one that still runs there without its owner is ended first.
//
// The errors to tell apart with errors.Is are ErrNoBinaries, ErrInUse and
// ErrUnsupported.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.MaxConnections == 0 {
		opts.MaxConnections = 100
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	home, err := prepareLayout(opts.Dir, account)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, layout: home}
	if err := s.start(ctx, account); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, account account) error {
	if !s.layout.temporary {
		lock, err := lockDir(s.layout.lockFile())
		if err != nil {
			return err
		}
		s.lock = lock
	}
	bins, err := findBinaries(ctx, hostFinder(), s.opts.BinDir, s.layout.dataVersion())
	if err != nil {
		return err
	}
	if err := s.layout.openDirs(account); err != nil {
		return err
	}
	if err := endLeftover(ctx, s.layout, s.opts.Logger); err != nil {
		return err
	}
	if err := s.makeCluster(ctx, bins, account); err != nil {
		return err
	}
	if err := s.launch(ctx, bins, account); err != nil {
		return err
	}
	if err := s.prepareDatabase(ctx); err != nil {
		return errors.Join(err, s.proc.stop(context.WithoutCancel(ctx), s.layout.temporary))
	}
	s.opts.Logger.Debug().Str("version", bins.version).Str("dir", s.layout.root).
		Bool("temporary", s.layout.temporary).Msg("private PostgreSQL server is ready")
	return nil
}

// URL returns the connection string of a database on this server for pgx, with
// the rights of the superuser. The database need not exist.
func (s *Server) URL(database string) string {
	if s.opts.Port == 0 {
		return s.socketURL(database)
	}
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     "127.0.0.1:" + strconv.Itoa(s.opts.Port),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (s *Server) socketURL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {s.layout.socket}, "port": {strconv.Itoa(s.port())}}.Encode(),
	}
	return u.String()
}

// LogFile is the path of PostgreSQL's own log. That of a durable server stays
// for reading until the next start but one.
func (s *Server) LogFile() string { return s.layout.logFile() }

// Done is closed when the server process has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.proc.done }

// Stop ends the server: a durable one after rolling open transactions back and
// writing its data out, a temporary one at once and together with its files.
// Past ctx it ends the server hard, which a durable one survives by recovery at
// its next start. Later calls return what the first one did.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		s.stopErr = errors.Join(s.proc.stop(ctx, s.layout.temporary), s.release())
	})
	return s.stopErr
}

// Crash ends the server as a crash does: at once, without rolling anything back
// or writing anything out. A durable one recovers at its next start. It counts
// as Stop.
func (s *Server) Crash(ctx context.Context) error {
	s.stopOnce.Do(func() {
		s.stopErr = errors.Join(s.proc.stop(ctx, true), s.release())
	})
	return s.stopErr
}

// release gives back what Start took, after the server process has ended.
func (s *Server) release() error {
	err := s.layout.removeTemporary()
	if s.lock != nil {
		err = errors.Join(err, s.lock.release())
	}
	if err != nil {
		return fmt.Errorf("cleaning up after the private PostgreSQL server: %w", err)
	}
	return nil
}

// environment is what the server's programs get to see: not the caller's PG*
// variables, which would lead them elsewhere, nor its secrets.
func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
}
