package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// ended is an earlier provisioning in the lane whose run ended without proving
// its targets: some of them may still be booting.
type ended struct {
	result   provisionResult
	baseline map[string]bool
	expected int
	at       time.Time
}

// stragglers tells what to wait for before the baseline is recorded: targets of
// an earlier provisioning that register later would be taken for this run's.
// Nobody knows whether they will ever come, so the wait ends after the grace
// time of the pipeline.
func (x *execution) stragglers(ctx context.Context, standing []pipeline.Target) (busy string, err error) {
	before, err := x.endedBefore(ctx)
	if err != nil || before == nil || before.result.TaskID == "" {
		return "", err
	}
	task, err := x.octopus.Task(ctx, before.result.TaskID)
	if octopus.IsNotFound(err) {
		return "", nil
	}
	if err != nil || !task.FinishedSuccessfully {
		return "", err
	}
	registered := 0
	for _, target := range standing {
		if !before.baseline[target.ID] {
			registered++
		}
	}
	if registered >= before.expected || x.Now().Sub(before.at) > x.p.Verify.Grace {
		return "", nil
	}
	return fmt.Sprintf("%d of %d targets of the deployment before (%s) have registered; the others may still be on their way.",
		registered, before.expected, before.result.DeploymentID), nil
}

// endedBefore finds the last provisioning in the lane, if its run, or its round
// of this run, failed or was cancelled.
func (x *execution) endedBefore(ctx context.Context) (*ended, error) {
	q := store.New(x.Pool)
	if previous := x.results.provision.Previous; previous != nil {
		return x.endedRound(ctx, q, x.run, *previous, *x.run.StartedAt)
	}
	run, err := q.PreviousInLane(ctx, store.PreviousInLaneParams{Lane: x.run.Lane, ID: x.run.ID})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && run.Status == pipeline.Succeeded {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the run before: %w", err)
	}
	r, err := loadResults(ctx, q, run.ID)
	if err != nil {
		return nil, err
	}
	return x.endedRound(ctx, q, run, r.provision, *run.EndedAt)
}

func (x *execution) endedRound(ctx context.Context, q *store.Queries, run store.Run, r provisionResult, at time.Time) (*ended, error) {
	targets, err := q.ListTargets(ctx, run.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the targets of the run before: %w", err)
	}
	known := make(map[string]store.Target, len(targets))
	for _, target := range targets {
		known[target.TargetID] = target
	}
	return &ended{result: r, baseline: baselineOf(known), expected: run.Config.Infrastructure.Targets, at: at}, nil
}
