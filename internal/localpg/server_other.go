//go:build !unix

package localpg

import "context"

// Server is a running PostgreSQL server; this operating system never has one.
type Server struct{}

// Start returns ErrUnsupported.
func Start(context.Context, Options) (*Server, error) { return nil, ErrUnsupported }

// URL returns the connection string of a database on this server.
func (*Server) URL(string) string { return "" }

// LogFile is the path of PostgreSQL's own log.
func (*Server) LogFile() string { return "" }

// Done is closed when the server process has ended.
func (*Server) Done() <-chan struct{} { return nil }

// Promote makes a standby a server of its own.
func (*Server) Promote(context.Context) error { return ErrUnsupported }

// Crash ends the server as a crash does.
func (*Server) Crash(context.Context) error { return nil }

// Stop ends the server.
func (*Server) Stop(context.Context) error { return nil }
