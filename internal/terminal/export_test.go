package terminal

import (
	"time"

	"regrow/internal/client"
)

// LiveAt is Live with ticks of the test's own.
func (s *Screen) LiveAt(run client.RunDetail, ticks <-chan time.Time) *Live {
	return s.live(run, ticks)
}
