package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/uuid"

	root "regrow"
	"regrow/internal/client"
)

// fakeServer speaks regrow's API from memory. Whatever it is asked and answers
// is held against openapi.yaml, so that it is no other API than the real one.
type fakeServer struct {
	t      *testing.T
	url    string
	router routers.Router

	mu       sync.Mutex
	requests []request
	answers  map[string]answer
	// run is what is shown before its stream has ended, final what after.
	run, final client.RunDetail
	ended      bool
	streams    []func(w io.Writer, request *http.Request)
}

type request struct {
	method, path, query, body string
	header                    http.Header
}

type answer struct {
	status int
	body   any
}

func newFakeServer(t *testing.T, run, final client.RunDetail) *fakeServer {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(root.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{t: t, router: router, run: run, final: final, answers: map[string]answer{}}
	f.streams = []func(io.Writer, *http.Request){func(w io.Writer, _ *http.Request) {
		send(w, 1, "stage_started", "Stage provision begins.")
		f.end(w)
	}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// streaming makes these what successive readers of the events get.
func (f *fakeServer) streaming(streams ...func(io.Writer, *http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams = streams
}

// answering replaces the usual answer to a request, "METHOD /path".
func (f *fakeServer) answering(request string, status int, body any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[request] = answer{status, body}
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.mu.Lock()
	f.requests = append(f.requests, request{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header})
	special, isSpecial := f.answers[r.Method+" "+r.URL.Path]
	run := f.run
	if f.ended {
		run = f.final
	}
	f.mu.Unlock()

	r.Body = io.NopCloser(bytes.NewReader(body))
	input := f.checkRequest(r)
	one := "/api/v1/runs/" + run.ID.String()
	switch {
	case isSpecial:
		w.Header().Set("Location", r.URL.Path) // of what 201 would have created
		f.answer(w, input, special.status, special.body)
	case r.URL.Path == "/api/v1/runs" && r.Method == http.MethodPost:
		w.Header().Set("Location", one)
		f.answer(w, input, http.StatusCreated, run.Run)
	case r.URL.Path == "/api/v1/runs":
		f.answer(w, input, http.StatusOK, client.RunList{Runs: []client.Run{run.Run}})
	case r.URL.Path == one:
		f.answer(w, input, http.StatusOK, run)
	case r.URL.Path == one+"/events":
		f.stream(w, r)
	case r.Method == http.MethodPost:
		f.answer(w, input, http.StatusAccepted, run.Run)
	default:
		f.answer(w, input, http.StatusNotFound, problem(404, "there is no run here", ""))
	}
}

func (f *fakeServer) checkRequest(r *http.Request) *openapi3filter.RequestValidationInput {
	route, parameters, err := f.router.FindRoute(r)
	if err != nil {
		f.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		return nil
	}
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		f.t.Errorf("%s %s is not as openapi.yaml says: %v", r.Method, r.URL, err)
	}
	return input
}

func (f *fakeServer) answer(w http.ResponseWriter, input *openapi3filter.RequestValidationInput, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	if status >= http.StatusBadRequest {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "1")
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	text, err := json.Marshal(body)
	if err != nil {
		f.t.Error(err)
	}
	if input != nil {
		response := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: status, Header: w.Header(), Options: input.Options}
		if err := openapi3filter.ValidateResponse(context.Background(), response.SetBodyBytes(text)); err != nil {
			f.t.Errorf("the answer %d to %s is not as openapi.yaml says: %v", status, input.Request.URL, err)
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(text) // the command may be gone
}

func (f *fakeServer) stream(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	next := f.streams[0]
	if len(f.streams) > 1 {
		f.streams = f.streams[1:]
	}
	f.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	next(flushing{w}, r)
}

// flushing sends what is written at once.
type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	f.ResponseWriter.(http.Flusher).Flush()
	return n, err
}

// send writes an event to a stream; readers come back after a millisecond.
func send(w io.Writer, id int64, kind, message string) {
	text, err := json.Marshal(client.Event{ID: id, RunID: runID, At: time.Now(), Kind: kind, Stage: client.StageProvision, Message: message, Data: map[string]any{}})
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(w, "retry: 1\nid: %d\ndata: %s\n\n", id, text)
}

// end ends a stream as the server does when the run has ended.
func (f *fakeServer) end(w io.Writer) {
	f.mu.Lock()
	f.ended = true
	text, err := json.Marshal(f.final.Run)
	f.mu.Unlock()
	if err != nil {
		f.t.Error(err)
	}
	fmt.Fprintf(w, "event: end\ndata: %s\n\n", text)
}

func (f *fakeServer) asked(t *testing.T, method, path string) []request {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []request
	for _, r := range f.requests {
		if r.method == method && r.path == path {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		t.Fatalf("there was no %s %s, only %v", method, path, f.requests)
	}
	return found
}

var (
	runID   = uuid.MustParse("0199c3a0-0000-7000-8000-00000000000c")
	newerID = uuid.MustParse("0199c3a0-0000-7000-8000-00000000000d")
	aTime   = time.Date(2026, 10, 24, 12, 3, 11, 0, time.UTC)
)

const aCommit = "4f0b1c5a9d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a"

func aRun(status client.RunStatus) client.RunDetail {
	run := client.RunDetail{
		Run: client.Run{
			ID: runID, Pipeline: "hello-world", Kind: client.RunKindCommit, Number: 12, Status: status, Stage: client.StageProvision, Round: 1,
			Commit:     client.Commit{Repository: "acme/hello", Ref: "refs/heads/main", Branch: "main", SHA: aCommit, Message: "Greet <all>"},
			DeliveryID: newerID, Server: "main", Lane: "main/Production", CreatedAt: aTime,
		},
		Stages:  []client.StageDetail{},
		Targets: []client.Target{},
		Links:   []client.Link{},
	}
	for _, stage := range stages {
		run.Stages = append(run.Stages, client.StageDetail{Stage: client.Stage(stage), Status: client.StageStatusPending, Result: map[string]any{}, Attempts: []client.Attempt{}})
	}
	if status != client.RunStatusQueued && status != client.RunStatusSuperseded {
		run.StartedAt = aTime
		run.Stages[0].Status, run.Stages[0].StartedAt = client.StageStatusRunning, aTime
	}
	switch status {
	case client.RunStatusFailed:
		run.Reason, run.Remedy = "The project is not there.", "create it, then retry the run"
	case client.RunStatusSuperseded:
		run.SupersededBy = newerID
	}
	return run
}

func problem(status int, detail, remedy string) client.Problem {
	return client.Problem{Type: "urn:regrow:problem:test", Title: "It went wrong", Status: status, Detail: detail, Instance: "/", Remedy: remedy}
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// regrow performs a command against the server.
func (f *fakeServer) regrow(ctx context.Context, args ...string) result {
	return perform(ctx, append(args, "--server", f.url)...)
}

func perform(ctx context.Context, args ...string) result {
	var out, err bytes.Buffer
	code := execute(ctx, "1.2.3", args, strings.NewReader(""), &out, &err)
	return result{code, out.String(), err.String()}
}

// want checks what a command left behind: the code, and parts of the streams.
func (r result) want(t *testing.T, code int, out, err string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.out, out) || !strings.Contains(r.err, err) {
		t.Errorf("exit %d, want %d\nout, should have %q:\n%s\nerr, should have %q:\n%s", r.code, code, out, r.out, err, r.err)
	}
}
