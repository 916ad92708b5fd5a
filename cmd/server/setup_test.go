package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regrow/internal/setup"
	"regrow/internal/simulator"
)

const setupConfig = `
public_url: https://regrow.example
database: {url: "${THIS_IS_NOT_SET}"}
servers:
  - {name: main, url: "%s", api_key: API-SIMULATOR, space: Default, requests_per_minute: 60000}
sources:
  - {name: github, kind: github, secret: a-secret-of-the-setup-tests}
  - {name: octopus, kind: octopus, server: main, secret: the-secret-of-the-subscription}
pipelines:
  - name: hello-world
    source: github
    repository: acme/hello-world
    branches: [main]
    server: main
    environment: Development
    infrastructure: {project: Hello World Infrastructure, version: "1.0.{run}", roles: [hello-world], targets: 2}
    application: {project: Hello World, version: "2.0.{run}"}
`

// setups is the command setup over an empty simulated Octopus.
type setups struct {
	*simulator.Server
	config string
}

func newSetups(t *testing.T) setups {
	t.Helper()
	octopus := simulator.New(simulator.Options{})
	t.Cleanup(octopus.Close)
	server := httptest.NewServer(octopus)
	t.Cleanup(server.Close)
	return setups{octopus, writeSetupConfig(t, server.URL)}
}

func writeSetupConfig(t *testing.T, url string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "regrow.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, setupConfig, url), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s setups) run(t *testing.T, in io.Reader, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	args = append([]string{"setup", "--config", s.config, "--pipeline", "hello-world"}, args...)
	code := execute(t.Context(), "1.2.3", args, in, &out, &err)
	for _, secret := range []string{"API-SIMULATOR", "the-secret-of-the-subscription"} {
		if strings.Contains(out.String()+err.String(), secret) {
			t.Errorf("setup %v shows %q: %s%s", args, secret, out.String(), err.String())
		}
	}
	return result{code, out.String(), err.String()}
}

// changed tells whether requests have changed the server.
func (s setups) changed() bool {
	for _, e := range s.Journal() {
		if e.Actor == simulator.ActorAPI {
			return true
		}
	}
	return false
}

func TestSetupShowsAsksAndMakes(t *testing.T) {
	t.Parallel()
	s := newSetups(t)
	nobody := strings.NewReader("y\n")

	s.run(t, nobody, "--dry-run").want(t, exitFailed, "! blocked  environment     Development\n", "4 of 6 are blocked")
	s.run(t, nobody, "--example", "hello-world", "--dry-run").want(t, exitOK,
		"· time between health checks: 1.00:00:00 → 00:02:00\n", "")
	s.run(t, nobody, "--example", "hello-world").want(t, exitUsage, "+ create   trigger", "no terminal to ask on; say --yes")
	if s.changed() {
		t.Fatal("something was made before anybody agreed")
	}

	made := s.run(t, nobody, "--example", "hello-world", "--yes")
	made.want(t, exitOK, "+ created  subscription    regrow: octopus\n\n11 created.\n", "")
	again := s.run(t, nobody, "--example", "hello-world") // nothing to agree to
	again.want(t, exitOK, "\n11 to leave as they are.\n", "")

	written := s.run(t, nobody, "--write-secret", "--yes")
	written.want(t, exitOK, "~ changed  subscription    regrow: octopus\n", "")
}

func TestSetupForPrograms(t *testing.T) {
	t.Parallel()
	s := newSetups(t)
	for _, step := range []struct {
		args    []string
		code    int
		applied bool
		items   int
		action  setup.Action // of the first item
	}{
		{[]string{"--dry-run"}, exitFailed, false, 6, setup.ActionCreate},
		{[]string{"--yes", "--example", "hello-world"}, exitOK, true, 11, setup.ActionCreate},
		{[]string{"--yes", "--only", "machine policy,trigger"}, exitOK, false, 2, setup.ActionLeave},
	} {
		got := s.run(t, strings.NewReader(""), append(step.args, "--output", "json")...)
		var answer setupResult
		if err := json.Unmarshal([]byte(got.out), &answer); err != nil {
			t.Fatalf("%v: %v in %s", step.args, err, got.out)
		}
		if got.code != step.code || answer.Pipeline != "hello-world" || answer.Applied != step.applied ||
			len(answer.Items) != step.items || answer.Items[0].Action != step.action {
			t.Errorf("setup %v: exit %d, %+v", step.args, got.code, answer)
		}
		if !strings.Contains(got.err, "What the pipeline hello-world needs") {
			t.Errorf("people see nothing on the error stream: %q", got.err)
		}
	}
}

func TestSetupNamesMissingPermissionsAtTheEnd(t *testing.T) {
	t.Parallel()
	s := newSetups(t)
	if err := s.SetMissingPermissions("TriggerCreate"); err != nil {
		t.Fatal(err)
	}
	args := []string{"--example", "hello-world", "--yes"}
	got := s.run(t, strings.NewReader(""), args...)
	got.want(t, exitFailed, "+ created  subscription", "1 of 11 is blocked")
	_, end, _ := strings.Cut(got.out, "10 created, 1 blocked.\n")
	if !strings.HasPrefix(end, "What is left to do\n  ! blocked  trigger ") || !strings.Contains(end, "The API key's user lacks the permission TriggerCreate.") {
		t.Errorf("the end is %q", end)
	}
	if err := s.SetMissingPermissions(); err != nil {
		t.Fatal(err)
	}
	s.run(t, strings.NewReader(""), args...).want(t, exitOK, "1 created, 10 left as they were.", "")
}

func TestSetupOfAServerThatFails(t *testing.T) {
	t.Parallel()
	s := newSetups(t)
	if _, err := s.Faults().Add(simulator.Fault{Status: http.StatusUnauthorized}); err != nil {
		t.Fatal(err)
	}
	s.run(t, strings.NewReader(""), "--yes").want(t, exitFailed, "", "401 Unauthorized")
	s.Faults().Clear()
	if _, err := s.Faults().Add(simulator.Fault{Method: http.MethodPost, PathPattern: "/machinepolicies", Status: http.StatusBadRequest}); err != nil {
		t.Fatal(err)
	}
	s.run(t, strings.NewReader(""), "--yes").want(t, exitFailed, "! blocked  machine policy", "This failure was asked for")

	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s.config = writeSetupConfig(t, gone.URL)
	s.run(t, strings.NewReader(""), "--yes").want(t, exitUnreachable, "", "connection refused")
}

// Kinds that only an example needs are no mistake without one.
func TestSetupOfKindsThatAreNotNeeded(t *testing.T) {
	t.Parallel()
	s := newSetups(t)
	s.run(t, strings.NewReader(""), "--only", "process").want(t, exitOK, "Nothing of these kinds is needed.", "")
}

func TestMistakesInCallsOfSetup(t *testing.T) {
	t.Parallel()
	s := newSetups(t)
	for args, want := range map[string]string{
		"--example other":  `there is no example "other"; there is hello-world`,
		"--shell fish":     `--shell is bash or powershell, not "fish"`,
		"--output yaml":    "--output is text or json",
		"--only projects":  `--only takes some of the kinds`,
		"--pipeline other": `--pipeline "other" is none of the configuration's; there are hello-world`,
		"--dry-run --yes":  "[dry-run yes]",
		"an-argument":      "unknown command",
	} {
		s.run(t, strings.NewReader(""), strings.Fields(args)...).want(t, exitUsage, "", want)
	}
	if s.changed() {
		t.Error("something was made")
	}
}
