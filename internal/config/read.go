package config

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// The defaults of regrow.yaml outside of its sources and pipelines.
const (
	defaultListen         = "127.0.0.1:8080"
	defaultMaxConnections = 20
	defaultLogLevel       = "info"
	defaultServerRate     = 180
	defaultServerTimeout  = 30 * time.Second
	defaultInterval       = 30 * time.Second
	defaultLease          = 30 * time.Second
)

// octopusRate is how many requests a minute an Octopus Server takes from one
// user by default (Octopus docs: rate limits, from 2026.3).
const octopusRate = 200

// config reads the whole file. Top-level keys that start with "x-" are left
// alone: they are a place for anchors.
func (r *reader) config(root *node) *Config {
	o := r.objectAt(root, "", "an object with keys such as servers, sources and pipelines")
	c := &Config{
		Listen:    optional(o, "listen", address, defaultListen),
		PublicURL: optional(o, "public_url", webAddress, ""),
		Database:  section(o, "database", readDatabase),
		Log:       section(o, "log", readLog),
		API:       section(o, "api", readAPI),
		Servers:   requiredEach(o, "servers", "Octopus Servers", readServer),
		Sources:   requiredEach(o, "sources", "senders of webhooks", readSource),
		Reconcile: section(o, "reconcile", readReconcile),
		Pipelines: requiredEach(o, "pipelines", "pipelines", readPipeline),
	}
	o.ignored = "x-"
	o.done()
	return c
}

// section reads an object that may be absent and then has its defaults.
func section[T any](o *object, key string, read func(*object) T) T {
	child := o.child(key, "an object")
	value := read(child)
	child.done()
	return value
}

func readDatabase(o *object) Database {
	d := Database{
		MaxConnections: o.integer("max_connections", defaultMaxConnections, 5, 1000),
		Pooler:         optional(o, "pooler", choice(PoolerNone, PoolerTransaction), PoolerNone),
	}
	if o.r.opts.Development {
		var without bool
		if without, d.Unset = o.withoutDatabase(); without {
			return d
		}
	}
	const want = "a Postgres address such as postgres://user:password@host:5432/regrow" //nolint:gosec // an example, not a credential
	secret, path := o.secretOrPublic("url", want, withoutPassword)
	if !secret.IsZero() && !isPostgres(secret.Reveal()) {
		o.r.failAt(path, "expected %s (not shown: what came may hold a password)", want)
	}
	d.URL = secret
	return d
}

// withoutDatabase tells whether the file names no database, or only by
// variables that are not set, as the example does.
func (o *object) withoutDatabase() (without bool, unset []string) {
	if o.has("url_file") {
		return false, nil
	}
	if !o.has("url") {
		o.known = append(o.known, "url", "url_file")
		return true, nil
	}
	n := o.node.entry("url").value
	if n.kind != textKind {
		return false, nil
	}
	lookup := func(name string) (string, bool) {
		value, _ := o.r.opts.LookupEnv(name)
		return value, true
	}
	e := expand(n.text, lookup)
	if e.value != "" || len(e.problems) > 0 || len(e.variables) == 0 {
		return false, nil
	}
	o.known = append(o.known, "url", "url_file")
	o.r.warn(n.at, join(o.path, "url"), "%s is not set or empty; development mode uses a private Postgres", strings.Join(e.variables, ", "))
	return true, e.variables
}

// isPostgres tells an address or a keyword/value string from anything else. The
// driver reads the details; it would also read environment variables and files.
func isPostgres(text string) bool {
	u, err := url.Parse(text)
	if err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		return true
	}
	key, _, found := strings.Cut(text, "=")
	return found && slices.Contains([]string{"host", "hostaddr", "port", "dbname", "user", "password", "service", "sslmode"}, strings.TrimSpace(key))
}

// withoutPassword tells a database address that may stand in the file.
func withoutPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil || strings.Contains(text, "password") {
		return false
	}
	_, set := u.User.Password()
	return !set
}

func readLog(o *object) Log {
	return Log{
		Level:  optional(o, "level", choice("debug", "info", "warn", "error"), defaultLogLevel),
		Format: optional(o, "format", choice(LogJSON, LogConsole), LogJSON),
	}
}

func readAPI(o *object) API {
	const want = "tokens"
	if o.r.opts.Development {
		return API{Tokens: each(o, "tokens", want, readToken)}
	}
	return API{Tokens: requiredEach(o, "tokens", want, readToken)}
}

func readToken(o *object) Token {
	t := Token{Name: o.name(), Role: required(o, "role", choice(Viewer, Operator))}
	t.Token, _ = o.strongSecret("token", "a bearer token")
	return t
}

func readServer(o *object) Server {
	s := Server{
		Name:              o.name(),
		URL:               required(o, "url", serverAddress),
		APIKey:            o.secret("api_key", "an API key of the Octopus Server"),
		Space:             required(o, "space", octopusName("space", "Spaces")),
		RequestsPerMinute: o.integer("requests_per_minute", defaultServerRate, 1, 100_000),
		Timeout:           optional(o, "timeout", duration(time.Second, time.Minute), defaultServerTimeout),
	}
	if s.RequestsPerMinute > octopusRate {
		o.r.warnAt(join(o.path, "requests_per_minute"), "Octopus Server takes %d requests a minute by default from 2026.3; make sure that yours takes %d", octopusRate, s.RequestsPerMinute)
	}
	o.warnPlain("url", s.URL, "the API key")
	return s
}

func readReconcile(o *object) Reconcile {
	return Reconcile{
		Interval: optional(o, "interval", duration(100*time.Millisecond, time.Hour), defaultInterval),
		Lease:    optional(o, "lease", duration(time.Second, time.Hour), defaultLease),
	}
}

// warnPlain warns of an address through which secrets travel unencrypted.
func (o *object) warnPlain(key, address, secret string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
		return
	}
	o.r.warnAt(join(o.path, key), "%s travels unencrypted over http; use https", secret)
}
