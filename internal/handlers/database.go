package handlers

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
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

// unstorable tells whether the database refused a text for a character that it
// cannot hold: U+0000, or bytes that are no UTF-8.
func unstorable(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (refused.Code == "22021" || refused.Code == "22P05")
}
