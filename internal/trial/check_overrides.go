//go:build unix

package trial

import (
	"maps"
	"slices"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// spot is where at most one override stands.
type spot struct{ project, environment, tenant string }

func spotOf(e simulator.Entry) spot { return spot{e.ProjectID, e.EnvironmentID, e.TenantID} }

// overridesAlone: at most one override of the runs stands at a time, none is
// taken away before its run is proven or has ended, and none is left over by a
// run that has ended.
func (c *checker) overridesAlone() {
	standing := map[spot]simulator.Entry{}
	for _, e := range c.Journal {
		switch e.Effect {
		case simulator.OverrideSet:
			c.overrideMaySet(e, standing[spotOf(e)])
			standing[spotOf(e)] = e
		case simulator.OverrideCleared:
			delete(standing, spotOf(e))
		default:
		}
	}
	for _, e := range c.effects {
		if e.Effect == simulator.OverrideCleared {
			c.overrideMayClear(e)
		}
	}
	for _, left := range c.Standing {
		owners := c.releases[left.ReleaseID]
		goesOn := slices.ContainsFunc(owners, func(id uuid.UUID) bool { return !c.runs[id].Status.Terminal() })
		guard := slices.ContainsFunc(slices.Collect(maps.Values(standing)), func(e simulator.Entry) bool {
			return c.guards[e.Seq] && e.EnvironmentID == left.EnvironmentID && e.ReleaseID == left.ReleaseID
		})
		if len(owners) > 0 && !goesOn && !guard {
			c.violated("%s has ended, and its override to %s in %s still stands.", c.name(owners[0]), left.ReleaseID, left.EnvironmentID)
		}
	}
}

func (c *checker) overrideMaySet(e, standing simulator.Entry) {
	switch {
	case standing.ReleaseID == "", c.guards[standing.Seq]:
	case standing.ReleaseID == e.ReleaseID:
		c.violated("%s: the override stood already.", show(e))
	default:
		c.violated("%s: the override to %s still stood.", show(e), standing.ReleaseID)
	}
}

// overrideMayClear holds against the journal what regrow took away itself. A
// deployment takes its override away in Octopus.
func (c *checker) overrideMayClear(e effect) {
	run := c.runs[e.run]
	if run.Status != pipeline.Succeeded || run.Round > 1 {
		return
	}
	if missing := c.withoutRelease(run, e.Seq); missing != "" {
		c.violated("%s: the override of %s was taken away while %s.", show(e.Entry), c.name(run.ID), missing)
	}
}
