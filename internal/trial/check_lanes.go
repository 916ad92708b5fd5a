//go:build unix

package trial

import (
	"slices"

	"github.com/google/uuid"
)

// lanesExclusive: at any moment at most one run of a lane was active, as the
// events of the runs and the turns of the lane tell.
func (c *checker) lanesExclusive() {
	type held struct {
		run RunRow
		span
	}
	last := map[string]held{}
	for _, event := range c.Events {
		if event.Kind != "run_started" {
			continue
		}
		run := c.runs[event.RunID]
		before, taken := last[run.Lane]
		if taken && (before.to == nil || before.to.ID > event.ID || before.to.At.After(event.At.Add(slack))) {
			c.violated("%s took its lane while %s held it.", c.name(run.ID), c.name(before.run.ID))
		}
		spans := c.spans[event.RunID]
		last[run.Lane] = held{run, spans[slices.IndexFunc(spans, func(s span) bool { return s.from.ID == event.ID })]}
	}
	active := map[string]uuid.UUID{}
	for _, run := range c.Runs {
		if !run.Status.Active() {
			continue
		}
		if other, taken := active[run.Lane]; taken {
			c.violated("%s and %s are active in one lane.", c.name(other), c.name(run.ID))
		}
		active[run.Lane] = run.ID
	}
}

// effectsInTurn: the effects of two runs of a lane never mix, and none happens
// while its run does not hold the lane.
func (c *checker) effectsInTurn() {
	last := map[string]effect{}
	over := map[uuid.UUID]effect{}
	for _, e := range c.effects {
		run := c.runs[e.run]
		if before, known := last[run.Lane]; known && before.run != e.run {
			over[before.run] = e
		}
		if next, is := over[e.run]; is && run.Round == 1 {
			c.violated("%s: %s did it although %s had begun: %s.", show(e.Entry), c.name(e.run), c.name(next.run), show(next.Entry))
		}
		last[run.Lane] = e
		if !c.active(run, c.clock.moment(e.Time)) {
			c.violated("%s: %s did not hold its lane.", show(e.Entry), c.name(e.run))
		}
	}
}
