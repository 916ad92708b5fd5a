package handlers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"regrow/internal/client"
	"regrow/internal/pipeline"
	"regrow/internal/webhook"
)

// planOf asks for a plan of a webhook, as viewer.
func (s *server) planOf(source string, header http.Header, body string) answer {
	s.t.Helper()
	if header == nil {
		header = http.Header{}
	}
	text, err := json.Marshal(map[string]any{"source": source, "headers": header, "body_base64": base64.StdEncoding.EncodeToString([]byte(body))})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.call(viewerToken, http.MethodPost, "/api/v1/plan", string(text))
}

func (s *server) mustPlan(source string, header http.Header, body string) client.Plan {
	s.t.Helper()
	return as[client.Plan](s.t, s.planOf(source, header, body).want(s.t, http.StatusOK))
}

// tables are counted before and after plans.
var tables = []string{"pipelines", "deliveries", "runs", "stages", "jobs", "attempts", "targets", "run_events", "river_job"}

func (s *server) rows() string {
	s.t.Helper()
	var rows []string
	for _, table := range tables {
		rows = append(rows, fmt.Sprintf("%s %d", table, s.count(table)))
	}
	return strings.Join(rows, ", ")
}

func TestPlanTellsAndStoresNothing(t *testing.T) {
	t.Parallel()
	s := serve(t)
	before := s.rows()
	first, other := s.github(push{id: "d1"}), s.github(push{id: "d1", message: "another"})
	got := s.mustPlan("github", first.Header, bodyOf(t, first))
	if got.Outcome != client.PlanOutcomeAccepted || got.Status != http.StatusAccepted || got.Signature.State != client.PlanSignatureStateValid || len(got.Assumed) != 0 {
		t.Errorf("planned: %+v", got)
	}
	if got.Delivery.ExternalID != "d1" || got.Delivery.Event != "push" || got.Delivery.Commits[0].SHA != sha('a') {
		t.Errorf("it is said to say %+v", got.Delivery)
	}
	want := map[string]string{"shop": "", "preview": "", "build": "source"}
	for _, line := range got.Pipelines {
		if rule, known := want[line.Pipeline]; !known || line.Rule != rule || line.Matches != (rule == "") || (line.Reason == "") != line.Matches {
			t.Errorf("of pipeline %s is said %+v", line.Pipeline, line)
		}
		if line.Matches && (line.Run.Number != 1 || line.Run.Status != client.RunStatusRunning || line.Run.Findings[0].Message != "There is no Octopus here.") {
			t.Errorf("of the run of %s is said %+v", line.Pipeline, line.Run)
		}
	}
	if after := s.rows(); after != before || len(got.Pipelines) != len(want) {
		t.Errorf("planning has made %s of %s, and told of %d pipelines", after, before, len(got.Pipelines))
	}
	s.send(first).want(t, http.StatusAccepted)
	again := s.mustPlan("github", first.Header, bodyOf(t, first))
	if again.Outcome != client.PlanOutcomeDuplicate || again.Status != http.StatusOK || !again.Duplicate.SameBody || len(again.Duplicate.Runs) != 2 || again.Pipelines[0].Run.Number != 0 {
		t.Errorf("of a webhook that came before is said %+v", again)
	}
	if got := s.mustPlan("github", other.Header, bodyOf(t, other)); got.Duplicate.SameBody || got.Reason != otherBody {
		t.Errorf("of another one under the same id is said %+v", got)
	}
	if next := s.mustPlan("github", nil, bodyOf(t, first)); next.Pipelines[0].Run.Number != 2 || next.Pipelines[0].Run.Status != client.RunStatusQueued {
		t.Errorf("of the next run is said %+v", next.Pipelines[0].Run)
	}
}

