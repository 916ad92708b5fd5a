package localpg

import (
	"errors"

	"github.com/rs/zerolog"
)

// DefaultDatabase is the database that every server has after Start.
const DefaultDatabase = "regrow"

// Options says what kind of server Start starts. The zero value is a temporary
// server that is reachable over its Unix socket only.
type Options struct {
	// Dir keeps the data across restarts; it is made when missing. Empty means
	// a temporary server: fast, without fsync, and removed when it ends.
	Dir string
	// Logger gets the few events worth telling, such as a leftover server that
	// had to be stopped. PostgreSQL's own log is a file; see Server.LogFile.
	Logger zerolog.Logger
	// BinDir is the folder of initdb and postgres. Empty means REGROW_PG_BIN,
	// then the places where systems put them.
	BinDir string
	// Port, if not 0, makes the server listen on that port of 127.0.0.1 as
	// well, and URL return that address with a password made for this start.
	Port int
	// MaxConnections defaults to 100.
	MaxConnections int
	// Settings are more of PostgreSQL's, such as "log_statement=all". They are
	// stronger than those of this package.
	Settings []string
	// Follow makes the server a standby of a running one: unless Dir holds data
	// already, it begins with a copy of that server's, and replays what that one
	// writes from then on until Promote. To the other server it is the standby
	// named Standby.
	Follow *Server
}

// Standby is the name of a server with Options.Follow, for the other server's
// synchronous_standby_names.
const Standby = "regrow_standby"

var (
	// ErrNoBinaries says that this machine has no usable PostgreSQL server. Its
	// message lists ways to get one.
	ErrNoBinaries = errors.New("no PostgreSQL server (version 13 or newer) on this machine")
	// ErrInUse says that another process runs a server on the same Options.Dir.
	ErrInUse = errors.New("the data directory is in use by another process")
	// ErrUnsupported says that this operating system cannot run a private
	// server; regrow then needs the URL of an existing one.
	ErrUnsupported = errors.New("a private PostgreSQL server is not supported on this operating system; set database.url")
)
