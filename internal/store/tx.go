package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"regrow/internal/failpoint"
)

// Beginner starts transactions: a pool or a connection.
type Beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// begin starts a transaction that the database ends when nothing comes of it for
// a while: a process that is paused, or cut off, must not hold the others up by
// what it has locked. It is set for each transaction, because behind a pooler
// there is no session that could keep it.
const begin = "begin; set local idle_in_transaction_session_timeout = '30s'"

// InTx does something in a transaction of its own: all of it, or nothing when do
// or the commit fails. The name says which transaction it is, for the boundaries
// before and after its commit.
func InTx(ctx context.Context, db Beginner, name string, do func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, db, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		if failpoint.Enabled {
			failpoint.Reach("before commit of " + name)
		}
		return nil
	})
	if failpoint.Enabled && err == nil {
		failpoint.Reach("after commit of " + name)
	}
	return err
}
