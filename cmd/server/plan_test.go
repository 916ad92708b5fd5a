package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regrow/internal/client"
	"regrow/internal/config"
)

// aPlan is the plan of a push that starts a run.
func aPlan() client.Plan {
	release := func(project, version string) client.PlanRelease {
		return client.PlanRelease{Project: project, Version: version, Packages: []client.PlanPackage{}, Existing: client.PlanPresenceNone}
	}
	commit := aRun(client.RunStatusRunning).Commit
	return client.Plan{
		Source: "github", Kind: "github", Outcome: client.PlanOutcomeAccepted, Status: http.StatusAccepted,
		Signature: client.PlanSignature{State: client.PlanSignatureStateValid}, Assumed: []client.PlanAssumption{},
		Delivery: client.PlanDelivery{ExternalID: "id-1", Event: "push", Commits: []client.Commit{commit}},
		Pipelines: []client.PlanPipeline{{Pipeline: "hello-world", Matches: true, Run: client.PlanRun{
			Number: 13, Status: client.RunStatusRunning, Commit: commit,
			Lane:           client.PlanLane{Key: "main", Policy: client.PlanLanePolicyLatest, Supersedes: []client.PlanLaneRun{}, Ahead: []client.PlanLaneRun{}},
			Infrastructure: release("hello-infra", "0.1.13"), Application: release("hello-app", "1.0.13"),
			Override: client.PlanOverride{Existing: client.PlanPresenceNone}, Freezes: client.PlanFreezes{Existing: client.PlanPresenceNone, Freezes: []client.PlanFreeze{}},
			Targets:  client.PlanTargets{Existing: client.PlanPresenceNone, Expected: 2, Cleanup: client.PlanTargetsCleanupDelete, Targets: []client.PlanTarget{}},
			Findings: []client.PlanFinding{},
		}}},
	}
}

func newPlanServer(t *testing.T, plan client.Plan) *fakeServer {
	t.Helper()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.answering("POST /api/v1/plan", http.StatusOK, plan)
	return f
}

// payload writes a webhook's body, of any bytes, into a file.
func payload(t *testing.T, body string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func asked(t *testing.T, f *fakeServer) (client.PlanRequest, map[string][]string) {
	t.Helper()
	requests := f.asked(t, http.MethodPost, "/api/v1/plan")
	var body client.PlanRequest
	if err := json.Unmarshal([]byte(requests[len(requests)-1].body), &body); err != nil {
		t.Fatal(err)
	}
	headers := map[string][]string{}
	for name, header := range body.Headers {
		values, err := header.AsPlanHeader1()
		if err != nil {
			t.Fatal(err)
		}
		headers[name] = values
	}
	return body, headers
}

func TestPlanSendsThePayloadByteForByte(t *testing.T) {
	t.Parallel()
	const body = "{\"a\": 1}\r\n\x00\xff\xfe<&>\u2028 \n\n"
	f := newPlanServer(t, aPlan())
	f.regrow(t.Context(), "plan", "--source", "github", "--payload", payload(t, body), "--event", "push").
		want(t, exitOK, "hello-world #13  ✓ would start at once", "")
	if got, _ := asked(t, f); string(got.BodyBase64) != body || got.Source != "github" || got.Event != "push" || got.Body != "" {
		t.Errorf("asked for %+v", got)
	}
	var out, errs bytes.Buffer
	code := execute(t.Context(), "1.2.3", []string{"plan", "--source", "build", "--payload", "-", "--server", f.url}, strings.NewReader(body), &out, &errs)
	if got, _ := asked(t, f); code != exitOK || string(got.BodyBase64) != body || got.Source != "build" {
		t.Errorf("from the standard input: exit %d, %s%s, asked for %+v", code, &out, &errs, got)
	}
}

func TestPlanSendsHeaders(t *testing.T) {
	t.Parallel()
	f := newPlanServer(t, aPlan())
	file := payload(t, "X-GitHub-Event: push\r\nx-github-delivery:id-1\r\n\r\n")
	f.regrow(t.Context(), "plan", "--source", "github", "--payload", payload(t, "{}"), "-H", "@"+file, "--header", "Accept: a", "--header", "accept:  b:c ").
		want(t, exitOK, "", "")
	_, headers := asked(t, f)
	want := map[string]string{"X-Github-Event": "push", "X-Github-Delivery": "id-1", "Accept": "a b:c"}
	for name, value := range want {
		if got := strings.Join(headers[name], " "); got != value {
			t.Errorf("header %s: %q, want %q", name, got, value)
		}
	}
	if len(headers) != len(want) {
		t.Errorf("sent %v", headers)
	}
}

func TestPlanTellsHowItWouldGo(t *testing.T) {
	t.Parallel()
	refused, failing, ignored := aPlan(), aPlan(), aPlan()
	refused.Outcome, refused.Status, refused.Reason = client.PlanOutcomeRefused, http.StatusUnauthorized, "the signature is wrong"
	failing.Pipelines[0].Run.WouldFail = true
	ignored.Outcome, ignored.Status, ignored.Reason, ignored.Pipelines = client.PlanOutcomeIgnored, http.StatusOK, "only pushes start runs", []client.PlanPipeline{}
	tests := map[string]struct {
		plan     client.Plan
		code     int
		out, err string
	}{
		"it starts a run": {aPlan(), exitOK, "✓ accepted: 1 run would start (202)", ""},
		"it is ignored":   {ignored, exitOK, "ignored: nothing would start (200)\n  Only pushes start runs.", ""},
		"it is refused":   {refused, exitRefused, "✗ refused (401)\n  The signature is wrong.", "the webhook would be refused with 401"},
		"its run fails":   {failing, exitFailed, "✗ would start at once, and fail", "run #13 of hello-world would fail"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newPlanServer(t, test.plan)
			args := []string{"plan", "--source", "github", "--payload", payload(t, "{}")}
			f.regrow(t.Context(), args...).want(t, test.code, test.out, test.err)
			got := f.regrow(t.Context(), append(args, "--output", "json")...)
			var shown client.Plan
			if err := json.Unmarshal([]byte(got.out), &shown); err != nil || got.code != test.code || shown.Outcome != test.plan.Outcome {
				t.Errorf("as JSON: exit %d, %v: %s", got.code, err, got.out)
			}
		})
	}
}

