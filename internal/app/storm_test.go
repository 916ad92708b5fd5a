package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/app"
	"regrow/internal/config"
	"regrow/internal/simulator"
	"regrow/internal/webhook"
)

// storm is a whole regrow over real HTTP with a real database, and a simulated
// Octopus whose clock moves when the test says so.
type storm struct {
	t      testing.TB
	regrow *app.App
	pool   *pgxpool.Pool
	sim    *simulator.Server
	client *http.Client
}

// stormConnections is how many connections to its database a regrow may have, and
// stormWitness what the test's own are called.
const (
	stormConnections = 20
	stormWitness     = "witness"
)

const stormSettings = `
listen: 127.0.0.1:0
database: {url: "${DATABASE}", max_connections: %d}
api: {tokens: [{name: viewer, role: viewer, token: "${TOKEN}"}]}
servers: [{name: main, url: "%s", api_key: "${API_KEY}", space: Default, requests_per_minute: 100000}]
sources: [{name: github, kind: github, secret: "${GITHUB}", requests_per_minute: 100000}]
reconcile: {interval: %s}
pipelines:
`

const stormPipeline = `
  - name: lane-%[1]d
    source: github
    repository: acme/hello-world
    branches: [lane-%[1]d]
    server: main
    environment: Development
    tenant: %[2]q
    lane: %[3]s
    infrastructure: {project: Hello World Infrastructure, version: "1.0.{run}-{pipeline}", roles: [hello-world], targets: 1}
    application: {project: Hello World, version: "2.0.{run}-{pipeline}"}
    cleanup: {mode: policy}
`

// newStorm starts a regrow with so many lanes, one a tenant.
func newStorm(t testing.TB, lanes int, policy string, interval time.Duration) *storm {
	t.Helper()
	s := &storm{t: t, sim: simulator.New(simulator.Options{}), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}}
	t.Cleanup(s.sim.Close)
	t.Cleanup(s.client.CloseIdleConnections)
	octopus := httptest.NewServer(s.sim)
	t.Cleanup(octopus.Close)
	var settings strings.Builder
	fmt.Fprintf(&settings, stormSettings, stormConnections, octopus.URL, interval)
	for i := range lanes {
		tenant := fmt.Sprintf("Tenant %d", i)
		fmt.Fprintf(&settings, stormPipeline, i, tenant, policy)
		if _, err := s.sim.HelloWorld(simulator.HelloWorldOptions{Tenant: tenant, Targets: 1, NoTrigger: i > 0}); err != nil {
			t.Fatal(err)
		}
	}
	database := emptyDatabase(t)
	variables := map[string]string{"DATABASE": database, "TOKEN": viewerToken, "GITHUB": githubSecret, "API_KEY": simulator.DefaultAPIKey}
	lookup := func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
	c, err := config.Parse("regrow.yaml", []byte(settings.String()), config.Options{LookupEnv: lookup})
	if err != nil {
		t.Fatal(err)
	}
	if s.regrow, err = app.New(t.Context(), options(c)); err != nil {
		t.Fatal(err)
	}
	if err := s.regrow.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.regrow.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	witness, err := pgxpool.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	witness.ConnConfig.RuntimeParams["application_name"] = stormWitness
	if s.pool, err = pgxpool.NewWithConfig(t.Context(), witness); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pool.Close)
	return s
}

// sha is the commit of a sender's n-th push.
func sha(sender, n int) string { return fmt.Sprintf("%020x%020x", sender+1, n+1) }

// push delivers a commit to a lane, again and again while it is answered 503, and
// tells whether it was taken.
func (s *storm) push(lane int, commit string) bool {
	body := fmt.Appendf(nil, `{"ref":"refs/heads/lane-%d","after":%q,"repository":{"full_name":"acme/hello-world"}}`, lane, commit)
	for {
		request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.regrow.URL()+"/webhooks/github", bytes.NewReader(body))
		if err != nil {
			s.t.Error(err)
			return false
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-GitHub-Event", "push")
		request.Header.Set("X-GitHub-Delivery", fmt.Sprintf("%d-%s", lane, commit))
		request.Header.Set("X-Hub-Signature-256", webhook.SignGitHub(githubSecret, body))
		answer, err := s.client.Do(request)
		if err != nil {
			s.t.Error(err)
			return false
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		switch {
		case err != nil:
			s.t.Error(err)
			return false
		case answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "":
			continue // as senders do, if not so soon
		case answer.StatusCode != http.StatusAccepted && answer.StatusCode != http.StatusOK: // 200: a 503 was stored after all
			s.t.Errorf("commit %s was answered %d", commit, answer.StatusCode)
			return false
		}
		return true
	}
}

// run is what a test wants to know of a run.
type run struct {
	ID, Pipeline, Commit, Status, Reason, Lane string
	Number, Position                           int64
	Turn, By                                   *int64
	Started                                    *time.Time
}

// runs lists all runs by pipeline and number.
func (s *storm) runs() []run {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `select r.id::text, r.pipeline, r.commit_sha, r.status, r.reason, r.lane, r.number, r.queue_position, r.lane_turn, b.number, r.started_at
		from runs r left join runs b on b.id = r.superseded_by order by r.pipeline, r.number`)
	if err != nil {
		s.t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[run])
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// until moves Octopus' clock on until the condition holds.
func (s *storm) until(what string, holds func() bool) {
	s.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Minute)
	for !holds() {
		s.sim.Advance(5 * time.Second)
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (s *storm) count(condition string) (n int) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), "select count(*) from "+condition).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// stormSize is how many commits a storm has.
func stormSize() int {
	if testing.Short() {
		return 100
	}
	return 1000
}

