package octopus_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"regrow/internal/octopus"
)

const testKey = "API-SECRETSECRETSECRET"

// fake is a server that answers as a test tells it to. It knows the space
// "Default" by itself.
type fake struct {
	*httptest.Server
	t   *testing.T
	mux *http.ServeMux

	mu       sync.Mutex
	requests []request
}

// request is one that the fake has received.
type request struct {
	method, path, query string
	header              http.Header
	body                string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, mux: http.NewServeMux()}
	f.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusNotFound, fmt.Sprintf(`{"ErrorMessage":"The resource '%s' was not found."}`, r.URL.Path))
	})
	f.on("GET /api/spaces", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, listOf(`{"Id":"Spaces-9","Name":"Default value"}`, `{"Id":"Spaces-1","Name":"Default"}`))
	})
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Errorf("reading the body of %s %s: %v", r.Method, r.URL, err)
	}
	f.mu.Lock()
	f.requests = append(f.requests, request{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Clone(), string(body)})
	f.mu.Unlock()
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	f.mux.ServeHTTP(w, r)
}

func (f *fake) on(pattern string, handler http.HandlerFunc) { f.mux.HandleFunc(pattern, handler) }

// says makes the fake always give one answer of status 200.
func (f *fake) says(pattern, body string) {
	f.on(pattern, func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, body) })
}

// received returns the requests of a method to a path so far.
func (f *fake) received(method, path string) []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	var some []request
	for _, r := range f.requests {
		if r.method == method && r.path == path {
			some = append(some, r)
		}
	}
	return some
}

// all returns every request so far.
func (f *fake) all() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

func (f *fake) client(change ...func(*octopus.Config)) *octopus.Client {
	f.t.Helper()
	cfg := octopus.Config{URL: f.URL, APIKey: testKey, Space: "default", RequestsPerMinute: 60_000}
	for _, c := range change {
		c(&cfg)
	}
	client, err := octopus.New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return client
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func listOf(items ...string) string {
	return fmt.Sprintf(`{"TotalResults":%d,"Items":[%s]}`, len(items), strings.Join(items, ","))
}

// paged answers with the part of the items that skip and take ask for, at most
// limit of them.
func paged(limit int, items func() []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var skip, take int
		fmt.Sscan(r.URL.Query().Get("skip"), &skip)
		fmt.Sscan(r.URL.Query().Get("take"), &take)
		all := items()
		from := min(skip, len(all))
		to := min(from+min(take, limit), len(all))
		reply(w, http.StatusOK, fmt.Sprintf(`{"TotalResults":%d,"Items":[%s]}`, len(all), strings.Join(all[from:to], ",")))
	}
}

// tasksByID answers GET /api/tasks for the ids asked for; an empty list of ids
// means everything to Octopus and is an error here.
func (f *fake) tasksByID(tasks map[string]string) {
	f.on("GET /api/tasks", func(w http.ResponseWriter, r *http.Request) {
		ids := strings.Split(r.URL.Query().Get("ids"), ",")
		if len(ids) == 1 && ids[0] == "" {
			f.t.Error("tasks were asked for without ids")
		}
		var found []string
		for _, id := range ids {
			if state, ok := tasks[id]; ok {
				found = append(found, taskJSON(id, state))
			}
		}
		// A task that nobody asked for must not get through.
		reply(w, http.StatusOK, listOf(append(found, taskJSON("ServerTasks-999", "Success"))...))
	})
}

func taskJSON(id, state string) string {
	done := slices.Contains([]string{"Success", "Failed", "Canceled", "TimedOut"}, state)
	return fmt.Sprintf(`{"Id":%q,"State":%q,"IsCompleted":%v,"FinishedSuccessfully":%v,"StartTime":null,"Links":{"Web":"/app#/Spaces-1/tasks/%s"}}`, id, state, done, state == "Success", id)
}

// breakOff ends the connection without an answer.
func breakOff(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	conn.Close()
}

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

func wantTransient(t *testing.T, err error) {
	t.Helper()
	if !octopus.IsTransient(err) {
		t.Fatalf("got %v, want a transient error", err)
	}
}

func wantPermanent(t *testing.T, err error, phrases ...string) {
	t.Helper()
	if err == nil || octopus.IsTransient(err) {
		t.Fatalf("got %v, want a permanent error", err)
	}
	wantPhrases(t, err, phrases...)
}

func wantPhrases(t *testing.T, err error, phrases ...string) {
	t.Helper()
	for _, phrase := range phrases {
		if !strings.Contains(err.Error(), phrase) {
			t.Errorf("the error %q does not say %q", err, phrase)
		}
	}
}
