package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/app"
	"regrow/internal/config"
)

// openPool connects for a command's short work in the way that works through
// poolers as well: a command that was given an address does not know what stands
// there.
func openPool(ctx context.Context, url string, connections int) (*pgxpool.Pool, error) {
	return app.OpenPool(ctx, url, connections, config.PoolerTransaction)
}
