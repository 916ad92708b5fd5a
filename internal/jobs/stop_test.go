package jobs

import (
	"context"
	"testing"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// hanging never answers; it ends with its caller's context.
type hanging struct {
	Octopus
	called chan struct{}
}

func (h hanging) Environment(ctx context.Context, _ string) (octopus.Environment, error) {
	close(h.called)
	<-ctx.Done()
	return octopus.Environment{}, ctx.Err()
}

// An engine that is stopped hands back what it cannot finish: the history says
// so, and another engine goes on at once.
func TestStopHandsBack(t *testing.T) {
	t.Parallel()
	called := make(chan struct{})
	w := newWorld(t, worldOptions{config: func(c *Config) {
		wrap(c, func(o Octopus) Octopus { return hanging{o, called} })
	}})
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	<-called
	stopping, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.engine.Stop(stopping); err != nil {
		t.Fatalf("stopping: %v", err)
	}
	after := w.run(run.ID)
	if after.Status != pipeline.Running || after.LeaseUntil != nil || after.JobID == nil {
		t.Fatalf("the run is %s, leased until %v, job %v; want it free for another process", after.Status, after.LeaseUntil, after.JobID)
	}
	attempts, err := store.New(w.pool).AttemptsOfRun(t.Context(), run.ID)
	if err != nil || len(attempts) != 1 || attempts[0].Attempt.Outcome != "retrying" {
		t.Errorf("the history says %+v (%v)", attempts, err)
	}

	w.engine = w.start(nil)
	w.untilDone(run.ID, pipeline.Succeeded)
	w.checkOnce()
}

func TestBeforeEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := beforeEnd(t.Context(), time.Second)
	defer cancel()
	if end, limited := ctx.Deadline(); limited {
		t.Errorf("without a limit it ends at %s", end)
	}
	for left, earlier := range map[time.Duration]time.Duration{time.Hour: time.Second, time.Second: 500 * time.Millisecond} {
		limited, cancel := context.WithTimeout(t.Context(), left)
		defer cancel()
		ctx, cancel := beforeEnd(limited, time.Second)
		defer cancel()
		whole, _ := limited.Deadline()
		end, _ := ctx.Deadline()
		if got := whole.Sub(end); got > earlier || got < earlier-earlier/4 {
			t.Errorf("with %s left it ends %s earlier, want %s", left, got, earlier)
		}
	}
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	for left, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, -time.Second: time.Minute} {
		limited, cancel := context.WithTimeout(t.Context(), left)
		defer cancel()
		ctx, cancel := atLeast(limited, time.Minute)
		defer cancel()
		end, _ := ctx.Deadline()
		if got := time.Until(end); got > want || got < want-10*time.Second || ctx.Err() != nil {
			t.Errorf("with %s left it lasts for %s (%v), want %s", left, got, ctx.Err(), want)
		}
	}
}
