//go:build unix

package trial

import (
	"context"
	"time"

	"regrow/internal/simulator"
)

// clock tells which moment here an instant in Octopus was, where time runs faster.
type clock struct {
	here, there time.Time
	speed       float64
}

// startClock has time run in Octopus.
func startClock(octopus *simulator.Server, speed float64) clock {
	here, there := time.Now(), octopus.Now()
	octopus.Start(context.Background())
	return clock{here: here, there: there, speed: speed}
}

// moment is when it was, by the clock of this machine.
func (c clock) moment(there time.Time) time.Time {
	return c.here.Add(time.Duration(float64(there.Sub(c.there)) / c.speed))
}
