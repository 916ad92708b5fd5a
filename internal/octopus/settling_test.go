package octopus_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"regrow/internal/octopus"
)

func TestSettling(t *testing.T) {
	t.Parallel()
	const settling = 7 * time.Second
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		reply(w, http.StatusCreated, `{"Id":`)
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   time.Duration // of a request that changes something
	}{
		"no answer in time":         {hang, settling},
		"connection broken":         {func(w http.ResponseWriter, _ *http.Request) { breakOff(w) }, settling},
		"given up by a proxy":       {status(http.StatusGatewayTimeout), settling},
		"bad gateway":               {status(http.StatusBadGateway), settling},
		"given up by Cloudflare":    {status(524), settling},
		"half an answer of success": {half, 0},
		"failed":                    {status(http.StatusInternalServerError), 0},
		"unavailable":               {status(http.StatusServiceUnavailable), 0},
		"refused":                   {status(http.StatusBadRequest), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.on("POST /api/Spaces-1/machinepolicies", test.answer)
			f.on("GET /api/Spaces-1/machinepolicies/x", test.answer)
			c := f.client(func(cfg *octopus.Config) { cfg.Timeout, cfg.Settling = 200*time.Millisecond, settling })
			_, err := c.Create(t.Context(), octopus.MachinePolicies, octopus.Document(`{"Name":"x"}`))
			if got := octopus.Settling(err); err == nil || got != test.want {
				t.Errorf("a creation settles in %s, want %s (%v)", got, test.want, err)
			}
			_, err = c.Document(t.Context(), octopus.MachinePolicies, "x")
			if got := octopus.Settling(err); err == nil || got != 0 {
				t.Errorf("a read settles in %s (%v)", got, err)
			}
		})
	}
}

func TestWhatWasNotSentHasSettled(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c := f.client()
	if _, err := c.Documents(t.Context(), octopus.MachinePolicies); err == nil { // it knows the space from now on
		t.Fatal("the fake has machine policies")
	}
	c.Close() // no connection is left that could break
	f.Close()
	_, err := c.Create(t.Context(), octopus.MachinePolicies, octopus.Document(`{"Name":"x"}`))
	wantTransient(t, err)
	if got := octopus.Settling(err); got != 0 {
		t.Errorf("nobody listens, and it is said to settle in %s", got)
	}
}

// A process that is stopped leaves requests behind that may have their effect.
func TestCancelledChangeSettles(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.on("POST /api/Spaces-1/machinepolicies", func(http.ResponseWriter, *http.Request) { cancel() })
	c := f.client(func(cfg *octopus.Config) { cfg.Timeout = 20 * time.Second })
	_, err := c.Create(ctx, octopus.MachinePolicies, octopus.Document(`{"Name":"x"}`))
	if got := octopus.Settling(err); !errors.Is(err, context.Canceled) || got != 20*time.Second {
		t.Errorf("got %v, which settles in %s; want it told as cancelled, and as long as an answer may take", err, got)
	}
}
