package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// testRuns is the life of runs without stages: what is in the database is as it
// would be, and nothing works on it.
type testRuns struct{}

const testJob = 1

func (testRuns) Prepare(ctx context.Context, tx pgx.Tx, pipelines []pipeline.Pipeline) error {
	for _, p := range pipelines {
		if err := store.New(tx).LockLane(ctx, p.Lane()); err != nil {
			return err
		}
	}
	return nil
}

func (testRuns) Create(ctx context.Context, tx pgx.Tx, delivery uuid.UUID, p pipeline.Pipeline, c pipeline.Commit) (store.Run, error) {
	q := store.New(tx)
	number, err := q.NextRunNumber(ctx, p.Name)
	if err != nil {
		return store.Run{}, err
	}
	run, err := q.InsertRun(ctx, store.InsertRunParams{
		ID: uuid.Must(uuid.NewV7()), Pipeline: p.Name, Number: number, DeliveryID: delivery, Server: p.Server.Name, Lane: p.Lane(), Config: pipeline.Snapshot{Pipeline: p},
		Repository: c.Repository, Ref: c.Ref, CommitSha: c.SHA, Message: c.Message, Author: c.Author, Version: c.Version, CommitUrl: c.URL,
		Stage: pipeline.Provision, CreatedAt: time.Now(),
	})
	if err != nil {
		return run, err
	}
	if err := q.InsertStages(ctx, store.InsertStagesParams{RunID: run.ID, Stages: pipeline.StageNames()}); err != nil {
		return run, err
	}
	if err := record(ctx, q, run, "created"); err != nil {
		return run, err
	}
	taken, err := q.LaneIsTaken(ctx, run.Lane)
	if err != nil || taken {
		return run, err
	}
	return begin(ctx, q, run, pipeline.Provision, 1)
}

func begin(ctx context.Context, q *store.Queries, run store.Run, stage pipeline.Stage, round int32) (store.Run, error) {
	run, err := q.StartRun(ctx, store.StartRunParams{ID: run.ID, Stage: stage, JobID: testJob, Now: time.Now(), Round: round})
	if err != nil {
		return run, err
	}
	_, err = q.InsertJob(ctx, store.InsertJobParams{RunID: run.ID, Stage: stage, Round: round, Now: time.Now()})
	return run, errors.Join(err, record(ctx, q, run, "started"))
}

func record(ctx context.Context, q *store.Queries, run store.Run, kind string) error {
	return q.InsertEvent(ctx, store.InsertEventParams{
		RunID: run.ID, At: time.Now(), Kind: kind, Stage: run.Stage, Message: "The run is " + kind + ".", Data: []byte(`{"number":1}`),
	})
}

func (testRuns) Wake(ctx context.Context, tx pgx.Tx, server string) (int, error) {
	q := store.New(tx)
	active, err := q.LockActiveOnServer(ctx, server)
	if err != nil {
		return 0, err
	}
	for _, run := range active {
		if err := q.NoteWake(ctx, run.ID); err != nil {
			return 0, err
		}
	}
	return len(active), nil
}

func (testRuns) Preview(ctx context.Context, tx pgx.Tx, starts []pipeline.Start) ([]pipeline.Preview, error) {
	q := store.New(tx)
	var previews []pipeline.Preview
	for _, start := range starts {
		last, err := q.LastRunNumber(ctx, start.Pipeline.Name)
		if err != nil {
			return nil, err
		}
		taken, err := q.LaneIsTaken(ctx, start.Pipeline.Lane())
		if err != nil {
			return nil, err
		}
		previews = append(previews, pipeline.Preview{
			Start: start, ID: uuid.Must(uuid.NewV7()), Number: last + 1, At: time.Now(), Entry: pipeline.Entry{Starts: !taken},
		})
	}
	return previews, nil
}

func (testRuns) PreviewWake(ctx context.Context, tx pgx.Tx, server string) (int, error) {
	n, err := store.New(tx).CountActiveOnServer(ctx, server)
	return int(n), err
}

// Survey sees what the pipeline says and nothing of Octopus.
func (testRuns) Survey(_ context.Context, p pipeline.Preview) pipeline.Survey {
	release := func(project string) pipeline.ReleasePreview {
		return pipeline.ReleasePreview{Project: project, Existing: pipeline.PresenceUnknown}
	}
	return pipeline.Survey{
		Infrastructure: release(p.Pipeline.Infrastructure.Project), Application: release(p.Pipeline.Application.Project),
		Override: pipeline.OverridePreview{Existing: pipeline.PresenceUnknown}, Freezes: pipeline.FreezesPreview{Existing: pipeline.PresenceUnknown},
		Targets:  pipeline.TargetsPreview{Existing: pipeline.PresenceUnknown},
		Findings: []pipeline.Finding{{Kind: pipeline.FindingUnknown, Message: "There is no Octopus here."}},
	}
}

func (testRuns) Retry(ctx context.Context, tx pgx.Tx, id uuid.UUID, from pipeline.Stage, by string) (store.Run, error) {
	q := store.New(tx)
	run, err := q.LockRun(ctx, id)
	if err != nil {
		return run, err
	}
	if run.Status != pipeline.Failed {
		return run, &pipeline.Refusal{Message: "the run is " + string(run.Status) + ", by " + by, Remedy: "retry failed runs"}
	}
	if from == "" {
		from = run.Stage
	}
	return begin(ctx, q, run, from, run.Round+1)
}

