package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Observation is what Octopus shows at one moment of what concerns a run.
type Observation struct {
	At time.Time
	// Expected is how many new targets the run asked for.
	Expected int
	// Infrastructure is the deployment that provisions them.
	Infrastructure TaskState
	// Targets are all targets of the environment (and tenant) with the
	// pipeline's roles.
	Targets []Target
	// Baseline holds the ids of the targets that stood before the run.
	Baseline map[string]bool
	// AvailableSince tells since when each new target has been available.
	AvailableSince map[string]time.Time
	// Release is the id of the release that has to be on the new targets.
	Release string
	// Deployments are the application project's deployments to the environment
	// (and tenant) that can matter: any that was made since the run began, and
	// the older one that Octopus falls back to.
	Deployments []Deployment
}

// Target is a deployment target as a run sees it.
type Target struct {
	ID, Name string
	// Health is Octopus' word for it, for instance "Healthy".
	Health string
	// Disabled targets take no deployments.
	Disabled bool
	// Available tells whether Octopus deploys to the target now.
	Available bool
	// Environments is how many environments the target is in.
	Environments int
	// Others names whom it serves besides the run's tenant, or besides untenanted
	// deployments: "other tenants". "" when nobody.
	Others string
	// Moved tells that the target is no longer where the run deploys to, or does
	// not have the pipeline's roles any more.
	Moved bool
	// InUse tells that a deployment uses the target now, or may do so.
	InUse bool
}

// Gone tells whether the target serves nobody any more: Octopus cannot reach
// it, or somebody has disabled it.
func (t Target) Gone() bool { return t.Disabled || t.Health == "Unavailable" }

// Deployment is one deployment of the application project and how its task
// stands now; a finished task can be queued again.
type Deployment struct {
	ID, Release string
	Task        TaskState
	// Finished is when the task last ended; zero while it has not.
	Finished time.Time
	// Targets are the targets that took part.
	Targets []string
}

// TaskState is how the task of a deployment stands.
type TaskState string

// The states of a task, as far as a run cares.
const (
	TaskActive    TaskState = "active"
	TaskSucceeded TaskState = "succeeded"
	TaskFailed    TaskState = "failed"
	// TaskGone: Octopus has forgotten the task (retention); it ended, and it
	// proves nothing.
	TaskGone TaskState = "gone"
)

// ReleaseState is how the run's release stands on one new target.
type ReleaseState string

// The states of a release on a target.
const (
	// ReleaseDeployed: the last deployment to the target was of this release and succeeded.
	ReleaseDeployed ReleaseState = "deployed"
	// ReleaseDeploying: a deployment is under way.
	ReleaseDeploying ReleaseState = "deploying"
	// ReleaseMissing: nothing was deployed to the target yet.
	ReleaseMissing ReleaseState = "missing"
	// ReleaseOther: another release was deployed to the target.
	ReleaseOther ReleaseState = "other"
	// ReleaseBroken: the last deployment of this release to the target failed.
	ReleaseBroken ReleaseState = "failed"
)

// Proof is what an Observation proves about the new generation.
type Proof struct {
	// New are the targets of the new generation, in the order observed.
	New []ProvenTarget
	// Available and Deployed count them.
	Available, Deployed int
	// Complete: the infrastructure deployment succeeded, enough new targets are
	// available, and the release is on every one of them.
	Complete bool
	// Redeploy are the available new targets which Octopus will not put right
	// by itself, or not in time.
	Redeploy []ProvenTarget
	// Summary is one sentence: "3 expected, 2 available, 1 deployed".
	Summary string
}

// ProvenTarget is a target of the new generation and how the release stands on it.
type ProvenTarget struct {
	Target
	Release ReleaseState
	// Deployment is the deployment that State was read from; may be "".
	Deployment string
}

// Prove judges an observation. A task that says "success" proves nothing by
// itself: what counts is which release was last deployed to which target.
// Targets that Octopus has left without the release for longer than grace, or
// with another one, are listed to be redeployed, unless a deployment is still
// under way.
func Prove(o Observation, grace time.Duration) Proof {
	busy := slices.ContainsFunc(o.Deployments, func(d Deployment) bool { return d.Task == TaskActive })
	last := lastDeployments(o.Deployments)
	var p Proof
	for _, target := range o.Targets {
		if o.Baseline[target.ID] {
			continue
		}
		proven := ProvenTarget{Target: target}
		proven.Release, proven.Deployment = releaseState(last[target.ID], o.Release)
		if busy && proven.Release != ReleaseDeployed {
			proven.Release = ReleaseDeploying
		}
		p.add(proven)
		if target.Available && !busy && needsRedeployment(proven, o, grace) {
			p.Redeploy = append(p.Redeploy, proven)
		}
	}
	p.Complete = o.Infrastructure == TaskSucceeded && p.Available >= o.Expected && p.Available == p.Deployed && !busy
	p.Summary = fmt.Sprintf("%d expected, %d available, %d deployed", o.Expected, p.Available, p.Deployed)
	return p
}

func (p *Proof) add(t ProvenTarget) {
	p.New = append(p.New, t)
	if !t.Available {
		return
	}
	p.Available++
	if t.Release == ReleaseDeployed {
		p.Deployed++
	}
}

func needsRedeployment(t ProvenTarget, o Observation, grace time.Duration) bool {
	switch t.Release {
	case ReleaseOther, ReleaseBroken:
		return true
	case ReleaseMissing:
		since, known := o.AvailableSince[t.ID]
		return known && o.At.Sub(since) >= grace
	default:
		return false
	}
}

// lastDeployments finds, for each target, the finished deployment that ended
// last. A deployment that was queued again counts by its last end.
func lastDeployments(all []Deployment) map[string]Deployment {
	ordered := slices.SortedStableFunc(slices.Values(all), func(a, b Deployment) int {
		return cmp.Or(a.Finished.Compare(b.Finished), cmp.Compare(a.ID, b.ID))
	})
	last := make(map[string]Deployment)
	for _, deployment := range ordered {
		if deployment.Task == TaskActive {
			continue
		}
		for _, target := range deployment.Targets {
			last[target] = deployment
		}
	}
	return last
}

func releaseState(last Deployment, release string) (ReleaseState, string) {
	switch {
	case last.ID == "":
		return ReleaseMissing, ""
	case last.Release != release:
		return ReleaseOther, last.ID
	case last.Task == TaskSucceeded:
		return ReleaseDeployed, last.ID
	default:
		return ReleaseBroken, last.ID
	}
}
