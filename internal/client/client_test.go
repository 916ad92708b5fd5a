package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// serve starts a server and returns an API of it that has little patience.
func serve(t *testing.T, handler http.HandlerFunc) *API {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	api, err := New(server.URL, "s3cret-token", transport)
	if err != nil {
		t.Fatal(err)
	}
	api.patience = patience{first: time.Millisecond, longest: 4 * time.Millisecond, silence: time.Minute}
	return api
}

func answer(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "localhost:8080", "ftp://host", "/runs", "http://", "::"} {
		if _, err := New(base, "", nil); err == nil || !strings.Contains(err.Error(), "no address") {
			t.Errorf("New(%q): %v", base, err)
		}
	}
	if _, err := New("http://127.0.0.1:8080", "", nil); err != nil {
		t.Error(err)
	}
}

func TestCallsCarryTheToken(t *testing.T) {
	t.Parallel()
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer s3cret-token" {
			t.Errorf("the header is %q", got)
		}
		answer(w, http.StatusOK, "application/json", `{"runs":[]}`)
	})
	got, err := api.ListRunsWithResponse(t.Context(), &ListRunsParams{Pipeline: new("shop")})
	if err != nil || got.JSON200 == nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestProblemsAreErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status            int
		contentType, body string
		want              string
	}{
		"problem": {
			409, "application/problem+json", `{"type":"urn:regrow:problem:conflict","status":409,"detail":"the run is running","remedy":"wait"}`,
			"GET /api/v1/runs: 409: the run is running; wait",
		},
		"problem with places": {
			400, "application/problem+json; charset=utf-8",
			`{"status":400,"detail":"no","errors":[{"parameter":"limit","detail":"too many"},{"pointer":"#/a","detail":"no"}]}`,
			"GET /api/v1/runs: 400: no; limit: too many",
		},
		"a proxy's page":        {502, "text/html", "<h1>Bad gateway</h1>", `GET /api/v1/runs: 502: expected an answer of regrow, got one of type "text/html"`},
		"a proxy's JSON":        {502, "application/json", `{"runs":[]}`, `GET /api/v1/runs: 502: expected an answer of regrow, got one of type "application/json"`},
		"a refusal as JSON":     {403, "application/json", `{"runs":[]}`, `403: expected an answer of regrow`},
		"another site":          {200, "text/html", "<h1>Welcome</h1>", `200: expected an answer of regrow`},
		"an unreadable problem": {500, "application/problem+json", "{", `500: expected an answer of regrow`},
	}
	for name, test := range tests {
		api := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, test.status, test.contentType, test.body) })
		_, err := api.ListRunsWithResponse(t.Context(), nil)
		problem, ok := errors.AsType[*Error](err)
		if !ok || problem.Status != test.status || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error holds the token: %v", name, err)
		}
	}
}

// A redirected POST would become a GET, whose answer is that to another question.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ location, want string }{
		"to https":      {"https://regrow.example/api/v1/runs", "sends on to https://regrow.example/api/v1/runs, which is not followed; set REGROW_URL to https://regrow.example"},
		"below a path":  {"https://regrow.example/tools/regrow/api/v1/runs/", "set REGROW_URL to https://regrow.example/tools/regrow"},
		"to a login":    {"https://login.example/?state=s3cret", "sends on to https://login.example/, which is not followed; set REGROW_URL to regrow's own address"},
		"to the start":  {"/", "/, which is not followed; set REGROW_URL to regrow's own address"},
		"to nowhere":    {"", "expected an answer of regrow"},
		"with a secret": {"https://me:s3cret@regrow.example/api/v1/runs", "set REGROW_URL to https://regrow.example"},
	}
	for name, test := range tests {
		for _, status := range []int{301, 302, 307, 308} {
			asked := 0
			api := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				if test.location != "" {
					w.Header().Set("Location", test.location)
				}
				answer(w, status, "application/json", `{"runs":[]}`)
			})
			_, err := api.CreateRunWithResponse(t.Context(), nil, NewRun{})
			problem, ok := errors.AsType[*Error](err)
			if !ok || problem.Status != status || !strings.Contains(err.Error(), test.want) || asked != 1 {
				t.Errorf("%s, %d: got %v after %d requests, want %s", name, status, err, asked, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: the error holds a secret: %v", name, err)
			}
		}
	}
}

// script answers each connection to a stream with the next of its parts and
// notes where the reader came back.
type script struct {
	parts []func(w http.ResponseWriter, r *http.Request)
	from  []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.from = append(s.from, r.Header.Get("Last-Event-ID"))
	if len(s.parts) == 0 {
		answer(w, http.StatusGone, "text/plain", "the script is over")
		return
	}
	part := s.parts[0]
	s.parts = s.parts[1:]
	part(w, r)
}

// says streams a text and closes the connection.
func says(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "text/event-stream", text) }
}