// PreviewCleanup sees nothing of Octopus.
func (testRuns) PreviewCleanup(context.Context, uuid.UUID) (pipeline.CleanupPreview, error) {
	return pipeline.CleanupPreview{Cleanup: pipeline.Cleanup{Mode: pipeline.CleanupDelete}, At: time.Now(), Available: -1}, nil
}

func (r testRuns) CleanUp(ctx context.Context, tx pgx.Tx, id uuid.UUID, maxRemovals int, by string) (store.Run, error) {
	run, err := r.Retry(ctx, tx, id, pipeline.CleanupStage, by)
	run.Reason = fmt.Sprintf("%d may go", maxRemovals)
	return run, err
}

func (testRuns) CheckRollback(context.Context, uuid.UUID) error { return nil }

// Rollback goes back where the run has not ended, and else makes a run that
// restores the same.
func (r testRuns) Rollback(ctx context.Context, tx pgx.Tx, delivery, id uuid.UUID, reason, by string) (store.Run, error) {
	q := store.New(tx)
	run, err := q.LockRun(ctx, id)
	if err != nil {
		return run, err
	}
	if run.RollbackWay != nil {
		return run, &pipeline.Refusal{Message: "the run is being rolled back already", Remedy: "follow that"}
	}
	if !run.Status.Terminal() {
		if err := q.NoteRollback(ctx, store.NoteRollbackParams{ID: id, Delivery: delivery, By: by, Reason: reason}); err != nil {
			return run, err
		}
		return q.GetRun(ctx, id)
	}
	next, err := r.Create(ctx, tx, delivery, run.Config.Pipeline, pipeline.Commit{SHA: run.CommitSha, Ref: run.Ref})
	if err != nil {
		return next, err
	}
	if _, err := tx.Exec(ctx, "update runs set rollback_of = $2, restores = $2 where id = $1", next.ID, id); err != nil {
		return next, err
	}
	err = q.NoteRollbackRun(ctx, store.NoteRollbackRunParams{ID: id, Delivery: delivery, By: by, Reason: reason, Run: next.ID})
	if err != nil {
		return next, err
	}
	return q.GetRun(ctx, next.ID)
}

func (testRuns) IgnoreFreeze(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason, by string) (store.Run, error) {
	q := store.New(tx)
	run, err := q.LockRun(ctx, id)
	if err != nil {
		return run, err
	}
	if run.FreezeName == nil {
		return run, &pipeline.Refusal{Message: "no freeze holds the run", Remedy: "wait for one"}
	}
	if err := q.OverrideFreezes(ctx, store.OverrideFreezesParams{ID: id, Reason: reason, By: by}); err != nil {
		return run, err
	}
	return q.GetRun(ctx, id)
}

func (testRuns) Cancel(ctx context.Context, tx pgx.Tx, id uuid.UUID, c pipeline.Cancellation) (store.Run, error) {
	q := store.New(tx)
	run, err := q.LockRun(ctx, id)
	if err != nil {
		return run, err
	}
	if run.Status.Terminal() {
		return run, &pipeline.Refusal{Message: "the run has ended"}
	}
	return q.EndRun(ctx, store.EndRunParams{ID: id, Status: pipeline.Cancelled, Reason: c.Reason + " (" + c.By + ")", Now: time.Now()})
}

func (testRuns) Pause(ctx context.Context, tx pgx.Tx, wanted pipeline.Pause) (pipeline.Pause, bool, error) {
	q := store.New(tx)
	if err := q.LockPauses(ctx); err != nil {
		return wanted, false, err
	}
	standing, err := q.StandingPause(ctx, store.StandingPauseParams{Scope: wanted.Scope, Key: wanted.Key})
	if err == nil {
		return standing.Domain(), false, nil
	}
	row, err := q.InsertPause(ctx, store.InsertPauseParams{
		ID: uuid.Must(uuid.NewV7()), Scope: wanted.Scope, Key: wanted.Key, Name: wanted.Name, Reason: wanted.Reason, PausedBy: wanted.By, Since: time.Now(),
	})
	return row.Domain(), true, err
}

func (testRuns) Resume(ctx context.Context, tx pgx.Tx, id uuid.UUID, by string) (pipeline.Pause, error) {
	row, err := store.New(tx).LiftPause(ctx, store.LiftPauseParams{ID: id, By: by, Now: time.Now()})
	return row.Domain(), err
}

func (testRuns) Release(context.Context) error { return errors.New("nothing works on runs here") }

// end ends a run and says so, in one transaction.
func end(ctx context.Context, pool *pgxpool.Pool, id uuid.UUID, status pipeline.Status) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		q := store.New(tx)
		run, err := q.EndRun(ctx, store.EndRunParams{ID: id, Status: status, Reason: "It is over.", Now: time.Now()})
		if err != nil {
			return err
		}
		return record(ctx, q, run, "ended")
	})
}
