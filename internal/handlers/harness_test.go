package handlers

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
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"regrow/internal/client"
	"regrow/internal/localpg/pgtest"
	"regrow/internal/pipeline"
	"regrow/internal/store"
	"regrow/internal/webhook"
	"regrow/migrations"
)

// The secrets of the test's configuration. They look like nothing else, so that
// a search finds them wherever they leak.
const (
	githubSecret  = "hush-github-7f3a9c"
	octopusSecret = "hush-octopus-51be02"
	viewerToken   = "hush-viewer-c0ffee"
	operatorToken = "hush-operator-ba5eba11"
)

var buildSecret = "whsec_" + "aHVzaC1idWlsZC1odXNoLWJ1aWxkLWh1c2gtYnVpbGQ=" // "hush-build-…"

// server is regrow's HTTP side on a real database, with answers checked against
// openapi.yaml.
type server struct {
	*httptest.Server
	t        *testing.T
	pool     *pgxpool.Pool
	store    *store.Queries
	http     *http.Client
	api      *client.API // as operator
	draining atomic.Bool
	log      *logBuffer
	registry *prometheus.Registry
}

// serve starts a server. Options change its dependencies.
func serve(t *testing.T, options ...func(*Deps)) *server {
	t.Helper()
	pool := pgtest.New(t, func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := store.Migrate(ctx, pool)
		return err
	}, schemaHash(t))
	s := &server{t: t, pool: pool, store: store.New(pool), log: &logBuffer{}, registry: prometheus.NewRegistry()}
	deps := Deps{
		Pool:      pool,
		Pipelines: testPipelines(),
		Sources:   testSources(t),
		Tokens:    []Token{NewToken("ann", Operator, operatorToken), NewToken("vic", Viewer, viewerToken)},
		Runs:      testRuns{},
		Ready:     func(context.Context) []Check { return []Check{{Name: "database", OK: true}} },
		Draining:  s.draining.Load,
		Now:       time.Now,
		NewID:     func() uuid.UUID { return uuid.Must(uuid.NewV7()) },
		Logger:    zerolog.New(s.log),
		Registry:  s.registry,
		Timing:    Timing{Poll: 5 * time.Millisecond, Heartbeat: 20 * time.Millisecond},
	}
	for _, option := range options {
		option(&deps)
	}
	handler, err := New(deps)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(handler)
	t.Cleanup(s.Server.Close)
	checked := newCheckedTransport(t)
	s.http = &http.Client{Transport: checked}
	s.api, err = client.New(s.URL, operatorToken, checked)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func schemaHash(t *testing.T) string {
	t.Helper()
	hash, err := migrations.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func testPipelines() []pipeline.Pipeline {
	line := func(name, source, repository, environment string, branches ...string) pipeline.Pipeline {
		return pipeline.Pipeline{
			Name: name, Source: source, Repository: repository, Branches: branches,
			Server:      pipeline.Server{Name: "octo", URL: "https://octopus.example", Space: "Default"},
			Environment: environment,
			Infrastructure: pipeline.Infrastructure{
				Project: "Infrastructure", Version: "1.0.{run}", Roles: []string{"web"}, Targets: 3,
			},
			Application: pipeline.Application{Project: "Shop", Version: "2.0.{run}"},
			Policy:      pipeline.Latest,
			Verify:      pipeline.Verify{Timeout: time.Hour, Grace: time.Minute, Redeployments: 2},
			Cleanup:     pipeline.Cleanup{Mode: pipeline.CleanupDelete, Minimum: 3, Timeout: time.Hour},
		}
	}
	build := line("build", "build", "acme/shop", "Build", "main")
	build.Application.Version, build.Tenant, build.Infrastructure.Git = "{version}", "Acme", pipeline.GitDefault
	return []pipeline.Pipeline{
		line("shop", "github", "acme/shop", "Production", "main", "release/**"),
		line("preview", "github", "acme/*", "Preview", "main"),
		build,
	}
}

func testSources(t *testing.T) []Source {
	t.Helper()
	receiver := func(source webhook.Source) *webhook.Receiver {
		r, err := webhook.New(source)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	return []Source{
		{Receiver: receiver(webhook.Source{Name: "github", Kind: webhook.GitHub, Secret: githubSecret, MaxBody: 4096})},
		{Receiver: receiver(webhook.Source{Name: "build", Kind: webhook.Generic, Secret: buildSecret})},
		{Receiver: receiver(webhook.Source{Name: "octopus", Kind: webhook.Octopus, Secret: octopusSecret, HeaderKey: "X-Hook"}), Server: "octo"},
		{Receiver: receiver(webhook.Source{Name: "lonely", Kind: webhook.GitHub, Secret: githubSecret}), PerMinute: 2},
	}
}

// logBuffer keeps the log for the test to read.
type logBuffer struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.String()
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// as reads the body as JSON of a kind.
func as[T any](t *testing.T, a answer) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(a.body, &value); err != nil {
		t.Fatalf("reading the answer %s: %v", a.body, err)
	}
	return value
}

// want fails the test unless the answer has the status.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got status %d, want %d; body %s", a.status, status, a.body)
	}
	return a
}

