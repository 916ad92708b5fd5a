package handlers

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/puddle/v2"

	"regrow/internal/store"
)

// databaseAway tells whether an error means that the database cannot be
// reached, is too slow, or could not do it just now: the same may work later.
func databaseAway(err error) bool {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Connection, resources, an operator's intervention, lost races.
		for _, class := range []string{"08", "53", "57", "40", "55"} {
			if strings.HasPrefix(refused.Code, class) {
				return true
			}
		}
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, cause := range []error{context.DeadlineExceeded, context.Canceled, puddle.ErrClosedPool, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return pgconn.SafeToRetry(err)
}

// CheckDatabase tells whether the database answers.
func CheckDatabase(ctx context.Context, pool *pgxpool.Pool) Check {
	if err := pool.Ping(ctx); err != nil {
		return Check{Name: "database", Detail: "the database does not answer"}
	}
	return Check{Name: "database", OK: true}
}

// CheckSchema tells whether the database has every migration.
func CheckSchema(ctx context.Context, pool *pgxpool.Pool) Check {
	switch err := store.CheckSchema(ctx, pool); {
	case errors.Is(err, store.ErrOldSchema):
		return Check{Name: "schema", Detail: err.Error()}
	case err != nil:
		return Check{Name: "schema", Detail: "the schema cannot be read"}
	}
	return Check{Name: "schema", OK: true}
}
