package app_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"regrow/internal/app"
	"regrow/internal/client"
	"regrow/internal/config"
	"regrow/internal/octopus"
	"regrow/internal/simulator"
	"regrow/internal/webhook"
)

const (
	operatorToken  = "operator-token-of-the-test"
	previousSecret = "previous-secret-of-the-test"
	octopusSecret  = "octopus-secret-of-the-test"
)

var buildSecret = "whsec_" + "YnVpbGQtc2VjcmV0LW9mLXRoZS10ZXN0LTEyMzQ="

const planSettings = `
listen: 127.0.0.1:0
database: {url: "${DATABASE}"}
api: {tokens: [{name: viewer, role: viewer, token: "${VIEWER}"}, {name: operator, role: operator, token: "${OPERATOR}"}]}
servers: [{name: main, url: "%s", api_key: "${API_KEY}", space: Default, requests_per_minute: 100000}]
sources:
  - {name: github, kind: github, secret: "${GITHUB}", previous_secret: "${PREVIOUS}", max_body: 4kB}
  - {name: build, kind: generic, secret: "${BUILD}"}
  - {name: octopus, kind: octopus, server: main, secret: "${OCTOPUS}"}
pipelines:
`

const linePattern = `
  - name: %s
    source: %s
    repository: %q
    branches: [%s]
    server: main
    environment: %s
    lane: %s
    infrastructure: {project: %s Infrastructure, version: %q, roles: [%s], targets: 2}
    application: {project: %s, version: %q}
    cleanup: {mode: delete, timeout: 5m}
`

// line is a pipeline of the test's.
type line struct{ name, source, repository, branches, environment, policy, infrastructure, application, scene string }

func (l line) yaml() string {
	role := strings.ToLower(l.scene)
	return fmt.Sprintf(linePattern, l.name, l.source, l.repository, l.branches, l.environment, l.policy,
		l.scene, l.infrastructure, role, l.scene, l.application)
}

// plant is regrow as a whole, with an Octopus whose clock stands still unless it
// is moved.
type plant struct {
	t   *testing.T
	url string
	// address is Octopus'.
	address string
	sim     *simulator.Server
	pool    *pgxpool.Pool
	api     *client.API // as operator
	viewer  *client.API
	events  int
	seen    *sightings
}

// sightings count what plans have come true of, so that a test that met nothing
// does not pass.
type sightings struct {
	mu     sync.Mutex
	counts map[string]int
}

func (s *sightings) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

