package handlers

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// RetryRun starts a failed run again.
func (h *handler) RetryRun(ctx context.Context, request api.RetryRunRequestObject) (api.RetryRunResponseObject, error) {
	var from pipeline.Stage
	if request.Body != nil {
		from = pipeline.Stage(request.Body.From)
	}
	run, err := h.steer(ctx, "retrying", request.ID, func(tx pgx.Tx) (store.Run, error) {
		return h.Runs.Retry(ctx, tx, request.ID, from, caller(ctx))
	})
	if err != nil {
		return nil, err
	}
	return api.RetryRun202JSONResponse(run), nil
}

// CancelRun ends a run.
func (h *handler) CancelRun(ctx context.Context, request api.CancelRunRequestObject) (api.CancelRunResponseObject, error) {
	wanted := pipeline.Cancellation{By: caller(ctx)}
	if request.Body != nil {
		wanted.Reason, wanted.Tasks = request.Body.Reason, request.Body.CancelOctopusTask
	}
	run, err := h.steer(ctx, "cancelling", request.ID, func(tx pgx.Tx) (store.Run, error) {
		return h.Runs.Cancel(ctx, tx, request.ID, wanted)
	})
	if err != nil {
		return nil, err
	}
	return api.CancelRun202JSONResponse(run), nil
}

// IgnoreFreeze lets a run go on that a deployment freeze holds.
func (h *handler) IgnoreFreeze(ctx context.Context, request api.IgnoreFreezeRequestObject) (api.IgnoreFreezeResponseObject, error) {
	reason := strings.TrimSpace(request.Body.Reason)
	run, err := h.steer(ctx, "ignoring the freeze of", request.ID, func(tx pgx.Tx) (store.Run, error) {
		return h.Runs.IgnoreFreeze(ctx, tx, request.ID, reason, caller(ctx))
	})
	if err != nil {
		return nil, err
	}
	return api.IgnoreFreeze202JSONResponse(run), nil
}

// steer does one thing to a run in a transaction of its own, and shows the run.
func (h *handler) steer(ctx context.Context, doing string, id uuid.UUID, do func(pgx.Tx) (store.Run, error)) (api.Run, error) {
	var run store.Run
	err := store.InTx(ctx, h.Pool, "steering", func(tx pgx.Tx) (err error) {
		run, err = do(tx)
		return err
	})
	if err != nil {
		return api.Run{}, missing(fmt.Errorf("%s run %s: %w", doing, id, err), "run", id)
	}
	return h.showDone(ctx, run), nil
}
