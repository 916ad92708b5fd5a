package handlers

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"regrow/internal/client"
)

// A refusal says what was expected, what came, and where.
func TestRefusalsSayWhatCame(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := "/api/v1/runs/" + uuid.NewString()
	for name, test := range map[string]struct {
		method, path, body string
		headers            []string
		kind               kind
		place, detail      string
	}{
		"cut off":                 {"POST", "/api/v1/runs", `{"pipeline":`, nil, badRequest, "#", "after 12 bytes: unexpected end"},
		"nested too deeply":       {"POST", "/api/v1/runs", strings.Repeat("[", 500), nil, badRequest, "#", "found after 500 bytes"},
		"a list":                  {"POST", "/api/v1/runs", `[]`, nil, badRequest, "#", "expected a JSON object, found an array"},
		"another type of body":    {"POST", "/api/v1/runs", `{}`, []string{"Content-Type", "application/jsonx"}, unsupportedMedia, "", `found "application/jsonx"`},
		"no type of body":         {"POST", run + "/cancel", `{}`, []string{"Content-Type", ""}, unsupportedMedia, "", `found ""`},
		"a wrong commit":          {"POST", "/api/v1/runs", `{"pipeline":"shop","branch":"main","commit":"zz"}`, nil, badRequest, "#/commit", `found "zz"`},
		"a number for a name":     {"POST", "/api/v1/runs", `{"pipeline":7,"branch":"main","commit":"` + sha('a') + `"}`, nil, badRequest, "#/pipeline", "must be a string, found 7"},
		"a long commit":           {"POST", "/api/v1/runs", `{"pipeline":"shop","branch":"main","commit":"` + strings.Repeat("a", 100) + `"}`, nil, badRequest, "#/commit", "found a string of 100 bytes"},
		"an object for a stage":   {"POST", run + "/retry", `{"from":{"a":1}}`, nil, badRequest, "#/from", "found an object"},
		"an unknown stage":        {"POST", run + "/retry", `{"from":"start"}`, nil, badRequest, "#/from", `"cleanup"], found "start"`},
		"too few removals":        {"POST", run + "/cleanup", `{"max_removals":0}`, nil, badRequest, "#/max_removals", "at least 1, found 0"},
		"null":                    {"POST", run + "/cancel", `{"reason":null}`, nil, badRequest, "#/reason", "found null"},
		"no id":                   {"GET", "/api/v1/runs/1", "", nil, badRequest, "id", `expected a UUID, found "1"`},
		"no id in the query":      {"GET", "/api/v1/runs?after=x", "", nil, badRequest, "after", `expected a UUID, found "x"`},
		"an empty id":             {"GET", "/api/v1/jobs?run=", "", nil, badRequest, "run", `found ""`},
		"no time":                 {"GET", "/api/v1/runs?from=noon", "", nil, badRequest, "from", `(RFC 3339), found "noon"`},
		"a parameter twice":       {"GET", "/api/v1/runs?limit=1&limit=2", "", nil, badRequest, "limit", "2 times"},
		"U+0000 in the query":     {"GET", "/api/v1/runs?pipeline=%00", "", nil, badRequest, "pipeline", "U+0000"},
		"no UTF-8 in the query":   {"GET", "/api/v1/runs?branch=%ff", "", nil, badRequest, "branch", "UTF-8"},
		"a query that is none":    {"GET", "/api/v1/runs?pipeline=%zz", "", nil, badRequest, "", "%zz"},
		"a wrong number":          {"GET", "/api/v1/jobs/0", "", nil, badRequest, "id", "at least 1, found 0"},
		"a secret in a wrong key": {"POST", "/api/v1/runs", newRun("shop", "main", sha('a')), []string{"Idempotency-Key", "a hush-secret"}, badRequest, "Idempotency-Key", "regular expression"},
	} {
		p := s.call(operatorToken, test.method, test.path, test.body, test.headers...).problem(t, test.kind)
		if !strings.Contains(p.Detail, test.detail) || strings.Contains(p.Detail, "hush") {
			t.Errorf("%s: it says %q, want %q in it", name, p.Detail, test.detail)
		}
		places := append(p.Errors, client.ProblemError{})
		if place := places[0].Pointer + places[0].Parameter; place != test.place {
			t.Errorf("%s: the place is %q, want %q", name, place, test.place)
		}
	}
	if n := s.count("deliveries"); n != 0 {
		t.Errorf("%d refused requests are stored", n)
	}
	if raw := s.call("", http.MethodGet, "/api/v1/runs", ""); !strings.Contains(string(raw.body), "Bearer <token>") {
		t.Errorf("it cannot be read as it stands: %s", raw.body)
	}
}
