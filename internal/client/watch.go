package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// patience says how long Watch waits.
type patience struct {
	// first is the first pause before coming back, unless the server names
	// another; it doubles up to longest while the server cannot be reached.
	first, longest time.Duration
	// silence is how long a stream may say nothing, not even that it is alive.
	silence time.Duration
}

var usualPatience = patience{first: time.Second, longest: 30 * time.Second, silence: 45 * time.Second}

// errSilence ends a connection over which nothing comes any more.
var errSilence = errors.New("the server has said nothing for too long")

// Watch calls each for every event of the run after the given one, as they
// come, and returns nil when the run has ended. When the connection breaks it
// comes back and goes on where it was. It returns the error of each, the
// context's, or an *Error when the server refuses.
func (a *API) Watch(ctx context.Context, run uuid.UUID, after int64, each func(Event) error) error {
	w := &watch{api: a, run: run, after: after, each: each, pause: a.patience.first}
	for {
		err := w.connect(ctx)
		var stop *stopWatching
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &stop):
			return stop.cause
		case refused(err):
			return err
		}
		if a.OnReconnect != nil {
			a.OnReconnect(err, w.pause)
		}
		if err := wait(ctx, w.pause); err != nil {
			return err
		}
		w.pause = min(2*w.pause, a.patience.longest)
	}
}

// watch is where a Watch has got to.
type watch struct {
	api   *API
	run   uuid.UUID
	after int64
	each  func(Event) error
	pause time.Duration
}

// stopWatching carries an error of the caller's own function past the reasons
// for coming back.
type stopWatching struct{ cause error }

func (s *stopWatching) Error() string { return s.cause.Error() }

// connect follows the run over one connection. It returns nil at the run's end.
func (w *watch) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(w.api.patience.silence, func() { cancel(errSilence) })
	defer silence.Stop()

	response, err := w.api.ClientInterface.ListRunEvents(ctx, w.run, &ListRunEventsParams{LastEventID: &w.after}, asStream)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	w.pause = w.api.patience.first
	stream := readMessages(response.Body, func() { silence.Reset(w.api.patience.silence) })
	for {
		msg, err := stream.next()
		if stream.retry > 0 {
			w.pause = stream.retry
		}
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if msg.event == "end" {
			return nil
		}
		if err := w.take(msg); err != nil {
			return &stopWatching{err}
		}
	}
}

// take hands one event on.
func (w *watch) take(msg message) error {
	var event Event
	if err := json.Unmarshal([]byte(msg.data), &event); err != nil {
		return fmt.Errorf("expected an event of run %s, got %q: %w", w.run, msg.data, err)
	}
	if err := w.each(event); err != nil {
		return err
	}
	w.after = event.ID
	return nil
}

// asStream asks for server-sent events.
func asStream(_ context.Context, request *http.Request) error {
	request.Header.Set("Accept", "text/event-stream")
	return nil
}

// refused tells whether coming back would get the same answer.
func refused(err error) bool {
	problem, ok := errors.AsType[*Error](err)
	return ok && problem.Status < http.StatusInternalServerError && problem.Status != http.StatusTooManyRequests
}

func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
