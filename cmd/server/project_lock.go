package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"regrow/internal/config"
	"regrow/internal/jobs"
)

// changeLocked performs a change of a project in Octopus while no run and no other
// command changes that project: all of them take the lock in the database.
func changeLocked(ctx context.Context, database config.Database, server, projectID string, change func(context.Context) error) error {
	pool, err := openPool(ctx, database.URL.Reveal(), 1)
	if err != nil {
		return withoutLock(ctx, err)
	}
	defer pool.Close()
	locked := false
	err = jobs.ChangeProject(ctx, pool, server, projectID, func(ctx context.Context) error {
		locked = true
		return change(ctx)
	})
	switch {
	case err == nil, locked:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return codedf(exitUnreachable, "%w; nothing was changed: something has held the project's lock for long, a run (see regrow lanes) or another command; repeat it later", err)
	default:
		return withoutLock(ctx, err)
	}
}

// withoutLock is the error of a change that was not begun because the database
// could not be asked for the lock.
func withoutLock(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) { // by the person who is told
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return codedf(exitUnreachable, "%w; nothing was changed, because the project's lock is there: have the database answer, or, if no regrow runs, add --no-lock", err)
}

// noDatabase is the mistake of a command that needs the lock and is not told where
// it is.
func (c *configFile) noDatabase(database config.Database) error {
	const lock = "the lock that keeps a running regrow from changing the project at the same moment"
	if len(database.Unset) == 0 {
		return usagef("%s names no database, which has %s; if none runs, add --no-lock", c.path, lock)
	}
	return usagef("%s is not set or empty, by which %s names the database, which has %s; set it, or, if none runs, add --no-lock",
		strings.Join(database.Unset, ", "), c.path, lock)
}
