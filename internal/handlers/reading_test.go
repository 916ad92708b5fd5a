package handlers

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// get reads from the REST API as a viewer.
func get[T any](s *server, path string, query ...string) T {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return as[T](s.t, s.call(viewerToken, http.MethodGet, path+"?"+values.Encode(), "").want(s.t, http.StatusOK))
}

// wantIDs compares lists of ids.
func wantIDs[ID comparable](t *testing.T, what string, got []ID, want ...ID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func runIDs(list client.RunList) []uuid.UUID {
	return each(list.Runs, func(r client.Run) uuid.UUID { return r.ID })
}

func TestRunsByFilter(t *testing.T) {
	t.Parallel()
	s := serve(t)
	one := as[client.Receipt](t, s.send(s.github(push{id: "1", sha: sha('a')})).want(t, http.StatusAccepted)).Runs
	between := time.Now()
	two := as[client.Receipt](t, s.send(s.github(push{id: "2", sha: sha('b'), ref: "refs/heads/release/1"})).want(t, http.StatusAccepted)).Runs
	shop1, preview1, shop2 := one[0].ID, one[1].ID, two[0].ID
	s.end(preview1, pipeline.Failed)
	middle := between.Format(time.RFC3339Nano)
	tests := []struct {
		query []string
		want  []uuid.UUID
	}{
		{nil, []uuid.UUID{shop2, preview1, shop1}},
		{[]string{"pipeline", "shop"}, []uuid.UUID{shop2, shop1}},
		{[]string{"pipeline", "shop", "number", "1"}, []uuid.UUID{shop1}},
		{[]string{"pipeline", "nobody"}, nil},
		{[]string{"status", "queued"}, []uuid.UUID{shop2}},
		{[]string{"status", "failed"}, []uuid.UUID{preview1}},
		{[]string{"commit", "BBBB"}, []uuid.UUID{shop2}},
		{[]string{"commit", sha('a')}, []uuid.UUID{preview1, shop1}},
		{[]string{"branch", "release/1"}, []uuid.UUID{shop2}},
		{[]string{"branch", "refs/heads/main"}, []uuid.UUID{preview1, shop1}},
		{[]string{"from", middle}, []uuid.UUID{shop2}},
		{[]string{"to", middle}, []uuid.UUID{preview1, shop1}},
		{[]string{"to", middle, "status", "running"}, []uuid.UUID{shop1}},
	}
	for _, test := range tests {
		wantIDs(t, "runs with "+string(mustJSON(test.query)), runIDs(get[client.RunList](s, "/api/v1/runs", test.query...)), test.want...)
	}
}

func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // tests write plain values
	}
	return text
}

func TestWrongParameters(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tests := map[string]string{
		"/runs?stauts=failed":        "stauts",
		"/runs?status=done":          "status",
		"/runs?commit=a%25":          "commit",
		"/runs?number=1":             "pipeline",
		"/runs?limit=0":              "limit",
		"/runs?limit=201":            "limit",
		"/runs?limit=many":           "limit",
		"/runs?after=yesterday":      "after",
		"/runs?from=yesterday":       "from",
		"/jobs?kind=lunch":           "kind",
		"/jobs?run=1":                "run",
		"/jobs?after=-1":             "after",
		"/jobs/abc":                  "id",
		"/jobs/99999999999999999999": "id",
		"/runs/abc":                  "id",
		"/deliveries?outcome=lost":   "outcome",
		"/runs/" + uuid.NewString() + "/events?after=x": "after",
	}
	for path, parameter := range tests {
		p := s.call(viewerToken, http.MethodGet, "/api/v1"+path, "").problem(t, badRequest)
		if len(p.Errors) == 0 || p.Errors[0].Parameter != parameter {
			t.Errorf("%s: the places are %+v, want the parameter %q", path, p.Errors, parameter)
		}
	}
	s.call(viewerToken, http.MethodGet, "/api/v1/runs?pipeline=%00", "").problem(t, badRequest)
	s.call(viewerToken, http.MethodGet, "/api/v1/runs?pipeline=%FF", "").problem(t, badRequest)
	s.call(viewerToken, http.MethodGet, "/api/v1/runs?pipeline=%zz", "").problem(t, badRequest)
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const total = 7
	for i := range total {
		s.send(s.github(push{id: string(rune('a' + i)), sha: sha('a'), ref: "refs/heads/release/x"})).want(t, http.StatusAccepted)
	}
	for _, size := range []string{"1", "3", "7", "50"} {
		var runs, deliveries []uuid.UUID
		query := []string{"limit", size}
		for {
			list := get[client.RunList](s, "/api/v1/runs", query...)
			runs = append(runs, runIDs(list)...)
			if list.Next == uuid.Nil {
				break
			}
			query = []string{"limit", size, "after", list.Next.String()}
		}
		query = []string{"limit", size}
		for {
			list := get[client.DeliveryList](s, "/api/v1/deliveries", query...)
			for _, delivery := range list.Deliveries {
				deliveries = append(deliveries, delivery.ID)
			}
			if list.Next == uuid.Nil {
				break
			}
			query = []string{"limit", size, "after", list.Next.String()}
		}
		for what, ids := range map[string][]uuid.UUID{"runs": runs, "deliveries": deliveries} {
			newestFirst := slices.IsSortedFunc(ids, func(a, b uuid.UUID) int { return -compareIDs(a, b) })
			if len(slices.Compact(ids)) != total || !newestFirst {
				t.Errorf("pages of %s %s hold %v, want all %d, newest first", size, what, ids, total)
			}
		}
	}
}

