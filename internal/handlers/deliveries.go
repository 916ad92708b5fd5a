package handlers

import (
	"context"
	"fmt"
	"strings"

	"regrow/internal/handlers/api"
	"regrow/internal/store"
)

// ListDeliveries shows a page of deliveries.
func (h *handler) ListDeliveries(ctx context.Context, request api.ListDeliveriesRequestObject) (api.ListDeliveriesResponseObject, error) {
	asked := request.Params
	limit := pageSize(asked.Limit)
	found, err := h.store.SearchDeliveries(ctx, store.SearchDeliveriesParams{
		Source: asked.Source, Event: asked.Event, ExternalID: asked.ExternalID, Outcome: text(asked.Outcome), RedeliveryOf: asked.RedeliveryOf,
		ReceivedFrom: asked.From, ReceivedTo: asked.To, Before: asked.After, Count: limit + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("listing deliveries: %w", err)
	}
	answer := api.ListDeliveries200JSONResponse{}
	found, last := page(found, limit)
	if last != nil {
		answer.Next = last.ID
	}
	answer.Deliveries = each(found, showDelivery)
	return answer, nil
}

// GetDelivery shows a delivery as it was stored.
func (h *handler) GetDelivery(ctx context.Context, request api.GetDeliveryRequestObject) (api.GetDeliveryResponseObject, error) {
	found, err := h.store.GetDelivery(ctx, request.ID)
	if err != nil {
		return nil, missing(fmt.Errorf("reading delivery %s: %w", request.ID, err), "delivery", request.ID)
	}
	runs, err := h.store.RunsOfDelivery(ctx, request.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the runs of delivery %s: %w", request.ID, err)
	}
	redeliveries, err := h.store.RedeliveriesOf(ctx, request.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the redeliveries of delivery %s: %w", request.ID, err)
	}
	return api.GetDelivery200JSONResponse{
		Delivery: showDelivery(store.SearchDeliveriesRow{
			ID: found.ID, Source: found.Source, ExternalID: found.ExternalID, Kind: found.Kind, Event: found.Event,
			ReceivedAt: found.ReceivedAt, Outcome: found.Outcome, Reason: found.Reason, Mismatches: found.Mismatches,
			Duplicates: found.Duplicates, Size: int32(len(found.Body)), RunCount: int64(len(runs)),
			RedeliveryOf: found.RedeliveryOf, RedeliveredBy: found.RedeliveredBy, RedeliveryReason: found.RedeliveryReason,
			Redeliveries: redeliveries,
		}),
		Headers: found.Headers,
		Body:    strings.ToValidUTF8(string(found.Body), "\uFFFD"),
		Runs:    runRefs(runs),
	}, nil
}

func showDelivery(row store.SearchDeliveriesRow) api.Delivery {
	shown := api.Delivery{
		ID: row.ID, Source: row.Source, ExternalID: row.ExternalID, Kind: row.Kind, Event: row.Event,
		ReceivedAt: row.ReceivedAt.UTC(), Outcome: api.DeliveryOutcome(row.Outcome), Reason: row.Reason,
		Mismatches: mismatches(row.Mismatches), Duplicates: row.Duplicates, Size: int(row.Size), RunCount: row.RunCount,
		RedeliveredBy: row.RedeliveredBy, RedeliveryReason: row.RedeliveryReason, Redeliveries: row.Redeliveries,
	}
	if row.RedeliveryOf != nil {
		shown.RedeliveryOf = *row.RedeliveryOf
	}
	return shown
}
