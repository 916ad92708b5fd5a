package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// rollbackEvent is the event of the deliveries that rollbacks make.
const rollbackEvent = "rollback"

// rollbackAsked is what such a delivery holds.
type rollbackAsked struct {
	RollbackOf uuid.UUID `json:"rollback_of"`
	Reason     string    `json:"reason,omitempty"`
}

// RollbackRun gets away from a run. The request is stored as a delivery, which a
// new run comes from and by which a repeated key is found.
func (h *handler) RollbackRun(ctx context.Context, request api.RollbackRunRequestObject) (api.RollbackRunResponseObject, error) {
	asked := rollbackAsked{RollbackOf: request.ID}
	if request.Body != nil {
		asked.Reason = strings.TrimSpace(request.Body.Reason)
	}
	delivery, err := h.rollbackDelivery(ctx, request.Params.IdempotencyKey, asked)
	if err != nil {
		return nil, err
	}
	run, repeated, err := h.rollback(ctx, delivery, asked)
	switch {
	case err != nil:
		return nil, missing(fmt.Errorf("rolling back run %s: %w", request.ID, err), "run", request.ID)
	case repeated:
		return api.RollbackRun200JSONResponse(h.showDone(ctx, run)), nil
	case run.ID == request.ID:
		return api.RollbackRun202JSONResponse(h.showDone(ctx, run)), nil
	}
	return api.RollbackRun201JSONResponse{
		Body:    h.showDone(ctx, run),
		Headers: api.RollbackRun201ResponseHeaders{Location: "/api/v1/runs/" + run.ID.String()},
	}, nil
}

func (h *handler) rollback(ctx context.Context, delivery store.InsertDeliveryParams, asked rollbackAsked) (run store.Run, repeated bool, err error) {
	// What was asked for before is not to be refused for what has come since.
	if run, repeated, err = h.repeatedKey(ctx, delivery, asked); err != nil || repeated {
		return run, repeated, err
	}
	// Octopus is asked outside of the transaction.
	looking, done := context.WithTimeout(ctx, h.Timing.Survey)
	err = h.Runs.CheckRollback(looking, asked.RollbackOf)
	done()
	if err != nil {
		return run, false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Timing.Intake)
	defer cancel()
	err = store.InTx(ctx, h.Pool, "rollback", func(tx pgx.Tx) (err error) {
		run, repeated, err = h.storeRollback(ctx, tx, delivery, asked)
		return err
	})
	return run, repeated, err
}

func (h *handler) storeRollback(ctx context.Context, tx pgx.Tx, delivery store.InsertDeliveryParams, asked rollbackAsked) (_ store.Run, repeated bool, _ error) {
	queries := h.store.WithTx(tx)
	inserted, err := queries.InsertDelivery(ctx, delivery)
	if err != nil {
		return store.Run{}, false, fmt.Errorf("inserting the delivery: %w", err)
	}
	if inserted == 0 {
		first, runs, err := firstDelivery(ctx, queries, delivery)
		if err != nil {
			return store.Run{}, false, err
		}
		run, err := ledTo(ctx, queries, first, runs, delivery, asked)
		return run, true, err
	}
	run, err := h.Runs.Rollback(ctx, tx, delivery.ID, asked.RollbackOf, asked.Reason, caller(ctx))
	return run, false, err
}

// repeatedKey finds the run that the same key led to before, without counting
// what is only a look.
func (h *handler) repeatedKey(ctx context.Context, again store.InsertDeliveryParams, asked rollbackAsked) (store.Run, bool, error) {
	row, err := h.store.FindDelivery(ctx, store.FindDeliveryParams{Source: again.Source, ExternalID: again.ExternalID})
	if notThere(err) {
		return store.Run{}, false, nil
	}
	if err != nil {
		return store.Run{}, false, fmt.Errorf("looking for the key: %w", err)
	}
	runs, err := h.store.RunsOfDelivery(ctx, row.ID)
	if err != nil {
		return store.Run{}, false, fmt.Errorf("finding the first request's run: %w", err)
	}
	first := store.Delivery{ID: row.ID, ReceivedAt: row.ReceivedAt, BodySha256: row.BodySha256}
	run, err := ledTo(ctx, h.store, first, runs, again, asked)
	return run, true, err
}

// ledTo tells which run the first request under a key led to: a new one, or the
// one that it was to get away from.
func ledTo(ctx context.Context, queries *store.Queries, first store.Delivery, runs []store.Run, again store.InsertDeliveryParams, asked rollbackAsked) (store.Run, error) {
	if !bytes.Equal(first.BodySha256, again.BodySha256) {
		return store.Run{}, otherRequest(again.ExternalID, first.ReceivedAt)
	}
	if len(runs) > 0 {
		return runs[0], nil
	}
	return queries.GetRun(ctx, asked.RollbackOf)
}

func (h *handler) rollbackDelivery(ctx context.Context, key *string, asked rollbackAsked) (store.InsertDeliveryParams, error) {
	body, err := json.Marshal(asked)
	if err != nil {
		return store.InsertDeliveryParams{}, fmt.Errorf("writing the request down: %w", err)
	}
	id := h.NewID()
	external := id.String()
	if key != nil {
		external = *key
	}
	return store.InsertDeliveryParams{
		ID: id, Source: apiSource, ExternalID: external, Kind: apiSource, Event: rollbackEvent, ReceivedAt: h.Now(),
		Headers: http.Header{"X-Regrow-Caller": {caller(ctx)}, requestIDHeader: {requestID(ctx)}},
		Body:    body, BodySha256: sum(body),
		Outcome: string(api.DeliveryOutcomeAccepted), Mismatches: []pipeline.Mismatch{},
	}, nil
}