// A thousand commits on one lane: all are taken, each of the superseded ones says
// by which, and two turnovers are made, the one that was under way and the one to
// the newest commit.
func TestStormUnderLatest(t *testing.T) {
	t.Parallel()
	s := newStorm(t, 1, "latest", 200*time.Millisecond)
	commits := stormSize()
	if !s.push(0, sha(0, 0)) {
		t.FailNow()
	}
	s.waitFor("the first run waits for Octopus", func() bool { return s.count("runs where status = 'waiting' and stage = 'verify'") == 1 })
	s.rain(commits-1, 20)
	runs := s.runs()
	if len(runs) != commits || s.count("deliveries") != commits {
		t.Fatalf("there are %d runs of %d commits", len(runs), commits)
	}
	seen := map[string]bool{}
	for i, r := range runs {
		seen[r.Commit] = true
		newest := i == commits-1
		switch {
		case r.Number != int64(i+1):
			t.Errorf("run %d has the number %d", i+1, r.Number)
		case i == 0 && r.Status != "waiting" && r.Status != "running", newest && r.Status != "queued":
			t.Errorf("run #%d is %s", r.Number, r.Status)
		case i == 0 || newest:
		case r.Status != "superseded" || r.By == nil || *r.By <= r.Number || *r.By > int64(commits) || r.Started != nil:
			t.Errorf("run #%d is %s by %v", r.Number, r.Status, r.By)
		case r.Reason != fmt.Sprintf("Superseded by run #%d, commit %s.", *r.By, runs[*r.By-1].Commit):
			t.Errorf("run #%d: %s", r.Number, r.Reason)
		}
	}
	if len(seen) != commits {
		t.Errorf("%d different commits have runs, want %d", len(seen), commits)
	}
	s.until("both runs are through", func() bool { return s.count("runs where status = 'succeeded'") == 2 })
	if turnovers := s.turnovers(); turnovers != 2 {
		t.Errorf("%d turnovers, want 2", turnovers)
	}
	if last := s.runs()[commits-1]; last.Status != "succeeded" {
		t.Errorf("the newest run is %s", last.Status)
	}
}

// rain delivers commits to lane 0 from several senders at once, each of which
// sends the next when the one before was taken.
func (s *storm) rain(commits, senders int) {
	s.t.Helper()
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			for i := sender; i < commits; i += senders {
				if !s.push(0, sha(sender+1, i)) {
					return
				}
			}
		})
	}
	all.Wait()
}

// waitFor waits for something that needs no time to pass for Octopus.
func (s *storm) waitFor(what string, holds func() bool) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// turnovers counts how often regrow had the infrastructure deployed.
func (s *storm) turnovers() int {
	made := s.sim.JournalOf(simulator.DeploymentCreated)
	project := s.infrastructure()
	return len(slices.DeleteFunc(made, func(e simulator.Entry) bool { return e.Actor != simulator.ActorAPI || e.ProjectID != project }))
}

// infrastructure returns the id of the infrastructure project.
func (s *storm) infrastructure() string {
	scene, err := s.sim.HelloWorld(simulator.HelloWorldOptions{Tenant: "Tenant 0", NoInitialTargets: true, NoTrigger: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return scene.InfrastructureProjectID
}

// A thousand commits on one lane under "fifo": each gets its turn, in the order in
// which they were taken, and each sender's in the order in which it sent them.
func TestStormUnderFIFO(t *testing.T) {
	t.Parallel()
	s := newStorm(t, 1, "fifo", 200*time.Millisecond)
	commits, senders, performed := stormSize(), 20, 3
	s.rain(commits, senders)
	s.until("the first runs are through", func() bool { return s.count("runs where status = 'succeeded'") >= performed })
	runs := s.runs()
	if len(runs) != commits {
		t.Fatalf("there are %d runs of %d commits", len(runs), commits)
	}
	last := map[string]string{}
	queued := 0
	for i, r := range runs {
		if r.Number != int64(i+1) || i > 0 && r.Position <= runs[i-1].Position {
			t.Errorf("run #%d is at place %d, behind #%d at %d", r.Number, r.Position, i, runs[max(i-1, 0)].Position)
		}
		if sender := r.Commit[:20]; r.Commit <= last[sender] {
			t.Errorf("run #%d is of commit %s, which was sent before %s", r.Number, r.Commit, last[sender])
		} else {
			last[sender] = r.Commit
		}
		switch {
		case r.Status == "queued":
			queued++
		case queued > 0:
			t.Errorf("run #%d is %s, although one before it is queued", r.Number, r.Status)
		case r.Status == "superseded":
			t.Errorf("run #%d is superseded", r.Number)
		case i > 0 && r.Started.Before(*runs[i-1].Started):
			t.Errorf("run #%d has started before the one ahead", r.Number)
		}
	}
	if queued < commits-performed-3 {
		t.Errorf("%d runs are queued", queued)
	}
	if len(last) != senders {
		t.Errorf("commits of %d senders came through, want %d", len(last), senders)
	}
}