func bodyOf(t *testing.T, request *http.Request) string {
	t.Helper()
	reader, err := request.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPlanTellsSignaturesApart(t *testing.T) {
	t.Parallel()
	previous, err := webhook.New(webhook.Source{Name: "rotating", Kind: webhook.GitHub, Secret: "hush-new-secret-1", PreviousSecrets: []string{githubSecret}})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(d *Deps) { d.Sources = append(d.Sources, Source{Receiver: previous}) })
	valid := s.github(push{id: "d1"})
	body := bodyOf(t, valid)
	without := func(names ...string) http.Header {
		h := valid.Header.Clone()
		for _, name := range names {
			h.Del(name)
		}
		return h
	}
	forged := without()
	forged.Set("X-Hub-Signature-256", "sha256=00")
	late := s.generic("b1", time.Now().Add(-time.Hour), body)
	commit := `{"repository": "acme/shop", "branch": "main", "commit": "` + sha('b') + `", "version": "1.2.3"}`
	tests := map[string]struct {
		source    string
		header    http.Header
		body      string
		outcome   client.PlanOutcome
		status    int
		signature client.PlanSignatureState
		signed    client.PlanOutcome
		assumed   int
	}{
		"valid":                    {"github", valid.Header, body, "accepted", 202, "valid", "", 0},
		"by the previous secret":   {"rotating", valid.Header, body, "ignored", 200, "valid", "", 0},
		"missing":                  {"github", without("X-Hub-Signature-256"), body, "accepted", 202, "missing", "", 0},
		"nothing but the body":     {"github", nil, body, "accepted", 202, "missing", "", 3},
		"forged":                   {"github", forged, body, "refused", 401, "invalid", "accepted", 0},
		"forged and unreadable":    {"github", forged, "{}", "refused", 401, "invalid", "refused", 0},
		"signed without an event":  {"github", without("X-GitHub-Event"), body, "refused", 400, "valid", "", 0},
		"unreadable":               {"github", nil, "{}", "refused", 400, "missing", "", 3},
		"another type":             {"github", http.Header{"Content-Type": {"text/plain"}}, body, "refused", 415, "missing", "", 2},
		"too large":                {"github", nil, strings.Repeat(" ", 5000), "refused", 413, "unchecked", "", 3},
		"a commit of a build":      {"build", nil, commit, "accepted", 202, "missing", "", 2},
		"a stale commit":           {"build", late.Header, body, "refused", 401, "invalid", "refused", 0},
		"a deleted branch":         {"github", nil, strings.Replace(body, `"deleted":false`, `"deleted":true`, 1), "ignored", 200, "missing", "", 3},
		"a branch nobody takes":    {"github", nil, strings.Replace(body, "heads/main", "heads/other", 1), "ignored", 200, "missing", "", 3},
		"an event without a token": {"octopus", nil, bodyOf(t, s.octopus("Events-1")), "accepted", 202, "missing", "", 0},
	}
	for name, test := range tests {
		got := s.mustPlan(test.source, test.header, test.body)
		if got.Outcome != test.outcome || got.Status != test.status || got.Signature.State != test.signature || got.IfSigned.Outcome != test.signed || len(got.Assumed) != test.assumed {
			t.Errorf("%s: %s (%d), signature %s (%s), signed %q, assumed %v", name, got.Outcome, got.Status, got.Signature.State, got.Signature.Reason, got.IfSigned.Outcome, got.Assumed)
		}
		if (got.Signature.Reason == "") != (test.signature == "valid") {
			t.Errorf("%s: the signature is %s because %q", name, got.Signature.State, got.Signature.Reason)
		}
		if (got.Outcome == "refused" || got.Outcome == "ignored") && got.Reason == "" {
			t.Errorf("%s: no reason", name)
		}
		wantNoSecret(t, name, fmt.Sprintf("%+v", got))
	}
}

func TestPlanOfAnOctopusEvent(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.start("shop")
	event := s.octopus("Events-7")
	got := s.mustPlan("octopus", event.Header, bodyOf(t, event))
	said := got.Delivery.Octopus
	if got.Woken != 1 || said.ID != "Events-7" || said.Server != "octo" || said.Category != "MachineHealthy" || len(said.Targets) != 1 || len(got.Pipelines) != 0 {
		t.Errorf("planned: %+v", got)
	}
	if receipt := as[client.Receipt](t, s.send(event).want(t, got.Status)); receipt.Woken != got.Woken {
		t.Errorf("%d runs woke, planned were %d", receipt.Woken, got.Woken)
	}
}

func TestPlanRefusesWhatIsNoRequest(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tests := map[string]struct {
		body    string
		kind    kind
		pointer string
	}{
		"no source":                  {`{}`, badRequest, "#/source"},
		"an unknown source":          {`{"source": "hub"}`, unprocessable, "#/source"},
		"the source of people":       {`{"source": "api"}`, unprocessable, "#/source"},
		"two bodies":                 {`{"source": "github", "body": "{}", "body_base64": "e30="}`, unprocessable, "#/body_base64"},
		"no base64":                  {`{"source": "github", "body_base64": "%%"}`, badRequest, "#/body_base64"},
		"an event that the body has": {`{"source": "build", "event": "push"}`, unprocessable, "#/event"},
		"a header of another shape":  {`{"source": "github", "headers": {"A": 1}}`, badRequest, "#/headers/A"},
		"a header that cannot be":    {`{"source": "github", "headers": {"a b": "c"}}`, unprocessable, "#/headers/a%20b"},
		"a value that cannot be":     {`{"source": "github", "headers": {"A/B": ["x", "c\n"]}}`, unprocessable, "#/headers/A~1B"},
		"an unknown member":          {`{"source": "github", "sign": true}`, badRequest, "#"},
		"a member twice":             {`{"source": "github", "source": "build"}`, badRequest, "#/source"},
		"no JSON":                    {`{"source"`, badRequest, "#"},
	}
	for name, test := range tests {
		p := s.call(viewerToken, http.MethodPost, "/api/v1/plan", test.body).problem(t, test.kind)
		if len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Pointer, test.pointer) {
			t.Errorf("%s: %q at %+v, want it at %s", name, p.Detail, p.Errors, test.pointer)
		}
	}
	s.call(viewerToken, http.MethodPost, "/api/v1/plan", `{}`, "Content-Type", "text/plain").problem(t, unsupportedMedia)
	s.wantUnknownCaller(http.MethodPost, "/api/v1/plan")
}

