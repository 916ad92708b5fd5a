package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/client"
)

// fill gives dependencies what any server has.
func fill(d *Deps) {
	d.Ready = func(context.Context) []Check { return nil }
	d.Now = time.Now
}

func newRun(line, branch, commit string) string {
	return fmt.Sprintf(`{"pipeline":%q,"branch":%q,"commit":%q}`, line, branch, commit)
}

func TestStartByHand(t *testing.T) {
	t.Parallel()
	s := serve(t)
	got := s.call(operatorToken, http.MethodPost, "/api/v1/runs", newRun("shop", "main", strings.ToUpper(sha('a')))).want(t, http.StatusCreated)
	run := as[client.Run](t, got)
	if run.Pipeline != "shop" || run.Number != 1 || run.Status != client.RunStatusRunning {
		t.Errorf("got %+v", run)
	}
	if c := run.Commit; c.Repository != "acme/shop" || c.Ref != "refs/heads/main" || c.Branch != "main" || c.SHA != sha('a') {
		t.Errorf("the commit is %+v", c)
	}
	if want := "/api/v1/runs/" + run.ID.String(); got.header.Get("Location") != want {
		t.Errorf("the location is %q, want %q", got.header.Get("Location"), want)
	}
	delivery := as[client.DeliveryDetail](t, s.call(viewerToken, http.MethodGet, "/api/v1/deliveries/"+run.DeliveryID.String(), "").want(t, http.StatusOK))
	if delivery.Source != "api" || delivery.Headers["X-Regrow-Caller"][0] != "ann" || len(delivery.Runs) != 1 {
		t.Errorf("the delivery is %+v, want one of the source api by ann", delivery)
	}
	other := as[client.Run](t, s.call(operatorToken, http.MethodPost, "/api/v1/runs", newRun("shop", "main", sha('a'))).want(t, http.StatusCreated))
	if other.ID == run.ID {
		t.Error("without a key, the same request started nothing new")
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := serve(t)
	start := func(key, body string) answer {
		return s.call(operatorToken, http.MethodPost, "/api/v1/runs", body, "Idempotency-Key", key)
	}
	first := as[client.Run](t, start("k-1", newRun("shop", "main", sha('a'))).want(t, http.StatusCreated))
	spaced := strings.ReplaceAll(newRun("shop", "main", sha('a')), ",", " , ")
	again := as[client.Run](t, start("k-1", spaced).want(t, http.StatusOK))
	if again.ID != first.ID {
		t.Errorf("the repeated key names run %s, want %s", again.ID, first.ID)
	}
	p := start("k-1", newRun("shop", "main", sha('b'))).problem(t, keyReused)
	if p.Remedy == "" {
		t.Errorf("the problem %+v does not say what to do", p)
	}
	start("k-2", newRun("shop", "main", sha('b'))).want(t, http.StatusCreated)
	start("two words", newRun("shop", "main", sha('b'))).problem(t, badRequest)
	start(strings.Repeat("k", 256), newRun("shop", "main", sha('b'))).problem(t, badRequest)
	if n := s.count("runs"); n != 2 {
		t.Errorf("there are %d runs, want 2", n)
	}
}

// What a key asked for before stays answered, whatever the configuration says now.
func TestKeyOutlivesTheConfiguration(t *testing.T) {
	t.Parallel()
	s := serve(t)
	body := newRun("shop", "main", sha('a'))
	start := func(s *server, key, body string) answer {
		return s.call(operatorToken, http.MethodPost, "/api/v1/runs", body, "Idempotency-Key", key)
	}
	first := as[client.Run](t, start(s, "k-1", body).want(t, http.StatusCreated))
	for what, changed := range map[string]*server{
		"without the pipeline": s.reconfigured(func(d *Deps) { d.Pipelines = d.Pipelines[2:] }),
		"on another branch":    s.reconfigured(func(d *Deps) { d.Pipelines[0].Branches = []string{"release"} }),
	} {
		if again := as[client.Run](t, start(changed, "k-1", body).want(t, http.StatusOK)); again.ID != first.ID {
			t.Errorf("%s: the repeated key names run %s, want %s", what, again.ID, first.ID)
		}
		start(changed, "k-1", newRun("shop", "main", sha('b'))).problem(t, keyReused)
		start(changed, "k-2", body).problem(t, unprocessable)
	}
	if n := s.delivery(first.DeliveryID).Duplicates; n != 2 {
		t.Errorf("the delivery counts %d repetitions, want 2", n)
	}
	if n := s.count("deliveries"); n != 1 {
		t.Errorf("there are %d deliveries, want 1", n)
	}
}

func TestOneKeyAtOnceStartsOneRun(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ids := make([]uuid.UUID, 6)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			response, err := s.api.CreateRunWithResponse(t.Context(), &client.CreateRunParams{IdempotencyKey: new("key")},
				client.NewRun{Pipeline: "shop", Branch: "main", Commit: sha('a')})
			if err != nil {
				t.Error(err)
				return
			}
			if response.JSON201 != nil {
				ids[i] = response.JSON201.ID
			} else {
				ids[i] = response.JSON200.ID
			}
		})
	}
	group.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("one key started the runs %v", ids)
		}
	}
}

