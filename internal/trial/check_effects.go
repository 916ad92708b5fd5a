//go:build unix

package trial

import (
	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// effectsOnce: a run makes one infrastructure release, one application release,
// and each deployment and runbook run once.
func (c *checker) effectsOnce() {
	type key struct {
		run           uuid.UUID
		effect        simulator.Effect
		project, what string
	}
	first := map[key]effect{}
	for _, e := range c.effects {
		switch e.Effect {
		case simulator.ReleaseCreated, simulator.DeploymentCreated, simulator.RunbookRunCreated:
		default:
			continue
		}
		k := key{e.run, e.Effect, e.ProjectID, e.what}
		if before, twice := first[k]; twice {
			c.violated("%s: %s made it twice, first as %s.", show(e.Entry), c.name(e.run), show(before.Entry))
			continue
		}
		first[k] = e
	}
	for _, run := range c.Runs {
		c.madeWhatItSays(run)
	}
}

// madeWhatItSays holds the results of a run's stages against the journal.
func (c *checker) madeWhatItSays(run RunRow) {
	provision, release := c.stage(run.ID, pipeline.Provision), c.stage(run.ID, pipeline.CreateRelease)
	if provision.Status == "succeeded" {
		c.madeBy(run, simulator.ReleaseCreated, provision.Result.ReleaseID, "infrastructure release")
		c.madeBy(run, simulator.DeploymentCreated, provision.Result.DeploymentID, "infrastructure deployment")
	}
	switch {
	case release.Status != "succeeded":
	case run.Restores != nil:
		if good := c.stage(*run.Restores, pipeline.CreateRelease).Result.ReleaseID; release.Result.ReleaseID != good {
			c.violated("%s goes back to %s with %q, that one's release was %q.", c.name(run.ID), c.name(*run.Restores), release.Result.ReleaseID, good)
		}
	default:
		c.madeBy(run, simulator.ReleaseCreated, release.Result.ReleaseID, "application release")
	}
	deployments := 0
	for _, e := range c.effects {
		if e.run == run.ID && e.Effect == simulator.DeploymentCreated && e.ProjectID == c.placeOf(run.ID).infrastructure {
			deployments++
		}
	}
	// Each operator's retry may provision again.
	if deployments > int(run.Round) {
		c.violated("%s deployed its infrastructure %d times in %d rounds.", c.name(run.ID), deployments, run.Round)
	}
}

func (c *checker) madeBy(run RunRow, kind simulator.Effect, id, what string) {
	for _, e := range c.effects {
		if e.run == run.ID && e.Effect == kind && e.ID == id {
			return
		}
	}
	c.violated("%s says that %q is its %s, but it made none of that id.", c.name(run.ID), id, what)
}

// effectsInOrder: what a run makes it makes in the order of its stages.
func (c *checker) effectsInOrder() {
	highest := map[uuid.UUID]effect{}
	for _, e := range c.effects {
		if c.runs[e.run].Round > 1 {
			continue // a retry goes back
		}
		if before, later := highest[e.run]; later && c.rank(e) < c.rank(before) {
			c.violated("%s: %s did it after %s.", show(e.Entry), c.name(e.run), show(before.Entry))
			continue
		}
		highest[e.run] = e
	}
}

// rank is the position of an effect's stage.
func (c *checker) rank(e effect) string {
	switch {
	case c.guards[e.Seq]:
		return "7 return to the old generation"
	case e.Effect == simulator.ReleaseCreated && e.ProjectID == c.placeOf(e.run).infrastructure:
		return "1 infrastructure release"
	case e.Effect == simulator.DeploymentCreated && e.ProjectID == c.placeOf(e.run).infrastructure:
		return "2 infrastructure deployment"
	case e.Effect == simulator.ReleaseCreated:
		return "3 application release"
	case e.Effect == simulator.OverrideSet:
		return "4 override"
	case e.Effect == simulator.DeploymentCreated, e.Effect == simulator.OverrideCleared:
		return "5 verify"
	default:
		return "6 clean-up"
	}
}