func event(id int) string {
	return fmt.Sprintf("id: %d\ndata: {\"id\":%d,\"kind\":\"k%d\"}\n\n", id, id, id)
}

const theEnd = "event: end\ndata: {}\n\n"

func TestWatchGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	s := &script{parts: []func(http.ResponseWriter, *http.Request){
		says("retry: 1\n\n" + event(1) + event(2)),
		func(w http.ResponseWriter, _ *http.Request) { answer(w, 502, "text/html", "") },
		func(w http.ResponseWriter, r *http.Request) {
			says("")(w, r)
			w.(http.Flusher).Flush() // else the transport would ask again by itself
			panic(http.ErrAbortHandler)
		},
		says(": still here\n\n" + event(3) + "id: 4\ndata: {\"id\":4,"), // cut off
		says(event(4) + theEnd),
	}}
	api := serve(t, s.ServeHTTP)
	reconnects := 0
	api.OnReconnect = func(cause error, in time.Duration) {
		reconnects++
		if cause == nil || in <= 0 {
			t.Errorf("told to come back for %v in %s", cause, in)
		}
	}
	var seen []int64
	err := api.Watch(t.Context(), uuid.New(), 0, func(e Event) error {
		seen = append(seen, e.ID)
		return nil
	})
	if err != nil || fmt.Sprint(seen) != "[1 2 3 4]" || fmt.Sprint(s.from) != "[0 2 2 2 3]" || reconnects != 4 {
		t.Errorf("saw %v, came from %v, reconnected %d times, %v", seen, s.from, reconnects, err)
	}
}

func TestWatchEndsWithTheCallersError(t *testing.T) {
	t.Parallel()
	s := &script{parts: []func(http.ResponseWriter, *http.Request){says(event(1) + event(2))}}
	enough := errors.New("enough")
	err := serve(t, s.ServeHTTP).Watch(t.Context(), uuid.New(), 0, func(Event) error { return enough })
	if !errors.Is(err, enough) || len(s.from) != 1 {
		t.Errorf("got %v after %d connections", err, len(s.from))
	}
}

func TestWatchEndsWhenTheServerRefuses(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 404} {
		s := &script{parts: []func(http.ResponseWriter, *http.Request){func(w http.ResponseWriter, _ *http.Request) {
			answer(w, status, "application/problem+json", fmt.Sprintf(`{"status":%d,"detail":"no"}`, status))
		}}}
		err := serve(t, s.ServeHTTP).Watch(t.Context(), uuid.New(), 0, nil)
		if problem, ok := errors.AsType[*Error](err); !ok || problem.Status != status || len(s.from) != 1 {
			t.Errorf("%d: got %v after %d connections", status, err, len(s.from))
		}
	}
}

func TestWatchLeavesASilentServer(t *testing.T) {
	t.Parallel()
	s := &script{parts: []func(http.ResponseWriter, *http.Request){
		func(w http.ResponseWriter, r *http.Request) {
			says(event(1))(w, r)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		says(event(2) + theEnd),
	}}
	api := serve(t, s.ServeHTTP)
	api.patience.silence = 20 * time.Millisecond
	var cause error
	api.OnReconnect = func(err error, _ time.Duration) { cause = err }
	err := api.Watch(t.Context(), uuid.New(), 0, func(Event) error { return nil })
	if err != nil || !errors.Is(cause, errSilence) || fmt.Sprint(s.from) != "[0 1]" {
		t.Errorf("got %v, reconnected for %v, from %v", err, cause, s.from)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		says(event(1))(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	err := api.Watch(ctx, uuid.New(), 0, func(Event) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		stream string
		want   []message
		end    error
	}{
		"fields":             {"id: 1\nevent: e\ndata: d\n\n", []message{{"1", "e", "d"}}, io.ErrUnexpectedEOF},
		"no space, CRLF":     {"id:1\r\ndata:d\r\n\r\n", []message{{"1", "", "d"}}, io.ErrUnexpectedEOF},
		"many lines of data": {"data: a\ndata:\ndata: b\n\n", []message{{"", "", "a\n\nb"}}, io.ErrUnexpectedEOF},
		"comments, unknowns": {": hi\n\nwhat: x\nretry: soon\ndata: d\n\n", []message{{"", "", "d"}}, io.ErrUnexpectedEOF},
		"without data":       {"id: 1\nevent: e\n\ndata: d\n\n", []message{{"", "", "d"}}, io.ErrUnexpectedEOF},
		"cut off":            {"data: d\n", nil, io.ErrUnexpectedEOF},
		"an endless line":    {"data: " + strings.Repeat("x", longestLine) + "\n\n", nil, nil},
	}
	for name, test := range tests {
		m := readMessages(strings.NewReader(test.stream), func() {})
		var got []message
		for {
			msg, err := m.next()
			if err != nil {
				if test.end != nil && !errors.Is(err, test.end) {
					t.Errorf("%s: it ended with %v", name, err)
				}
				break
			}
			got = append(got, msg)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
