//go:build unix

package trial

import (
	"fmt"
	"strings"
	"time"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// Lane is a pipeline of the world with a lane of its own: an environment with its
// own name. Lanes with the same Project share both Octopus projects.
type Lane struct {
	// Name is the name of the pipeline, the environment, the role and the
	// repository.
	Name string
	// Project is the application project; the infrastructure project is
	// "<Project> Infrastructure".
	Project string
	Policy  pipeline.LanePolicy
	Targets int
	// NoTrigger has Octopus deploy to no new target by itself: regrow has to.
	NoTrigger bool
	// Runbook has a runbook remove the old targets, instead of regrow.
	Runbook bool
	// Returns leaves the old machines running for a while after a deployment, so
	// that a run which fails can return to them: its new targets are taken out.
	Returns bool
}

// DefaultLanes make every kind of effect happen: two environments share their
// projects, in one nothing is deployed automatically, and one is cleaned up by a
// runbook.
func DefaultLanes() []Lane {
	return []Lane{
		{Name: "alpha", Project: "Shop", Policy: pipeline.Latest, Targets: 2},
		{Name: "bravo", Project: "Shop", Policy: pipeline.FIFO, Targets: 2},
		{Name: "charlie", Project: "Cellar", Policy: pipeline.FIFO, Targets: 2, NoTrigger: true, Returns: true},
		{Name: "delta", Project: "Attic", Policy: pipeline.Latest, Targets: 2, Runbook: true},
	}
}

func (l Lane) infrastructure() string { return l.Project + " Infrastructure" }

// role is shared by lanes that share their projects: an infrastructure project
// gives all its targets the same.
func (l Lane) role() string { return strings.ToLower(l.Project) }

func (l Lane) scene() simulator.HelloWorldOptions {
	scene := simulator.HelloWorldOptions{
		Environment: l.Name, Project: l.Project, Role: l.role(), Targets: l.Targets, NoTrigger: l.NoTrigger,
	}
	if l.Returns {
		scene.Provisioner.TerminateDelay = 3 * time.Minute
	}
	return scene
}

const runbook = "Remove old targets"

func (l Lane) onFailure() string {
	if l.Returns {
		return "terminate"
	}
	return "keep"
}

func (l Lane) cleanup() string {
	if l.Runbook {
		return fmt.Sprintf(`{mode: runbook, runbook: %q, timeout: 10m}`, runbook)
	}
	return `{mode: delete, timeout: 10m}`
}

// config is the pipeline in regrow.yaml. Its times are long: what a trial does to
// regrow must not become a run's failure.
func (l Lane) config() string {
	return fmt.Sprintf(`
  - name: %[1]s
    source: github
    repository: acme/%[1]s
    branches: [main]
    server: main
    environment: %[1]s
    infrastructure: {project: %[2]q, version: "1.0.{run}-{pipeline}", roles: [%[3]s], targets: %[4]d}
    application: {project: %[5]q, version: "2.0.{run}-{pipeline}"}
    lane: %[6]s
    verify: {timeout: 10m, grace: 2s, redeployments: 20}
    cleanup: %[7]s
    on_failure: %[8]s
`, l.Name, l.infrastructure(), l.role(), l.Targets, l.Project, l.Policy, l.cleanup(), l.onFailure())
}
