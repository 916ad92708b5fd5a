//go:build unix

package trial

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// A run is rolled back when its release is out and nothing is removed yet, with an
// old generation that still serves: it goes back to that, and an override keeps the
// old targets from the bad release. The next commit replaces it.
func TestRollbackReturns(t *testing.T) {
	t.Parallel()
	lane := Lane{Name: "charlie", Project: "Cellar", Policy: pipeline.FIFO, Targets: 2, NoTrigger: true, Returns: true}
	w := New(t, Options{Lanes: []Lane{lane}})
	w.Serve("")
	w.push(t)
	w.settle(t)
	machines := simulator.Provisioner{Targets: lane.Targets, Roles: []string{lane.role()}, TerminateDelay: 24 * time.Hour}
	w.Octopus.SetProvisioner(w.places[lane.Name].infrastructure, machines)
	w.push(t)
	until(t, "the second run is about to clean up", func() bool {
		return w.some(t.Context(), "select id from runs where number = 2 and stage = 'cleanup' and status = 'waiting'") != uuid.Nil.String()
	})
	second := w.some(t.Context(), "select id from runs where number = 2")
	if status, answer, err := w.api(t.Context(), http.MethodPost, "runs/"+second+"/rollback", `{"reason":"it is bad"}`); err != nil || status/100 != 2 {
		t.Fatalf("the rollback was answered %d %s, %v", status, answer, err)
	}
	w.settle(t)
	h := w.MustHold(t, "a run was rolled back before its clean-up")
	if run := h.Runs[1]; len(h.Runs) != 2 || run.RollbackWay != "return" || run.Status == pipeline.Succeeded {
		t.Fatalf("the runs are %+v", h.Runs)
	}
	good := newChecker(h).stage(h.Runs[0].ID, pipeline.CreateRelease).Result.ReleaseID
	if len(h.Standing) != 1 || h.Standing[0].ReleaseID != good {
		t.Errorf("%+v stand, the good release is %s", h.Standing, good)
	}
	machines.TerminateDelay = time.Minute
	w.Octopus.SetProvisioner(w.places[lane.Name].infrastructure, machines)
	w.push(t)
	w.settle(t)
	h = w.MustHold(t, "a commit came after a rollback")
	if run := h.Runs[2]; run.Status != pipeline.Succeeded || len(h.Standing) != 0 {
		t.Errorf("the next run is %s (%s), and %+v stand", run.Status, run.Reason, h.Standing)
	}

	// Without the rollback, the same would be seen.
	h.Runs[1].RollbackWay = ""
	if found := h.Check(); len(found) == 0 {
		t.Error("an override for a run that did not hold its lane was not seen")
	}
}