func TestStartByHandObeysThePipeline(t *testing.T) {
	t.Parallel()
	s := serve(t)
	full := func(members string) string { return fmt.Sprintf(`{"commit":%q,%s}`, sha('a'), members) }
	tests := map[string]struct {
		body    string
		kind    kind
		pointer string
	}{
		"unknown pipeline":       {full(`"pipeline":"shoop","branch":"main"`), unprocessable, "#/pipeline"},
		"neither branch nor ref": {full(`"pipeline":"shop"`), unprocessable, "#/branch"},
		"both branch and ref":    {full(`"pipeline":"shop","branch":"main","ref":"refs/heads/main"`), unprocessable, "#/branch"},
		"branch not taken":       {full(`"pipeline":"shop","branch":"topic"`), unprocessable, "#/branch"},
		"ref not taken":          {full(`"pipeline":"shop","ref":"refs/tags/v1"`), unprocessable, "#/ref"},
		"repository not taken":   {full(`"pipeline":"shop","branch":"main","repository":"evil/shop"`), unprocessable, "#/repository"},
		"repository needed":      {full(`"pipeline":"preview","branch":"main"`), unprocessable, "#/repository"},
		"version needed":         {full(`"pipeline":"build","branch":"main"`), unprocessable, "#/version"},
		"short commit":           {newRun("shop", "main", "abc123"), badRequest, "#/commit"},
		"no commit":              {`{"pipeline":"shop","branch":"main"}`, badRequest, "#/commit"},
		"misspelt member":        {full(`"pipeline":"shop","brunch":"main"`), badRequest, "#"},
		"a number":               {full(`"pipeline":7,"branch":"main"`), badRequest, "#/pipeline"},
		"U+0000":                 {full(`"pipeline":"shop","branch":"main","message":"a\u0000"`), badRequest, ""},
		"ill-formed version":     {full(`"pipeline":"build","branch":"main","version":"a b/../"`), unprocessable, "#/version"},
		"a member twice":         {full(`"pipeline":"shop","branch":"main","branch":"other"`), badRequest, ""},
		"something behind it":    {newRun("shop", "main", sha('a')) + "{}", badRequest, ""},
		"no UTF-8":               {full("\"pipeline\":\"shop\",\"branch\":\"main\",\"message\":\"\xff\""), badRequest, ""},
		"no JSON":                {`pipeline=shop`, badRequest, "#"},
		"no body":                {"", badRequest, "#"},
	}
	for name, test := range tests {
		got := s.call(operatorToken, http.MethodPost, "/api/v1/runs", test.body).problem(t, test.kind)
		if test.pointer != "" && (len(got.Errors) == 0 || got.Errors[0].Pointer != test.pointer) {
			t.Errorf("%s: the places are %+v, want %s", name, got.Errors, test.pointer)
		}
	}
	s.call(operatorToken, http.MethodPost, "/api/v1/runs", "a=b", "Content-Type", "text/plain").problem(t, unsupportedMedia)
	s.call(operatorToken, http.MethodPost, "/api/v1/runs", `{"message":"`+strings.Repeat("x", 2<<20)+`"}`).problem(t, tooLarge)
	if n := s.count("deliveries"); n != 0 {
		t.Errorf("%d refused requests are stored", n)
	}
}
