//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	official "github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/client"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/environments"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/filters"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/machinepolicies"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/machines"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/packages"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/projects"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/subscriptions"

	"regrow/internal/client"
	"regrow/internal/simulator"
)

// guideConfig has one lane and two ways to clean up: by regrow, and by the
// machine policy.
const guideConfig = `
listen: %[1]s
public_url: http://%[1]s
database: {url: "${DATABASE}"}
api: {tokens: [{name: ops, role: operator, token: "${TOKEN}"}]}
servers:
  - {name: main, url: "%[2]s", api_key: "${API_KEY}", space: Default, requests_per_minute: 60000, timeout: 3s}
sources:
  - {name: github, kind: github, secret: "${GITHUB}"}
  - {name: octopus, kind: octopus, server: main, secret: "${OCTOPUS}"}
reconcile: {interval: 1s, lease: 2s}
pipelines:
  - name: hello-world
    source: github
    repository: acme/hello-world
    branches: [main]
    server: main
    environment: Development
    infrastructure: {project: Hello World Infrastructure, version: "1.0.{run}", roles: [hello-world], targets: 2}
    application: {project: Hello World, version: "2.0.{run}"}
    verify: {timeout: 3m, grace: 3s}
    cleanup: {mode: delete, timeout: 2m}
  - name: hello-world-by-policy
    source: github
    repository: acme/hello-world
    branches: [policy]
    server: main
    environment: Development
    infrastructure: {project: Hello World Infrastructure, version: "1.1.{run}", roles: [hello-world], targets: 2}
    application: {project: Hello World, version: "2.1.{run}"}
    verify: {timeout: 3m, grace: 3s}
    cleanup: {mode: policy}
`

// guide is the guide being followed with regrow's commands, and the official
// client that looks on.
type guide struct {
	*installation
	witness *official.Client
}

func newGuide(t *testing.T) *guide {
	t.Helper()
	g := &guide{installation: prepare(t, guideConfig)}
	g.simulate("--empty", "--run-scripts", "--speed", "60")
	var err error
	address := look(url.Parse(g.octopus)).must(t)
	if g.witness, err = official.NewClient(nil, address, simulator.DefaultAPIKey, "Spaces-1"); err != nil {
		t.Fatal(err)
	}
	return g
}

// regrow runs a command that has to succeed, and returns what it printed.
func (g *guide) regrow(args ...string) string {
	g.t.Helper()
	cmd, out, stderr := g.command(args...)
	if err := cmd.Run(); err != nil {
		g.t.Fatalf("regrow %s: %v\n%s\n%s", strings.Join(args, " "), err, out, stderr)
	}
	return out.String()
}

// setup sets kinds of things up; none means all.
func (g *guide) setup(kinds ...string) string {
	g.t.Helper()
	args := []string{"setup", "--config", g.config, "--pipeline", "hello-world", "--example", "hello-world", "--yes"}
	if len(kinds) > 0 {
		args = append(args, "--only", strings.Join(kinds, ","))
	}
	return g.regrow(args...)
}

// The immutable-infrastructure guide of Octopus, step by step, from an empty
// server to "Hello World runs on new targets and the orphans are gone". Only
// regrow's commands act; the official client looks what has become of Octopus.
func TestGuide(t *testing.T) {
	t.Parallel()
	follow(newGuide(t))
}

// The same with a fifth of all requests failing in some way.
func TestGuideWithFaults(t *testing.T) {
	t.Parallel()
	g := newGuide(t)
	for _, fault := range []string{
		`"status":503,"emptyBody":true`, `"status":500`, `"status":502,"body":"<html>Bad Gateway</html>"`,
		`"status":429`, `"dropBefore":true`, `"dropAfter":true`, `"truncate":true`,
	} {
		// The witness sees Octopus as it is.
		g.simulator(http.MethodPost, "faults", `{"request":{"probability":0.03,"sparedAgent":"go-octopusdeploy",`+fault+`}}`)
	}
	follow(g)
}

