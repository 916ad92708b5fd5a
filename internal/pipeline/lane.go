package pipeline

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Lane is who holds a lane and who waits for it.
type Lane struct {
	// Pauses are those that hold the lane's runs.
	Pauses []Pause
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
	// Frozen tells that it waits for the end of a deployment freeze, Held that a
	// pause holds it.
	Frozen, Held bool
	// Rollback tells that it puts an earlier release back: no commit takes its
	// place.
	Rollback bool
}

// GivesWay tells whether the run would leave the lane to a newer one of the
// pipeline: a freeze or a pause holds it back before it has made anything.
func (r LaneRun) GivesWay(to Pipeline) bool {
	return (r.Frozen || r.Held) && !r.Rollback && r.Stage == Provision && r.Pipeline == to.Name && to.Policy == Latest
}

// Entry is what a run's entering of a lane comes to.
type Entry struct {
	// Starts tells that the lane is free and nobody's turn comes first: the run
	// takes it at once.
	Starts bool
	// Supersedes are the queued runs whose place the run takes.
	Supersedes []LaneRun
	// Ahead are the queued runs that get their turns before it.
	Ahead []LaneRun
}

// Open tells whether the lane is there to be taken.
func (l Lane) Open() bool { return l.Holder == nil && len(l.Pauses) == 0 }

// Enter decides what becomes of a new run in the lane, and returns the lane with
// it. Under the policy "latest" it supersedes the queued runs of its pipeline
// that are older, and waits in the place of the first of them. A rollback comes
// first, and only another rollback takes its place.
func (l Lane) Enter(run LaneRun, policy LanePolicy) (Entry, Lane) {
	older := func(queued LaneRun) bool {
		return policy == Latest && queued.Pipeline == run.Pipeline && queued.Number < run.Number && (run.Rollback || !queued.Rollback)
	}
	place := slices.IndexFunc(l.Queue, older)
	switch {
	case run.Rollback:
		place = 0
	case place < 0:
		place = len(l.Queue)
	}
	entry := Entry{Starts: l.Open() && place == 0, Ahead: slices.Clone(l.Queue[:place])}
	run.Status = Queued
	after := Lane{Pauses: l.Pauses, Holder: l.Holder, Queue: append(slices.Clone(entry.Ahead), run)}
	for _, queued := range l.Queue[place:] {
		if older(queued) {
			entry.Supersedes = append(entry.Supersedes, queued)
		} else {
			after.Queue = append(after.Queue, queued)
		}
	}
	if after.Open() {
		first := after.Queue[0]
		first.Status = Running
		after.Holder, after.Queue = &first, after.Queue[1:]
	}
	return entry, after
}
