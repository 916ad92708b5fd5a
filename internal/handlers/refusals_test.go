package handlers

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/routers"
	"github.com/google/uuid"
)

// wellFormedBodies are bodies that operations take which want one.
var wellFormedBodies = map[string]string{
	"createRun":    newRun("shop", "main", sha('a')),
	"createPause":  `{"scope":"all","reason":"audit"}`,
	"ignoreFreeze": `{"reason":"audit"}`,
	"planWebhook":  `{"source":"github","body":` + string(mustJSON(push{}.body())) + `}`,
}

// Whatever the operation, the same mistakes are refused in the same way, before
// anything is done.
func TestEveryOperationRefusesAlike(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) { d.PlansPerMinute = 1000 })
	away := serve(t, func(d *Deps) { d.PlansPerMinute = 1000 })
	away.pool.Close()
	for operation, route := range restRoutes(t) {
		body := wellFormedBodies[route.Operation.OperationID]
		ask := func(s *server, token, id, query, body string, headers ...string) answer {
			return s.call(token, route.Method, strings.ReplaceAll(route.Path, "{id}", id)+query, body, headers...)
		}
		t.Log(operation)
		id := uuid.NewString()
		if strings.HasPrefix(route.Path, "/api/v1/jobs/") {
			id = "4711"
		}
		ask(s, "", id, "", body).problem(t, unauthorized)
		ask(s, "guessed", id, "", body).problem(t, unauthorized)
		ask(s, operatorToken, id, "?nonsense=1", body).problem(t, badRequest)
		if route.Operation.OperationID != "previewCleanup" { // which is a stand-in here
			wantComeAgain(t, ask(away, operatorToken, id, "", body))
		}
		if route.Method != http.MethodGet && route.Operation.OperationID != "planWebhook" {
			ask(s, viewerToken, id, "", body).problem(t, forbidden)
		}
		if strings.Contains(route.Path, "{id}") {
			ask(s, operatorToken, "x", "", body).problem(t, badRequest)
			if route.Operation.OperationID != "previewCleanup" {
				ask(s, operatorToken, id, "", body).problem(t, notFound)
			}
		}
		if route.Operation.RequestBody != nil {
			ask(s, operatorToken, id, "", "{").problem(t, badRequest)
			ask(s, operatorToken, id, "", `{"nonsense":1}`).problem(t, badRequest)
			ask(s, operatorToken, id, "", "reason=x", "Content-Type", "application/x-www-form-urlencoded").problem(t, unsupportedMedia)
			tooMuch := restBody + 1
			if route.Operation.OperationID == "planWebhook" {
				tooMuch = 12 << 20
			}
			ask(s, operatorToken, id, "", strings.Repeat(" ", tooMuch)).problem(t, tooLarge)
		}
	}
	if n := s.count("deliveries") + s.count("runs") + s.count("pauses"); n != 0 {
		t.Errorf("%d rows are stored of what was refused", n)
	}
}

// restRoutes are the operations of the REST API.
func restRoutes(t *testing.T) map[string]*routers.Route {
	t.Helper()
	described, err := describedRoutes()
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(described, func(_ string, route *routers.Route) bool { return !strings.HasPrefix(route.Path, "/api/") })
	if len(slices.Collect(maps.Keys(described))) < 20 {
		t.Fatalf("there are only %d operations", len(described))
	}
	return described
}