func TestMistakesInPlans(t *testing.T) {
	t.Parallel()
	f := newPlanServer(t, aPlan())
	file := payload(t, "{}")
	for name, test := range map[string]struct {
		args []string
		err  string
	}{
		"no source":        {[]string{"--payload", file}, `"source" not set`},
		"no payload":       {[]string{"--source", "github"}, `"payload" not set`},
		"no such file":     {[]string{"--source", "github", "--payload", "/nowhere/push.json"}, "reading the payload"},
		"not a header":     {[]string{"--source", "github", "--payload", file, "-H", "push"}, `"push" is no header`},
		"a nameless one":   {[]string{"--source", "github", "--payload", file, "-H", ": push"}, `": push" is no header`},
		"an empty one":     {[]string{"--source", "github", "--payload", file, "-H", ""}, `"" is no header`},
		"no headers' file": {[]string{"--source", "github", "--payload", file, "-H", "@/nowhere/headers"}, "reading headers"},
	} {
		if got := f.regrow(t.Context(), append([]string{"plan"}, test.args...)...); got.code != exitUsage || !strings.Contains(got.err, test.err) || got.out != "" {
			t.Errorf("%s: exit %d, %q", name, got.code, got.err)
		}
	}
	f.answering("POST /api/v1/plan", http.StatusUnprocessableEntity, problem(422, `there is no source "hub"`, ""))
	f.regrow(t.Context(), "plan", "--source", "hub", "--payload", file).want(t, exitRefused, "", `There is no source "hub".`)
}

// endless is a source of bytes that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestPlanReadsNoMoreThanAnySourceTakes(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	f := newPlanServer(t, aPlan())
	args := []string{"plan", "--source", "build", "--server", f.url, "--payload"}
	const want = "holds more than 25000000 bytes"
	if code := execute(t.Context(), "1.2.3", append(args, "-"), endless{}, &out, &errs); code != exitRefused || !strings.Contains(errs.String(), want) {
		t.Errorf("from the standard input: exit %d: %s", code, &errs)
	}
	large := payload(t, "")
	if err := os.Truncate(large, int64(config.LargestBody)+1); err != nil {
		t.Fatal(err)
	}
	f.regrow(t.Context(), append(args[:3:3], "--payload", large)...).want(t, exitRefused, "", want)
}

// patient is an input on which nothing comes.
type patient struct{ asked context.CancelFunc }

func (p patient) Read([]byte) (int, error) {
	p.asked()
	select {}
}

func TestPlanIsInterruptedWhileItReads(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	code := execute(ctx, "1.2.3", []string{"plan", "--source", "build", "--payload", "-"}, patient{interrupt}, &out, &errs)
	if code != exitInterrupted {
		t.Errorf("exit %d: %s", code, &errs)
	}
}
