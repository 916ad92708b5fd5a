package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"regrow/internal/store"
)

// streaming is an answer that is written as things happen.
type streaming func(http.ResponseWriter)

// VisitListRunEventsResponse writes the stream. What goes wrong underway can no
// longer be told to the reader, so that there is no error.
func (s streaming) VisitListRunEventsResponse(w http.ResponseWriter) error {
	s(w)
	return nil
}

// streamPage is how many events are read at a time.
const streamPage = 100

// stream writes a run's events as they come, until the run has ended, the
// reader has gone or the process is stopping. Readers come back by themselves
// and say which event they saw last.
func (h *handler) stream(ctx context.Context, w http.ResponseWriter, run uuid.UUID, after int64) {
	out := newEventWriter(w)
	tick := time.NewTicker(h.Timing.Poll)
	defer tick.Stop()
	for {
		ended, err := h.streamNew(ctx, out, run, &after)
		if err != nil {
			zerolog.Ctx(ctx).Debug().Err(err).Stringer("run", run).Msg("a stream of events broke off")
			return
		}
		if ended || h.Draining() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if time.Since(out.last) >= h.Timing.Heartbeat {
			if err := out.comment("still here"); err != nil {
				return
			}
		}
	}
}

// streamNew writes the events that have come since, and the end when the run
// has ended. The status is read first: events that were committed with the end
// are then there to be read.
func (h *handler) streamNew(ctx context.Context, out *eventWriter, run uuid.UUID, after *int64) (ended bool, _ error) {
	status, err := h.store.RunStatus(ctx, run)
	if err != nil {
		return false, err
	}
	for more := true; more; {
		found, err := h.store.ListEvents(ctx, store.ListEventsParams{RunID: run, After: *after, Count: streamPage})
		if err != nil {
			return false, err
		}
		shown, err := showEvents(found)
		if err != nil {
			return false, err
		}
		for _, event := range shown {
			if err := out.event(event.ID, event); err != nil {
				return false, err
			}
			*after = event.ID
		}
		more = len(found) == streamPage
	}
	if !status.Terminal() {
		return false, nil
	}
	row, err := h.store.GetRun(ctx, run)
	if err != nil {
		return false, err
	}
	return true, out.end(showRun(row))
}

// eventWriter writes server-sent events, each at once.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	last    time.Time
}

func newEventWriter(w http.ResponseWriter) *eventWriter {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // proxies that gather answers would hold events back
	w.WriteHeader(http.StatusOK)
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	_ = out.write("retry: 1000\n\n") // a reader who has gone is noticed at the first event
	return out
}

func (out *eventWriter) event(id int64, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return out.write(fmt.Sprintf("id: %d\ndata: %s\n\n", id, data))
}

func (out *eventWriter) end(body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return out.write(fmt.Sprintf("event: end\ndata: %s\n\n", data))
}

func (out *eventWriter) comment(text string) error { return out.write(": " + text + "\n\n") }

func (out *eventWriter) write(piece string) error {
	if _, err := out.w.Write([]byte(piece)); err != nil {
		return err
	}
	out.last = time.Now()
	return out.control.Flush()
}
