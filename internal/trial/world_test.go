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
	w.MustHold(t, "nothing was broken")
	p.Stop(t)
}
