package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/config"
	"regrow/internal/localpg"
)

// OpenPool connects to Postgres, or to a pooler before it, and makes sure that it
// answers. What is right for PoolerTransaction is right for Postgres itself, too,
// only slower. No connections at most means as many as pgxpool thinks right.
// Errors never hold the password.
func OpenPool(ctx context.Context, url string, maxConnections int, pooler config.Pooler) (*pgxpool.Pool, error) {
	return openPool(ctx, url, maxConnections, pooler, findWay)
}

func openPool(ctx context.Context, url string, maxConnections int, pooler config.Pooler, prepare func(*pgx.ConnConfig)) (*pgxpool.Pool, error) {
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database.url cannot be read: %w", err)
	}
	if maxConnections > 0 {
		settings.MaxConns = int32(min(maxConnections, 10_000))
	}
	if pooler == config.PoolerTransaction {
		keepNoSession(settings.ConnConfig)
	} else {
		keepSession(settings.ConnConfig)
	}
	prepare(settings.ConnConfig)
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("preparing connections to the database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, notAnswering(err)
	}
	return pool, nil
}

// idleTimeout is for the transactions that are River's own. Those of regrow set it
// for themselves.
const idleTimeout = "idle_in_transaction_session_timeout"

func keepSession(c *pgx.ConnConfig) { c.RuntimeParams[idleTimeout] = "30s" }

// keepNoSession asks nothing of a connection that outlives a transaction: poolers
// refuse parameters that they do not know, and hand on a statement to a session
// in which it was never prepared.
func keepNoSession(c *pgx.ConnConfig) {
	// It describes each statement once, and from then on sends it whole in one
	// message, without a name.
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	c.StatementCacheCapacity = 0
}

// notAnswering says what may be wrong with the database.
func notAnswering(err error) error {
	// PgBouncer's answer to a parameter that it does not know.
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok && strings.Contains(refusal.Message, "unsupported startup parameter") {
		hint := "take the parameters out of database.url"
		if strings.Contains(refusal.Message, idleTimeout) {
			hint = "set database.pooler to transaction"
		}
		return fmt.Errorf("a connection pooler stands before the database and does not take what regrow asks of sessions; %s: %w", hint, err)
	}
	return fmt.Errorf("the database does not answer (check database.url): %w", err)
}

// closeTime bounds the end of the connections: while the database is silent, some
// of them are in use for as long.
const closeTime = time.Second

// closePool closes the connections to the database.
func (a *App) closePool(ctx context.Context) error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		a.pool.Close()
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return errors.New("some are in use, because the database does not answer; they end with the process")
	}
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