// problem reads a problem document and fails the test unless it is of a kind.
func (a answer) problem(t *testing.T, k kind) client.Problem {
	t.Helper()
	a.want(t, k.status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("the problem has the content type %q", got)
	}
	p := as[client.Problem](t, a)
	if p.Type != "urn:regrow:problem:"+k.name || p.Status != k.status || p.Detail == "" {
		t.Errorf("got the problem %+v, want one of kind %q", p, k.name)
	}
	return p
}

// send sends a request and reads the answer.
func (s *server) send(request *http.Request) answer {
	s.t.Helper()
	response, err := s.http.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body}
}

// call calls the REST API as the bearer of a token.
func (s *server) call(token, method, path, body string, headers ...string) answer {
	s.t.Helper()
	request := s.request(method, path, body)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return s.send(request)
}

func (s *server) request(method, path, body string) *http.Request {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	return request
}

// push is a GitHub push.
type push struct {
	id, repository, ref, sha, message string
}

func (p push) body() string {
	if p.repository == "" {
		p.repository = "acme/shop"
	}
	if p.ref == "" {
		p.ref = "refs/heads/main"
	}
	if p.sha == "" {
		p.sha = sha('a')
	}
	text, err := json.Marshal(map[string]any{
		"ref": p.ref, "before": sha('0'), "after": p.sha, "deleted": false,
		"repository":  map[string]any{"full_name": p.repository},
		"head_commit": map[string]any{"id": p.sha, "message": p.message, "author": map[string]any{"name": "Ann"}},
	})
	if err != nil {
		panic(err) // strings and maps can be written as JSON
	}
	return string(text)
}

// sha is a commit id of one digit.
func sha(digit byte) string { return strings.Repeat(string(digit), 40) }

// github returns a signed request of a push.
func (s *server) github(p push) *http.Request {
	s.t.Helper()
	request := s.request(http.MethodPost, "/webhooks/github", p.body())
	signGitHub(request, p.id, "push", p.body())
	return request
}

func signGitHub(request *http.Request, id, event, body string) {
	request.Header.Set("X-GitHub-Delivery", id)
	request.Header.Set("X-GitHub-Event", event)
	request.Header.Set("X-Hub-Signature-256", webhook.SignGitHub(githubSecret, []byte(body)))
}

// generic returns a request of a build server, signed at a time.
func (s *server) generic(id string, at time.Time, body string) *http.Request {
	s.t.Helper()
	request := s.request(http.MethodPost, "/webhooks/build", body)
	signature, err := webhook.SignStandard(buildSecret, id, at, []byte(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", fmt.Sprint(at.Unix()))
	request.Header.Set("webhook-signature", signature)
	return request
}

// octopus returns a request of a subscription.
func (s *server) octopus(eventID string) *http.Request {
	s.t.Helper()
	body := fmt.Sprintf(`{"EventType":"SubscriptionPayload","Payload":{"BatchId":"b","EventNumberInBatch":1,"TotalEventsInBatch":1,
		"Event":{"Id":%q,"Category":"MachineHealthy","Occurred":"2026-01-02T03:04:05.000+00:00","RelatedDocumentIds":["Machines-1"]}}}`, eventID)
	request := s.request(http.MethodPost, "/webhooks/octopus", body)
	request.Header.Set("X-Hook", octopusSecret)
	return request
}

// count returns the number of rows in a table.
func (s *server) count(table string) int {
	s.t.Helper()
	var n int
	if err := s.pool.QueryRow(s.t.Context(), "select count(*) from "+table).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// exec runs a statement.
func (s *server) exec(statement string, args ...any) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), statement, args...); err != nil {
		s.t.Fatal(err)
	}
}
