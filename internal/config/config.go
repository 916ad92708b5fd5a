package config

import (
	"time"

	"regrow/internal/pipeline"
	"regrow/internal/webhook"
)

// Config is a whole, checked regrow.yaml with all defaults filled in.
type Config struct {
	// Listen is the address of the HTTP server, for instance "127.0.0.1:8080".
	Listen string
	// PublicURL is where Octopus and people reach regrow, without a trailing
	// slash; empty when the file does not say.
	PublicURL string

	Database  Database
	Log       Log
	API       API
	Servers   []Server
	Sources   []Source
	Reconcile Reconcile
	// Pipelines hold the address and the space of their servers.
	Pipelines []pipeline.Pipeline

	// Warnings are what is allowed and yet hardly meant, in the file's order.
	Warnings []Problem
}

// Database says where regrow keeps its state.
type Database struct {
	// URL is a Postgres address or keyword/value string. It is empty only in
	// development mode, which then starts a private Postgres.
	URL Secret
	// Unset are the environment variables that the address is made of and that are
	// not set, which only development mode allows.
	Unset []string
	// MaxConnections is the largest size of the connection pool.
	MaxConnections int
	Pooler         Pooler
}

// Pooler is what stands between regrow and Postgres.
type Pooler string

// The poolers.
const (
	// PoolerNone is Postgres itself: a connection is a session.
	PoolerNone Pooler = "none"
	// PoolerTransaction is one such as PgBouncer in transaction mode: only within
	// a transaction do statements meet the same session.
	PoolerTransaction Pooler = "transaction"
)

// Log says what is logged and how it looks.
type Log struct {
	// Level is "debug", "info", "warn" or "error".
	Level  string
	Format LogFormat
}

// LogFormat is how a log line looks.
type LogFormat string

// The log formats.
const (
	// LogJSON writes one JSON object a line, for machines.
	LogJSON LogFormat = "json"
	// LogConsole writes coloured lines, for people.
	LogConsole LogFormat = "console"
)

// API says who may use the REST API.
type API struct {
	// Tokens is empty only in development mode on a loopback address.
	Tokens []Token
}

// Token is one bearer token of the REST API.
type Token struct {
	// Name says in logs and histories who came.
	Name  string
	Role  Role
	Token Secret
}

// Role is what the bearer of a token may do.
type Role string

// The roles.
const (
	// Viewer may read and plan.
	Viewer Role = "viewer"
	// Operator may do everything.
	Operator Role = "operator"
)

// Server is one space of one Octopus Server.
type Server struct {
	Name string
	// URL is the base address without a trailing slash and without "/api".
	URL    string
	APIKey Secret
	// Space is the space's name.
	Space string
	// RequestsPerMinute is how many requests regrow sends to the server at most.
	RequestsPerMinute int
	// Timeout is how long the server may take to answer one request.
	Timeout time.Duration
}

// SourceKind is what kind of sender a source is.
type SourceKind = webhook.Kind

// The kinds of sources.
const (
	GitHub  = webhook.GitHub
	Generic = webhook.Generic
	// Octopus starts no runs; it wakes those that wait.
	Octopus = webhook.Octopus
)

// Source is one sender of webhooks.
type Source struct {
	// Name is the last segment of the address /webhooks/{name}.
	Name string
	Kind SourceKind
	// Secret is the signing secret, or the header's value for kind octopus.
	Secret Secret
	// PreviousSecret is taken too, while the sender changes over to Secret; it is
	// absent most of the time.
	PreviousSecret Secret
	// MaxBody is the largest body that is read.
	MaxBody Size
	// RequestsPerMinute is how many webhooks are taken at most.
	RequestsPerMinute int
	// Tolerance is how far the time of a signature may be from now; only for
	// kind generic.
	Tolerance time.Duration
	// Server names the Octopus Server that calls back; only for kind octopus.
	Server string
	// Header carries the secret; only for kind octopus.
	Header string
}

// Reconcile says how regrow finds by itself what was lost.
type Reconcile struct {
	// Interval is the time between two looks at what is waited for.
	Interval time.Duration
	// Lease is how long a stage's execution may be silent before it is taken
	// for lost and another process goes on.
	Lease time.Duration
}

// Server returns the server of that name.
func (c *Config) Server(name string) (Server, bool) {
	for _, server := range c.Servers {
		if server.Name == name {
			return server, true
		}
	}
	return Server{}, false
}

// Source returns the source of that name.
func (c *Config) Source(name string) (Source, bool) {
	for _, source := range c.Sources {
		if source.Name == name {
			return source, true
		}
	}
	return Source{}, false
}

// Pipeline returns the pipeline of that name.
func (c *Config) Pipeline(name string) (pipeline.Pipeline, bool) {
	for _, line := range c.Pipelines {
		if line.Name == name {
			return line, true
		}
	}
	return pipeline.Pipeline{}, false
}