// grow starts regrow with pipelines for the scenes Shop, in the environment
// Development, and Blog, in Staging.
func grow(t *testing.T, lines ...line) *plant {
	t.Helper()
	p := &plant{t: t, sim: simulator.New(simulator.Options{}), seen: &sightings{counts: map[string]int{}}}
	t.Cleanup(p.sim.Close)
	stand := httptest.NewServer(p.sim)
	t.Cleanup(stand.Close)
	p.address = stand.URL
	for scene, environment := range map[string]string{"Shop": "Development", "Blog": "Staging"} {
		if _, err := p.sim.HelloWorld(simulator.HelloWorldOptions{Project: scene, Environment: environment, Role: strings.ToLower(scene)}); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf(planSettings, p.address)
	for _, l := range lines {
		text += l.yaml()
	}
	database := emptyDatabase(t)
	variables := map[string]string{
		"DATABASE": database, "VIEWER": viewerToken, "OPERATOR": operatorToken, "API_KEY": simulator.DefaultAPIKey,
		"GITHUB": githubSecret, "PREVIOUS": previousSecret, "BUILD": buildSecret, "OCTOPUS": octopusSecret,
	}
	settings, err := config.Parse("regrow.yaml", []byte(text), config.Options{LookupEnv: func(name string) (string, bool) { value, ok := variables[name]; return value, ok }})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	regrow, err := app.New(t.Context(), app.Options{Config: settings, Logger: zerolog.Nop(), Version: "test", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := regrow.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := regrow.Stop(ctx); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	p.url = regrow.URL()
	if p.pool, err = app.OpenPool(t.Context(), database, 2, config.PoolerNone); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.pool.Close)
	p.api, p.viewer = p.client(operatorToken), p.client(viewerToken)
	return p
}

func (p *plant) client(token string) *client.API {
	p.t.Helper()
	api, err := client.New(p.url, token, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return api
}

// hook is a webhook.
type hook struct {
	source string
	header http.Header
	body   []byte
}

// post sends a webhook and returns the status and, of 2xx, the receipt.
func (p *plant) post(h hook) (int, client.Receipt) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+"/webhooks/"+h.source, bytes.NewReader(h.body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header = h.header.Clone()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var receipt client.Receipt
	if answer.StatusCode < 300 {
		if err := json.Unmarshal(text, &receipt); err != nil {
			p.t.Fatalf("%s: %v", text, err)
		}
	}
	return answer.StatusCode, receipt
}

// plan asks, as a viewer, what a webhook would do, and makes sure that the answer
// leaves no trace in the database and in Octopus.
func (p *plant) plan(h hook) client.Plan {
	p.t.Helper()
	headers := map[string]client.PlanHeader{}
	for name, values := range h.header {
		var header client.PlanHeader
		if err := header.FromPlanHeader1(values); err != nil {
			p.t.Fatal(err)
		}
		headers[name] = header
	}
	traces, effects := p.traces(), len(p.sim.Journal())
	response, err := p.viewer.PlanWebhookWithResponse(p.t.Context(), client.PlanRequest{Source: h.source, Headers: headers, BodyBase64: h.body})
	if err != nil {
		p.t.Fatal(err)
	}
	if after := p.traces(); !maps.Equal(traces, after) {
		p.t.Errorf("the plan has changed the database from %v to %v", traces, after)
	}
	if after := p.sim.Journal(); len(after) != effects {
		p.t.Errorf("the plan has changed Octopus: %+v", after[effects:])
	}
	return *response.JSON200
}

// traces fingerprints regrow's tables, the queue and all sequences.
func (p *plant) traces() map[string]string {
	p.t.Helper()
	found := map[string]string{}
	for _, table := range []string{"pipelines", "deliveries", "runs", "stages", "jobs", "attempts", "targets", "run_events", "river_job"} {
		var rows string
		if err := p.pool.QueryRow(p.t.Context(), "select count(*) || ' ' || coalesce(md5(string_agg(r::text, ' ' order by r::text)), '') from "+table+" r").Scan(&rows); err != nil {
			p.t.Fatal(err)
		}
		found[table] = rows
	}
	sequences, err := p.pool.Query(p.t.Context(), "select sequencename, coalesce(last_value, 0)::text from pg_sequences")
	if err != nil {
		p.t.Fatal(err)
	}
	var name, value string
	if _, err := pgx.ForEachRow(sequences, []any{&name, &value}, func() error { found[name] = value; return nil }); err != nil {
		p.t.Fatal(err)
	}
	return found
}

// settle waits until every run that holds a lane waits for Octopus, and no lane
// is free that a run waits for.
func (p *plant) settle() {
	p.t.Helper()
	const restless = `select exists (select from runs where status = 'running') or exists (select from runs q where status = 'queued'
		and not exists (select from runs a where a.lane = q.lane and a.status in ('running', 'waiting')))
		or exists (select from river_job where state in ('available', 'running', 'scheduled', 'retryable'))`
	deadline := time.After(30 * time.Second)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		var moving bool
		if err := p.pool.QueryRow(p.t.Context(), restless).Scan(&moving); err != nil {
			p.t.Fatal(err)
		}
		if !moving {
			return
		}
		select {
		case <-look.C:
		case <-deadline:
			p.t.Fatal("the runs do not come to rest")
		}
	}
}

func (p *plant) run(id uuid.UUID) client.RunDetail {
	p.t.Helper()
	response, err := p.api.GetRunWithResponse(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return *response.JSON200
}

// queued lists the runs that wait for their lanes, and active those that hold one.
func (p *plant) runs(statuses ...client.RunStatus) []client.Run {
	p.t.Helper()
	var found []client.Run
	for _, status := range statuses {
		response, err := p.api.ListRunsWithResponse(p.t.Context(), &client.ListRunsParams{Status: &status})
		if err != nil {
			p.t.Fatal(err)
		}
		found = append(found, response.JSON200.Runs...)
	}
	return found
}

// event is a webhook of Octopus about some machine.
func (p *plant) event() hook {
	p.events++
	return hook{"octopus", http.Header{"X-Regrow-Token": {octopusSecret}, "Content-Type": {"application/json"}}, fmt.Appendf(nil,
		`{"EventType":"SubscriptionPayload","Payload":{"Event":{"Id":"Events-%d","Category":"MachineHealthy","Occurred":"2026-01-02T03:04:05.000+00:00","RelatedDocumentIds":["Machines-1"]}}}`, p.events)}
}

// ripen lets Octopus do its work, and the runs see it.
func (p *plant) ripen() {
	p.t.Helper()
	for range 6 {
		p.sim.Advance(time.Minute)
		p.post(p.event())
		p.settle()
	}
}

// gitHub is a signed push.
func gitHub(secret, event, id, body string) hook {
	return hook{"github", http.Header{
		"Content-Type": {"application/json"}, "X-Github-Event": {event}, "X-Github-Delivery": {id},
		"X-Hub-Signature-256": {webhook.SignGitHub(secret, []byte(body))},
	}, []byte(body)}
}

func pushed(repository, ref, sha string) string {
	return fmt.Sprintf(`{"ref":%q,"after":%q,"repository":{"full_name":%q},"head_commit":{"message":"Change %s"}}`, ref, sha, repository, sha[:7])
}

// built is a signed commit of a build server.
func (p *plant) built(id, body string) hook {
	p.t.Helper()
	now := time.Now()
	signature, err := webhook.SignStandard(buildSecret, id, now, []byte(body))
	if err != nil {
		p.t.Fatal(err)
	}
	return hook{"build", http.Header{
		"Content-Type": {"application/json"}, "Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Webhook-Signature": {signature},
	}, []byte(body)}
}

// checkTrue plans a webhook, sends it, and checks that all comes as planned.
func (p *plant) checkTrue(h hook) {
	p.t.Helper()
	planned := p.plan(h)
	queuedBefore := p.runs(client.RunStatusQueued)
	status, receipt := p.post(h)
	p.seen.note(string(planned.Outcome))
	if planned.Status != status {
		p.t.Errorf("it was answered %d, planned was %d (%s)", status, planned.Status, planned.Reason)
	}
	if status >= 300 {
		if planned.Outcome != client.PlanOutcomeRefused {
			p.t.Errorf("it was refused with %d, planned was %s", status, planned.Outcome)
		}
		return
	}
	if string(planned.Outcome) != string(receipt.Status) || planned.Woken != receipt.Woken || planned.Reason != receipt.Reason {
		p.t.Errorf("the receipt says %s (%s), %d woken; planned was %s (%s), %d", receipt.Status, receipt.Reason, receipt.Woken, planned.Outcome, planned.Reason, planned.Woken)
	}
	if receipt.Woken > 0 {
		p.seen.note("woken")
	}
	if receipt.Status == client.ReceiptStatusDuplicate {
		if planned.Duplicate.Delivery != receipt.Delivery || !slices.Equal(planned.Duplicate.Runs, receipt.Runs) {
			p.t.Errorf("it repeats %s with %v, planned was %+v", receipt.Delivery, receipt.Runs, planned.Duplicate)
		}
		return
	}
	p.checkMatches(planned, receipt)
	p.settle()
	p.checkLanes(planned, receipt, queuedBefore)
	for _, made := range receipt.Runs {
		p.checkRun(plannedRun(p.t, planned, made.Pipeline), made)
	}
}

func plannedRun(t *testing.T, planned client.Plan, name string) client.PlanRun {
	t.Helper()
	for _, one := range planned.Pipelines {
		if one.Pipeline == name {
			return one.Run
		}
	}
	t.Fatalf("nothing was planned of pipeline %s", name)
	return client.PlanRun{}
}

// checkMatches compares which pipelines took the commit, and why the others did
// not.
func (p *plant) checkMatches(planned client.Plan, receipt client.Receipt) {
	p.t.Helper()
	var foreseen, made []client.RunRef
	var mismatches []client.Mismatch
	for _, one := range planned.Pipelines {
		switch {
		case one.Matches:
			foreseen = append(foreseen, client.RunRef{Pipeline: one.Pipeline, Number: one.Run.Number, Status: one.Run.Status})
		case one.Rule != "source":
			mismatches = append(mismatches, client.Mismatch{Pipeline: one.Pipeline, Rule: one.Rule, Reason: one.Reason})
		}
	}
	for _, run := range receipt.Runs {
		run.ID = uuid.Nil
		made = append(made, run)
	}
	if !slices.Equal(foreseen, made) {
		p.t.Errorf("the runs are %v, planned were %v", made, foreseen)
	}
	if !slices.Equal(mismatches, receipt.Mismatches) && len(mismatches)+len(receipt.Mismatches) > 0 {
		p.t.Errorf("the mismatches are %v, planned were %v", receipt.Mismatches, mismatches)
	}
}

// checkLanes compares which runs were superseded.
func (p *plant) checkLanes(planned client.Plan, receipt client.Receipt, queuedBefore []client.Run) {
	p.t.Helper()
	var foreseen, superseded []uuid.UUID
	for _, one := range planned.Pipelines {
		for _, run := range one.Run.Lane.Supersedes {
			foreseen = append(foreseen, run.ID)
		}
	}
	for _, run := range queuedBefore {
		if by := p.run(run.ID).SupersededBy; by != uuid.Nil && slices.ContainsFunc(receipt.Runs, func(made client.RunRef) bool { return made.ID == by }) {
			superseded = append(superseded, run.ID)
			p.seen.note("superseded")
		}
	}
	byID := func(a, b uuid.UUID) int { return cmp.Compare(a.String(), b.String()) }
	slices.SortFunc(foreseen, byID)
	slices.SortFunc(superseded, byID)
	if !slices.Equal(foreseen, superseded) {
		p.t.Errorf("superseded are %v, planned were %v", superseded, foreseen)
	}
}

// checkRun compares what became of a run: of one that started, the releases that
// it made, what it failed by or waits for, and what stood before it; of one that
// is queued, who is before it.
func (p *plant) checkRun(planned client.PlanRun, made client.RunRef) {
	p.t.Helper()
	run := p.run(made.ID)
	if planned.Commit != run.Commit || planned.Lane.Key != run.Lane {
		p.t.Errorf("%s#%d is of %+v in %s, planned was %+v in %s", made.Pipeline, made.Number, run.Commit, run.Lane, planned.Commit, planned.Lane.Key)
	}
	p.seen.note("run " + string(made.Status))
	if made.Status == client.RunStatusQueued {
		return
	}
	if planned.WouldFail != (run.Status == client.RunStatusFailed) {
		p.t.Errorf("%s#%d is %s (%s); that it fails was planned: %t (%v)", made.Pipeline, made.Number, run.Status, run.Reason, planned.WouldFail, planned.Findings)
	}
	var reasons []string
	for _, finding := range planned.Findings {
		reasons = append(reasons, finding.Message)
	}
	p.seen.note(fmt.Sprintf("%s in %s", run.Status, run.Stage))
	switch {
	case run.Status == client.RunStatusFailed || run.Stage == client.StageProvision:
		if !slices.Contains(reasons, run.Reason) {
			p.t.Errorf("%s#%d is %s because: %s\nplanned were %q", made.Pipeline, made.Number, run.Status, run.Reason, reasons)
		}
	case len(planned.Findings) > 0 && planned.Override.Existing != client.PlanPresenceExists:
		p.t.Errorf("%s#%d is %s in %s; planned were %q", made.Pipeline, made.Number, run.Status, run.Stage, reasons)
	default:
		p.checkReleases(planned, run)
	}
}

func (p *plant) checkReleases(planned client.PlanRun, run client.RunDetail) {
	p.t.Helper()
	for i, release := range []client.PlanRelease{planned.Infrastructure, planned.Application} {
		if got := run.Stages[i].Result["release_version"]; got != release.Version || release.Existing != client.PlanPresenceNone {
			p.t.Errorf("%s#%d has made release %v of %s, planned was %+v", run.Pipeline, run.Number, got, release.Project, release)
		}
	}
	var foreseen, baseline []string
	for _, target := range planned.Targets.Targets {
		foreseen = append(foreseen, target.ID)
	}
	for _, target := range run.Targets {
		if target.Generation == client.TargetGenerationBaseline {
			baseline = append(baseline, target.ID)
		}
	}
	slices.Sort(foreseen)
	slices.Sort(baseline)
	if !slices.Equal(foreseen, baseline) {
		p.t.Errorf("before %s#%d stood %v, planned were %v", run.Pipeline, run.Number, baseline, foreseen)
	}
}

// chance draws what happens, the same for the same seed.
type chance struct{ *rand.Rand }

func pick[T any](c chance, choices ...T) T { return choices[c.IntN(len(choices))] }

func (c chance) line(i int) line {
	l := line{
		name: fmt.Sprintf("line-%d", i), source: pick(c, "github", "github", "build"), repository: pick(c, "acme/shop", "acme/*", "acme/*"),
		branches: pick(c, "main", `"**"`, `main, "release/**"`), policy: pick(c, "latest", "fifo"), scene: pick(c, "Shop", "Blog"),
		infrastructure: fmt.Sprint(i) + pick(c, ".0.{run}", ".{run}.0-{branch}"),
		application:    fmt.Sprint(i) + pick(c, ".{run}", ".0-{short_commit}"),
	}
	l.environment = map[string]string{"Shop": "Development", "Blog": "Staging"}[l.scene]
	if l.source == "build" {
		l.application = pick(c, "{version}-", "4.{run}.") + fmt.Sprint(i)
	}
	if c.IntN(8) == 0 {
		l.environment = "Moon"
	}
	return l
}

// hook draws a webhook, most of them good ones.
func (c chance) hook(p *plant, id string) hook {
	sha := strings.Repeat(pick(c, "a", "b", "c", "1"), 40)
	repository, ref := pick(c, "acme/shop", "acme/shop", "acme/shop", "acme/blog", "other/shop"), pick(c, "refs/heads/main", "refs/heads/main", "refs/heads/main", "refs/heads/release/1", "refs/tags/v1")
	switch c.IntN(12) {
	case 0:
		return p.event()
	case 1:
		return gitHub(githubSecret, pick(c, "ping", "issues"), id, `{"zen":"Practicality beats purity."}`)
	case 2:
		return gitHub("not-the-secret", "push", id, pushed(repository, ref, sha))
	case 3:
		return gitHub(githubSecret, "push", id, pick(c, `{}`, `{"ref":`, strings.Repeat(" ", 5000)))
	case 4:
		return gitHub(previousSecret, "push", id, pushed(repository, ref, sha))
	case 5, 6, 7:
		return p.built(id, fmt.Sprintf(`{"repository":%q,"ref":%q,"commit":%q,"version":%q}`, repository, ref, sha, pick(c, "5.0.1", "5.0.2", "5.0.3")))
	default:
		return gitHub(githubSecret, "push", id, pushed(repository, ref, sha))
	}
}

// Whatever is configured, runs and comes: what a plan says of a webhook is what
// happens when it is sent.
func TestPlansComeTrue(t *testing.T) {
	t.Parallel()
	seen := &sightings{counts: map[string]int{}}
	t.Cleanup(func() {
		t.Logf("seen: %v", seen.counts)
		for _, what := range []string{
			"accepted", "ignored", "duplicate", "refused", "woken", "superseded", "run running", "run queued",
			"waiting in verify", "waiting in provision", "failed in provision",
		} {
			if seen.counts[what] == 0 {
				t.Errorf("in no step: %s", what)
			}
		}
	})
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := chance{rand.New(rand.NewPCG(seed, 7))}
			var lines []line
			for i := range 2 + c.IntN(3) {
				lines = append(lines, c.line(i+5))
			}
			p := grow(t, lines...)
			p.seen = seen
			var ids []string
			for step := range 8 {
				id := fmt.Sprintf("delivery-%d", step)
				if len(ids) > 0 && c.IntN(6) == 0 {
					id = pick(c, ids...) // it comes again, or another one under its id
				}
				ids = append(ids, id)
				p.checkTrue(c.hook(p, id))
				p.settle()
				switch c.IntN(5) {
				case 0:
					p.cancelOne(c)
				case 1:
					p.ripen()
				}
				if t.Failed() {
					t.Fatalf("in step %d of %+v", step, lines)
				}
			}
		})
	}
}

