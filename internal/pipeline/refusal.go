package pipeline

// Refusal says why the state of things does not allow what was asked for. It
// is meant for the person who asked.
type Refusal struct {
	// Message is one sentence: what was asked for and why it is refused.
	Message string
	// Remedy is what to do instead.
	Remedy string
}

func (r *Refusal) Error() string {
	if r.Remedy == "" {
		return r.Message
	}
	return r.Message + "; " + r.Remedy
}
