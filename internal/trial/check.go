//go:build unix

package trial

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// Check holds what has happened in Octopus against what the database says, and
// returns what breaks a promise, in sentences.
func (h *History) Check() []string {
	c := newChecker(h)
	for _, rule := range []func(){
		c.effectsOnce, c.overridesAlone, c.removalsRight, c.deliveriesPresent,
		c.stagesInOrder, c.effectsInOrder, c.endsClean, c.lanesExclusive, c.effectsInTurn, c.releasesStand,
	} {
		rule()
	}
	return c.violations
}

// checker knows a history well.
type checker struct {
	*History
	violations []string

	runs    map[uuid.UUID]RunRow
	stages  map[uuid.UUID][]StageRow
	spans   map[uuid.UUID][]span // the times in which a run held its lane
	effects []effect
	// releases are the runs that put a release out: the one that made it, and
	// those that went back to it.
	releases map[string][]uuid.UUID
	// makers are the runs of deployments, by their ids in lower case.
	makers map[string]uuid.UUID
	// guards are overrides, by their Seq, that keep old targets from the release
	// of a run that was rolled back. They outlive the run.
	guards map[int]bool
}

// effect is an entry of the journal that is regrow's doing, for a run.
type effect struct {
	simulator.Entry
	run uuid.UUID
	// what tells several of a kind by one run apart.
	what string
}

func newChecker(h *History) *checker {
	c := &checker{
		History: h, runs: map[uuid.UUID]RunRow{}, stages: map[uuid.UUID][]StageRow{},
		spans: map[uuid.UUID][]span{}, releases: map[string][]uuid.UUID{}, makers: map[string]uuid.UUID{}, guards: map[int]bool{},
	}
	for _, run := range h.Runs {
		c.runs[run.ID] = run
	}
	for _, stage := range h.Stages {
		c.stages[stage.RunID] = append(c.stages[stage.RunID], stage)
	}
	for _, run := range h.Runs {
		if release := c.stage(run.ID, pipeline.CreateRelease).Result.ReleaseID; release != "" && run.Restores != nil {
			c.releases[release] = append(c.releases[release], run.ID)
		}
	}
	c.measure()
	c.attribute()
	return c
}

func (c *checker) violated(format string, args ...any) {
	c.violations = append(c.violations, fmt.Sprintf(format, args...))
}

// marker is what regrow writes into what it makes; see jobs.
var marker = regexp.MustCompile(`\[regrow run ([0-9a-f-]{36})(?: ([^\]]+))?\]`)

// attribute finds out for which run regrow did what.
func (c *checker) attribute() {
	for i, entry := range c.Journal {
		if entry.Actor != simulator.ActorAPI || !strings.HasPrefix(entry.Requester, "regrow") {
			continue
		}
		switch entry.Effect {
		case simulator.ReleaseCreated, simulator.DeploymentCreated, simulator.RunbookRunCreated:
			c.attributeMade(entry)
		case simulator.OverrideSet, simulator.OverrideCleared:
			if byDeployment(entry) || c.carriedAlong(i) {
				continue
			}
			c.attributeOverride(entry)
		case simulator.MachineDeleted:
			c.attributeRemoval(entry)
		default: // others are no effects of regrow's, or follow from these
		}
	}
}

func (c *checker) attributeMade(entry simulator.Entry) {
	found := marker.FindStringSubmatch(entry.Detail)
	if found == nil {
		c.violated("%s: it carries no marker of a run.", show(entry))
		return
	}
	id, err := uuid.Parse(found[1])
	if _, known := c.runs[id]; err != nil || !known {
		c.violated("%s: there is no run %s.", show(entry), found[1])
		return
	}
	switch entry.Effect {
	case simulator.ReleaseCreated:
		c.releases[entry.ID] = append(c.releases[entry.ID], id)
	case simulator.DeploymentCreated:
		c.makers[strings.ToLower(entry.ID)] = id
	default:
	}
	c.effects = append(c.effects, effect{entry, id, found[2]})
}

// attributeOverride gives an override to the run that put its release out and held
// its lane then.
func (c *checker) attributeOverride(entry simulator.Entry) {
	known := c.releases[entry.ReleaseID]
	if len(known) == 0 {
		c.violated("%s: the override names %s, which is no run's release.", show(entry), entry.ReleaseID)
		return
	}
	at := c.clock.moment(entry.Time)
	active := slices.IndexFunc(known, func(id uuid.UUID) bool { return c.active(c.runs[id], at) })
	run := known[max(active, 0)]
	if bad, returning := c.returning(spotOf(entry), at); active < 0 && returning && entry.Effect == simulator.OverrideSet {
		c.guards[entry.Seq] = true
		run = bad
	}
	c.effects = append(c.effects, effect{entry, run, ""})
}