// Headers may be given as they are shown with a delivery, or each as one value.
func TestPlanTakesHeadersInBothShapes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	signed := s.github(push{id: "d1"})
	text, err := json.Marshal(map[string]any{"source": "github", "body": bodyOf(t, signed), "headers": map[string]any{
		"content-type": "application/json", "x-github-event": []string{"push"}, "X-GITHUB-DELIVERY": "d1", "X-Hub-Signature-256": signed.Header["X-Hub-Signature-256"],
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := as[client.Plan](t, s.call(viewerToken, http.MethodPost, "/api/v1/plan", string(text)).want(t, http.StatusOK))
	if got.Signature.State != client.PlanSignatureStateValid || got.Outcome != client.PlanOutcomeAccepted {
		t.Errorf("planned: %+v", got)
	}
}

// A plan may be as large as the largest webhook, and no larger.
func TestPlanBoundsItsBody(t *testing.T) {
	t.Parallel()
	large, err := webhook.New(webhook.Source{Name: "large", Kind: webhook.GitHub, Secret: githubSecret, MaxBody: 3 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(d *Deps) { d.Sources = []Source{{Receiver: large}} })
	body := push{}.body()
	fitting := body + strings.Repeat(" ", 3<<20-len(body))
	if got := s.mustPlan("large", nil, fitting); got.Outcome != client.PlanOutcomeIgnored {
		t.Errorf("the largest webhook is planned as %+v", got)
	}
	if got := s.mustPlan("large", nil, fitting+" "); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("one that is larger is planned as %+v", got)
	}
	s.planOf("large", nil, strings.Repeat(" ", 8<<20)).problem(t, tooLarge)
}

func TestPlansArePaced(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) { d.PlansPerMinute = 2 })
	for range 2 {
		s.mustPlan("github", nil, push{}.body())
	}
	refused := s.planOf("github", nil, push{}.body())
	refused.problem(t, tooManyRequests)
	if refused.header.Get("Retry-After") == "" {
		t.Error("nobody says when to come again")
	}
	s.call(operatorToken, http.MethodPost, "/api/v1/plan", `{"source": "github"}`).want(t, http.StatusOK)
}

// patientRuns look at Octopus until they have to stop.
type patientRuns struct {
	testRuns
	deadlines chan time.Time
}

func (r patientRuns) Survey(ctx context.Context, p pipeline.Preview) pipeline.Survey {
	deadline, _ := ctx.Deadline()
	r.deadlines <- deadline
	<-ctx.Done()
	return r.testRuns.Survey(ctx, p)
}

// However slow Octopus is, the plan is answered, and each run has had its share of
// the time.
func TestPlanDoesNotWaitForOctopus(t *testing.T) {
	t.Parallel()
	deadlines := make(chan time.Time, 2)
	s := serve(t, func(d *Deps) { d.Runs, d.Timing.Survey = patientRuns{deadlines: deadlines}, 200*time.Millisecond })
	begin := time.Now()
	got := s.mustPlan("github", nil, push{}.body())
	first, second := <-deadlines, <-deadlines
	if got.Outcome != client.PlanOutcomeAccepted || !first.Before(second) || first.Sub(begin) < 50*time.Millisecond {
		t.Errorf("planned as %s; from %s on, looks until %s and %s", got.Outcome, begin, first, second)
	}
}

// The database being away is no plan.
func TestPlanWithoutADatabase(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.pool.Close()
	s.planOf("github", nil, push{}.body()).problem(t, unavailable)
}

// Whatever is planned, no secret comes back, and nothing is stored.
func TestPlansKeepSecrets(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) { d.PlansPerMinute = 1e6 })
	before := s.rows()
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.SampledFrom([]string{githubSecret, octopusSecret}).Draw(rt, "secret")
		source, request := "github", s.github(push{id: rapid.SampledFrom([]string{"d1", secret}).Draw(rt, "id"), message: "with " + secret})
		if secret == octopusSecret {
			source, request = "octopus", s.octopus("Events-"+rapid.SampledFrom([]string{"1", secret}).Draw(rt, "id"))
		}
		for _, name := range []string{"X-GitHub-Event", "X-Hook", "User-Agent", "X-Anything"} {
			if rapid.Bool().Draw(rt, name) {
				request.Header.Set(name, secret)
			}
		}
		got := s.planOf(source, request.Header, bodyOf(t, request))
		wantNoSecret(rt, "the plan", string(got.body))
	})
	wantNoSecret(t, "the log", s.log.String())
	if after := s.rows(); after != before {
		t.Errorf("planning has made %s of %s", after, before)
	}
}
