package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"regrow/migrations"
)

// Migration is one step of the schema, regrow's own or River's.
type Migration struct {
	// Name is unique, for instance "00001_runs.sql" or "river 006".
	Name string
	// Applied tells whether the database has it.
	Applied bool
}

// ErrOldSchema says that the database lacks migrations which this version of
// regrow needs.
var ErrOldSchema = errors.New("the database schema is older than this regrow; run \"regrow migrate up\" or start with --migrate")

// ErrNewSchema says that the database has migrations which this version of
// regrow does not know.
var ErrNewSchema = errors.New("the database schema is newer than this regrow; use the version that made it, or a later one")

// Migrate brings the schema up to date, River's tables first, and returns the
// migrations that it applied. Several processes may call it at once: they take
// turns. It needs up to three connections.
func Migrate(ctx context.Context, pool *pgxpool.Pool) (applied []Migration, err error) {
	for {
		mine := false
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if mine, err = takeTurn(ctx, tx); err != nil || !mine {
				return err
			}
			applied, err = migrate(ctx, pool)
			return err
		})
		if err != nil || mine {
			return applied, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for other migrations: %w", ctx.Err())
		}
	}
}

// takeTurn tells whether no other process migrates, until the end of the
// transaction. It does not wait for that: who waits holds a connection, and a
// pooler may have none left then for the one that works.
func takeTurn(ctx context.Context, tx pgx.Tx) (mine bool, err error) {
	// The transaction is idle while the migrations run on other connections.
	if _, err := tx.Exec(ctx, "set local idle_in_transaction_session_timeout = 0"); err != nil {
		return false, fmt.Errorf("preparing the migrations: %w", err)
	}
	if err := tx.QueryRow(ctx, "select pg_try_advisory_xact_lock(hashtextextended('migrate', 0))").Scan(&mine); err != nil {
		return false, fmt.Errorf("looking for other migrations: %w", err)
	}
	return mine, nil
}

func migrate(ctx context.Context, pool *pgxpool.Pool) ([]Migration, error) {
	applied, err := migrateRiver(ctx, pool)
	if err != nil {
		return applied, err
	}
	provider, done, err := gooseProvider(pool)
	if err != nil {
		return applied, err
	}
	defer done()
	results, err := provider.Up(ctx)
	for _, result := range results {
		applied = append(applied, Migration{Name: result.Source.Path, Applied: result.Error == nil})
	}
	if err != nil {
		return applied, fmt.Errorf("migrating regrow's tables: %w", err)
	}
	return applied, nil
}

// Migrations lists every migration with whether the database has it. It changes
// nothing.
func Migrations(ctx context.Context, pool *pgxpool.Pool) ([]Migration, error) {
	list, err := riverMigrations(ctx, pool)
	if err != nil {
		return nil, err
	}
	provider, done, err := gooseProvider(pool)
	if err != nil {
		return nil, err
	}
	defer done()
	applied, err := appliedVersions(ctx, pool)
	if err != nil {
		return nil, err
	}
	for _, source := range provider.ListSources() {
		list = append(list, Migration{Name: source.Path, Applied: applied[source.Version]})
		delete(applied, source.Version)
	}
	for version := range applied {
		return list, fmt.Errorf("%w (it has migration %d)", ErrNewSchema, version)
	}
	return list, nil
}

// appliedVersions reads goose's own table. Goose itself would create the table
// for that, and a look should not.
func appliedVersions(ctx context.Context, pool *pgxpool.Pool) (map[int64]bool, error) {
	var table *string
	if err := pool.QueryRow(ctx, "select to_regclass('goose_db_version')::text").Scan(&table); err != nil {
		return nil, fmt.Errorf("looking for the table of migrations: %w", err)
	}
	applied := make(map[int64]bool)
	if table == nil {
		return applied, nil
	}
	rows, err := pool.Query(ctx, "select version_id from goose_db_version group by version_id having bool_or(is_applied) and version_id > 0")
	if err != nil {
		return nil, fmt.Errorf("reading the table of migrations: %w", err)
	}
	versions, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("reading the table of migrations: %w", err)
	}
	for _, version := range versions {
		applied[version] = true
	}
	return applied, nil
}

// CheckSchema returns nil when the schema is this version's own, an error wrapping
// ErrOldSchema that names the missing migrations, or one wrapping ErrNewSchema.
func CheckSchema(ctx context.Context, pool *pgxpool.Pool) error {
	list, err := Migrations(ctx, pool)
	if err != nil {
		return err
	}
	var missing []string
	for _, m := range list {
		if !m.Applied {
			missing = append(missing, m.Name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w (missing: %q)", ErrOldSchema, missing)
	}
	return nil
}

// gooseProvider works over the pool's own connections.
func gooseProvider(pool *pgxpool.Pool) (*goose.Provider, func(), error) {
	db := stdlib.OpenDBFromPool(pool)
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files, goose.WithVerbose(false))
	if err != nil {
		_ = db.Close()
		return nil, nil, fmt.Errorf("preparing migrations: %w", err)
	}
	return provider, func() { _ = db.Close() }, nil
}

func migrateRiver(ctx context.Context, pool *pgxpool.Pool) ([]Migration, error) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return nil, fmt.Errorf("preparing River's migrations: %w", err)
	}
	result, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	if err != nil {
		return nil, fmt.Errorf("migrating River's tables: %w", err)
	}
	var applied []Migration
	for _, version := range result.Versions {
		applied = append(applied, Migration{Name: riverName(version.Version), Applied: true})
	}
	return applied, nil
}

func riverMigrations(ctx context.Context, pool *pgxpool.Pool) ([]Migration, error) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return nil, fmt.Errorf("preparing River's migrations: %w", err)
	}
	existing, err := migrator.ExistingVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the state of River's migrations: %w", err)
	}
	var list []Migration
	for i, version := range migrator.AllVersions() {
		list = append(list, Migration{Name: riverName(version.Version), Applied: i < len(existing)})
	}
	return list, nil
}

func riverName(version int) string { return fmt.Sprintf("river %03d", version) }
