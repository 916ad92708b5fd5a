package main

import (
	"context"
	"fmt"

	"regrow/internal/jobs"
)

// changeLocked performs a change of a project in Octopus while no run and no other
// command changes that project: all of them take the lock in the database.
func changeLocked(ctx context.Context, database, server, projectID string, change func(context.Context) error) error {
	pool, err := openPool(ctx, database, 1)
	if err != nil {
		return fmt.Errorf("%w; the project's lock is there: if no regrow runs, add --no-lock", err)
	}
	defer pool.Close()
	return jobs.ChangeProject(ctx, pool, server, projectID, change)
}
