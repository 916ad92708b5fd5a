package jobs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// Preview tells what Create would make of the starts, one after the other, if it
// were called now. It writes nothing and takes no lock, so a transaction that may
// only read is enough; that others come first it cannot know.
func (e *Engine) Preview(ctx context.Context, tx pgx.Tx, starts []pipeline.Start) ([]pipeline.Preview, error) {
	q := store.New(tx)
	lanes := map[string]pipeline.Lane{}
	previews := make([]pipeline.Preview, 0, len(starts))
	for _, start := range starts {
		last, err := q.LastRunNumber(ctx, start.Pipeline.Name)
		if err != nil {
			return nil, fmt.Errorf("reading the last number of pipeline %q: %w", start.Pipeline.Name, err)
		}
		key := start.Pipeline.Lane()
		lane, entered := lanes[key]
		if !entered {
			if lane, err = readLane(ctx, q, key); err != nil {
				return nil, err
			}
		}
		preview := pipeline.Preview{Start: start, ID: e.NewID(), Number: last + 1, At: e.Now(), Lane: lane}
		preview.Entry, lanes[key] = lane.Enter(asLaneRun(runOf(preview)), start.Pipeline.Policy)
		previews = append(previews, preview)
	}
	return previews, nil
}

// PreviewWake tells how many runs Wake would ask to look again.
func (e *Engine) PreviewWake(ctx context.Context, tx pgx.Tx, server string) (int, error) {
	active, err := store.New(tx).CountActiveOnServer(ctx, server)
	if err != nil {
		return 0, fmt.Errorf("counting the runs on server %q: %w", server, err)
	}
	return int(active), nil
}

// runOf is the run that a preview is of, as far as it would be new.
func runOf(p pipeline.Preview) store.Run {
	c := p.Commit
	return store.Run{
		ID: p.ID, Pipeline: p.Pipeline.Name, Number: p.Number, Server: p.Pipeline.Server.Name, Lane: p.Pipeline.Lane(), Config: pipeline.Snapshot{Pipeline: p.Pipeline},
		Repository: c.Repository, Ref: c.Ref, CommitSha: c.SHA, Message: c.Message, Author: c.Author, Version: c.Version, CommitUrl: c.URL,
		Status: pipeline.Queued, Stage: pipeline.Provision, Round: 1, CreatedAt: p.At,
	}
}
