//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/client"
	"regrow/internal/localpg/pgtest"
	"regrow/internal/simulator"
	"regrow/internal/webhook"
)

// installation is regrow as it is installed: the binary as a process, a real
// Postgres, a simulated Octopus Server in a process of its own, real HTTP.
type installation struct {
	t       *testing.T
	config  string
	url     string
	octopus string
	api     *client.API
	serving *exec.Cmd
	log     *lockedBuffer
	// database is the environment variable that names it.
	database string
}

const (
	githubSecret  = "github-secret-of-the-test"
	octopusSecret = "octopus-secret-of-the-test"
	operatorToken = "operator-token-of-the-test"
)

const flowConfig = `
listen: %[1]s
database: {url: "${DATABASE}"}
api: {tokens: [{name: ops, role: operator, token: "${TOKEN}"}]}
servers:
  - {name: main, url: "%[2]s", api_key: "${API_KEY}", space: Default, requests_per_minute: 6000, timeout: 3s}
sources:
  - {name: github, kind: github, secret: "${GITHUB}"}
  - {name: octopus, kind: octopus, server: main, secret: "${OCTOPUS}"}
reconcile: {interval: 1s, lease: 1s}
pipelines:
  - name: hello-world
    source: github
    repository: acme/hello-world
    branches: [main]
    server: main
    environment: Development
    infrastructure: {project: Hello World Infrastructure, version: "1.0.{run}", roles: [hello-world], targets: 2}
    application: {project: Hello World, version: "2.0.{run}"}
    lane: fifo
    verify: {timeout: 2m, grace: 20s}
    cleanup: {timeout: 1m}
`

// install starts a simulated Octopus with the Hello World scene, and regrow.
func install(t *testing.T) *installation {
	t.Helper()
	i := prepare(t, flowConfig)
	i.simulate("--speed", "40", "--webhook-url", i.url+"/webhooks/octopus", "--webhook-secret", octopusSecret)
	i.serve()
	return i
}

// prepare makes an installation of which nothing runs yet. The configuration
// has two places, for regrow's address and for Octopus' URL.
func prepare(t *testing.T, config string) *installation {
	t.Helper()
	listen, simulated := freePort(t), freePort(t)
	i := &installation{t: t, url: "http://" + listen, octopus: "http://" + simulated, log: &lockedBuffer{}}
	i.config = filepath.Join(t.TempDir(), "regrow.yaml")
	if err := os.WriteFile(i.config, fmt.Appendf(nil, config, listen, i.octopus), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := func(context.Context, *pgxpool.Pool) error { return nil }
	i.database = "DATABASE=" + pgtest.NewURL(t, empty, "empty")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the processes printed:\n%s", i.log)
		}
	})
	var err error
	if i.api, err = client.New(i.url, operatorToken, nil); err != nil {
		t.Fatal(err)
	}
	return i
}

// simulate starts the Octopus Server and waits until it answers.
func (i *installation) simulate(flags ...string) {
	i.t.Helper()
	address := strings.TrimPrefix(i.octopus, "http://")
	i.spawn(append([]string{"simulate", "--listen", address}, flags...)...)
	i.untilAnswers(i.octopus + "/api")
}

// command is the binary with the secrets that the configuration asks for.
func (i *installation) command(args ...string) (cmd *exec.Cmd, out, err *bytes.Buffer) {
	i.t.Helper()
	cmd, out, err = process(i.t, args...)
	cmd.Env = append(cmd.Env, i.database, "TOKEN="+operatorToken, "API_KEY="+simulator.DefaultAPIKey,
		"GITHUB="+githubSecret, "OCTOPUS="+octopusSecret, "REGROW_TOKEN="+operatorToken)
	return cmd, out, err
}

// spawn starts the binary; what it prints is shown when the test fails.
func (i *installation) spawn(args ...string) *exec.Cmd {
	i.t.Helper()
	cmd, _, _ := i.command(args...)
	cmd.Stdout, cmd.Stderr = i.log, i.log
	if err := cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// serve starts regrow and waits until it is ready.
func (i *installation) serve() {
	i.t.Helper()
	i.serving = i.spawn("serve", "--migrate", "--config", i.config)
	i.untilAnswers(i.url + "/readyz")
}

// untilAnswers waits until the address answers 200.
func (i *installation) untilAnswers(address string) {
	i.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); ; {
		answer, err := http.Get(address)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			i.t.Fatalf("%s does not answer 200: %v\n%s", address, err, i.log)
		}
	}
}

