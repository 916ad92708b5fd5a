package doctor

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Database is what is asked of regrow's database.
type Database interface {
	// CheckSchema returns an error that says what to do when the schema is not
	// that of this version.
	CheckSchema(ctx context.Context) error
	// Now is the database's clock.
	Now(ctx context.Context) (time.Time, error)
	// SwitchedOff returns those of PostgreSQL's settings that are off although a
	// commit survives a power cut only while they are on.
	SwitchedOff(ctx context.Context) ([]string, error)
	// LastDelivery returns when a source delivered last; false when it never did.
	LastDelivery(ctx context.Context, source string) (time.Time, bool, error)
	// ActiveRun returns the run that holds a lane, such as "hello-world#12"; ""
	// when the lane is free.
	ActiveRun(ctx context.Context, lane string) (string, error)
	// RunOfRelease returns the run that made a release of an application project
	// on a server; "" when none did.
	RunOfRelease(ctx context.Context, server, releaseID string) (string, error)
	// RollbackTo returns the run of a lane whose rollback has left an override to
	// a release, for want of a later run's own; "" when there is none.
	RollbackTo(ctx context.Context, lane, releaseID string) (string, error)
	// Close gives the connections back.
	Close()
}

// databaseFacts is what is known of the database.
type databaseFacts struct {
	*examination
	// connection belongs to the check database, usable to schema. Without a
	// configured database both are missing for the gap errNoDatabase.
	connection, usable *fact[Database]
}

// errNoDatabase is why nothing can be asked of a database in development mode.
var errNoDatabase = errors.New("no database is configured")

func (e *examination) newDatabaseFacts(ctx context.Context) *databaseFacts {
	d := &databaseFacts{examination: e}
	d.connection = newFact(ctx, idDatabase, func(ctx context.Context) (Database, error) {
		address := e.config.Database.URL
		if address.IsZero() {
			return nil, errNoDatabase
		}
		ctx, cancel := context.WithTimeout(ctx, reachTimeout)
		defer cancel()
		return e.OpenDatabase(ctx, address.Reveal())
	})
	d.usable = newFact(ctx, idSchema, func(ctx context.Context) (Database, error) {
		connection, err := d.connection.need(ctx)
		if err != nil {
			return nil, err
		}
		return connection, connection.CheckSchema(ctx)
	})
	return d
}

func (d *databaseFacts) close() {
	if connection, ok := d.connection.had(); ok {
		connection.Close()
	}
}

func (d *databaseFacts) reachable(ctx context.Context) (finding, error) {
	_, err := d.connection.get(ctx)
	switch {
	case err == nil:
		return fine("The database answers."), nil
	case errors.Is(err, errNoDatabase):
		return noted("No database is configured: in development mode regrow starts a private one."), nil
	}
	said := capitalized(err.Error())
	if ctx.Err() != nil {
		said = "The database does not answer in time"
	}
	return wrong("%s.", said).with("start the database, or correct database.url in %s", d.ConfigFile), nil
}

func (d *databaseFacts) schemaIsRight(ctx context.Context) (finding, error) {
	switch _, err := d.usable.get(ctx); {
	case errors.Is(err, errNoDatabase):
		return none("The schema of a private database is always brought up to date."), nil
	case isGap(err), ctx.Err() != nil:
		return finding{}, err
	case err != nil:
		return schemaProblem(err), nil
	}
	return fine("The database schema is that of this version."), nil
}

// clockIsRight compares the database's clock with this machine's: leases run by
// the former.
func (d *databaseFacts) clockIsRight(ctx context.Context) (finding, error) {
	connection, err := d.connection.need(ctx)
	if errors.Is(err, errNoDatabase) {
		return none("There is no database to compare clocks with."), nil
	}
	if err != nil {
		return finding{}, err
	}
	before := d.Now()
	theirs, err := connection.Now(ctx)
	if err != nil {
		return finding{}, err
	}
	return skew{what: "the database", between: [2]time.Time{before, d.Now()}, theirs: theirs}.judge(), nil
}

// commitsLast looks at whether the database keeps what it has committed, because
// senders are told that it does.
func (d *databaseFacts) commitsLast(ctx context.Context) (finding, error) {
	connection, err := d.connection.need(ctx)
	if errors.Is(err, errNoDatabase) {
		return none("There is no database to ask for its settings."), nil
	}
	if err != nil {
		return finding{}, err
	}
	off, err := connection.SwitchedOff(ctx)
	if err != nil {
		return finding{}, err
	}
	if len(off) == 0 {
		return fine("What the database has committed survives a power cut."), nil
	}
	return warned("What the database has committed may be lost in a power cut, and acknowledged webhooks with it.").
		with("set to on in PostgreSQL, for the server, the database and the user: %s", strings.Join(off, ", ")), nil
}

func isGap(err error) bool {
	_, ok := errors.AsType[*gap](err)
	return ok
}
