package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"regrow/internal/failpoint"
)

// Beginner starts transactions: a pool, a connection, or a transaction.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// InTx does something in a transaction of its own: all of it, or nothing when do
// or the commit fails. The name says which transaction it is, for the boundaries
// before and after its commit.
func InTx(ctx context.Context, db Beginner, name string, do func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
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
