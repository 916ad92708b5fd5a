package pipeline

import "time"

// CleanupPreview is what the clean-up of a run would do if it began now.
type CleanupPreview struct {
	Cleanup Cleanup
	// At is when it was looked.
	At time.Time
	// Begins is when the grace time after the proof is over, zero while the new
	// generation is not proven.
	Begins time.Time
	// Available is how many new targets are available, -1 where that is not known.
	Available int
	// Targets are those of the run's baseline.
	Targets []OldTarget
	// Findings are what else there is to say.
	Findings []Finding
}

// Fails tells whether clean-up is bound to fail, as far as can be seen.
func (p CleanupPreview) Fails() bool { return fails(p.Findings) }

// OldTarget is a target of a run's baseline and what clean-up would make of it.
type OldTarget struct {
	Target
	URL  string
	Fate Fate
	// Reason says why.
	Reason string
}