// kill ends regrow as a power cut does.
func (i *installation) kill() {
	i.t.Helper()
	if err := i.serving.Process.Signal(syscall.SIGKILL); err != nil {
		i.t.Fatal(err)
	}
	_ = i.serving.Wait()
}

// push posts a signed webhook and returns the status and the answer.
func (i *installation) push(delivery, sha string) (int, client.Receipt) {
	i.t.Helper()
	body := fmt.Appendf(nil, `{"ref":"refs/heads/main","after":%q,"deleted":false,
		"repository":{"full_name":"acme/hello-world"},
		"head_commit":{"id":%[1]q,"message":"A change","author":{"name":"Ada","email":"ada@example.com"}}}`, sha)
	request, err := http.NewRequestWithContext(i.t.Context(), http.MethodPost, i.url+"/webhooks/github", bytes.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-GitHub-Delivery", delivery)
	request.Header.Set("X-Hub-Signature-256", webhook.SignGitHub(githubSecret, body))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		i.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	var receipt client.Receipt
	if err := json.Unmarshal(text, &receipt); err != nil {
		i.t.Fatalf("%s: %s", answer.Status, text)
	}
	return answer.StatusCode, receipt
}

func (i *installation) run(id uuid.UUID) client.RunDetail {
	i.t.Helper()
	answer, err := i.api.GetRunWithResponse(i.t.Context(), id)
	if err != nil {
		i.t.Fatal(err)
	}
	return *answer.JSON200
}

// watch follows a run to its end, over restarts of regrow.
func (i *installation) watch(id uuid.UUID, each func(client.Event) error) client.RunDetail {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), 60*time.Second)
	defer cancel()
	if err := i.api.Watch(ctx, id, 0, each); err != nil {
		i.t.Fatal(err)
	}
	return i.run(id)
}

