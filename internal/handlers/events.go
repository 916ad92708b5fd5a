package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"regrow/internal/handlers/api"
	"regrow/internal/store"
)

type streamingKey struct{}

// noteStreaming notes that the caller asks for a stream: the generated code
// does not hand on the Accept header.
func noteStreaming(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := acceptsStream(r.Header.Values("Accept"))
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), streamingKey{}, asked)))
	})
}

func acceptsStream(accept []string) bool {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		if media, _, err := mime.ParseMediaType(part); err == nil && media == "text/event-stream" {
			return true
		}
	}
	return false
}

// ListRunEvents shows a page of a run's events, or streams them.
func (h *handler) ListRunEvents(ctx context.Context, request api.ListRunEventsRequestObject) (api.ListRunEventsResponseObject, error) {
	asked, reading := request.Params, ctx
	ctx, cancel := context.WithTimeout(ctx, h.Timing.Request)
	defer cancel()
	if _, err := h.store.RunStatus(ctx, request.ID); err != nil {
		return nil, missing(fmt.Errorf("reading run %s: %w", request.ID, err), "run", request.ID)
	}
	var after int64
	if asked.After != nil {
		after = *asked.After
	}
	if stream, _ := reading.Value(streamingKey{}).(bool); stream {
		if asked.LastEventID != nil {
			after = *asked.LastEventID
		}
		return streaming(func(w http.ResponseWriter) { h.stream(reading, w, request.ID, after) }), nil
	}
	limit := pageSize(asked.Limit)
	found, err := h.store.ListEvents(ctx, store.ListEventsParams{RunID: request.ID, After: after, Count: limit + 1})
	if err != nil {
		return nil, fmt.Errorf("listing the events of run %s: %w", request.ID, err)
	}
	answer := api.ListRunEvents200JSONResponse{}
	found, last := page(found, limit)
	if last != nil {
		answer.Next = last.ID
	}
	if answer.Events, err = showEvents(found); err != nil {
		return nil, err
	}
	return answer, nil
}

func showEvents(list []store.RunEvent) ([]api.Event, error) {
	shown := make([]api.Event, 0, len(list))
	for _, event := range list {
		data := map[string]any{}
		if err := json.Unmarshal(event.Data, &data); err != nil {
			return nil, fmt.Errorf("the data of event %d is no JSON object: %w", event.ID, err)
		}
		shown = append(shown, api.Event{
			ID: event.ID, RunID: event.RunID, At: event.At.UTC(), Kind: event.Kind,
			Stage: api.Stage(event.Stage), Message: event.Message, Data: data,
		})
	}
	return shown, nil
}
