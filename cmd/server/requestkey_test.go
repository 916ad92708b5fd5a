package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"regrow/internal/client"
)

// uncertain is a server whose answers to requests that change something get lost
// in some way, and which keeps the keys of those requests.
type uncertain struct {
	server *fakeServer
	lose   http.HandlerFunc

	mu   sync.Mutex
	keys []string
}

func (u *uncertain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		u.server.ServeHTTP(w, r)
		return
	}
	u.mu.Lock()
	u.keys = append(u.keys, r.Header.Get("Idempotency-Key"))
	u.mu.Unlock()
	u.lose(w, r)
}

var keyTold = regexp.MustCompile(`repeat it with --idempotency-key ([!-~]+?)\.?\n`)

// Whether it was done is open after each of these, so each tells the key under
// which it can be asked for again, once.
func TestTheKeyIsToldWhenTheAnswerIsLost(t *testing.T) {
	t.Parallel()
	says := func(status int, media, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	losses := map[string]struct {
		lose http.HandlerFunc
		code int
	}{
		"no database":     {says(503, "application/problem+json", `{"status":503,"detail":"the database is away","remedy":"try again under the same Idempotency-Key"}`), exitUnreachable},
		"an error":        {says(500, "application/problem+json", `{"status":500,"detail":"it went wrong"}`), exitFailed},
		"a proxy gave up": {says(504, "text/html", "<h1>Gateway timeout</h1>"), exitUnreachable},
		"unexpected":      {says(202, "application/json", "{}"), exitFailed},
		"no JSON":         {says(201, "application/json", "<h1>"), exitFailed},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			says(201, "application/json", `{"id":`)(w, nil)
		}, exitUnreachable},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, exitUnreachable},
	}
	commands := map[string][]string{
		"trigger":   triggered(),
		"rollback":  {"runs", "rollback", runID.String()},
		"redeliver": {"deliveries", "redeliver", deliveryUUID.String()},
	}
	for name, loss := range losses {
		for command, args := range commands {
			if command == "rollback" && name == "unexpected" {
				continue // 202 is an answer to it
			}
			t.Run(command+": "+name, func(t *testing.T) {
				t.Parallel()
				u := &uncertain{server: newDeliveryServer(t, client.RunStatusSucceeded), lose: loss.lose}
				server := httptest.NewServer(u)
				t.Cleanup(server.Close)
				got := perform(t.Context(), slices.Concat(args, []string{"--server", server.URL})...)
				told := keyTold.FindStringSubmatch(got.err)
				u.mu.Lock()
				defer u.mu.Unlock()
				if got.code != loss.code || told == nil || len(slices.Compact(u.keys)) != 1 || told[1] != u.keys[0] {
					t.Errorf("exit %d, want %d; sent the keys %q, told:\n%s", got.code, loss.code, u.keys, got.err)
				}
			})
		}
	}
}

// What was refused was not done.
func TestTheKeyIsNotToldOfARefusal(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.answering("POST /api/v1/runs", http.StatusConflict, problem(http.StatusConflict, "it is not so", "make it so"))
	if got := f.regrow(t.Context(), triggered()...); got.code != exitRefused || strings.Contains(got.err, "--idempotency-key") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

// Build servers make keys of the names of jobs, which hold anything.
func TestKeysAreMadeFitForTheAPI(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.regrow(t.Context(), triggered("--idempotency-key", "jenkins-Größe mit\tTab-7~!")...).want(t, exitOK, "started", "")
	if key := f.asked(t, http.MethodPost, "/api/v1/runs")[0].header.Get("Idempotency-Key"); key != "jenkins-Gr----e-mit-Tab-7~!" {
		t.Errorf("the key is %q", key)
	}
}
