// Package localpg runs a private PostgreSQL server from binaries that are
// already on the machine, for the demo, for tests and for trying regrow out.
//
// The server is nobody's but the process's that started it: it listens on a
// Unix socket in a directory that only its user can enter (TCP only on request,
// on loopback, with a random password), and it ends when that process ends,
// however that happens. A temporary server leaves nothing behind; a durable one
// keeps its data in a directory of the caller's choice and recovers there from
// any crash.
//
// It is no way to run production: regrow then takes the URL of a real database.
package localpg
