//go:build unix

package trial

import (
	"testing"
	"time"
)

// A world in which nobody breaks anything: every commit becomes a generation.
func TestWorld(t *testing.T) {
	t.Parallel()
	w := New(t, Options{})
	p := w.Serve("")
	for range 2 {
		for _, lane := range w.Lanes {
			if d, err := w.Push(t.Context(), lane); err != nil || d.Receipt == nil {
				t.Fatalf("%+v: %v", d, err)
			}
		}
	}
	if err := w.Settle(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	h, err := w.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range h.Check() {
		t.Error(v)
	}
	p.Stop(t)
	if p.ended != nil {
		t.Errorf("the process ended with %v", p.ended)
	}
}