// returning is the run that held its lane then and went back to its old targets.
func (c *checker) returning(at spot, when time.Time) (uuid.UUID, bool) {
	i := slices.IndexFunc(c.Runs, func(run RunRow) bool {
		place := c.placeOf(run.ID)
		return run.RollbackWay == "return" && c.active(run, when) && place.application == at.project && place.environment == at.environment
	})
	if i < 0 {
		return uuid.Nil, false
	}
	return c.Runs[i].ID, true
}

// attributeRemoval gives the removal of a target to the run that knows or made it
// and held its lane then.
func (c *checker) attributeRemoval(entry simulator.Entry) {
	at := c.clock.moment(entry.Time)
	for _, target := range c.Targets {
		if run := c.runs[target.RunID]; target.TargetID == entry.ID && c.active(run, at) {
			c.effects = append(c.effects, effect{entry, run.ID, ""})
			return
		}
	}
	if run, made := c.maker(entry.Name); made && c.active(c.runs[run], at) {
		c.effects = append(c.effects, effect{entry, run, ""})
		return
	}
	c.violated("%s: no run that knows the target was active.", show(entry))
}

// deployment finds in the name of one of the simulator's machines the deployment
// that made it.
var deployment = regexp.MustCompile(`-(deployments-[0-9]+)-[0-9]+$`)

// maker is the run that made a machine.
func (c *checker) maker(machine string) (run uuid.UUID, made bool) {
	if found := deployment.FindStringSubmatch(machine); found != nil {
		run, made = c.makers[found[1]]
	}
	return run, made
}

// byDeployment tells whether an override is gone because Octopus deployed.
func byDeployment(entry simulator.Entry) bool {
	return strings.HasPrefix(entry.Detail, "by Deployments-")
}

// slack is how far the clocks of a process, of the database and of the simulator
// may be apart on one machine.
const slack = 20 * time.Millisecond

// active tells whether the run held its lane at the moment.
func (c *checker) active(run RunRow, at time.Time) bool {
	return slices.ContainsFunc(c.spans[run.ID], func(s span) bool {
		return at.After(s.from.At.Add(-slack)) && (s.to == nil || at.Before(s.to.At.Add(slack)))
	})
}

// span is a time in which a run held its lane; to is nil while it does.
type span struct {
	from EventRow
	to   *EventRow
}

// measure finds out from the events when runs held their lanes.
func (c *checker) measure() {
	for _, event := range c.Events {
		spans := c.spans[event.RunID]
		switch event.Kind {
		case "run_started":
			c.spans[event.RunID] = append(spans, span{from: event})
		case "run_succeeded", "run_failed", "run_cancelled", "run_superseded":
			if len(spans) > 0 { // others were never started
				spans[len(spans)-1].to = &event
			}
		}
	}
}

// stage is how a stage of the run stands.
func (c *checker) stage(run uuid.UUID, stage pipeline.Stage) StageRow {
	for _, row := range c.stages[run] {
		if row.Stage == stage {
			return row
		}
	}
	return StageRow{RunID: run, Stage: stage}
}

// placeOf is where a run works.
func (c *checker) placeOf(run uuid.UUID) place { return c.places[c.runs[run].Pipeline] }

// name is how people call a run.
func (c *checker) name(run uuid.UUID) string {
	row, known := c.runs[run]
	if !known {
		return "run " + run.String()
	}
	return fmt.Sprintf("%s#%d", row.Pipeline, row.Number)
}

// show is an entry of the journal in a sentence.
func show(e simulator.Entry) string {
	text := fmt.Sprintf("%d %s by %s: %s", e.Seq, e.Effect, e.Actor, e.ID)
	if e.Name != "" {
		text += " " + e.Name
	}
	return text
}

// carriedAlong tells whether an override was set only because a run wrote the
// project for the sake of another one: it had read the project before a deployment
// took the override away. Octopus has nothing against that; the run whose override
// it is clears it in the end.
func (c *checker) carriedAlong(at int) bool {
	e := c.Journal[at]
	for i := at - 1; e.Effect == simulator.OverrideSet && i >= 0; i-- {
		before := c.Journal[i]
		if spotOf(before) != spotOf(e) || before.Effect != simulator.OverrideSet && before.Effect != simulator.OverrideCleared {
			continue
		}
		return before.Effect == simulator.OverrideCleared && byDeployment(before) && before.ReleaseID == e.ReleaseID && c.changesAnother(at)
	}
	return false
}

// changesAnother tells whether the write of a project that changed an override
// changed that of another environment, too.
func (c *checker) changesAnother(at int) bool {
	e := c.Journal[at]
	return slices.ContainsFunc(c.Journal[max(0, at-1):min(at+2, len(c.Journal))], func(near simulator.Entry) bool {
		changed := near.Effect == simulator.OverrideSet || near.Effect == simulator.OverrideCleared
		return changed && !byDeployment(near) && near.Actor == simulator.ActorAPI && near.Time.Equal(e.Time) &&
			near.ProjectID == e.ProjectID && near.EnvironmentID != e.EnvironmentID
	})
}