func compareIDs(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

// work does to a run what its stages would: provision is done, create_release
// failed once and is tried again.
func (s *server) work(id uuid.UUID) {
	s.t.Helper()
	ctx, now := s.t.Context(), time.Now()
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for i, stage := range []pipeline.Stage{pipeline.Provision, pipeline.CreateRelease} {
		_, err := s.store.BeginStage(ctx, store.BeginStageParams{Now: now, RunID: id, Stage: stage})
		must(err)
		job, err := s.store.JobOfStage(ctx, store.JobOfStageParams{RunID: id, Stage: stage, Round: 1})
		if i > 0 { // the first stage's job came with the run
			job, err = s.store.InsertJob(ctx, store.InsertJobParams{RunID: id, Stage: stage, Round: 1, Now: now})
		}
		must(err)
		_, err = s.store.InsertAttempt(ctx, store.InsertAttemptParams{JobID: job.ID, Number: 1, RiverJobID: 1, Worker: "host-1", StartedAt: now})
		must(err)
		outcome, state := "succeeded", "succeeded"
		var ended *time.Time
		if i == 1 {
			outcome, state = "retrying", "retrying"
		} else {
			ended = new(now.Add(time.Second))
			must(s.store.SetStage(ctx, store.SetStageParams{RunID: id, Stage: stage, Status: "succeeded", EndedAt: ended}))
		}
		must(s.store.EndAttempt(ctx, store.EndAttemptParams{
			Outcome: outcome, Error: map[bool]string{true: "Octopus answered 503"}[i == 1], Now: now.Add(time.Second), RunID: id, Stage: stage, Round: 1,
		}))
		must(s.store.SetJobState(ctx, store.SetJobStateParams{RunID: id, Stage: stage, Round: 1, State: state, FinishedAt: ended}))
	}
	must(s.store.SaveStageResult(ctx, store.SaveStageResultParams{RunID: id, Stage: pipeline.Provision, Result: []byte(`{
		"project_id": "Projects-1", "deployment_id": "Deployments-5",
		"deployment_url": "https://octopus.example/app#/Spaces-1/deployments/Deployments-5",
		"evil_url": "javascript:alert(1)", "empty_url": "",
		"redeployments": [{"task_url": "https://octopus.example/app#/Spaces-1/tasks/ServerTasks-6"}]}`)}))
	must(s.store.SaveTarget(ctx, store.SaveTargetParams{RunID: id, TargetID: "Machines-1", Name: "web-old", Generation: "baseline", Health: "Healthy", Available: true, Now: now}))
	must(s.store.SaveTarget(ctx, store.SaveTargetParams{RunID: id, TargetID: "Machines-2", Name: "web-new", Generation: "new", Health: "Unknown", Now: now}))
}

func TestRunInDetail(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.start("shop").ID
	s.work(id)
	run := get[client.RunDetail](s, "/api/v1/runs/"+id.String())
	if run.ID != id || len(run.Stages) != 5 || len(run.Targets) != 2 {
		t.Fatalf("got %+v", run)
	}
	provision, release := run.Stages[0], run.Stages[1]
	if provision.Status != client.StageStatusSucceeded || provision.DurationSeconds < 0.9 || provision.Result["project_id"] != "Projects-1" {
		t.Errorf("the stage is %+v", provision)
	}
	if len(release.Attempts) != 1 || release.Attempts[0].Error != "Octopus answered 503" || release.Attempts[0].Outcome != client.AttemptOutcomeRetrying {
		t.Errorf("the attempts are %+v", release.Attempts)
	}
	wantLinks := []client.Link{
		{Name: "provision deployment", Stage: client.StageProvision, URL: "https://octopus.example/app#/Spaces-1/deployments/Deployments-5"},
		{Name: "provision redeployments 1 task", Stage: client.StageProvision, URL: "https://octopus.example/app#/Spaces-1/tasks/ServerTasks-6"},
	}
	if !slices.Equal(run.Links, wantLinks) {
		t.Errorf("the links are %+v, want %+v", run.Links, wantLinks)
	}
	target := run.Targets[1]
	if target.Name != "web-new" || target.Generation != client.TargetGenerationNew || target.Available ||
		target.URL != "https://octopus.example/app#/Spaces-1/infrastructure/machines/Machines-2/settings" {
		t.Errorf("the target is %+v", target)
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	s := serve(t)
	shop, build := s.start("shop").ID, s.send(s.github(push{id: "p"})).want(t, http.StatusAccepted)
	preview := as[client.Receipt](t, build).Runs[1].ID
	s.work(shop)
	all := get[client.JobList](s, "/api/v1/jobs")
	if len(all.Jobs) != 3 || all.Next != 0 {
		t.Fatalf("got %+v, want three jobs", all)
	}
	ids := func(query ...string) []int64 {
		return each(get[client.JobList](s, "/api/v1/jobs", query...).Jobs, func(j client.Job) int64 { return j.ID })
	}
	newest, middle, oldest := all.Jobs[0].ID, all.Jobs[1].ID, all.Jobs[2].ID
	wantIDs(t, "jobs of a run", ids("run", shop.String()), newest, oldest)
	wantIDs(t, "jobs of another run", ids("run", preview.String()), middle)
	wantIDs(t, "jobs of a kind", ids("kind", "create_release"), newest)
	wantIDs(t, "jobs in a state", ids("state", "succeeded"), oldest)
	first := get[client.JobList](s, "/api/v1/jobs", "limit", "2")
	wantIDs(t, "the second page", ids("limit", "2", "after", string(mustJSON(first.Next))), oldest)

	job := get[client.JobDetail](s, "/api/v1/jobs/"+string(mustJSON(newest)))
	if job.Kind != client.StageCreateRelease || job.State != client.JobStateRetrying || job.Run.ID != shop || job.Run.Pipeline != "shop" || job.AttemptCount != 1 {
		t.Errorf("the job is %+v", job)
	}
	if a := job.Attempts[0]; a.Error != "Octopus answered 503" || a.Worker != "host-1" || a.DurationSeconds < 0.9 || a.Checks != 1 {
		t.Errorf("the attempt is %+v", a)
	}
	s.call(viewerToken, http.MethodGet, "/api/v1/jobs/4711", "").problem(t, notFound)
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	s := serve(t)
	pushed := as[client.Receipt](t, s.send(s.github(push{id: "d-1"})).want(t, http.StatusAccepted)).Delivery
	between := time.Now().Format(time.RFC3339Nano)
	ignored := as[client.Receipt](t, s.send(s.github(push{id: "d-2", ref: "refs/heads/topic"})).want(t, http.StatusOK)).Delivery
	event := as[client.Receipt](t, s.send(s.octopus("Events-3")).want(t, http.StatusAccepted)).Delivery
	ids := func(query ...string) []uuid.UUID {
		return each(get[client.DeliveryList](s, "/api/v1/deliveries", query...).Deliveries, func(d client.Delivery) uuid.UUID { return d.ID })
	}
	wantIDs(t, "all deliveries", ids(), event, ignored, pushed)
	wantIDs(t, "by source", ids("source", "github"), ignored, pushed)
	wantIDs(t, "by outcome", ids("outcome", "ignored"), ignored)
	wantIDs(t, "by event", ids("event", "MachineHealthy"), event)
	wantIDs(t, "by the sender's id", ids("external_id", "d-1"), pushed)
	wantIDs(t, "from a time", ids("from", between), event, ignored)
	wantIDs(t, "to a time", ids("to", between), pushed)

	shown := get[client.DeliveryDetail](s, "/api/v1/deliveries/"+ignored.String())
	if shown.Kind != "github" || shown.Body != (push{ref: "refs/heads/topic"}).body() || len(shown.Mismatches) != 2 || shown.Size != len(shown.Body) {
		t.Errorf("the delivery is %+v", shown)
	}
	if got := shown.Headers["X-Hub-Signature-256"]; !slices.Equal(got, []string{"[redacted]"}) {
		t.Errorf("the stored signature is %q", got)
	}
	s.call(viewerToken, http.MethodGet, "/api/v1/deliveries/"+uuid.NewString(), "").problem(t, notFound)
}

func TestPipelines(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	s.start("shop")
	list := get[client.PipelineList](s, "/api/v1/pipelines").Pipelines
	if len(list) != 3 {
		t.Fatalf("got %+v, want three pipelines", list)
	}
	shop := list[0]
	if shop.Name != "shop" || shop.Server.Name != "octo" || shop.Lane != run.Lane || shop.Verify.TimeoutSeconds != 3600 {
		t.Errorf("the pipeline is %+v", shop)
	}
	if shop.LatestRun.Number != 2 || shop.Runs["running"] != 1 || shop.Runs["queued"] != 1 {
		t.Errorf("its latest run is %+v, its counts %v", shop.LatestRun, shop.Runs)
	}
	if build := list[2]; build.Tenant != "Acme" || build.Infrastructure.Git != client.GitSourceDefault || build.Application.Git != "" {
		t.Errorf("the pipeline of a tenant is %+v", build)
	}
	body := `{"pipeline":"build","branch":"main","commit":"` + sha('b') + `","version":"1.2.3"}`
	tenants := as[client.Run](t, s.call(operatorToken, http.MethodPost, "/api/v1/runs", body).want(t, http.StatusCreated))
	if tenants.Tenant != "Acme" || tenants.Environment != "Build" || run.Tenant != "" || run.Environment != "Production" {
		t.Errorf("the tenants are %q and %q, the environments %q and %q", tenants.Tenant, run.Tenant, tenants.Environment, run.Environment)
	}
	if list[1].LatestRun.ID != uuid.Nil || len(list[1].Runs) != 0 {
		t.Errorf("a pipeline without runs has %+v", list[1])
	}
}
