//go:build unix

package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"regrow/internal/config"
	"regrow/internal/doctor"
	"regrow/internal/localpg"
	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

const doctorConfig = `
listen: %[1]s
public_url: http://%[1]s
database: {url: "${DATABASE}"}
api: {tokens: [{name: ops, role: operator, token: "${TOKEN}"}]}
servers:
  - {name: main, url: "%[2]s", api_key: "${API_KEY}", space: Default, requests_per_minute: 150}
sources:
  - {name: github, kind: github, secret: "${GITHUB}"}
  - {name: octopus, kind: octopus, server: main, secret: "${OCTOPUS}"}
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

// goodSecrets are secrets that nobody complains of.
var goodSecrets = []string{"TOKEN=5ad0c7f3e1984b62a7d3f0e8c5b19d46", "GITHUB=9f3c1e0a7b5d48e2a6c4f1d09b8e7a53", "OCTOPUS=c81be4f05d7a92e6b3f48c1a5e0d97f2"}

// examined is what regrow doctor printed, and its exit code.
func (i *installation) examined(environment []string, args ...string) (code int, out, stderr string) {
	i.t.Helper()
	cmd, stdout, errors := i.command(append([]string{"doctor", "--config", i.config}, args...)...)
	cmd.Env = append(append(cmd.Env, goodSecrets...), environment...)
	return exitOf(cmd.Run()), stdout.String(), errors.String()
}

// setUp lets Octopus have what the pipeline needs, and returns a client of it.
func (i *installation) setUp() *octopus.Client {
	i.t.Helper()
	loaded, err := config.Load(i.config, config.Options{LookupEnv: func(name string) (string, bool) {
		for _, variable := range append(goodSecrets, i.database, "API_KEY="+simulator.DefaultAPIKey) {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}})
	if err != nil {
		i.t.Fatal(err)
	}
	client, err := octopus.New(octopus.Config{URL: i.octopus, APIKey: simulator.DefaultAPIKey, Space: "Default", RequestsPerMinute: 60_000})
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(client.Close)
	options, err := setup.FromConfig(loaded, "hello-world")
	if err != nil {
		i.t.Fatal(err)
	}
	if _, err := setup.Apply(i.t.Context(), client, options, nil); err != nil {
		i.t.Fatal(err)
	}
	return client
}

// durableDatabase is one that keeps what it has committed, as in production.
func durableDatabase(t *testing.T) (url string) {
	t.Helper()
	server, err := localpg.Start(t.Context(), localpg.Options{Settings: []string{"fsync=on", "full_page_writes=on", "synchronous_commit=on"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return server.URL(localpg.DefaultDatabase)
}

// The exit code says how it is, and the report is on the output, whole, in
// either form.
func TestDoctorAsAProcess(t *testing.T) {
	t.Parallel()
	i := prepare(t, doctorConfig)
	i.database = "DATABASE=" + durableDatabase(t)
	i.simulate()
	i.serve()
	client := i.setUp()

	code, out, stderr := i.examined(nil)
	if code != exitOK || stderr != "" || !strings.Contains(out, "\n  ✓ octopus                 Octopus Server answers at "+i.octopus+".\n") {
		t.Errorf("healthy: exit %d\n%s%s", code, out, stderr)
	}
	for _, subject := range []string{"regrow\n", "server main\n", "source github\n", "source octopus\n", "pipeline hello-world\n"} {
		if !strings.Contains(out, subject) {
			t.Errorf("nothing is said of %s", subject)
		}
	}

	code, out, _ = i.examined([]string{"GITHUB=changeme-changeme-2"})
	if code != exitWarnings || !strings.Contains(out, "  ! secret") || !strings.Contains(out, "→ make a random one with: openssl rand -hex 32") {
		t.Errorf("a weak secret: exit %d\n%s", code, out)
	}

	policies, err := client.Documents(t.Context(), octopus.MachinePolicies)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(policies, func(d octopus.Document) bool { return d.Name() == "Immutable Infrastructure" })
	renamed, err := policies[at].With("/Name", "Something else")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Update(t.Context(), octopus.MachinePolicies, renamed); err != nil {
		t.Fatal(err)
	}
	code, out, stderr = i.examined(nil, "--json", "--pipeline", "hello-world")
	var report doctor.Report
	decoder := json.NewDecoder(strings.NewReader(out))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&report); err != nil || decoder.More() {
		t.Fatalf("no JSON document: %v\n%s", err, out)
	}
	broken := slices.IndexFunc(report.Checks, func(c doctor.Check) bool { return c.ID == "machine-policy" })
	if code != exitFailed || report.Status != doctor.Errors || report.Checks[broken].Severity != doctor.Error || !strings.Contains(stderr, "regrow: 1 error found") {
		t.Errorf("a missing policy: exit %d\n%s%s", code, out, stderr)
	}
	for _, secret := range append(goodSecrets, i.database) {
		_, value, _ := strings.Cut(secret, "=")
		if strings.Contains(out+stderr, value) {
			t.Errorf("the output holds %s", secret)
		}
	}
}

func TestDoctorWhenLittleIsRight(t *testing.T) {
	t.Parallel()
	i := prepare(t, doctorConfig)
	code, out, stderr := i.examined([]string{"DATABASE=postgres://regrow:hunter2hunter2@127.0.0.1:1/regrow"})
	if code != exitUnreachable || !strings.Contains(out, "✗ database") || !strings.Contains(out, "✗ octopus") || !strings.Contains(stderr, "can be reached from here") || strings.Contains(out, "hunter2") {
		t.Errorf("nothing there: exit %d\n%s%s", code, out, stderr)
	}
	code, _, stderr = i.examined(nil, "--pipeline", "nonsense")
	if code != exitUsage || !strings.Contains(stderr, `no pipeline is named "nonsense"; known are hello-world`) {
		t.Errorf("an unknown pipeline: exit %d\n%s", code, stderr)
	}
	code, _, stderr = i.examined(nil, "--output", "yaml")
	if code != exitUsage || !strings.Contains(stderr, "text or json") {
		t.Errorf("an unknown form: exit %d\n%s", code, stderr)
	}
	if err := os.WriteFile(i.config, []byte("listen: nowhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ = i.examined(nil)
	if code != exitFailed || !strings.Contains(out, "regrow.yaml:1:9: listen") || !strings.Contains(out, "? database") {
		t.Errorf("a broken configuration: exit %d\n%s", code, out)
	}
}
