package jobs

import (
	"strings"
	"testing"

	"regrow/internal/pipeline"
)

// What cannot be done for one lane keeps nobody else from being served: other
// lanes go on, and the process stays ready.
func TestOneBadLaneHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	good := w.pipeline()
	bad := w.pipeline(func(p *pipeline.Pipeline) { p.Name, p.Environment = "bad", "Always the first" })
	pause := w.pause(pipeline.PauseAll, good)
	stuck, run := w.commit(bad, "aaaaaaaaaa"), w.commit(good, "bbbbbbbbbb")
	if stuck.Lane >= run.Lane {
		t.Fatal("the bad lane does not come first; the test proves nothing")
	}
	_, err := w.pool.Exec(t.Context(), `
		create function refuse() returns trigger language plpgsql as $$ begin raise 'this lane is bad'; end $$;
		create trigger refuse before update on runs for each row when (new.pipeline = 'bad') execute function refuse()`)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.lift(pause); err != nil {
		t.Fatal(err)
	}
	w.untilDone(run.ID, pipeline.Succeeded)
	if err := w.engine.Reconcile(t.Context()); err == nil || !strings.Contains(err.Error(), stuck.Lane) {
		t.Errorf("the reconciler says of the bad lane: %v", err)
	}
	w.engine.reconciled.Store(0)
	w.until("the process is ready all the same", func() bool { return w.engine.Working() == nil })
}
