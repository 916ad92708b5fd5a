package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"regrow/internal/client"
)

const rollbackPath = "/api/v1/runs/0199c3a0-0000-7000-8000-00000000000c/rollback"

func TestRunsRollback(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.regrow(t.Context(), "runs", "rollback", "latest", "--reason", "it is slow", "--idempotency-key", "k1").
		want(t, exitOK, "hello-world#12 returns to its old targets.", "")
	asked := f.asked(t, http.MethodPost, rollbackPath)[0]
	if strings.TrimSpace(asked.body) != `{"reason":"it is slow"}` || asked.header.Get("Idempotency-Key") != "k1" {
		t.Errorf("asked %s with the key %q", asked.body, asked.header.Get("Idempotency-Key"))
	}
	next := aRun(client.RunStatusQueued)
	next.ID, next.Number, next.Kind, next.RollbackOf, next.Restores = newerID, 13, client.RunKindRollback, runID, newerID
	f.answering("POST "+rollbackPath, http.StatusCreated, next.Run)
	f.regrow(t.Context(), "runs", "rollback", "latest").want(t, exitOK, "hello-world#13 is queued, first in its lane, with the last good release.", "")
	next.Status = client.RunStatusRunning
	f.answering("POST "+rollbackPath, http.StatusOK, next.Run)
	got := f.regrow(t.Context(), "runs", "rollback", "latest", "--output", "json")
	var run client.Run
	if err := json.Unmarshal([]byte(got.out), &run); err != nil || run.ID != newerID {
		t.Errorf("%v: %s%s", err, got.out, got.err)
	}
	f.answering("POST "+rollbackPath, http.StatusConflict, problem(http.StatusConflict, "run #12 of hello-world has nothing good to go back to", "start a run"))
	f.regrow(t.Context(), "runs", "rollback", "latest", "--wait").
		want(t, exitRefused, "", "Run #12 of hello-world has nothing good to go back to.\n  What to do: Start a run.")
}

// A run that returned to its old targets is where it was wanted, however it ended.
func TestRunsRollbackWaits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		way  client.RollbackWay
		code int
		out  string
	}{
		{client.RollbackWayReturn, exitOK, "to the old generation, as ann wanted"},
		{client.RollbackWayNone, exitCancelled, "not, although ann wanted it"},
	} {
		final := aRun(client.RunStatusCancelled)
		final.Rollback = client.Rollback{Way: test.way, By: "ann"}
		f := newFakeServer(t, aRun(client.RunStatusRunning), final)
		f.regrow(t.Context(), "runs", "rollback", "latest", "--wait").want(t, test.code, test.out, "")
	}
}