func follow(g *guide) {
	g.startsEmpty()
	g.step1Policy()
	g.step2And3Projects()
	g.step4Package()
	g.serve()
	first := g.step5Infrastructure()
	g.step6Trigger()
	g.step7Overrides(first)
	g.subscribes()
	second := g.step8BuildServer()
	g.step9Orphans(second)
	g.staysAsItIs()
}

func (g *guide) startsEmpty() {
	g.t.Helper()
	if all := look(environments.GetAll(g.witness, "Spaces-1")).must(g.t); len(all) != 0 {
		g.t.Fatalf("the server is not empty: %d environments", len(all))
	}
	plan := g.regrow("setup", "--config", g.config, "--pipeline", "hello-world", "--example", "hello-world", "--dry-run")
	if !strings.Contains(plan, "Immutable Infrastructure") || !strings.Contains(plan, "HelloWorldInfrastructure") {
		g.t.Errorf("the plan: %s", plan)
	}
	if all := look(projects.GetAll(g.witness, "Spaces-1")).must(g.t); len(all) != 0 {
		g.t.Fatalf("a dry run has made %d projects", len(all))
	}
}

// Step 1: the machine policy.
func (g *guide) step1Policy() {
	g.t.Helper()
	g.setup("machine policy")
	for _, policy := range look(machinepolicies.GetAll(g.witness, "Spaces-1")).must(g.t) {
		if policy.Name != "Immutable Infrastructure" {
			continue
		}
		health, cleanup := policy.MachineHealthCheckPolicy, policy.MachineCleanupPolicy
		if health.HealthCheckInterval != 2*time.Minute || policy.MachineConnectivityPolicy.MachineConnectivityBehavior != "MayBeOfflineAndCanBeSkipped" ||
			cleanup.DeleteMachinesBehavior != "DeleteUnavailableMachines" || cleanup.DeleteMachinesElapsedTimeSpan != 5*time.Minute {
			g.t.Fatalf("the policy is %+v %+v %+v", health, policy.MachineConnectivityPolicy, cleanup)
		}
		return
	}
	g.t.Fatal("there is no machine policy Immutable Infrastructure")
}

// Steps 2 and 3: the projects with their processes.
func (g *guide) step2And3Projects() {
	g.t.Helper()
	g.setup("environment", "project group", "project", "process")
	application := g.project("Hello World")
	steps := g.process(application)
	if len(steps) != 1 || steps[0].Properties["Octopus.Action.TargetRoles"].Value != "hello-world" || steps[0].Actions[0].ActionType != "Octopus.Script" {
		g.t.Fatalf("the process of Hello World: %+v", steps)
	}
	steps = g.process(g.project("Hello World Infrastructure"))
	var kinds []string
	for _, step := range steps {
		action := step.Actions[0]
		kinds = append(kinds, fmt.Sprint(action.ActionType, " ", action.Properties["Octopus.Action.Script.ScriptFileName"].Value,
			" ", step.Properties["Octopus.Action.TargetRoles"].Value))
	}
	want := []string{"Octopus.Script provision.sh ", "Octopus.HealthCheck  hello-world", "Octopus.Script terminate.sh hello-world"}
	if !slices.Equal(kinds, want) {
		g.t.Fatalf("the process of the infrastructure: %q, want %q", kinds, want)
	}
}

// Step 4: the package with the scripts.
func (g *guide) step4Package() {
	g.t.Helper()
	g.setup("package", "variables")
	found := look(packages.GetAll(g.witness, "Spaces-1")).must(g.t)
	if len(found) != 1 || found[0].PackageID != "HelloWorldInfrastructure" {
		g.t.Fatalf("packages: %+v", found)
	}
	if again := g.setup("machine policy", "environment", "project group", "project", "process", "package", "variables"); strings.Contains(again, "created") {
		g.t.Errorf("setting the same up again: %s", again)
	}
}

