package handlers

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/pipeline"
)

func rollbackPath(id uuid.UUID) string { return "/api/v1/runs/" + id.String() + "/rollback" }

func TestRollbackReturns(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	if run.Kind != client.RunKindCommit {
		t.Errorf("a run of a commit is of kind %q", run.Kind)
	}
	s.call(viewerToken, http.MethodPost, rollbackPath(run.ID), "").problem(t, forbidden)
	same := as[client.Run](t, s.call(operatorToken, http.MethodPost, rollbackPath(run.ID), `{"reason":" it is slow "}`).want(t, http.StatusAccepted))
	if want := (client.Rollback{Way: client.RollbackWayReturn, By: "ann", Reason: "it is slow"}); same.ID != run.ID || same.Rollback != want {
		t.Errorf("got %+v, want the run with %+v", same, want)
	}
	refused := s.call(operatorToken, http.MethodPost, rollbackPath(run.ID), "").problem(t, conflict)
	if refused.Remedy != "follow that" {
		t.Errorf("the refusal is %+v", refused)
	}
}

func TestRollbackByANewRun(t *testing.T) {
	t.Parallel()
	s := serve(t)
	bad := s.start("shop")
	s.end(bad.ID, pipeline.Succeeded)
	key := []string{"Idempotency-Key", "back-1"}
	answer := s.call(operatorToken, http.MethodPost, rollbackPath(bad.ID), `{"reason":"it is slow"}`, key...).want(t, http.StatusCreated)
	run := as[client.Run](t, answer)
	if answer.header.Get("Location") != "/api/v1/runs/"+run.ID.String() || run.Kind != client.RunKindRollback || run.RollbackOf != bad.ID || run.Restores != bad.ID {
		t.Errorf("got %+v at %q", run, answer.header.Get("Location"))
	}
	if shown := get[client.RunDetail](s, "/api/v1/runs/"+bad.ID.String()); shown.Rollback.Way != client.RollbackWayNewRun || shown.Rollback.Run != run.ID {
		t.Errorf("the bad run shows %+v", shown.Rollback)
	}

	// The key finds the same run, however things stand by now.
	again := as[client.Run](t, s.call(operatorToken, http.MethodPost, rollbackPath(bad.ID), `{"reason":"it is slow"}`, key...).want(t, http.StatusOK))
	if again.ID != run.ID {
		t.Errorf("the repeated key found run %s, want %s", again.ID, run.ID)
	}
	if p := s.call(operatorToken, http.MethodPost, rollbackPath(bad.ID), `{"reason":"another"}`, key...).problem(t, keyReused); p.Remedy == "" {
		t.Errorf("the problem is %+v", p)
	}
	s.call(operatorToken, http.MethodPost, "/api/v1/runs", newRun("shop", "main", sha('b')), key...).problem(t, keyReused)

	// The request is a delivery, and none that is played again.
	delivery := get[client.DeliveryDetail](s, "/api/v1/deliveries/"+run.DeliveryID.String())
	if delivery.Event != rollbackEvent || delivery.Source != apiSource || len(delivery.Runs) != 1 {
		t.Errorf("the delivery is %+v", delivery)
	}
	s.call(operatorToken, http.MethodPost, "/api/v1/deliveries/"+run.DeliveryID.String()+"/redeliver", "").problem(t, conflict)
}

// The key of a rollback that led to the run's return finds that run.
func TestRollbackKeyOfAReturn(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	key := []string{"Idempotency-Key", "back-2"}
	for _, status := range []int{http.StatusAccepted, http.StatusOK, http.StatusOK} {
		got := as[client.Run](t, s.call(operatorToken, http.MethodPost, rollbackPath(run.ID), "", key...).want(t, status))
		if got.ID != run.ID {
			t.Errorf("got run %s, want %s", got.ID, run.ID)
		}
	}
}

// A refused request leaves nothing behind: its key is free.
func TestRefusedRollbackStoresNothing(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	s.call(operatorToken, http.MethodPost, rollbackPath(run.ID), "").want(t, http.StatusAccepted)
	key := []string{"Idempotency-Key", "back-3"}
	for range 2 {
		s.call(operatorToken, http.MethodPost, rollbackPath(run.ID), "", key...).problem(t, conflict)
	}
	s.call(operatorToken, http.MethodPost, rollbackPath(run.ID), `{"reason":7}`).problem(t, badRequest)
}
