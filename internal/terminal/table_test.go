package terminal_test

import (
	"strings"
	"testing"

	"regrow/internal/client"
)

func everyRun() []client.Run {
	queued := newRun().Run
	queued.Commit.Branch = "a-branch-with-a-name-that-is-far-too-long-for-a-table"
	return []client.Run{queued, heldRun().Run, running().Run, begun().Run, succeeded().Run, failed().Run, cancelled().Run, superseded().Run}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for name, width := range map[string]int{"runs": 0, "runs_narrow": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := screen(7300)
			s.Width = width
			if err := s.Runs(everyRun()); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.String())
		})
	}
}

// Tenants have a column when there are any, and a freeze shows at a glance.
func TestRunsOfTenants(t *testing.T) {
	t.Parallel()
	for name, width := range map[string]int{"runs_tenants": 0, "runs_tenants_narrow": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := screen(7300)
			s.Width = width
			acme, globex := frozenRun().Run, running().Run
			acme.Tenant, globex.Tenant = "Acme", "Globex"
			if err := s.Runs([]client.Run{acme, globex, succeeded().Run}); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.String())
		})
	}
}

func TestRunsOfNone(t *testing.T) {
	t.Parallel()
	s, out := screen(0)
	if err := s.Runs(nil); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != "No runs." {
		t.Errorf("%q", got)
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	s, out := screen(0)
	err := s.Problem(&client.Error{Request: "POST /api/v1/runs", Problem: client.Problem{
		Status: 503, Detail: "the request has two mistakes", Remedy: "look at the places", RequestID: "req-7",
		Errors: []client.ProblemError{{Pointer: "#/commit", Detail: "is no commit id"}, {Parameter: "Idempotency-Key", Detail: "is empty"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "problem", out.String())
}