// Step 5: a release of the infrastructure project brings new targets. There is no
// trigger yet, so regrow puts the application onto them.
func (g *guide) step5Infrastructure() []*machines.DeploymentTarget {
	g.t.Helper()
	run := g.trigger("a", "hello-world", "main")
	if release := g.release("Hello World Infrastructure", "1.0.1"); !strings.Contains(release.ReleaseNotes, run.ID.String()) {
		g.t.Errorf("the release's notes lack the run: %q", release.ReleaseNotes)
	}
	targets := g.targets()
	if len(targets) != 2 {
		g.t.Fatalf("%d targets, want 2", len(targets))
	}
	for _, target := range targets {
		if target.HealthStatus != "Healthy" || !slices.Equal(target.Roles, []string{"hello-world"}) || target.Endpoint.GetCommunicationStyle() != "TentaclePassive" {
			g.t.Errorf("target %s is %s with the roles %v", target.Name, target.HealthStatus, target.Roles)
		}
	}
	g.runsEverywhere("2.0.1", targets)
	return targets
}

// Step 6: the trigger.
func (g *guide) step6Trigger() {
	g.t.Helper()
	g.setup("trigger")
	all := look(g.witness.ProjectTriggers.GetByProjectID(g.project("Hello World").ID)).must(g.t)
	if len(all) != 1 || all[0].IsDisabled {
		g.t.Fatalf("triggers: %+v", all)
	}
	filter, ok := all[0].Filter.(*filters.DeploymentTargetFilter)
	if !ok || !slices.Equal(filter.EventGroups, []string{"MachineAvailableForDeployment"}) || !slices.Equal(filter.Roles, []string{"hello-world"}) || len(filter.Environments) != 1 {
		g.t.Fatalf("the trigger's filter: %+v", all[0].Filter)
	}
}

// Step 7: overrides, for the environment and for a tenant in it, to a release
// that is not deployed yet: that of a run which is cancelled before its proof.
func (g *guide) step7Overrides(first []*machines.DeploymentTarget) {
	g.t.Helper()
	g.regrow("trigger", "--server", g.url, "--pipeline", "hello-world", "--no-git", "--branch", "main", "--commit", strings.Repeat("b", 40))
	g.until("the release stands", func() bool {
		run := g.newest("hello-world")
		return run.Stage == client.StageVerify || run.Stage == client.StageCleanup
	})
	g.regrow("runs", "cancel", "hello-world#2", "--server", g.url, "--reason", "to try the commands")
	g.until("the run has ended", func() bool { return !g.newest("hello-world").EndedAt.IsZero() })
	if left := g.project("Hello World").AutoDeployReleaseOverrides; len(left) != 0 {
		g.t.Fatalf("a cancelled run has left %+v", left)
	}
	// The deployment goes on: the new targets come, the old ones stop and stay.
	old := idsOf(first)
	g.until("the old targets have stopped beside the new ones", func() bool {
		stopped, fresh := 0, 0
		for _, target := range g.targets() {
			switch {
			case !slices.Contains(old, target.ID) && target.HealthStatus == "Healthy":
				fresh++
			case slices.Contains(old, target.ID) && target.URI == "https://stopped.invalid:10933/":
				stopped++
			}
		}
		return stopped == len(old) && fresh == 2
	})
	// The trigger has seen them, with nothing to deploy: no later override is for them.
	g.simulator(http.MethodPost, "advance?by=1m", "")
	fresh := g.release("Hello World", "2.0.2")
	override := func(args ...string) string {
		return g.regrow(append([]string{"override", args[0], "--config", g.config}, args[1:]...)...)
	}
	override("set", "--pipeline", "hello-world", "--release", "2.0.1")
	override("set", "--pipeline", "hello-world", "--release", "2.0.2")
	tenant := []string{"--project", "Hello World", "--environment", "Development", "--tenant", "Acme"}
	g.addTenant("Acme")
	override(append([]string{"set", "--release", "2.0.1"}, tenant...)...)
	listed := override("list")
	if !strings.Contains(listed, "2.0.2") || !strings.Contains(listed, "Acme") {
		g.t.Errorf("listed: %s", listed)
	}
	standing := g.project("Hello World").AutoDeployReleaseOverrides
	if len(standing) != 2 || standing[0].ReleaseID != fresh.ID || standing[0].TenantID != "" || standing[1].TenantID == "" {
		g.t.Fatalf("standing: %+v", standing)
	}
	override(append([]string{"delete"}, tenant...)...)
	override("delete", "--pipeline", "hello-world")
	if left := g.project("Hello World").AutoDeployReleaseOverrides; len(left) != 0 {
		g.t.Errorf("left: %+v", left)
	}
}

