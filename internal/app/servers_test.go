package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"regrow/internal/app"
	"regrow/internal/config"
	"regrow/internal/simulator"
	"regrow/internal/webhook"
)

const twoServers = `
listen: 127.0.0.1:0
database: {url: "${DATABASE}"}
api: {tokens: [{name: viewer, role: viewer, token: "${TOKEN}"}]}
reconcile: {interval: 1h}
servers:
  - {name: main, url: "%s", api_key: "${API_KEY}", space: Default}
  - {name: shops, url: "%s", api_key: "${API_KEY}", space: Shops}
sources:
  - {name: github, kind: github, secret: "${GITHUB}"}
  - {name: from-main, kind: octopus, server: main, secret: "${MAIN}"}
  - {name: from-shops, kind: octopus, server: shops, secret: "${SHOPS}"}
pipelines:
  - &hello
    name: hello-world
    source: github
    repository: acme/hello-world
    branches: [main]
    server: main
    environment: Development
    infrastructure: {project: Hello World Infrastructure, version: "1.0.{run}", roles: [hello-world], targets: 2}
    application: {project: Hello World, version: "2.0.{run}"}
  - <<: *hello
    name: hello-shops
    server: shops
`

// octopusAt starts a simulated Octopus Server below a path, with a space of that
// name, and returns it with its address.
func octopusAt(t *testing.T, path, space string) (*simulator.Server, string) {
	t.Helper()
	octopus := simulator.New(simulator.Options{BasePath: path})
	t.Cleanup(octopus.Close)
	server := httptest.NewServer(octopus)
	t.Cleanup(server.Close)
	address := server.URL + path
	if space != "Default" {
		rename(t, address, space)
	}
	return octopus, address
}

// rename gives the first space another name.
func rename(t *testing.T, address, name string) {
	t.Helper()
	body := fmt.Sprintf(`{"Id":"Spaces-1","Name":%q,"Slug":%q,"IsDefault":true,"SpaceManagersTeams":["teams-managers"]}`, name, strings.ToLower(name))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, address+"/api/spaces/Spaces-1", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("renaming the space: %s", answer.Status)
	}
}

// Runs on two Octopus Servers go on side by side, one server below a path and
// with another space, and the callbacks of one wake only the runs on it.
func TestTwoOctopusServersAtOnce(t *testing.T) {
	t.Parallel()
	first, firstURL := octopusAt(t, "", "Default")
	second, secondURL := octopusAt(t, "/octopus", "Shops")
	variables := map[string]string{
		"DATABASE": emptyDatabase(t), "TOKEN": viewerToken, "GITHUB": githubSecret, "API_KEY": simulator.DefaultAPIKey,
		"MAIN": "secret-of-the-main-server", "SHOPS": "secret-of-the-shops-server",
	}
	lookup := func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
	c, err := config.Parse("regrow.yaml", fmt.Appendf(nil, twoServers, firstURL, secondURL), config.Options{LookupEnv: lookup})
	if err != nil {
		t.Fatal(err)
	}
	regrow, err := app.New(t.Context(), options(c))
	if err != nil {
		t.Fatal(err)
	}
	if err := regrow.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = regrow.Stop(t.Context()) })
	for octopus, source := range map[*simulator.Server]string{first: "from-main", second: "from-shops"} {
		secret := variables[strings.ToUpper(strings.TrimPrefix(source, "from-"))]
		_, err := octopus.HelloWorld(simulator.HelloWorldOptions{
			SubscriptionURL: regrow.URL() + "/webhooks/" + source, SubscriptionHeader: "X-Regrow-Token", SubscriptionSecret: secret,
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	push(t, regrow.URL())
	waitFor(t, "both runs wait for their servers", func() bool {
		return runOf(t, regrow.URL(), "hello-world") == "waiting verify" && runOf(t, regrow.URL(), "hello-shops") == "waiting verify"
	})
	waitFor(t, "the run on the second server is through", func() bool {
		second.Advance(10 * time.Second)
		return runOf(t, regrow.URL(), "hello-shops") == "succeeded cleanup"
	})
	if got := runOf(t, regrow.URL(), "hello-world"); got != "waiting verify" {
		t.Errorf("the run on the first server is %s although nothing happened there", got)
	}
	waitFor(t, "the run on the first server is through", func() bool {
		first.Advance(10 * time.Second)
		return runOf(t, regrow.URL(), "hello-world") == "succeeded cleanup"
	})
}

// push delivers a commit that both pipelines take.
func push(t *testing.T, address string) {
	t.Helper()
	body := []byte(`{"ref":"refs/heads/main","after":"` + strings.Repeat("a", 40) + `","repository":{"full_name":"acme/hello-world"}}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/webhooks/github", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-GitHub-Delivery", "delivery-1")
	request.Header.Set("X-Hub-Signature-256", webhook.SignGitHub(githubSecret, body))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("the push was answered %s", answer.Status)
	}
}

// runOf tells how the latest run of a pipeline stands: its status and stage.
func runOf(t *testing.T, address, pipeline string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/api/v1/runs?pipeline="+pipeline, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+viewerToken)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var list struct {
		Runs []struct{ Status, Stage, Reason string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || len(list.Runs) == 0 {
		t.Fatalf("%s: %d runs of %s, %v", answer.Status, len(list.Runs), pipeline, err)
	}
	run := list.Runs[0]
	if run.Status == "failed" {
		t.Fatalf("the run of %s failed: %s", pipeline, run.Reason)
	}
	return run.Status + " " + run.Stage
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
