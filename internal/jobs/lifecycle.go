package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// Prepare takes the lanes of the pipelines in one order, so that transactions
// which create several runs cannot lock each other out.
func (e *Engine) Prepare(ctx context.Context, tx pgx.Tx, pipelines []pipeline.Pipeline) error {
	lanes := make([]string, 0, len(pipelines))
	for _, p := range pipelines {
		lanes = append(lanes, p.Lane())
	}
	slices.Sort(lanes)
	for _, lane := range slices.Compact(lanes) {
		if err := lockLane(ctx, store.New(tx), lane); err != nil {
			return err
		}
	}
	return nil
}

// lockLane lets transactions that enter or leave a lane take turns.
func lockLane(ctx context.Context, q *store.Queries, lane string) error {
	if err := q.LockLane(ctx, lane); err != nil {
		return fmt.Errorf("taking lane %q: %w", lane, err)
	}
	return nil
}

// Create makes a run for the commit. A free lane starts it, a taken one queues
// it; under the policy "latest" it supersedes its pipeline's queued runs.
func (e *Engine) Create(ctx context.Context, tx pgx.Tx, deliveryID uuid.UUID, p pipeline.Pipeline, c pipeline.Commit) (store.Run, error) {
	if err := lockLane(ctx, store.New(tx), p.Lane()); err != nil {
		return store.Run{}, err
	}
	return e.enter(ctx, tx, newcomer{delivery: deliveryID, line: p, commit: c})
}

// newcomer is a run that is about to be.
type newcomer struct {
	delivery uuid.UUID
	line     pipeline.Pipeline
	commit   pipeline.Commit
	// rollbackOf is the run that it gets away from, restores the one whose
	// release it puts on new infrastructure; nil for the run of a commit.
	rollbackOf, restores *uuid.UUID
}

// enter makes the run and lets it into its lane, which is locked.
func (e *Engine) enter(ctx context.Context, tx pgx.Tx, n newcomer) (store.Run, error) {
	q, p := store.New(tx), n.line
	lane, err := laneToEnter(ctx, q, p)
	if err != nil {
		return store.Run{}, err
	}
	run, err := e.insertRun(ctx, q, n)
	if err != nil {
		return run, err
	}
	entry, _ := lane.Enter(asLaneRun(run), p.Policy)
	if err := e.supersede(ctx, q, run, entry.Supersedes); err != nil {
		return run, err
	}
	if n.rollbackOf != nil {
		if err := q.GoFirst(ctx, run.ID); err != nil {
			return run, fmt.Errorf("putting the rollback first in its lane: %w", err)
		}
	}
	if entry.Starts {
		return e.start(ctx, tx, run, pipeline.Provision, 1)
	}
	if err := record(ctx, q, run, e.Now(), eventRunQueued, whyQueued(lane), nil); err != nil {
		return run, err
	}
	if lane.Open() { // and others come first, whom a pause has held until now
		return run, e.startNext(ctx, tx, run.Lane)
	}
	return run, nil
}

func whyQueued(lane pipeline.Lane) string {
	if len(lane.Pauses) > 0 {
		return pipeline.HeldBy(lane.Pauses)
	}
	return "The lane is taken; the run waits for its turn."
}

