package pipeline

import (
	"strings"
	"time"
)

// Pipeline is the configuration of one way from commits to verified new
// infrastructure. A run keeps a snapshot of it, so that a changed configuration
// file changes the next run and never one that is under way.
type Pipeline struct {
	// Name is unique among all pipelines.
	Name string `json:"name"`
	// Source names the webhook source whose commits this pipeline takes.
	Source string `json:"source"`
	// Repository is the pattern of the repository's full name; "*" matches
	// within one path segment. Compared without regard to case.
	Repository string `json:"repository"`
	// Branches are patterns of short branch names; one has to match.
	Branches []string `json:"branches"`

	Server      Server `json:"server"`
	Environment string `json:"environment"`
	// Tenant is the tenant's name, or "" for an untenanted pipeline.
	Tenant string `json:"tenant,omitempty"`

	Infrastructure Infrastructure `json:"infrastructure"`
	Application    Application    `json:"application"`

	Policy  LanePolicy `json:"policy"`
	Verify  Verify     `json:"verify"`
	Cleanup Cleanup    `json:"cleanup"`
	// OnFailure says what becomes of new targets that were not proven; "" is
	// Keep.
	OnFailure FailurePolicy `json:"on_failure,omitempty"`
	// FailureRunbook names a runbook of the infrastructure project that ends the
	// machines of targets that Terminate has removed; may be empty.
	FailureRunbook string `json:"failure_runbook,omitempty"`
}

// Server says which Octopus Server and which space in it. The API key is not
// part of it: snapshots hold no secrets.
type Server struct {
	// Name is the server's name in the configuration.
	Name string `json:"name"`
	// URL is the server's base URL, with a path prefix where it has one.
	URL string `json:"url"`
	// Space is the space's name.
	Space string `json:"space"`
}

// Infrastructure describes the project whose deployment provisions targets.
type Infrastructure struct {
	Project string `json:"project"`
	// Channel is a channel's name, or "" for the project's default channel.
	Channel string `json:"channel,omitempty"`
	// Version is the template of the release's version.
	Version Template `json:"version"`
	// Packages pins package versions; steps not named get the newest version.
	Packages []Package `json:"packages,omitempty"`
	// Git says where the process of a project that lives in Git is read; "" is
	// GitCommit. It means nothing for other projects.
	Git GitSource `json:"git,omitempty"`
	// Roles are the target tags that tell this pipeline's targets from others.
	Roles []string `json:"roles"`
	// Targets is how many new targets one deployment is expected to bring.
	Targets int `json:"targets"`
	// MachinePolicy is the name of the policy by which Octopus checks and removes
	// the targets. Runs do not need it; setting up and examining does.
	MachinePolicy string `json:"machine_policy,omitempty"`
}

// Application describes the project whose release goes onto the new targets.
type Application struct {
	Project string `json:"project"`
	// Channel is a channel's name, or "" for the project's default channel.
	Channel string `json:"channel,omitempty"`
	// Version is the template of the release's version.
	Version Template `json:"version"`
	// Packages pins package versions; steps not named get the newest version.
	Packages []Package `json:"packages,omitempty"`
	// Git says where the process of a project that lives in Git is read; "" is
	// GitCommit. It means nothing for other projects.
	Git GitSource `json:"git,omitempty"`
}

// GitSource says from which state of its Git repository Octopus reads the
// process of a version-controlled project when it makes a release.
type GitSource string

// The Git sources.
const (
	// GitCommit is the run's commit, on the run's ref.
	GitCommit GitSource = "commit"
	// GitRef is the head of the run's ref at the time when the release is made.
	GitRef GitSource = "ref"
	// GitDefault is the head of the project's own default branch, for a process
	// that lives in another repository than the commits.
	GitDefault GitSource = "default"
)

// Package pins the version of one package in a release.
type Package struct {
	// Step is the name of the step or the id of the package.
	Step string `json:"step"`
	// Reference tells several packages of one step apart; "" is the primary one.
	Reference string `json:"reference,omitempty"`
	// Version is the template of the package's version.
	Version Template `json:"version"`
}

// LanePolicy says what happens to runs that wait for a taken lane.
type LanePolicy string

// The lane policies.
const (
	// Latest lets a newer queued run supersede the older queued runs of its pipeline.
	Latest LanePolicy = "latest"
	// FIFO runs every commit, in order.
	FIFO LanePolicy = "fifo"
)

// Verify says how long the proof may take and how much regrow does for it.
type Verify struct {
	// Timeout is how long a run may stay in the verify stage.
	Timeout time.Duration `json:"timeout"`
	// Grace is how long Octopus may take to deploy to an available new target
	// by itself before regrow deploys to it.
	Grace time.Duration `json:"grace"`
	// Redeployments is how often one run deploys to new targets by itself.
	Redeployments int `json:"redeployments"`
}

// FailurePolicy says what becomes of the new targets of a run that failed or was
// cancelled.
type FailurePolicy string

// The failure policies.
const (
	// Keep leaves them, for people to look at; they are old targets to the next run.
	Keep FailurePolicy = "keep"
	// Terminate removes them from Octopus while enough of the old ones serve.
	Terminate FailurePolicy = "terminate"
)

// CleanupMode says who removes the old generation.
type CleanupMode string

// The clean-up modes.
const (
	// CleanupDelete deletes baseline targets that are unavailable or disabled.
	CleanupDelete CleanupMode = "delete"
	// CleanupRunbook runs a runbook of the infrastructure project.
	CleanupRunbook CleanupMode = "runbook"
	// CleanupPolicy leaves the old targets to their machine policy.
	CleanupPolicy CleanupMode = "policy"
)

// Cleanup says how the old generation is removed.
type Cleanup struct {
	Mode CleanupMode `json:"mode"`
	// Grace is how long after the proof the old generation is left alone. It does
	// not count towards Timeout, and means nothing in mode "policy".
	Grace time.Duration `json:"grace,omitempty"`
	// Minimum is how many targets of the new generation have to be available
	// while old ones are removed.
	Minimum int `json:"minimum"`
	// MaxRemovals is the most targets that one clean-up may remove; when more
	// would go it removes none. 0 sets no limit. It means nothing in mode "policy".
	MaxRemovals int `json:"max_removals,omitempty"`
	// Timeout is how long clean-up waits for old targets to become unavailable
	// before it leaves them and says so.
	Timeout time.Duration `json:"timeout"`
	// Runbook names the runbook of mode "runbook".
	Runbook string `json:"runbook,omitempty"`
}

// Begins is when the old generation of a run may be touched whose new one was
// proven at that time.
func (c Cleanup) Begins(proven time.Time) time.Time {
	if c.Mode == CleanupPolicy {
		return proven
	}
	return proven.Add(c.Grace)
}

// Lane is the key of the thing that only one run may hold at a time: server,
// space, environment, tenant and infrastructure project, compared as Octopus
// compares names (without regard to case).
func (p Pipeline) Lane() string {
	return p.EnvironmentKey() + keySeparator + keyOf(p.Tenant, p.Infrastructure.Project)
}

// EnvironmentKey is what the keys of all lanes of the pipeline's environment
// begin with: server, space and environment.
func (p Pipeline) EnvironmentKey() string {
	return keyOf(strings.TrimRight(p.Server.URL, "/"), p.Server.Space, p.Environment)
}

const keySeparator = " | "

func keyOf(parts ...string) string {
	for i, part := range parts {
		parts[i] = Fold(part)
	}
	return strings.Join(parts, keySeparator)
}