// simulator asks the simulator what Octopus would not tell.
func (i *installation) simulator(method, what, body string) []byte {
	i.t.Helper()
	request, err := http.NewRequestWithContext(i.t.Context(), method, i.octopus+"/simulator/"+what, strings.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	request.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		i.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= http.StatusMultipleChoices {
		i.t.Fatalf("%s %s of the simulator: %s %v %.300s", method, what, answer.Status, err, text)
	}
	return text
}

// journal reads what was done to Octopus through its API.
func (i *installation) journal() map[simulator.Effect]int {
	i.t.Helper()
	var journal []simulator.Entry
	if err := json.Unmarshal(i.simulator(http.MethodGet, "journal", ""), &journal); err != nil {
		i.t.Fatalf("the journal: %v", err)
	}
	if len(journal) == 0 {
		i.t.Fatal("the journal is empty; it proves nothing")
	}
	effects := map[simulator.Effect]int{}
	for _, entry := range journal {
		if entry.Actor == simulator.ActorAPI {
			effects[entry.Effect]++
		}
	}
	return effects
}

// checkEffects holds Octopus' own record against a number of succeeded runs.
func (i *installation) checkEffects(runs int) {
	i.t.Helper()
	effects := i.journal()
	if got := effects[simulator.ReleaseCreated]; got != 2*runs {
		i.t.Errorf("%d releases were created for %d runs", got, runs)
	}
	if got := effects[simulator.MachineDeleted]; got > 2*runs {
		i.t.Errorf("%d targets were deleted for %d runs", got, runs)
	}
}

// The whole flow, as it is installed: webhook, run, duplicates, a second
// commit, a graceful stop.
func TestFlow(t *testing.T) {
	t.Parallel()
	i := install(t)
	status, first := i.push("delivery-1", strings.Repeat("a", 40))
	if status != http.StatusAccepted || len(first.Runs) != 1 {
		t.Fatalf("answered %d %+v", status, first)
	}
	status, again := i.push("delivery-1", strings.Repeat("a", 40))
	if status != http.StatusOK || again.Delivery != first.Delivery || again.Runs[0].ID != first.Runs[0].ID {
		t.Errorf("a duplicate is answered %d %+v", status, again)
	}
	_, second := i.push("delivery-2", strings.Repeat("b", 40))
	if second.Runs[0].Status != client.RunStatusQueued {
		t.Errorf("the second run is %s while the first holds the lane", second.Runs[0].Status)
	}
	for _, run := range []client.RunRef{first.Runs[0], second.Runs[0]} {
		ended := i.watch(run.ID, func(client.Event) error { return nil })
		if ended.Status != client.RunStatusSucceeded {
			t.Fatalf("run #%d is %s: %s", ended.Number, ended.Status, ended.Reason)
		}
		checkTargets(t, ended)
	}
	i.checkEffects(2)

	if err := i.serving.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := i.serving.Wait(); exitOf(err) != exitInterrupted && err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if secrets := i.log.String(); strings.Contains(secrets, githubSecret) || strings.Contains(secrets, octopusSecret) || strings.Contains(secrets, operatorToken) {
		t.Error("a secret is in the log")
	}
}

func checkTargets(t *testing.T, run client.RunDetail) {
	t.Helper()
	fresh := 0
	for _, target := range run.Targets {
		switch target.Generation {
		case client.TargetGenerationNew:
			fresh++
			if target.ReleaseState != "deployed" {
				t.Errorf("new target %s is %s", target.Name, target.ReleaseState)
			}
		default:
			if target.RemovedAt.IsZero() {
				t.Errorf("old target %s is not gone", target.Name)
			}
		}
	}
	if fresh != 2 {
		t.Errorf("%d new targets, want 2", fresh)
	}
}

// Killed after each stage and started again, regrow does everything once.
func TestFlowSurvivesKills(t *testing.T) {
	t.Parallel()
	i := install(t)
	status, receipt := i.push("delivery-1", strings.Repeat("c", 40))
	if status != http.StatusAccepted {
		t.Fatalf("answered %d", status)
	}
	kills := map[string]bool{"baseline_recorded": true, "stage_succeeded": true, "stage_waiting": true}
	killed := 0
	ended := i.watch(receipt.Runs[0].ID, func(event client.Event) error {
		if kills[event.Kind] && killed < 6 {
			killed++
			i.kill()
			i.serve()
		}
		return nil
	})
	if ended.Status != client.RunStatusSucceeded {
		t.Fatalf("the run is %s: %s", ended.Status, ended.Reason)
	}
	if killed < 5 {
		t.Errorf("killed only %d times", killed)
	}
	checkTargets(t, ended)
	i.checkEffects(1)
	status, again := i.push("delivery-1", strings.Repeat("c", 40))
	if status != http.StatusOK || again.Runs[0].ID != receipt.Runs[0].ID {
		t.Errorf("what was acknowledged before the kills is unknown now: %d %+v", status, again)
	}
}

// Callbacks may get lost, all of them, come twice, late, or in the wrong order.
func TestFlowWithOddCallbacks(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]string{
		"lost":      `{"delivery":{"action":"lose"}}`,
		"doubled":   `{"delivery":{"action":"double"}}`,
		"reordered": `{"delivery":{"action":"reverse"}}`,
		"late":      `{"delivery":{"action":"delay","delay":"90s"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := install(t)
			i.simulator(http.MethodPost, "faults", fault)
			_, receipt := i.push("delivery-1", strings.Repeat("d", 40))
			ended := i.watch(receipt.Runs[0].ID, func(client.Event) error { return nil })
			if ended.Status != client.RunStatusSucceeded {
				t.Fatalf("the run is %s: %s", ended.Status, ended.Reason)
			}
			checkTargets(t, ended)
			i.checkEffects(1)
		})
	}
}

// An old schema stops the start and tells which command to run.
func TestServeRefusesAnOldSchema(t *testing.T) {
	t.Parallel()
	i := install(t)
	i.kill()
	i.database = "DATABASE=" + pgtest.NewURL(t, func(context.Context, *pgxpool.Pool) error { return nil }, "empty")
	cmd, _, stderr := i.command("serve", "--config", i.config)
	if code := exitOf(cmd.Run()); code == 0 || !strings.Contains(stderr.String(), "regrow migrate up") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	cmd, out, _ := i.command("migrate", "status", "--config", i.config)
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "missing  00001_runs.sql") {
		t.Errorf("%v: %s", err, out)
	}
	cmd, out, _ = i.command("migrate", "up", "--config", i.config)
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "applied 00001_runs.sql") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDemoOnce(t *testing.T) {
	t.Parallel()
	cmd, out, stderr := process(t, "demo", "--once", "--speed", "60", "--listen", freePort(t))
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, stderr)
	}
	for _, part := range []string{"202 Accepted", "✓ succeeded", "new targets: 2", "2 gone"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the demonstration does not show %q:\n%s", part, out)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// lockedBuffer takes what several processes print.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