func (e *Engine) insertRun(ctx context.Context, q *store.Queries, n newcomer) (store.Run, error) {
	p, c := n.line, n.commit
	number, err := q.NextRunNumber(ctx, p.Name)
	if err != nil {
		return store.Run{}, fmt.Errorf("numbering the run of pipeline %q: %w", p.Name, err)
	}
	run, err := q.InsertRun(ctx, store.InsertRunParams{
		ID: e.NewID(), Pipeline: p.Name, Number: number, DeliveryID: n.delivery,
		Server: p.Server.Name, Lane: p.Lane(), Config: pipeline.Snapshot{Pipeline: p},
		Repository: c.Repository, Ref: c.Ref, CommitSha: c.SHA, Message: c.Message,
		Author: c.Author, Version: c.Version, CommitUrl: c.URL,
		Stage: pipeline.Provision, Reason: "The lane is taken.", CreatedAt: e.Now(),
		RollbackOf: n.rollbackOf, Restores: n.restores,
	})
	if err != nil {
		return run, fmt.Errorf("inserting run #%d of pipeline %q: %w", number, p.Name, err)
	}
	if err := q.InsertStages(ctx, store.InsertStagesParams{RunID: run.ID, Stages: pipeline.StageNames()}); err != nil {
		return run, fmt.Errorf("inserting the stages: %w", err)
	}
	message := fmt.Sprintf("Run #%d of pipeline %s for commit %s on %s.", number, p.Name, c.ShortSHA(), c.Ref)
	return run, record(ctx, q, run, e.Now(), eventRunCreated, message, nil)
}

// supersede ends the queued runs and gives the newer one the first of their places.
func (e *Engine) supersede(ctx context.Context, q *store.Queries, by store.Run, queued []pipeline.LaneRun) error {
	if len(queued) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(queued))
	for i, run := range queued {
		ids[i] = run.ID
	}
	reason := fmt.Sprintf("Superseded by run #%d, commit %s.", by.Number, by.CommitSha)
	older, err := q.SupersedeQueued(ctx, store.SupersedeQueuedParams{By: by.ID, Reason: reason, Now: e.Now(), Ids: ids})
	if err != nil {
		return fmt.Errorf("superseding queued runs: %w", err)
	}
	if len(older) == 0 {
		return nil // they were cancelled meanwhile
	}
	first := slices.MinFunc(older, func(a, b store.Run) int { return cmp.Compare(a.QueuePosition, b.QueuePosition) })
	if err := q.InheritPlace(ctx, store.InheritPlaceParams{ID: by.ID, QueuePosition: first.QueuePosition}); err != nil {
		return fmt.Errorf("taking the place of the superseded runs: %w", err)
	}
	for _, run := range older {
		e.metrics.ended.WithLabelValues(run.Pipeline, string(run.Status)).Inc()
		if err := record(ctx, q, run, e.Now(), eventRunSuperseded, reason, map[string]any{"by": by.ID}); err != nil {
			return err
		}
	}
	return nil
}

// start gives the run its lane and the job of a stage.
func (e *Engine) start(ctx context.Context, tx pgx.Tx, run store.Run, stage pipeline.Stage, round int32) (store.Run, error) {
	q := store.New(tx)
	jobID, err := e.beginJob(ctx, tx, run.ID, stage, round)
	if err != nil {
		return run, err
	}
	run, err = q.StartRun(ctx, store.StartRunParams{ID: run.ID, Stage: stage, JobID: jobID, Now: e.Now(), Round: round})
	if err != nil {
		return run, fmt.Errorf("starting the run: %w", err)
	}
	return run, record(ctx, q, run, e.Now(), eventRunStarted, fmt.Sprintf("The run holds its lane and begins with %s.", stage), nil)
}

// beginJob makes the job of a stage in a round, and has River perform it.
func (e *Engine) beginJob(ctx context.Context, tx pgx.Tx, run uuid.UUID, stage pipeline.Stage, round int32) (int64, error) {
	_, err := store.New(tx).InsertJob(ctx, store.InsertJobParams{RunID: run, Stage: stage, Round: round, Now: e.Now()})
	if err != nil {
		return 0, fmt.Errorf("inserting the job of stage %s: %w", stage, err)
	}
	return e.insertJob(ctx, tx, run, stage)
}

// insertJob has River perform a stage.
func (e *Engine) insertJob(ctx context.Context, tx pgx.Tx, run uuid.UUID, stage pipeline.Stage) (int64, error) {
	args, err := argsOf(stage, run)
	if err != nil {
		return 0, err
	}
	inserted, err := e.river.InsertTx(ctx, tx, args, nil)
	if err != nil {
		return 0, fmt.Errorf("inserting the River job of stage %s: %w", stage, err)
	}
	return inserted.Job.ID, nil
}

