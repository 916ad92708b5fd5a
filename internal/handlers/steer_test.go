package handlers

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/pipeline"
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

func TestSteeringWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, verb := range []string{"retry", "cancel"} {
		s.call(operatorToken, http.MethodPost, "/api/v1/runs/"+uuid.NewString()+"/"+verb, "").problem(t, notFound)
		p := s.call(operatorToken, http.MethodPost, "/api/v1/runs/12/"+verb, "").problem(t, badRequest)
		if len(p.Errors) != 1 || p.Errors[0].Parameter != "id" {
			t.Errorf("%s of run 12: the places are %+v, want the parameter id", verb, p.Errors)
		}
	}
}
