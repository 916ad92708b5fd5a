package setup_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/setup"
	"regrow/internal/setup/setuptest"
	"regrow/internal/simulator"
)

const sinkSecret = "not-to-be-shown-anywhere"

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
	Context() context.Context
}

// world is a simulated Octopus Server.
type world struct {
	*simulator.Server
	client *octopus.Client
	// recorded is what the client has sent through HTTP.
	recorded *recording
	// faulty are the faults that all requests meet but those made by hand.
	faulty []simulator.Fault
}

// newWorld is a server that is spoken to through HTTP.
func newWorld(t *testing.T, options simulator.Options) *world {
	t.Helper()
	w := &world{Server: simulator.New(options)}
	t.Cleanup(w.Close)
	server := httptest.NewServer(w.Server)
	t.Cleanup(server.Close)
	w.recorded = &recording{RoundTripper: server.Client().Transport}
	w.client = clientOf(t, octopus.Config{URL: server.URL, Transport: w.recorded})
	return w
}

// recording is a transport that keeps the bodies of requests.
type recording struct {
	http.RoundTripper
	mu     sync.Mutex
	bodies [][]byte
}

// RoundTrip implements http.RoundTripper.
func (r *recording) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.bodies = append(r.bodies, body)
		r.mu.Unlock()
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r.RoundTripper.RoundTrip(request)
}

// newNearWorld is a server that is called directly, which is quick; in a bubble of synctest, in
// which pauses take no time, nothing may wait for the network.
func newNearWorld(t *testing.T, options simulator.Options) *world {
	t.Helper()
	w := &world{Server: simulator.New(options)}
	t.Cleanup(w.Close)
	w.client = clientOf(t, octopus.Config{URL: "http://octopus.example", Transport: direct{w.Server}})
	return w
}

func clientOf(t *testing.T, cfg octopus.Config) *octopus.Client {
	t.Helper()
	cfg.Space, cfg.RequestsPerMinute, cfg.Rereads = "Default", 6_000_000, 3
	cfg.Settling = cmp.Or(cfg.Settling, time.Millisecond) // the stand-in has dropped for good what it drops
	if cfg.APIKey == "" {
		cfg.APIKey = simulator.DefaultAPIKey
	}
	client, err := octopus.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// direct is a transport to a handler in the same process.
type direct struct{ http.Handler }

// RoundTrip implements http.RoundTripper. A handler that aborts closes the
// connection: before its answer, or in the middle of it.
func (d direct) RoundTrip(r *http.Request) (response *http.Response, err error) {
	recorder := httptest.NewRecorder()
	defer func() {
		switch aborted := recover(); {
		case aborted == nil:
		case aborted != any(http.ErrAbortHandler):
			panic(aborted)
		case recorder.Body.Len() > 0:
			response = recorder.Result()
			response.Body = io.NopCloser(io.MultiReader(recorder.Body, broken{}))
		default:
			err = io.ErrUnexpectedEOF
		}
	}()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	d.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// broken is the rest of an answer that never came.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// disturb makes a fifth of all requests go wrong, in all the ways of the stand-in.
func (w *world) disturb(t *testing.T) {
	t.Helper()
	const share = 0.2 / 7
	for _, fault := range []simulator.Fault{
		{Status: http.StatusInternalServerError, EmptyBody: true},
		{Status: http.StatusBadGateway, Body: "<html>bad gateway</html>"},
		{Status: http.StatusServiceUnavailable, EmptyBody: true},
		{Status: http.StatusTooManyRequests, EmptyBody: true, RetryAfter: "1"},
		{DropBefore: true},
		{DropAfter: true},
		{Truncate: true},
	} {
		fault.Probability = share
		w.faulty = append(w.faulty, fault)
	}
	w.fault(t)
}

func (w *world) fault(t tester) {
	t.Helper()
	for _, fault := range w.faulty {
		if _, err := w.Faults().Add(fault); err != nil {
			t.Fatal(err)
		}
	}
}

// byHand sends what somebody does by hand, which no fault disturbs, and returns
// the answer. A refusal is an error.
func (w *world) byHand(t tester, method, path string, body []byte) ([]byte, error) {
	t.Helper()
	w.Faults().Clear()
	defer w.fault(t)
	r := httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(body))
	r.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, r)
	if answer.Code > 299 {
		return nil, errors.New(answer.Body.String())
	}
	return answer.Body.Bytes(), nil
}

func (w *world) must(t tester, method, path string, body any) octopus.Document {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.byHand(t, method, path, text)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

// pathOf is where an item's resource is.
func pathOf(item setup.Item) string { return "/api/Spaces-1/" + setuptest.Path(item) }

func (w *world) documentOf(t tester, item setup.Item) octopus.Document {
	t.Helper()
	return w.must(t, http.MethodGet, pathOf(item), nil)
}

func (w *world) inspect(t tester, options setup.Options) setup.Plan {
	t.Helper()
	plan, err := setup.Inspect(t.Context(), w.client, options)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func (w *world) apply(t tester, options setup.Options) setup.Plan {
	t.Helper()
	plan, err := setup.Apply(t.Context(), w.client, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// writes are what requests have changed on the server since a point of its
// journal.
func (w *world) writes(since int) []simulator.Entry {
	return slices.DeleteFunc(w.Journal()[since:], func(e simulator.Entry) bool { return e.Actor != simulator.ActorAPI })
}

// pipelineOf is the pipeline of the guide.
func pipelineOf() pipeline.Pipeline {
	return pipeline.Pipeline{
		Name: "hello-world", Server: pipeline.Server{Name: "main", Space: "Default"}, Environment: "Development",
		Infrastructure: pipeline.Infrastructure{
			Project: "Hello World Infrastructure", Roles: []string{"hello-world", "web"}, Targets: 2, MachinePolicy: "Immutable Infrastructure",
		},
		Application: pipeline.Application{Project: "Hello World"},
	}
}

// optionsOf are those of the example; change varies them.
func optionsOf(change ...func(*setup.Options)) setup.Options {
	o := setup.Options{
		Pipeline: pipelineOf(), Example: true, Shell: setup.Bash, APIKey: simulator.DefaultAPIKey,
		Subscription: &setup.EventSink{Name: "octopus", URL: "http://regrow.example/webhooks/octopus", Header: "X-Regrow-Token", Secret: sinkSecret},
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func tenanted(o *setup.Options) { o.Pipeline.Tenant = "Acme" }
func withChannels(o *setup.Options) {
	o.Pipeline.Application.Channel = "Fast"
	o.Pipeline.Infrastructure.Channel = "Default"
}
func withoutExample(o *setup.Options) { o.Example = false }

// just is for one kind, in a server where people have made what it needs.
func just(kind setup.Kind) func(*setup.Options) {
	return func(o *setup.Options) { o.Example, o.Only = false, []setup.Kind{kind} }
}

// itemOf returns the first item of a kind.
func itemOf(t tester, plan setup.Plan, kind setup.Kind) setup.Item {
	t.Helper()
	i := slices.IndexFunc(plan.Items, func(i setup.Item) bool { return i.Kind == kind })
	if i < 0 {
		t.Fatalf("the plan has no %s: %+v", kind, plan.Items)
	}
	return plan.Items[i]
}

// wantAll fails unless every item of a plan has the action.
func wantAll(t tester, plan setup.Plan, action setup.Action) {
	t.Helper()
	for _, item := range plan.Items {
		if item.Action != action {
			t.Errorf("%s %q: %s, want %s: %+v %s", item.Kind, item.Name, item.Action, action, item.Changes, item.Note)
		}
	}
}
