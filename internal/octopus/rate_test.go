package octopus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceAllowsABurstAndThenTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPace(180)
		start := time.Now()
		for range 30 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the burst took %s", took)
		}
		for range 180 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 59*time.Second || took > 61*time.Second {
			t.Errorf("180 more took %s, want a minute", took)
		}
	})
}

func TestPaceHonoursTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPace(6) // one at once, one every ten seconds
		if err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.wait(short); err == nil {
			t.Error("a request went out before its turn")
		}
		if time.Since(start) != 0 {
			t.Error("it waited although its turn comes after its deadline")
		}
		ending, end := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, end)
		if err := p.wait(ending); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want cancelled", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("noticed the cancellation after %s, want 3s", took)
		}
	})
}

func TestPauseLastsAsLongAsTheLongestAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPace(180)
		if p.paused() != 0 {
			t.Error("paused from the start")
		}
		p.pauseFor(time.Minute)
		p.pauseFor(time.Second)
		p.pauseFor(0)
		if got := p.paused(); got != time.Minute {
			t.Errorf("paused for %s, want a minute", got)
		}
		time.Sleep(time.Minute) // in the bubble's time
		if got := p.paused(); got != 0 {
			t.Errorf("paused for another %s", got)
		}
	})
}
