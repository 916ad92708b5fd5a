package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// Redeliver plays a stored delivery again, as a new delivery that goes through
// the same intake as one that arrives.
func (h *handler) Redeliver(ctx context.Context, request api.RedeliverRequestObject) (api.RedeliverResponseObject, error) {
	old, err := h.store.GetDelivery(ctx, request.ID)
	if err != nil {
		return nil, missing(fmt.Errorf("reading delivery %s: %w", request.ID, err), "delivery", request.ID)
	}
	row := h.redelivery(old)
	row.RedeliveredBy, row.RedeliveryKey = caller(ctx), request.Params.IdempotencyKey
	if request.Body != nil {
		row.RedeliveryReason = strings.TrimSpace(request.Body.Reason)
	}
	receipt, repeated, err := h.redeliver(ctx, old, row)
	if err != nil {
		return nil, err
	}
	zerolog.Ctx(ctx).UpdateContext(func(c zerolog.Context) zerolog.Context {
		return c.Stringer("redelivery_of", old.ID).Stringer("delivery", receipt.Delivery).Str("outcome", string(receipt.Status)).Int("runs", len(receipt.Runs))
	})
	if repeated {
		return api.Redeliver200JSONResponse(receipt), nil
	}
	return api.Redeliver201JSONResponse{
		Body:    receipt,
		Headers: api.Redeliver201ResponseHeaders{Location: "/api/v1/deliveries/" + receipt.Delivery.String()},
	}, nil
}

func (h *handler) redeliver(ctx context.Context, old store.Delivery, row store.InsertDeliveryParams) (receipt api.Receipt, repeated bool, err error) {
	// What was asked for before is not to be refused for what has come since.
	if receipt, repeated, err = h.redeliveredBefore(ctx, row); err != nil || repeated {
		return receipt, repeated, err
	}
	todo, err := h.planAgain(old)
	if err != nil {
		return receipt, false, err
	}
	if receipt, repeated, err = h.intake(ctx, row, todo); err != nil {
		return receipt, false, notRedelivered(err)
	}
	return receipt, repeated, nil
}

// redeliveredBefore finds the redelivery that the same key made before.
func (h *handler) redeliveredBefore(ctx context.Context, again store.InsertDeliveryParams) (receipt api.Receipt, repeated bool, err error) {
	if again.RedeliveryKey == nil {
		return receipt, false, nil
	}
	err = store.InTx(ctx, h.Pool, "look for a redelivery", func(tx pgx.Tx) (err error) {
		receipt, err = repeatedRedelivery(ctx, h.store.WithTx(tx), again)
		return err
	})
	if notThere(err) {
		return receipt, false, nil
	}
	return receipt, true, err
}

// redelivery is the delivery as which an old one is played again. Its external
// id holds a space, which neither a sender's id nor an Idempotency-Key can have,
// so that it stands in nobody's way.
func (h *handler) redelivery(old store.Delivery) store.InsertDeliveryParams {
	id := h.NewID()
	return store.InsertDeliveryParams{
		ID: id, Source: old.Source, ExternalID: "redelivery " + id.String(), Kind: old.Kind, Event: old.Event, ReceivedAt: h.Now(),
		Headers: old.Headers, Body: old.Body, BodySha256: old.BodySha256, RedeliveryOf: &old.ID,
	}
}

// planAgain decides what becomes of a stored delivery under the configuration of
// today. That it has a source still, of the same kind, is asked of webhooks.
func (h *handler) planAgain(old store.Delivery) (plan, error) {
	if old.Kind == apiSource {
		return h.planByHandAgain(old)
	}
	from, known := h.sources[old.Source]
	if !known {
		p := problemf(conflict, "the delivery came from the source %q, which is not configured any more; there are %q", old.Source, slices.Sorted(maps.Keys(h.sources)))
		p.remedy = fmt.Sprintf("configure a source %q of kind %q, or start a run by hand", old.Source, old.Kind)
		return plan{}, p
	}
	if kind := string(from.Receiver.Kind()); kind != old.Kind {
		p := problemf(conflict, "the delivery came from the source %q when that was of kind %q; now it is of kind %q and cannot read it", old.Source, old.Kind, kind)
		p.remedy = "start a run by hand"
		return plan{}, p
	}
	delivery, err := from.Receiver.Reread(old.Headers, old.Body)
	if err != nil {
		return plan{}, problemf(unprocessable, "what is stored of the delivery cannot be read any more: %v", err)
	}
	return h.plan(arrival{source: from.Source, delivery: delivery}), nil
}

// planByHandAgain reads the request that somebody started a run with.
func (h *handler) planByHandAgain(old store.Delivery) (plan, error) {
	if old.Event == rollbackEvent {
		p := problemf(conflict, "the delivery is an operator's rollback, which is not played again")
		p.remedy = "roll the run back that is to be got away from now"
		return plan{}, p
	}
	var asked api.NewRun
	if err := json.Unmarshal(old.Body, &asked); err != nil {
		return plan{}, fmt.Errorf("the stored body of delivery %s is no request for a run: %w", old.ID, err)
	}
	line, commit, err := h.byHand(asked)
	if err != nil {
		// The places that it names are in the body of then.
		return plan{}, problemf(unprocessable, "the run that was asked for then cannot be started now: %s", asProblem(err).detail)
	}
	return plan{starts: []pipeline.Start{{Pipeline: line, Commit: commit}}}, nil
}

// repeatedRedelivery tells what became of the redelivery that the same key asked
// for before.
func repeatedRedelivery(ctx context.Context, queries *store.Queries, again store.InsertDeliveryParams) (api.Receipt, error) {
	if again.RedeliveryKey == nil {
		return api.Receipt{}, fmt.Errorf("the id %q of a redelivery is taken", again.ExternalID)
	}
	first, err := queries.CountRepeatedKey(ctx, *again.RedeliveryKey)
	if err != nil {
		return api.Receipt{}, fmt.Errorf("noting the repeated key: %w", err)
	}
	if *first.RedeliveryOf != *again.RedeliveryOf || first.RedeliveryReason != again.RedeliveryReason {
		p := problemf(keyReused, "the Idempotency-Key %q asked for another redelivery, or for another reason, at %s",
			*again.RedeliveryKey, first.ReceivedAt.UTC().Format("2006-01-02 15:04:05Z"))
		p.remedy = "use a new key for a new redelivery"
		return api.Receipt{}, p
	}
	runs, err := queries.RunsOfDelivery(ctx, first.ID)
	if err != nil {
		return api.Receipt{}, fmt.Errorf("finding the redelivery's runs: %w", err)
	}
	return api.Receipt{
		Status: api.ReceiptStatus(first.Outcome), Delivery: first.ID, Runs: runRefs(runs),
		Mismatches: mismatches(first.Mismatches), Reason: first.Reason,
	}, nil
}

// notRedelivered says that a redelivery may not be stored, unless the error says
// something else by itself.
func notRedelivered(err error) error {
	if _, said := errors.AsType[*problem](err); said || unstorable(err) {
		return err
	}
	p := problemf(unavailable, "the redelivery could not be stored for certain").because(err)
	p.remedy = "ask for it again under the same Idempotency-Key; without one, look first whether the delivery has a new redelivery"
	return p
}
