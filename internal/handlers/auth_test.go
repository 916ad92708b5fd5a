package handlers

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := uuid.NewString()
	reading := []string{"/pipelines", "/runs", "/runs/" + id, "/runs/" + id + "/events", "/jobs", "/jobs/1", "/deliveries", "/deliveries/" + id}
	steering := []string{"/runs", "/runs/" + id + "/retry", "/runs/" + id + "/cancel"}
	for _, path := range reading {
		s.wantUnknownCaller(http.MethodGet, "/api/v1"+path)
		for _, token := range []string{viewerToken, operatorToken} {
			if got := s.call(token, http.MethodGet, "/api/v1"+path, "").status; got == http.StatusUnauthorized || got == http.StatusForbidden {
				t.Errorf("GET %s with a good token answered %d", path, got)
			}
		}
	}
	for _, path := range steering {
		s.wantUnknownCaller(http.MethodPost, "/api/v1"+path)
		p := s.call(viewerToken, http.MethodPost, "/api/v1"+path, "{}").problem(t, forbidden)
		if !strings.Contains(p.Detail, "operator") || !strings.Contains(p.Detail, "vic") {
			t.Errorf("POST %s says %q, want the token's name and the role that is needed", path, p.Detail)
		}
		if got := s.call(operatorToken, http.MethodPost, "/api/v1"+path, "{}").status; got == http.StatusUnauthorized || got == http.StatusForbidden {
			t.Errorf("POST %s as operator answered %d", path, got)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/openapi.yaml"} {
		s.call("", http.MethodGet, path, "").want(t, http.StatusOK)
	}
}

// wantUnknownCaller checks that nobody and strangers are turned away.
func (s *server) wantUnknownCaller(method, path string) {
	s.t.Helper()
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer guess", "Basic dmljOmd1ZXNz", "Bearer " + viewerToken + " "} {
		request := s.request(method, path, "")
		if header != "" {
			request.Header.Set("Authorization", header)
		}
		got := s.send(request)
		if strings.TrimSpace(header) == "Bearer "+viewerToken {
			continue // net/http trims what follows a value
		}
		got.problem(s.t, unauthorized)
		if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), `Bearer realm="regrow"`) {
			s.t.Errorf("%s %s: the challenge is %q", method, path, got.header.Get("WWW-Authenticate"))
		}
	}
}

func TestUnguardedAPIIsOpenButNotToOtherWebPages(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) { d.Tokens, d.Unguarded = nil, true })
	s.call("", http.MethodGet, "/api/v1/runs", "").want(t, http.StatusOK)
	s.call("", http.MethodPost, "/api/v1/runs", newRun("shop", "main", sha('a'))).want(t, http.StatusCreated)
	s.call("", http.MethodPost, "/api/v1/runs", newRun("shop", "main", sha('a')), "Origin", "https://evil.example").problem(t, forbidden)
}

func TestNewRefusesDependenciesThatCannotWork(t *testing.T) {
	t.Parallel()
	s := serve(t)
	good := Deps{
		Pool: s.pool, Runs: testRuns{}, Ready: nil, Draining: s.draining.Load, Now: nil, NewID: uuid.New, Registry: s.registry,
	}
	tests := map[string]func(*Deps){
		"missing parts": func(*Deps) {},
		"no tokens":     func(d *Deps) { fill(d) },
		"both tokens and unguarded": func(d *Deps) {
			fill(d)
			d.Tokens, d.Unguarded = []Token{NewToken("a", Viewer, viewerToken)}, true
		},
		"metrics registered twice": func(d *Deps) { fill(d); d.Unguarded = true },
		"two sources of one name": func(d *Deps) {
			fill(d)
			d.Unguarded, d.Sources = true, append(testSources(t), testSources(t)[0])
		},
	}
	for name, change := range tests {
		deps := good
		change(&deps)
		if _, err := New(deps); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
}
