package store

import (
	"time"

	"regrow/internal/pipeline"
)

// Domain returns the pause as the domain sees it.
func (p Pause) Domain() pipeline.Pause {
	var lifted time.Time
	if p.LiftedAt != nil {
		lifted = *p.LiftedAt
	}
	return pipeline.Pause{
		ID: p.ID, Scope: p.Scope, Key: p.Key, Name: p.Name, Reason: p.Reason, By: p.PausedBy, Since: p.Since, LiftedAt: lifted, LiftedBy: p.LiftedBy,
	}
}

// Pauses returns several as the domain sees them.
func Pauses(rows []Pause) []pipeline.Pause {
	pauses := make([]pipeline.Pause, len(rows))
	for i, row := range rows {
		pauses[i] = row.Domain()
	}
	return pauses
}
