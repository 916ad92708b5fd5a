package handlers

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// The examples of docs/api.md are sent as they stand there, with ids that there
// are: none may be refused as wrong, and no operation may be missing.
func TestGuideShowsEveryOperation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t)
	run := s.start("shop")
	pause := s.pause(`{"scope":"all","reason":"the test"}`)
	fill := strings.NewReplacer("$PAUSE", pause.ID.String(), "$REGROW", "", "$RUN", run.ID.String(), "$DELIVERY", run.DeliveryID.String(), "$NEXT", uuid.NewString(), "4711", "1")
	described, err := describedRoutes()
	if err != nil {
		t.Fatal(err)
	}
	delete(described, "POST /webhooks/{source}") // docs/webhooks.md
	command := regexp.MustCompile(`(?m)^curl (?:.|\\\n)*?"(\$REGROW[^"]*)"(?:.*\\\n)*.*$`)
	commands := command.FindAllStringSubmatch(string(text), -1)
	if len(commands) < len(described) {
		t.Fatalf("found %d commands for %d operations", len(commands), len(described))
	}
	for _, found := range commands {
		method, path := http.MethodGet, fill.Replace(found[1])
		if strings.Contains(found[0], "-X POST") {
			method = http.MethodPost
		} else if strings.Contains(found[0], "-X DELETE") {
			method = http.MethodDelete
		}
		body := ""
		if _, data, ok := strings.Cut(found[0], "-d '"); ok {
			body, _, _ = strings.Cut(data, "'")
		}
		var headers []string
		for _, header := range regexp.MustCompile(`-H "([^:]+): ([^"]+)"`).FindAllStringSubmatch(found[0], -1) {
			if header[1] != "Authorization" && header[2] != "text/event-stream" { // a stream would not end
				headers = append(headers, header[1], header[2])
			}
		}
		got := s.call(operatorToken, method, path, body, headers...)
		if !slices.Contains([]int{http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusConflict}, got.status) {
			t.Errorf("%s\nanswered %d: %s", found[0], got.status, got.body)
		}
		plain, _, _ := strings.Cut(path, "?")
		for _, id := range []string{run.ID.String(), run.DeliveryID.String(), pause.ID.String(), "/jobs/1"} {
			plain = strings.Replace(plain, id, map[bool]string{true: "/jobs/{id}", false: "{id}"}[id == "/jobs/1"], 1)
		}
		delete(described, method+" "+plain)
	}
	for operation := range described {
		t.Errorf("docs/api.md does not show %s", operation)
	}
}

func TestGuideExplainsEveryKindOfProblem(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`kind\{http\.\w+, "([a-z-]+)"`).FindAllStringSubmatch(string(code), -1)
	if len(kinds) == 0 {
		t.Fatal("problem.go holds no kinds")
	}
	for _, k := range kinds {
		if !strings.Contains(string(guide), "| `"+k[1]+"` |") {
			t.Errorf("docs/api.md does not explain %s", k[1])
		}
	}
}
