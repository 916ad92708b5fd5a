package pipeline

// Cancellation is somebody's wish that a run end.
type Cancellation struct {
	// Reason is why, By who wants it. The reason may be empty.
	Reason, By string
	// Tasks has what Octopus still does for the run cancelled, too.
	Tasks bool
}
