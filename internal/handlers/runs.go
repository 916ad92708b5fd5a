package handlers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// ListRuns shows a page of runs.
func (h *handler) ListRuns(ctx context.Context, request api.ListRunsRequestObject) (api.ListRunsResponseObject, error) {
	asked := request.Params
	if asked.Number != nil && asked.Pipeline == nil {
		return nil, problemf(badRequest, "a number means nothing without its pipeline; say which one").atParameter("pipeline")
	}
	limit := pageSize(asked.Limit)
	search := store.SearchRunsParams{
		Pipeline: asked.Pipeline, Number: asked.Number, Status: text(asked.Status),
		CreatedFrom: asked.From, CreatedTo: asked.To, Before: asked.After, Count: limit + 1,
	}
	if asked.Branch != nil {
		search.Ref = new(pipeline.BranchRef(*asked.Branch))
	}
	if asked.Commit != nil {
		search.Commit = new(strings.ToLower(*asked.Commit))
	}
	found, err := h.store.SearchRuns(ctx, search)
	if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	answer := api.ListRuns200JSONResponse{}
	found, last := page(found, limit)
	if last != nil {
		answer.Next = last.ID
	}
	standing, err := h.pauses(ctx)
	if err != nil {
		return nil, err
	}
	answer.Runs = each(found, func(run store.Run) api.Run { return showHeld(showRun(run), standing) })
	return answer, nil
}

// GetRun shows a run with all that is known of it. It reads in one snapshot, so
// that the parts fit together.
func (h *handler) GetRun(ctx context.Context, request api.GetRunRequestObject) (api.GetRunResponseObject, error) {
	var detail api.RunDetail
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, h.Pool, snapshot, func(tx pgx.Tx) (err error) {
		detail, err = readRun(ctx, h.store.WithTx(tx), request.ID)
		return err
	})
	if err != nil {
		return nil, missing(fmt.Errorf("reading run %s: %w", request.ID, err), "run", request.ID)
	}
	return api.GetRun200JSONResponse(detail), nil
}

func readRun(ctx context.Context, queries *store.Queries, id api.RunID) (api.RunDetail, error) {
	run, err := queries.GetRun(ctx, id)
	if err != nil {
		return api.RunDetail{}, err
	}
	stages, err := queries.ListStages(ctx, id)
	if err != nil {
		return api.RunDetail{}, err
	}
	attempts, err := queries.AttemptsOfRun(ctx, id)
	if err != nil {
		return api.RunDetail{}, err
	}
	targets, err := queries.ListTargets(ctx, id)
	if err != nil {
		return api.RunDetail{}, err
	}
	detail, err := showRunDetail(run, stages, attempts, targets)
	if err != nil {
		return detail, err
	}
	standing, err := queries.StandingPauses(ctx)
	detail.Run = showHeld(detail.Run, store.Pauses(standing))
	return detail, err
}

func notThere(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// missing says of pgx.ErrNoRows what it is that is not there.
func missing(err error, what string, id any) error {
	if notThere(err) {
		return problemf(notFound, "there is no %s %v", what, id)
	}
	return err
}
