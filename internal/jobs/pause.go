package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// Pause holds the runs of a scope back: once this is committed no queued one
// starts, and none changes anything or begins another stage. Of the pause, scope,
// key, name, reason and by have to be set. When the same is paused already, that
// pause is returned and nothing changes.
func (e *Engine) Pause(ctx context.Context, tx pgx.Tx, wanted pipeline.Pause) (_ pipeline.Pause, created bool, err error) {
	q := store.New(tx)
	if err := q.LockPauses(ctx); err != nil {
		return pipeline.Pause{}, false, fmt.Errorf("waiting for runs that are being started: %w", err)
	}
	standing, err := q.StandingPause(ctx, store.StandingPauseParams{Scope: wanted.Scope, Key: wanted.Key})
	if err == nil {
		return standing.Domain(), false, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return pipeline.Pause{}, false, fmt.Errorf("looking for a pause of %s: %w", wanted.What(), err)
	}
	row, err := q.InsertPause(ctx, store.InsertPauseParams{
		ID: e.NewID(), Scope: wanted.Scope, Key: wanted.Key, Name: wanted.Name, Reason: wanted.Reason, PausedBy: wanted.By, Since: e.Now(),
	})
	if err != nil {
		return pipeline.Pause{}, false, fmt.Errorf("pausing %s: %w", wanted.What(), err)
	}
	return row.Domain(), true, nil
}

// Resume lifts a pause. It returns pgx.ErrNoRows when no such pause stands. What
// it has held goes on with Release, after the commit.
func (e *Engine) Resume(ctx context.Context, tx pgx.Tx, id uuid.UUID, by string) (pipeline.Pause, error) {
	q := store.New(tx)
	if err := q.LockPauses(ctx); err != nil {
		return pipeline.Pause{}, fmt.Errorf("waiting for runs that are being created: %w", err)
	}
	row, err := q.LiftPause(ctx, store.LiftPauseParams{ID: id, By: by, Now: e.Now()})
	if err != nil {
		return pipeline.Pause{}, fmt.Errorf("lifting pause %s: %w", id, err)
	}
	return row.Domain(), nil
}

// Release has go on what no pause holds any more. The reconciler calls it, too.
func (e *Engine) Release(ctx context.Context) error {
	return errors.Join(e.releaseHeld(ctx), e.unstrandLanes(ctx))
}

// releaseHeld has active runs go on that waited for a pause to be lifted.
func (e *Engine) releaseHeld(ctx context.Context) error {
	free, err := store.New(e.Pool).FreeOfPauses(ctx)
	if err != nil {
		return fmt.Errorf("looking for runs that pauses held: %w", err)
	}
	return e.each(ctx, free, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
		run, err := store.New(tx).LockIfHeld(ctx, id)
		if err != nil {
			return err
		}
		return e.resume(ctx, tx, run, run.Reason)
	})
}

// pausesOf returns what holds the lane's runs.
func pausesOf(ctx context.Context, q *store.Queries, lane string) ([]pipeline.Pause, error) {
	rows, err := q.PausesOfLane(ctx, lane)
	if err != nil {
		return nil, fmt.Errorf("reading the pauses of lane %q: %w", lane, err)
	}
	return store.Pauses(rows), nil
}

// pausesBeforeStart is pausesOf for whoever is about to start a run of the lane:
// until the end of the transaction no pause begins or ends.
func pausesBeforeStart(ctx context.Context, q *store.Queries, lane string) ([]pipeline.Pause, error) {
	if err := lockPausesShared(ctx, q); err != nil {
		return nil, err
	}
	return pausesOf(ctx, q, lane)
}

func lockPausesShared(ctx context.Context, q *store.Queries) error {
	if err := q.LockPausesShared(ctx); err != nil {
		return fmt.Errorf("waiting for a pause to begin or end: %w", err)
	}
	return nil
}
