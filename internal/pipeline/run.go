package pipeline

import "slices"

// Stage is one step of a run.
type Stage string

// The stages, in their order.
const (
	Provision     Stage = "provision"
	CreateRelease Stage = "create_release"
	Override      Stage = "override"
	VerifyStage   Stage = "verify"
	CleanupStage  Stage = "cleanup"
)

var stages = []Stage{Provision, CreateRelease, Override, VerifyStage, CleanupStage}

// Stages returns all stages in the order in which a run passes them.
func Stages() []Stage { return slices.Clone(stages) }

// StageNames returns the names of all stages in that order.
func StageNames() []string {
	names := make([]string, len(stages))
	for i, stage := range stages {
		names[i] = string(stage)
	}
	return names
}

// Next returns the stage that follows, and false after the last one.
func (s Stage) Next() (Stage, bool) {
	i := slices.Index(stages, s)
	if i < 0 || i+1 == len(stages) {
		return "", false
	}
	return stages[i+1], true
}

// Valid tells whether s is one of the stages.
func (s Stage) Valid() bool { return slices.Contains(stages, s) }

// Before tells whether s comes before other.
func (s Stage) Before(other Stage) bool {
	return slices.Index(stages, s) < slices.Index(stages, other)
}

// From returns s and every stage that follows it.
func (s Stage) From() []Stage {
	i := slices.Index(stages, s)
	if i < 0 {
		return nil
	}
	return slices.Clone(stages[i:])
}

// Status is the state of a run.
type Status string

// The states of a run. Running and Waiting runs hold their lane.
const (
	// Queued: the lane is taken by another run.
	Queued Status = "queued"
	// Running: a stage's job is due or being executed.
	Running Status = "running"
	// Waiting: the run waits for Octopus and holds no worker.
	Waiting Status = "waiting"
	// Succeeded: the new generation is proven and clean-up is done.
	Succeeded Status = "succeeded"
	// Failed: a stage failed; an operator may retry it.
	Failed Status = "failed"
	// Cancelled: an operator ended the run.
	Cancelled Status = "cancelled"
	// Superseded: a newer commit took the run's place in the queue, or in the
	// lane while a deployment freeze held it back from its first step.
	Superseded Status = "superseded"
)

// transitions lists where a run may go from each status.
var transitions = map[Status][]Status{
	Queued:  {Running, Cancelled, Superseded},
	Running: {Running, Waiting, Succeeded, Failed, Cancelled, Superseded},
	Waiting: {Running, Waiting, Failed, Cancelled},
	Failed:  {Running}, // an operator's retry or rollback
	// An operator's rollback takes out what a cancelled run has left.
	Cancelled: {Running},
}

// Statuses returns every status.
func Statuses() []Status {
	return []Status{Queued, Running, Waiting, Succeeded, Failed, Cancelled, Superseded}
}

// Valid tells whether s is one of the statuses.
func (s Status) Valid() bool { return slices.Contains(Statuses(), s) }

// Active tells whether a run in this status holds its lane.
func (s Status) Active() bool { return s == Running || s == Waiting }

// Terminal tells whether a run in this status has ended.
func (s Status) Terminal() bool { return s.Valid() && s != Queued && !s.Active() }

// CanBecome tells whether a run may go from s to next.
func (s Status) CanBecome(next Status) bool { return slices.Contains(transitions[s], next) }
