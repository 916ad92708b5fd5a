//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/deployments"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/machines"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/projects"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/releases"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/tasks"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/tenants"
	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/simulator"
)

// sight is what a call of the official client has shown.
type sight[T any] struct {
	value T
	err   error
}

func look[T any](value T, err error) sight[T] { return sight[T]{value, err} }

// must returns what was seen; the test cannot go on without.
func (s sight[T]) must(t *testing.T) T {
	t.Helper()
	if s.err != nil {
		t.Fatalf("the official client: %v", s.err)
	}
	return s.value
}

func (g *guide) project(name string) *projects.Project {
	g.t.Helper()
	return look(projects.GetByName(g.witness, "Spaces-1", name)).must(g.t)
}

func (g *guide) process(of *projects.Project) []*deployments.DeploymentStep {
	g.t.Helper()
	return look(deployments.GetDeploymentProcessByID(g.witness, "Spaces-1", of.DeploymentProcessID)).must(g.t).Steps
}

func (g *guide) release(project, version string) *releases.Release {
	g.t.Helper()
	return look(releases.GetReleaseInProject(g.witness, "Spaces-1", g.project(project).ID, version)).must(g.t)
}

func (g *guide) targets() []*machines.DeploymentTarget {
	g.t.Helper()
	return look(machines.GetAll(g.witness, "Spaces-1")).must(g.t)
}

func (g *guide) addTenant(name string) {
	g.t.Helper()
	look(tenants.Add(g.witness, tenants.NewTenant(name))).must(g.t)
}

// runsEverywhere makes sure that a release of Hello World was deployed to each of
// the targets, by deployments that have succeeded.
func (g *guide) runsEverywhere(version string, targets []*machines.DeploymentTarget) {
	g.t.Helper()
	if len(targets) != 2 {
		g.t.Fatalf("%d targets for release %s, want 2", len(targets), version)
	}
	var reached []string
	for _, d := range look(g.witness.Deployments.GetDeployments(g.release("Hello World", version))).must(g.t).Items {
		task := look(g.witness.Tasks.Get(tasks.TasksQuery{IDs: []string{d.TaskID}})).must(g.t)
		if len(task.Items) == 1 && *task.Items[0].FinishedSuccessfully {
			reached = append(reached, d.DeployedToMachineIDs...)
		}
	}
	for _, target := range targets {
		if !slices.Contains(reached, target.ID) {
			g.t.Errorf("release %s is not on %s", version, target.Name)
		}
	}
}

func idsOf(targets []*machines.DeploymentTarget) []string {
	var ids []string
	for _, target := range targets {
		ids = append(ids, target.ID)
	}
	slices.Sort(ids)
	return ids
}

// newTargets are those that a run has brought, as Octopus knows them.
func (g *guide) newTargets(run client.RunDetail) []*machines.DeploymentTarget {
	g.t.Helper()
	var fresh []*machines.DeploymentTarget
	for _, target := range run.Targets {
		if target.Generation == client.TargetGenerationNew {
			fresh = append(fresh, look(machines.GetByID(g.witness, "Spaces-1", target.ID)).must(g.t))
		}
	}
	return fresh
}

// trigger starts a run as a step of a build does, and waits for its end.
func (g *guide) trigger(letter, pipeline, branch string) client.RunDetail {
	g.t.Helper()
	g.regrow("trigger", "--server", g.url, "--pipeline", pipeline, "--no-git", "--branch", branch,
		"--commit", strings.Repeat(letter, 40), "--wait", "--timeout", "3m")
	return g.newest(pipeline)
}

func (g *guide) newest(pipeline string) client.RunDetail {
	g.t.Helper()
	list, err := g.api.ListRunsWithResponse(g.t.Context(), &client.ListRunsParams{Pipeline: &pipeline, Limit: new(client.Limit(1))})
	if err != nil || len(list.JSON200.Runs) != 1 {
		g.t.Fatalf("the newest run of %s: %v", pipeline, err)
	}
	return g.run(list.JSON200.Runs[0].ID)
}

// ended waits for a run to succeed.
func (g *guide) ended(id uuid.UUID) client.RunDetail {
	g.t.Helper()
	run := g.watch(id, func(client.Event) error { return nil })
	if run.Status != client.RunStatusSucceeded {
		g.t.Fatalf("run #%d is %s: %s", run.Number, run.Status, run.Reason)
	}
	return run
}

// until looks again and again until something holds.
func (g *guide) until(what string, holds func() bool) {
	g.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			g.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// writes counts what was changed in Octopus through its API, by anybody.
func (g *guide) writes() int {
	g.t.Helper()
	var journal []simulator.Entry
	if err := json.Unmarshal(g.simulator(http.MethodGet, "journal", ""), &journal); err != nil {
		g.t.Fatal(err)
	}
	return len(slices.DeleteFunc(journal, func(e simulator.Entry) bool { return e.Actor != simulator.ActorAPI }))
}
