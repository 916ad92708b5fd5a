package handlers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// start makes a run by hand.
func (s *server) start(line string) client.Run {
	s.t.Helper()
	return as[client.Run](s.t, s.call(operatorToken, http.MethodPost, "/api/v1/runs", newRun(line, "main", sha('a'))).want(s.t, http.StatusCreated))
}

// end ends a run.
func (s *server) end(id uuid.UUID, status pipeline.Status) {
	s.t.Helper()
	if err := end(s.t.Context(), s.pool, id, status); err != nil {
		s.t.Fatal(err)
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	path := "/api/v1/runs/" + run.ID.String() + "/retry"
	refused := s.call(operatorToken, http.MethodPost, path, "").problem(t, conflict)
	if !strings.Contains(refused.Detail, "running, by ann") || refused.Remedy != "retry failed runs" {
		t.Errorf("the refusal is %+v", refused)
	}
	s.end(run.ID, pipeline.Failed)
	again := as[client.Run](t, s.call(operatorToken, http.MethodPost, path, "").want(t, http.StatusAccepted))
	if again.ID != run.ID || again.Round != 2 || again.Status != client.RunStatusRunning || again.Stage != client.StageProvision {
		t.Errorf("got %+v, want the run in its second round", again)
	}
	s.end(run.ID, pipeline.Failed)
	s.call(operatorToken, http.MethodPost, path, `{"from":"lunch"}`).problem(t, badRequest)
	further := as[client.Run](t, s.call(operatorToken, http.MethodPost, path, `{"from":"verify"}`).want(t, http.StatusAccepted))
	if further.Stage != client.StageVerify {
		t.Errorf("got stage %q, want verify", further.Stage)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	path := "/api/v1/runs/" + run.ID.String() + "/cancel"
	cancelled := as[client.Run](t, s.call(operatorToken, http.MethodPost, path, `{"reason":"wrong branch"}`).want(t, http.StatusAccepted))
	if cancelled.Status != client.RunStatusCancelled || cancelled.Reason != "wrong branch (ann)" || cancelled.EndedAt.IsZero() {
		t.Errorf("got %+v, want it cancelled with the reason", cancelled)
	}
	s.call(operatorToken, http.MethodPost, path, "").problem(t, conflict)
}

func TestIgnoreFreeze(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	path := "/api/v1/runs/" + run.ID.String() + "/ignore-freeze"
	const body = `{"reason":" the shop is down "}`
	refused := s.call(operatorToken, http.MethodPost, path, body).problem(t, conflict)
	if refused.Remedy != "wait for one" {
		t.Errorf("the refusal is %+v", refused)
	}
	until := time.Date(2026, 12, 27, 6, 0, 0, 0, time.UTC)
	err := store.New(s.pool).FreezeRun(t.Context(), store.FreezeRunParams{ID: run.ID, Name: "Christmas", Until: &until})
	if err != nil {
		t.Fatal(err)
	}
	if held := get[client.RunDetail](s, "/api/v1/runs/"+run.ID.String()); held.Frozen.Name != "Christmas" || !held.Frozen.Until.Equal(until) {
		t.Errorf("the run shows %+v, want the freeze", held.Frozen)
	}
	s.call(viewerToken, http.MethodPost, path, body).problem(t, forbidden)
	for _, wrong := range []string{"", "{}", `{"reason":""}`, `{"reason":"  "}`, `{"reason":"why","force":true}`} {
		s.call(operatorToken, http.MethodPost, path, wrong).problem(t, badRequest)
	}
	goesOn := as[client.Run](t, s.call(operatorToken, http.MethodPost, path, body).want(t, http.StatusAccepted))
	if want := (client.FreezeOverride{Reason: "the shop is down", By: "ann"}); goesOn.FreezeOverride != want {
		t.Errorf("got %+v, want %+v", goesOn.FreezeOverride, want)
	}
}

func TestSteeringWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for verb, body := range map[string]string{"retry": "", "cancel": "", "rollback": "", "ignore-freeze": `{"reason":"because"}`} {
		s.call(operatorToken, http.MethodPost, "/api/v1/runs/"+uuid.NewString()+"/"+verb, body).problem(t, notFound)
		p := s.call(operatorToken, http.MethodPost, "/api/v1/runs/12/"+verb, body).problem(t, badRequest)
		if len(p.Errors) != 1 || p.Errors[0].Parameter != "id" {
			t.Errorf("%s of run 12: the places are %+v, want the parameter id", verb, p.Errors)
		}
	}
}