// Octopus tells regrow what happens.
func (g *guide) subscribes() {
	g.t.Helper()
	g.setup("subscription")
	all := look(subscriptions.GetAll(g.witness, "Spaces-1")).must(g.t)
	if len(all) != 1 || all[0].IsDisabled || all[0].EventNotificationSubscription.WebhookURI != g.url+"/webhooks/octopus" {
		g.t.Fatalf("subscriptions: %+v", all)
	}
}

// Step 8: what a build server does, in one go: with a webhook, and with regrow
// trigger.
func (g *guide) step8BuildServer() client.RunDetail {
	g.t.Helper()
	status, receipt := g.push("delivery-of-the-guide", strings.Repeat("c", 40))
	if status != http.StatusAccepted || len(receipt.Runs) != 1 {
		g.t.Fatalf("the webhook is answered %d: %+v", status, receipt)
	}
	run := g.ended(receipt.Runs[0].ID)
	g.runsEverywhere("2.0.3", g.newTargets(run))
	second := g.trigger("d", "hello-world", "main")
	g.runsEverywhere("2.0.4", g.newTargets(second))
	return second
}

// Step 9: regrow removes what it has replaced; where it leaves that to the
// machine policy, the policy does.
func (g *guide) step9Orphans(second client.RunDetail) {
	g.t.Helper()
	if targets := g.targets(); len(targets) != 2 {
		g.t.Errorf("%d targets after the clean-up by regrow, want 2", len(targets))
	}
	third := g.trigger("e", "hello-world-by-policy", "policy")
	fresh, old := g.newTargets(third), idsOf(g.newTargets(second))
	g.runsEverywhere("2.1.1", fresh)
	g.until("the policy has removed the orphans", func() bool {
		return !slices.ContainsFunc(g.targets(), func(m *machines.DeploymentTarget) bool { return slices.Contains(old, m.ID) })
	})
	if got, want := idsOf(g.targets()), idsOf(fresh); !slices.Equal(got, want) {
		g.t.Errorf("targets %v are left, want %v", got, want)
	}
	if left := g.project("Hello World").AutoDeployReleaseOverrides; len(left) != 0 {
		g.t.Errorf("overrides are left: %+v", left)
	}
}

// Set up again, nothing changes; and the doctor finds nothing broken.
func (g *guide) staysAsItIs() {
	g.t.Helper()
	before := g.writes()
	g.setup()
	if after := g.writes(); after != before {
		g.t.Errorf("setup has written %d times more", after-before)
	}
	var report struct {
		Status string
		Checks []struct{ ID, Severity, Message string }
	}
	cmd, out, stderr := g.command("doctor", "--config", g.config, "--output", "json")
	code := exitOf(cmd.Run())
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		g.t.Fatalf("doctor, exit %d: %v\n%s\n%s", code, err, out, stderr)
	}
	for _, check := range report.Checks {
		if check.Severity == "error" {
			g.t.Errorf("doctor: %s: %s", check.ID, check.Message)
		}
	}
	if code != exitOK && code != exitWarnings {
		g.t.Errorf("doctor: exit %d", code)
	}
}