// startNext gives a freed lane to the run that is first in its queue, unless it
// is paused.
func (e *Engine) startNext(ctx context.Context, tx pgx.Tx, lane string) error {
	q := store.New(tx)
	if err := lockLane(ctx, q, lane); err != nil {
		return err
	}
	taken, err := q.LaneIsTaken(ctx, lane)
	if err != nil || taken {
		return err
	}
	pauses, err := pausesBeforeStart(ctx, q, lane)
	if err != nil || len(pauses) > 0 {
		return err
	}
	next, err := q.LockNextInLane(ctx, lane)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for the next run in lane %q: %w", lane, err)
	}
	_, err = e.start(ctx, tx, next, next.Stage, next.Round)
	return err
}

// Wake asks every active run on the server to look again and returns how many
// there are. One that waits looks now. One that is looked at already is looked at
// again, and one that pauses after an error, or for an operator's pause, goes on
// in its own time: a flood of events must not become a flood of tries.
func (e *Engine) Wake(ctx context.Context, tx pgx.Tx, server string) (int, error) {
	q := store.New(tx)
	active, err := q.LockActiveOnServer(ctx, server)
	if err != nil {
		return 0, fmt.Errorf("looking for runs on server %q: %w", server, err)
	}
	var waiting []store.LockActiveOnServerRow
	var others []uuid.UUID
	for _, run := range active {
		if run.Status == pipeline.Waiting && !run.Paused {
			waiting = append(waiting, run)
		} else {
			others = append(others, run.ID)
		}
	}
	if err := e.resumeAll(ctx, tx, waiting); err != nil {
		return 0, err
	}
	if len(others) > 0 {
		if err := q.NoteWakes(ctx, others); err != nil {
			return 0, fmt.Errorf("noting an event on %s: %w", count(len(others), "run"), err)
		}
	}
	return len(active), nil
}

// resumeAll is resume for several runs, which keep their reasons, with as few
// statements as for one: an event concerns all lanes of a server.
func (e *Engine) resumeAll(ctx context.Context, tx pgx.Tx, runs []store.LockActiveOnServerRow) error {
	if len(runs) == 0 {
		return nil
	}
	wanted := make([]river.InsertManyParams, len(runs))
	for i, run := range runs {
		args, err := argsOf(run.Stage, run.ID)
		if err != nil {
			return err
		}
		wanted[i].Args = args
	}
	inserted, err := e.river.InsertManyTx(ctx, tx, wanted)
	if err != nil {
		return fmt.Errorf("inserting River jobs for %s: %w", count(len(runs), "run"), err)
	}
	params := store.ContinueRunsParams{}
	for _, made := range inserted {
		var args runArgs
		if err := json.Unmarshal(made.Job.EncodedArgs, &args); err != nil {
			return fmt.Errorf("reading for which run River job %d is: %w", made.Job.ID, err)
		}
		params.Ids, params.JobIds = append(params.Ids, args.RunID), append(params.JobIds, made.Job.ID)
	}
	if err := store.New(tx).ContinueRuns(ctx, params); err != nil {
		return fmt.Errorf("waking %s: %w", count(len(runs), "run"), err)
	}
	return nil
}

// resume has a new River job go on with the run's stage, once what is under way
// for the run has settled. The job that could act for the run before has lost its
// right with this.
func (e *Engine) resume(ctx context.Context, tx pgx.Tx, run store.Run, reason string) error {
	if e.settles(run) {
		return e.parkUntil(ctx, tx, run, *run.SettlesAt, reason, true)
	}
	jobID, err := e.insertJob(ctx, tx, run.ID, run.Stage)
	if err != nil {
		return err
	}
	return store.New(tx).ContinueRun(ctx, store.ContinueRunParams{ID: run.ID, JobID: jobID, Reason: reason})
}
