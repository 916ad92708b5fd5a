package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/store"
)

// postgres asks regrow's tables.
type postgres struct {
	pool    *pgxpool.Pool
	queries *store.Queries
}

// NewDatabase returns a Database that asks through the pool, and closes it.
func NewDatabase(pool *pgxpool.Pool) Database {
	return &postgres{pool: pool, queries: store.New(pool)}
}

func (p *postgres) CheckSchema(ctx context.Context) error { return store.CheckSchema(ctx, p.pool) }

func (p *postgres) Now(ctx context.Context) (time.Time, error) {
	now, err := p.queries.DatabaseTime(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking the database for the time: %w", err)
	}
	return now, nil
}

func (p *postgres) SwitchedOff(ctx context.Context) ([]string, error) {
	settings, err := p.queries.Durability(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the database for its settings: %w", err)
	}
	var off []string
	for _, s := range []struct{ name, value string }{
		{"fsync", settings.Fsync}, {"full_page_writes", settings.FullPageWrites}, {"synchronous_commit", settings.SynchronousCommit},
	} {
		if s.value == "off" {
			off = append(off, s.name)
		}
	}
	return off, nil
}

func (p *postgres) LastDelivery(ctx context.Context, source string) (time.Time, bool, error) {
	at, err := p.queries.LastDeliveryOfSource(ctx, source)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("looking for the last delivery of %s: %w", source, err)
	}
	return at, true, nil
}

func (p *postgres) ActiveRun(ctx context.Context, lane string) (string, error) {
	run, err := p.queries.ActiveInLane(ctx, lane)
	if err != nil {
		return "", oneRun(err, "looking for the active run of the lane")
	}
	return runName(run.Pipeline, run.Number), nil
}

func (p *postgres) RunOfRelease(ctx context.Context, server, releaseID string) (string, error) {
	run, err := p.queries.RunOfRelease(ctx, store.RunOfReleaseParams{Server: server, ReleaseID: releaseID})
	if err != nil {
		return "", oneRun(err, "looking for the run that made release "+releaseID)
	}
	return runName(run.Pipeline, run.Number), nil
}

func (p *postgres) RollbackTo(ctx context.Context, lane, releaseID string) (string, error) {
	run, err := p.queries.RollbackOfOverride(ctx, store.RollbackOfOverrideParams{Lane: lane, ReleaseID: releaseID})
	if err != nil {
		return "", oneRun(err, "looking for the rollback that has set an override to release "+releaseID)
	}
	return runName(run.Pipeline, run.Number), nil
}

func (p *postgres) Close() { p.pool.Close() }

func runName(pipeline string, number int64) string { return fmt.Sprintf("%s#%d", pipeline, number) }

// oneRun takes no run for an answer.
func oneRun(err error, doing string) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// schemaProblem says what is wrong with the schema.
func schemaProblem(err error) finding {
	switch {
	case errors.Is(err, store.ErrOldSchema):
		return wrong("The database schema is older than this version of regrow.").
			with("run regrow migrate up, or start with regrow serve --migrate").listing([]string{capitalized(err.Error()) + "."})
	case errors.Is(err, store.ErrNewSchema):
		return wrong("The database schema is newer than this version of regrow.").
			with("use the version of regrow that made it, or a later one").listing([]string{capitalized(err.Error()) + "."})
	default:
		return wrong("The database schema cannot be looked at: %v.", err).with("let the database user read its own tables")
	}
}
