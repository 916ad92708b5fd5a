//go:build unix

package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// History is everything that has happened, as the two sides tell it: Octopus'
// journal, and regrow's tables.
type History struct {
	Journal []simulator.Entry
	// Standing are the auto-deploy overrides that stand in the end.
	Standing []simulator.Override
	// Sent is what senders posted, and how it was acknowledged.
	Sent []Delivery

	Deliveries []DeliveryRow
	Runs       []RunRow // by lane and turn; those that never had one come last
	Stages     []StageRow
	Jobs       []JobRow
	Attempts   []AttemptRow
	Targets    []TargetRow
	Events     []EventRow

	clock  clock
	places map[string]place // by pipeline
}

// place is where the pipeline of a lane works, as Octopus calls it.
type place struct {
	Lane
	environment, application, infrastructure string
}

type (
	// DeliveryRow is a delivery; of each row there is as much as is looked at.
	DeliveryRow struct {
		ID                 uuid.UUID
		Source, ExternalID string
	}
	// RunRow is a run.
	RunRow struct {
		ID, DeliveryID               uuid.UUID
		Pipeline, Lane, CommitSHA    string
		Number                       int64
		Round                        int32
		Status                       pipeline.Status
		Stage                        pipeline.Stage
		Reason                       string
		LaneTurn, JobID              *int64
		Restores                     *uuid.UUID // of a rollback: the run whose release is put out again
		RollbackWay                  string     // of a run that was rolled back
		LeaseUntil, StartedAt, Ended *time.Time
	}
	// StageRow is a stage of a run.
	StageRow struct {
		RunID              uuid.UUID
		Stage              pipeline.Stage
		Status             string
		Result             made
		StartedAt, EndedAt *time.Time
	}
	// JobRow is a job of a stage.
	JobRow struct {
		ID         int64
		RunID      uuid.UUID
		Stage      pipeline.Stage
		Round      int32
		State      string
		FinishedAt *time.Time
	}
	// AttemptRow is an attempt of a job.
	AttemptRow struct {
		JobID     int64
		Number    int32
		Outcome   string
		StartedAt time.Time
	}
	// TargetRow is a target that a run knows.
	TargetRow struct {
		RunID                uuid.UUID
		TargetID, Generation string
	}
	// EventRow is an entry of a run's history.
	EventRow struct {
		ID          int64
		RunID       uuid.UUID
		At          time.Time
		Kind, Stage string
		Message     string
	}
)

// made is what a stage says that it has made.
type made struct {
	ProjectID    string `json:"project_id"`
	ReleaseID    string `json:"release_id"`
	DeploymentID string `json:"deployment_id"`
}

// History reads what has happened so far. The database is read at one instant;
// the journal right after it, so that it holds all that the tables speak of.
func (w *World) History(ctx context.Context) (*History, error) {
	h := &History{Sent: w.Sent(), clock: w.clock, places: w.places}
	err := pgx.BeginTxFunc(ctx, w.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return h.read(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	h.Journal = w.Octopus.Journal()
	for _, p := range w.places {
		project, _ := w.Octopus.Project(p.application)
		for _, override := range project.Overrides {
			if override.EnvironmentID == p.environment { // lanes may share the project
				h.Standing = append(h.Standing, override)
			}
		}
	}
	return h, nil
}

func (h *History) read(ctx context.Context, tx pgx.Tx) error {
	return errors.Join(
		rows(ctx, tx, &h.Deliveries, `select id, source, external_id from deliveries order by id`),
		rows(ctx, tx, &h.Runs, `select id, delivery_id, pipeline, lane, commit_sha, number, round, status, stage, reason, lane_turn, job_id, restores, coalesce(rollback_way, '') as rollback_way,
			lease_until, started_at, ended_at as ended from runs order by lane, lane_turn nulls last, queue_position`),
		rows(ctx, tx, &h.Stages, `select run_id, stage, status, result, started_at, ended_at from stages order by run_id, position`),
		rows(ctx, tx, &h.Jobs, `select id, run_id, stage, round, state, finished_at from jobs order by id`),
		rows(ctx, tx, &h.Attempts, `select job_id, number, outcome, started_at from attempts order by job_id, number`),
		rows(ctx, tx, &h.Targets, `select run_id, target_id, generation from targets order by run_id, target_id`),
		rows(ctx, tx, &h.Events, `select id, run_id, at, kind, stage, message from run_events order by id`),
	)
}

func rows[T any](ctx context.Context, tx pgx.Tx, into *[]T, query string) error {
	found, err := tx.Query(ctx, query)
	if err == nil {
		*into, err = pgx.CollectRows(found, pgx.RowToStructByName[T])
	}
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

// copy makes a History that can be changed without changing this one.
func (h *History) copy() *History {
	text, err := json.Marshal(h)
	c := &History{clock: h.clock, places: h.places}
	if err == nil {
		err = json.Unmarshal(text, c)
	}
	if err != nil {
		panic("a history that is not JSON: " + err.Error())
	}
	return c
}

// String tells how much has happened.
func (h *History) String() string {
	acknowledged, statuses := 0, map[pipeline.Status]int{}
	for _, d := range h.Sent {
		if d.Receipt != nil {
			acknowledged++
		}
	}
	for _, run := range h.Runs {
		statuses[run.Status]++
	}
	return fmt.Sprintf("%d of %d deliveries acknowledged, runs %v, %d entries in the journal", acknowledged, len(h.Sent), statuses, len(h.Journal))
}
