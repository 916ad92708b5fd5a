package terminal

import (
	"strings"

	"regrow/internal/client"
)

// Problem shows what the server said against a request: what happened, where,
// and what to do.
func (s *Screen) Problem(failure *client.Error) error {
	p := s.page(s.Now())
	p.line(p.paint(red, "regrow: "), sentence(failure.Detail))
	for _, place := range failure.Errors {
		where := clean(place.Parameter + place.Pointer)
		if where == "" || place.Detail == failure.Detail && len(failure.Errors) == 1 {
			continue
		}
		p.indented(2, where+": "+place.Detail)
	}
	if failure.Remedy != "" {
		p.indented(2, "What to do: "+sentence(failure.Remedy))
	}
	if failure.RequestID != "" && failure.Status >= 500 {
		p.line("  ", "The server's log says more under request ", clean(failure.RequestID), ".")
	}
	return p.flush()
}

// Message shows a sentence, or lines of them, on their own.
func (s *Screen) Message(text string) error {
	p := s.page(s.Now())
	for line := range strings.Lines(text) {
		p.line(clean(line))
	}
	return p.flush()
}
