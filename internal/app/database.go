package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/localpg"
)

// OpenPool connects to Postgres and makes sure that it answers. Errors never
// hold the password.
func OpenPool(ctx context.Context, url string, maxConnections int) (*pgxpool.Pool, error) {
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database.url cannot be read: %w", err)
	}
	if maxConnections > 0 {
		settings.MaxConns = int32(min(maxConnections, 10_000))
	}
	// A process that is paused, or cut off, in the middle of a transaction must
	// not hold the others up by what it has locked.
	settings.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("preparing connections to the database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("the database does not answer (check database.url): %w", err)
	}
	return pool, nil
}

// databaseURL returns the configured address, or that of a private Postgres
// which it starts.
func (a *App) databaseURL(ctx context.Context) (string, error) {
	if url := a.Config.Database.URL.Reveal(); url != "" {
		return url, nil
	}
	if !a.Development {
		return "", errors.New("no database is configured: set database.url, or use --dev for a private Postgres")
	}
	private, err := localpg.Start(ctx, localpg.Options{Dir: a.DataDir, Logger: a.Logger.With().Str("part", "postgres").Logger()})
	if err != nil {
		return "", fmt.Errorf("starting a private Postgres: %w", err)
	}
	stopped := make(chan struct{})
	a.cleanups.add("private Postgres", func(ctx context.Context) error { close(stopped); return private.Stop(ctx) })
	go func() {
		select {
		case <-stopped:
		case <-private.Done():
			a.failed <- errors.New("the private Postgres has ended by itself")
		}
	}()
	a.Migrate = true // it is ours, so it is always brought up to date
	return private.URL(localpg.DefaultDatabase), nil
}
