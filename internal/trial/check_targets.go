//go:build unix

package trial

import (
	"fmt"
	"slices"
	"strings"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// removalsRight: what is removed for a run stood before it, is gone for Octopus
// already, and goes only after the proof and while enough of the new generation
// stands.
func (c *checker) removalsRight() {
	for _, e := range c.effects {
		if e.Effect != simulator.MachineDeleted && e.Effect != simulator.RunbookRunCreated {
			continue
		}
		run := c.runs[e.run]
		if c.itsOwn(run, e.Entry) {
			c.takeOutRight(e, run)
			continue
		}
		verified := c.stage(run.ID, pipeline.VerifyStage).EndedAt
		if at := c.clock.moment(e.Time); verified == nil || verified.After(at.Add(slack)) {
			c.violated("%s: %s had not proven its targets.", show(e.Entry), c.name(run.ID))
		}
		if up, least := c.up(c.generation(run, "new"), e.Seq), c.placeOf(run.ID).Targets; up < least {
			c.violated("%s: only %d of %d new targets of %s were available.", show(e.Entry), up, least, c.name(run.ID))
		}
		if e.Effect == simulator.MachineDeleted {
			c.removalRight(e, run)
		}
	}
}

func (c *checker) removalRight(e effect, run RunRow) {
	if !slices.Contains(c.generation(run, "baseline"), e.ID) {
		c.violated("%s: it did not stand before %s.", show(e.Entry), c.name(run.ID))
	}
	health := ""
	for _, before := range c.Journal[:e.Seq-1] {
		if before.ID != e.ID {
			continue
		}
		switch before.Effect {
		case simulator.MachineHealthChanged:
			health = before.Detail
		case simulator.MachineUpdated: // it may have been disabled
			health = "Unavailable"
		default:
		}
	}
	if health != "Unavailable" {
		c.violated("%s: it should have stood, it was %s.", show(e.Entry), strings.ToLower(health))
	}
}

// generation lists the targets of a run.
func (c *checker) generation(run RunRow, which string) []string {
	var ids []string
	for _, target := range c.Targets {
		if target.RunID == run.ID && target.Generation == which {
			ids = append(ids, target.TargetID)
		}
	}
	return ids
}

// itsOwn tells whether a removed target was of the run's own new generation.
func (c *checker) itsOwn(run RunRow, removal simulator.Entry) bool {
	by, made := c.maker(removal.Name)
	return made && by == run.ID || slices.Contains(c.generation(run, "new"), removal.ID)
}

// takeOutRight: new targets are taken out only for a run that did not succeed, and
// only while the old ones serve.
func (c *checker) takeOutRight(e effect, run RunRow) {
	if run.Status == pipeline.Succeeded {
		c.violated("%s: it was of the new generation of %s, which succeeded.", show(e.Entry), c.name(run.ID))
	}
	old := c.generation(run, "baseline")
	if up, least := c.up(old, e.Seq), max(1, min(c.placeOf(run.ID).Targets, len(old))); up < least {
		c.violated("%s: it was taken out while only %d of %d old targets of %s served.", show(e.Entry), up, least, c.name(run.ID))
	}
}

// up counts how many of the targets were available at a point in the journal.
func (c *checker) up(targets []string, seq int) int {
	up := map[string]bool{}
	for _, e := range c.Journal[:seq-1] {
		switch {
		case e.Effect == simulator.MachineCreated && e.Actor == simulator.ActorSeed && slices.Contains(targets, e.ID):
			up[e.ID] = true
		case e.Effect == simulator.MachineHealthChanged && slices.Contains(targets, e.ID):
			up[e.ID] = e.Detail == "Healthy" || e.Detail == "HasWarnings"
		case e.Effect == simulator.MachineDeleted:
			delete(up, e.ID)
		}
	}
	n := 0
	for _, is := range up {
		if is {
			n++
		}
	}
	return n
}

// releasesStand: when a run succeeded, all of its new targets were made by its
// own deployment, and its release was on them.
func (c *checker) releasesStand() {
	for _, run := range c.Runs {
		if run.Status != pipeline.Succeeded || run.Ended == nil {
			continue
		}
		last := 0
		for _, e := range c.Journal {
			if c.clock.moment(e.Time).Before(*run.Ended) {
				last = e.Seq
			}
		}
		if missing := c.withoutRelease(run, last+1); missing != "" {
			c.violated("%s succeeded while %s.", c.name(run.ID), missing)
		}
		c.targetsItsOwn(run)
	}
}

// withoutRelease tells what keeps the run's release from being on all new targets
// at a point in the journal; "" for nothing.
func (c *checker) withoutRelease(run RunRow, seq int) string {
	fresh := c.generation(run, "new")
	if least := c.placeOf(run.ID).Targets; len(fresh) < least {
		return fmt.Sprintf("it had only %d of %d new targets", len(fresh), least)
	}
	installed := c.installed(run, seq)
	wanted := c.stage(run.ID, pipeline.CreateRelease).Result.ReleaseID
	for _, id := range fresh {
		if installed[id] != wanted {
			return fmt.Sprintf("%q was on its target %s in place of %s", installed[id], id, wanted)
		}
	}
	return ""
}

// installed tells which release of the application was on which target at a point
// in the journal.
func (c *checker) installed(run RunRow, seq int) map[string]string {
	on := map[string]string{}
	again := map[string][]string{} // the targets for which a deployment was queued again
	for _, e := range c.Journal[:min(seq-1, len(c.Journal))] {
		if e.ProjectID != c.placeOf(run.ID).application {
			continue
		}
		switch e.Effect {
		case simulator.DeploymentRequeued:
			again[e.ID] = e.Machines
		case simulator.DeploymentFinished:
			for _, id := range e.Machines {
				_, queuedAgain := again[e.ID]
				if e.Detail == "Success" && (!queuedAgain || slices.Contains(again[e.ID], id)) {
					on[id] = e.ReleaseID
				}
			}
		default:
		}
	}
	return on
}

// targetsItsOwn: each new target was made by a deployment of the run.
func (c *checker) targetsItsOwn(run RunRow) {
	fresh := c.generation(run, "new")
	for _, e := range c.Journal {
		if e.Effect != simulator.MachineCreated || !slices.Contains(fresh, e.ID) {
			continue
		}
		if by, made := c.maker(e.Name); !made || by != run.ID {
			c.violated("%s: it is no target of a deployment of %s, but of its new generation.", show(e), c.name(run.ID))
		}
	}
}
