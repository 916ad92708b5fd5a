package jobs

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// readLane reads who holds a lane and who waits for it.
func readLane(ctx context.Context, q *store.Queries, key string) (pipeline.Lane, error) {
	var lane pipeline.Lane
	rows, err := q.RunsInLane(ctx, key)
	if err != nil {
		return lane, fmt.Errorf("reading who is in lane %q: %w", key, err)
	}
	if lane.Pauses, err = pausesOf(ctx, q, key); err != nil {
		return lane, err
	}
	slices.SortFunc(rows, func(a, b store.RunsInLaneRow) int { return cmp.Compare(a.QueuePosition, b.QueuePosition) })
	for _, row := range rows {
		run := pipeline.LaneRun{
			ID: row.ID, Pipeline: row.Pipeline, Number: row.Number, Status: row.Status, Stage: row.Stage, Since: row.Since, Frozen: row.Frozen, Held: row.Held, Rollback: row.Rollback,
		}
		if row.Status.Active() {
			lane.Holder = &run
		} else {
			lane.Queue = append(lane.Queue, run)
		}
	}
	return lane, nil
}

// laneToEnter reads as much of a lane as decides what becomes of a run that
// enters it: all that wait for it would be too many in a storm. Where the lane is
// there to be taken, no pause begins or ends until the end of the transaction.
func laneToEnter(ctx context.Context, q *store.Queries, p pipeline.Pipeline) (pipeline.Lane, error) {
	var lane pipeline.Lane
	rows, err := q.LaneToEnter(ctx, store.LaneToEnterParams{Lane: p.Lane(), Pipeline: p.Name, Latest: p.Policy == pipeline.Latest})
	if err != nil {
		return lane, fmt.Errorf("reading who is in lane %q: %w", p.Lane(), err)
	}
	slices.SortFunc(rows, func(a, b store.LaneToEnterRow) int { return cmp.Compare(a.QueuePosition, b.QueuePosition) })
	for _, row := range rows {
		run := pipeline.LaneRun{ID: row.ID, Pipeline: row.Pipeline, Number: row.Number, Status: row.Status, Stage: row.Stage, Rollback: row.Rollback}
		if row.Status.Active() {
			lane.Holder = &run
		} else {
			lane.Queue = append(lane.Queue, run)
		}
	}
	if lane.Holder == nil {
		lane.Pauses, err = pausesBeforeStart(ctx, q, p.Lane())
	}
	return lane, err
}

// asLaneRun is how a new run enters a lane.
func asLaneRun(run store.Run) pipeline.LaneRun {
	return pipeline.LaneRun{
		ID: run.ID, Pipeline: run.Pipeline, Number: run.Number, Status: run.Status, Stage: run.Stage, Since: run.CreatedAt,
		Rollback: run.RollbackOf != nil,
	}
}
