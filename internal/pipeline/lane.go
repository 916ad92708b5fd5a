package pipeline

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Lane is who holds a lane and who waits for it.
type Lane struct {
	// Holder is the active run, nil while the lane is free.
	Holder *LaneRun
	// Queue are the runs that wait for the lane, in the order of their turns.
	Queue []LaneRun
}

// LaneRun is a run in a lane.
type LaneRun struct {
	ID       uuid.UUID
	Pipeline string
	Number   int64
	Status   Status
	Stage    Stage
	// Since is when it started, or, of one that waits, when it was created.
	Since time.Time
	// Frozen tells that it waits for the end of a deployment freeze.
	Frozen bool
}

// GivesWay tells whether the run would leave the lane to a newer one of the
// pipeline: a freeze holds it back before it has made anything.
func (r LaneRun) GivesWay(to Pipeline) bool {
	return r.Frozen && r.Stage == Provision && r.Pipeline == to.Name && to.Policy == Latest
}

// Entry is what a run's entering of a lane comes to.
type Entry struct {
	// Starts tells that the lane is free: the run takes it at once.
	Starts bool
	// Supersedes are the queued runs whose place the run takes.
	Supersedes []LaneRun
	// Ahead are the queued runs that get their turns before it.
	Ahead []LaneRun
}

// Enter decides what becomes of a new run in the lane, and returns the lane with
// it. Under the policy "latest" it supersedes the queued runs of its pipeline
// that are older, and waits in the place of the first of them.
func (l Lane) Enter(run LaneRun, policy LanePolicy) (Entry, Lane) {
	older := func(queued LaneRun) bool {
		return policy == Latest && queued.Pipeline == run.Pipeline && queued.Number < run.Number
	}
	place := slices.IndexFunc(l.Queue, older)
	if place < 0 {
		place = len(l.Queue)
	}
	entry := Entry{Starts: l.Holder == nil, Ahead: slices.Clone(l.Queue[:place])}
	after := Lane{Holder: l.Holder, Queue: slices.Clone(entry.Ahead)}
	if entry.Starts {
		run.Status, entry.Ahead = Running, nil
		after.Holder = &run
	} else {
		run.Status = Queued
		after.Queue = append(after.Queue, run)
	}
	for _, queued := range l.Queue[place:] {
		if older(queued) {
			entry.Supersedes = append(entry.Supersedes, queued)
		} else {
			after.Queue = append(after.Queue, queued)
		}
	}
	return entry, after
}