// Without Octopus there is a plan all the same, of all that regrow knows itself.
func TestPlanWithoutOctopus(t *testing.T) {
	t.Parallel()
	p := grow(t, line{"shop", "github", "acme/shop", "main", "Development", "latest", "1.0.{run}", "2.0.{run}", "Shop"})
	if _, err := p.sim.Faults().Add(simulator.Fault{DropBefore: true}); err != nil {
		t.Fatal(err)
	}
	planned := p.plan(gitHub(githubSecret, "push", "d1", pushed("acme/shop", "refs/heads/main", strings.Repeat("a", 40))))
	run := planned.Pipelines[0].Run
	if planned.Outcome != client.PlanOutcomeAccepted || run.Number != 1 || run.Application.Version != "2.0.1" || run.WouldFail {
		t.Errorf("planned: %+v", planned)
	}
	if run.Targets.Existing != client.PlanPresenceUnknown || len(run.Findings) != 1 || run.Findings[0].Kind != client.PlanFindingKindUnknown {
		t.Errorf("of Octopus is said %+v and %+v", run.Targets, run.Findings)
	}
}

// An override that was set in Octopus by hand is told, and then replaced.
func TestPlanNamesAnOverrideOfSomebodyElse(t *testing.T) {
	t.Parallel()
	p := grow(t, line{"shop", "github", "acme/shop", "main", "Development", "latest", "1.0.{run}", "2.0.{run}", "Shop"})
	octopus := p.octopus()
	project, err := octopus.Project(t.Context(), "Shop")
	if err != nil {
		t.Fatal(err)
	}
	environment, err := octopus.Environment(t.Context(), "Development")
	if err != nil {
		t.Fatal(err)
	}
	release := p.sim.Releases("Shop")[0]
	if err := octopus.SetOverride(t.Context(), project.ID, environment.ID, "", release.ID); err != nil {
		t.Fatal(err)
	}
	h := gitHub(githubSecret, "push", "d1", pushed("acme/shop", "refs/heads/main", strings.Repeat("a", 40)))
	override := p.plan(h).Pipelines[0].Run.Override
	if override.Existing != client.PlanPresenceExists || override.ReleaseVersion != release.Version || override.Run.Number != 0 {
		t.Errorf("the override is planned as %+v", override)
	}
	p.checkTrue(h)
	next := p.plan(gitHub(githubSecret, "push", "d2", pushed("acme/shop", "refs/heads/main", strings.Repeat("b", 40))))
	if got := next.Pipelines[0].Run.Override; got.ReleaseVersion != "2.0.1" || got.Run.Pipeline != "shop" || got.Run.Number != 1 {
		t.Errorf("after the run it is planned as %+v", got)
	}
}

func (p *plant) octopus() *octopus.Client {
	p.t.Helper()
	c, err := octopus.New(octopus.Config{URL: p.address, APIKey: simulator.DefaultAPIKey, Space: "Default"})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// cancelOne cancels one of the runs that have not ended.
func (p *plant) cancelOne(c chance) {
	p.t.Helper()
	if runs := p.runs(client.RunStatusQueued, client.RunStatusWaiting); len(runs) > 0 {
		if _, err := p.api.CancelRunWithResponse(p.t.Context(), pick(c, runs...).ID, client.CancelRequest{}); err != nil {
			p.t.Fatal(err)
		}
		p.settle()
	}
}
