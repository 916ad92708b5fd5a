package octopus_test

import (
	"net/http"
	"testing"

	"regrow/internal/octopus"
)

func TestReadsAreRepeatedAtOnceAndWritesAreNot(t *testing.T) {
	t.Parallel()
	const path = "/api/Spaces-1/projects/Projects-1"
	for name, test := range map[string]struct {
		answers []string // "" is an empty 503
		status  int
		rereads int
		reads   int
		ok      bool
	}{
		"an outage that passes":    {[]string{"", "{", `{"Id":"Projects-1"}`}, http.StatusOK, 3, 3, true},
		"an outage that stays":     {[]string{"", "", "", "", ""}, http.StatusOK, 3, 4, false},
		"told not to":              {[]string{"", `{"Id":"Projects-1"}`}, http.StatusOK, 0, 1, false},
		"a refusal":                {[]string{`{"ErrorMessage":"No."}`}, http.StatusForbidden, 3, 1, false},
		"a pause that is too long": {[]string{`{"ErrorMessage":"Later."}`}, http.StatusTooManyRequests, 3, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			n := 0
			f.on("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
				body := test.answers[n]
				n++
				if test.status == http.StatusTooManyRequests {
					w.Header().Set("Retry-After", "30")
				}
				if body == "" {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				reply(w, test.status, body)
			})
			c := f.client(func(cfg *octopus.Config) { cfg.Rereads = test.rereads })
			if _, err := c.Document(t.Context(), octopus.Projects, "Projects-1"); (err == nil) != test.ok {
				t.Errorf("error %v", err)
			}
			if n != test.reads {
				t.Errorf("%d reads, want %d", n, test.reads)
			}
		})
	}

	f := newFake(t)
	f.on("POST /api/Spaces-1/machinepolicies", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	c := f.client(func(cfg *octopus.Config) { cfg.Rereads = 3 })
	if _, err := c.Create(t.Context(), octopus.MachinePolicies, octopus.Document(`{"Name":"x"}`)); err == nil {
		t.Error("a creation that failed succeeds")
	}
	if got := len(f.received(http.MethodPost, "/api/Spaces-1/machinepolicies")); got != 1 {
		t.Errorf("the creation was sent %d times", got)
	}
}
