package handlers

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/pipeline"
)

func TestEventsInPages(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.start("shop").ID
	s.end(id, pipeline.Failed)
	path := "/api/v1/runs/" + id.String() + "/events"
	first := get[client.EventList](s, path, "limit", "2")
	if len(first.Events) != 2 || first.Events[0].Kind != "created" || first.Events[1].Kind != "started" || first.Next != first.Events[1].ID {
		t.Fatalf("the first page is %+v", first)
	}
	if e := first.Events[0]; e.RunID != id || e.Stage != client.StageProvision || e.Data["number"] != 1.0 || e.Message == "" {
		t.Errorf("the event is %+v", e)
	}
	second := get[client.EventList](s, path, "limit", "2", "after", string(mustJSON(first.Next)))
	if len(second.Events) != 1 || second.Events[0].Kind != "ended" || second.Next != 0 {
		t.Errorf("the second page is %+v", second)
	}
	s.call(viewerToken, http.MethodGet, "/api/v1/runs/"+uuid.NewString()+"/events", "").problem(t, notFound)
	s.call(viewerToken, http.MethodGet, "/api/v1/runs/"+uuid.NewString()+"/events", "", "Accept", "text/event-stream").problem(t, notFound)
}

// follow opens a stream of events and returns its lines.
func (s *server) follow(id uuid.UUID, headers ...string) (next func() string, stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	request := s.request(http.MethodGet, "/api/v1/runs/"+id.String()+"/events", "").WithContext(ctx)
	request.Header.Set("Authorization", "Bearer "+viewerToken)
	request.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.http.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cancel(); response.Body.Close() })
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		s.t.Fatalf("the stream has the content type %q", got)
	}
	lines := bufio.NewReader(response.Body)
	return func() string {
		s.t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			s.t.Fatal(err)
		}
		if err != nil {
			return "EOF"
		}
		return strings.TrimSuffix(line, "\n")
	}, cancel
}

// until reads lines to the first one with a prefix.
func until(t *testing.T, next func() string, prefix string) string {
	t.Helper()
	for {
		line := next()
		if strings.HasPrefix(line, prefix) {
			return line
		}
		if line == "EOF" {
			t.Fatalf("the stream ended before %q", prefix)
		}
	}
}

func TestStreamOfEvents(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.start("shop").ID
	next, _ := s.follow(id)
	until(t, next, "retry: ")
	firstID := until(t, next, "id: ")
	if line := next(); !strings.Contains(line, `"kind":"created"`) {
		t.Errorf("the first event is %s", line)
	}
	if line := until(t, next, "data: "); !strings.Contains(line, `"kind":"started"`) {
		t.Errorf("the second event is %s", line)
	}
	until(t, next, ": ") // a heartbeat

	resumed, _ := s.follow(id, "Last-Event-ID", strings.TrimPrefix(firstID, "id: "))
	if line := until(t, resumed, "data: "); !strings.Contains(line, `"kind":"started"`) {
		t.Errorf("a reader who comes back first sees %s, want what it missed", line)
	}

	s.end(id, pipeline.Failed)
	for _, lines := range []func() string{next, resumed} {
		if line := until(t, lines, "data: "); !strings.Contains(line, `"kind":"ended"`) {
			t.Errorf("the last event is %s", line)
		}
		until(t, lines, "event: end")
		if line := lines(); !strings.Contains(line, `"status":"failed"`) || !strings.Contains(line, id.String()) {
			t.Errorf("the end is %s, want the run", line)
		}
		if line := lines(); line != "" || lines() != "EOF" {
			t.Error("the stream goes on after its end")
		}
	}
}

func TestStreamOfEndedRunEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.start("shop").ID
	s.end(id, pipeline.Succeeded)
	next, _ := s.follow(id)
	until(t, next, "event: end")
}

func TestStreamEndsWhenTheProcessStops(t *testing.T) {
	t.Parallel()
	s := serve(t)
	next, _ := s.follow(s.start("shop").ID)
	until(t, next, "id: ")
	s.draining.Store(true)
	for line := next(); line != "EOF"; line = next() {
		if strings.HasPrefix(line, "event: end") {
			t.Fatal("the stream says that the run has ended")
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.start("shop").ID
	var kinds []string
	err := s.api.Watch(t.Context(), id, 0, func(e client.Event) error {
		kinds = append(kinds, e.Kind)
		if e.Kind == "started" {
			s.end(id, pipeline.Failed)
		}
		return nil
	})
	if err != nil || strings.Join(kinds, " ") != "created started ended" {
		t.Errorf("watched %q, %v", kinds, err)
	}
	err = s.api.Watch(t.Context(), uuid.New(), 0, func(client.Event) error { return nil })
	if problem, ok := errors.AsType[*client.Error](err); !ok || problem.Status != http.StatusNotFound {
		t.Errorf("watching an unknown run: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.api.Watch(ctx, s.start("shop").ID, 0, func(client.Event) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("watching until a deadline: %v", err)
	}
}
