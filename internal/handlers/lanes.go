package handlers

import (
	"context"
	"fmt"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// shownQueue is how many of those that wait for a lane are listed.
const shownQueue = 50

// ListLanes shows every lane with who is in it.
func (h *handler) ListLanes(ctx context.Context, _ api.ListLanesRequestObject) (api.ListLanesResponseObject, error) {
	lines, err := h.lines(ctx)
	if err != nil {
		return nil, err
	}
	standing, err := h.pauses(ctx)
	if err != nil {
		return nil, err
	}
	runs, err := h.store.RunsInLanes(ctx, shownQueue)
	if err != nil {
		return nil, fmt.Errorf("reading who is in the lanes: %w", err)
	}
	lanes := []api.Lane{}
	places := map[string]int{}
	for _, line := range lines {
		key := line.Lane()
		if _, there := places[key]; !there {
			places[key] = len(lanes)
			lanes = append(lanes, showEmptyLane(line, standing))
		}
		if configured, ok := h.pipelines[line.Name]; ok && configured.Lane() == key {
			lane := &lanes[places[key]]
			lane.Pipelines = append(lane.Pipelines, line.Name)
		}
	}
	for _, run := range runs {
		// A lane that was taken since the lines were read is shown the next time.
		if place, there := places[run.Lane]; there {
			addToLane(&lanes[place], run)
		}
	}
	return api.ListLanes200JSONResponse{Lanes: lanes}, nil
}

func showEmptyLane(line pipeline.Pipeline, standing []pipeline.Pause) api.Lane {
	return api.Lane{
		Key: line.Lane(), Server: showServer(line.Server), Environment: line.Environment, Tenant: line.Tenant,
		InfrastructureProject: line.Infrastructure.Project, Pipelines: []string{}, Queued: []api.LaneRun{},
		PausedBy: each(pipeline.Holding(standing, line.Lane()), showPause),
	}
}

func addToLane(lane *api.Lane, row store.RunsInLanesRow) {
	run := api.LaneRun{
		ID: row.ID, Pipeline: row.Pipeline, Number: row.Number, Status: api.RunStatus(row.Status), Stage: api.Stage(row.Stage),
		Commit: row.CommitSha, Since: row.Since.UTC(),
	}
	if row.Status.Active() {
		run.Reason = row.Reason
		lane.Active = run
		return
	}
	lane.Queued, lane.QueuedCount = append(lane.Queued, run), row.Queued
}

func showServer(s pipeline.Server) api.Server {
	return api.Server{Name: s.Name, URL: s.URL, Space: s.Space}
}
