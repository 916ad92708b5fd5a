package pipeline

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// PauseScope is how much a pause holds back.
type PauseScope string

// The scopes of a pause.
const (
	// PauseLane holds the runs of one lane.
	PauseLane PauseScope = "lane"
	// PauseEnvironment holds the runs of all lanes of an environment.
	PauseEnvironment PauseScope = "environment"
	// PauseAll holds every run.
	PauseAll PauseScope = "all"
)

// Pause is an operator's wish that runs be held back ("stop the line"): while it
// stands, none of them starts, begins another stage or changes anything.
type Pause struct {
	ID    uuid.UUID
	Scope PauseScope
	// Key is the lane's key or the environment's (EnvironmentKey); "" for all.
	Key string
	// Name is what people call that; "" for all.
	Name string
	// Reason is why, By who wanted it.
	Reason, By string
	Since      time.Time
	// LiftedAt is zero while the pause stands.
	LiftedAt time.Time
	LiftedBy string
}

// Holds tells whether the pause, while it stands, holds the runs of a lane.
func (p Pause) Holds(lane string) bool {
	switch p.Scope {
	case PauseAll:
		return true
	case PauseLane:
		return lane == p.Key
	case PauseEnvironment:
		return strings.HasPrefix(lane, p.Key+keySeparator)
	default:
		return false
	}
}

// What names what is paused.
func (p Pause) What() string {
	switch p.Scope {
	case PauseLane:
		return "the lane"
	case PauseEnvironment:
		return "environment " + p.Name
	default:
		return "everything"
	}
}

// HeldBy says in one sentence which pauses hold a run.
func HeldBy(pauses []Pause) string {
	parts := make([]string, len(pauses))
	for i, p := range pauses {
		parts[i] = fmt.Sprintf("%s is paused by %s since %s: %s", p.What(), p.By, p.Since.UTC().Format(time.RFC3339), strings.TrimRight(p.Reason, ". "))
	}
	return "Held: " + strings.Join(parts, "; ") + "."
}

// Holding returns those of the pauses that hold the runs of a lane.
func Holding(pauses []Pause, lane string) []Pause {
	var holding []Pause
	for _, p := range pauses {
		if p.Holds(lane) {
			holding = append(holding, p)
		}
	}
	return holding
}
