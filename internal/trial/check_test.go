//go:build unix

package trial

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// planted is an honest history into which something dishonest is put. Its run is
// the first of lane bravo, of which there are two; it removed its old targets
// itself.
type planted struct {
	*History
	t     *testing.T
	run   RunRow
	place place
}

func plantIn(t *testing.T, honest *History, lane string) *planted {
	t.Helper()
	p := &planted{History: honest.copy(), t: t, place: honest.places[lane]}
	for _, run := range slices.Backward(p.Runs) {
		if run.Pipeline == lane {
			p.run = run
		}
	}
	return p
}

// next is the run after the planted one in its lane.
func (p *planted) next() RunRow {
	for _, run := range p.Runs {
		if run.Lane == p.run.Lane && *run.LaneTurn > *p.run.LaneTurn {
			return run
		}
	}
	p.t.Fatal("there is no next run")
	return RunRow{}
}

// find returns the first entry of the journal that is about the place.
func (p *planted) find(effect simulator.Effect, holds func(simulator.Entry) bool) int {
	p.t.Helper()
	i := slices.IndexFunc(p.Journal, func(e simulator.Entry) bool { return e.Effect == effect && holds(e) })
	if i < 0 {
		p.t.Fatalf("the journal holds no %s of that kind", effect)
	}
	return i
}

// made finds what the run made in a project.
func (p *planted) made(effect simulator.Effect, project string) int {
	p.t.Helper()
	return p.find(effect, func(e simulator.Entry) bool {
		return e.ProjectID == project && strings.Contains(e.Detail, p.run.ID.String())
	})
}

func (p *planted) overrideSet() int {
	p.t.Helper()
	return p.find(simulator.OverrideSet, func(e simulator.Entry) bool { return e.ReleaseID == p.release(p.run) })
}

func (p *planted) removal() int {
	p.t.Helper()
	return p.find(simulator.MachineDeleted, func(e simulator.Entry) bool {
		return e.EnvironmentID == p.place.environment && e.Actor == simulator.ActorAPI
	})
}

// release is the application release of a run.
func (p *planted) release(run RunRow) string {
	return p.Stages[p.stageOf(run, pipeline.CreateRelease)].Result.ReleaseID
}

func (p *planted) stageOf(run RunRow, stage pipeline.Stage) int {
	return slices.IndexFunc(p.Stages, func(s StageRow) bool { return s.RunID == run.ID && s.Stage == stage })
}

func (p *planted) runIndex() int {
	return slices.IndexFunc(p.Runs, func(r RunRow) bool { return r.ID == p.run.ID })
}

func (p *planted) event(run RunRow, kind string) int {
	return slices.IndexFunc(p.Events, func(e EventRow) bool { return e.RunID == run.ID && e.Kind == kind })
}

// target returns the id of one of the run's targets.
func (p *planted) target(generation string) string {
	for _, target := range p.Targets {
		if target.RunID == p.run.ID && target.Generation == generation {
			return target.TargetID
		}
	}
	p.t.Fatalf("the run has no %s targets", generation)
	return ""
}

// insert puts entries into the journal, as if they had happened just before the
// one that is there.
func (p *planted) insert(at int, entries ...simulator.Entry) {
	for i := range entries {
		entries[i].Time = p.Journal[at].Time
	}
	p.Journal = slices.Insert(p.Journal, at, entries...)
	p.number()
}

func (p *planted) remove(at int) {
	p.Journal = slices.Delete(p.Journal, at, at+1)
	p.number()
}

func (p *planted) number() {
	for i := range p.Journal {
		p.Journal[i].Seq = i + 1
	}
}

// again repeats an entry right after itself.
func (p *planted) again(at int, change func(*simulator.Entry)) {
	e := p.Journal[at]
	change(&e)
	p.insert(at+1, e)
	p.Journal[at+1].Time = p.Journal[at].Time
}

// violation is something dishonest, and what the checker has to say about it.
type violation struct {
	plant func(*planted)
	want  string
}

var effectViolations = map[string]violation{
	"a second infrastructure release": {func(p *planted) {
		p.again(p.made(simulator.ReleaseCreated, p.place.infrastructure), func(e *simulator.Entry) { e.ID = "Releases-999" })
	}, "made it twice"},
	"a second application release": {func(p *planted) {
		p.again(p.made(simulator.ReleaseCreated, p.place.application), func(e *simulator.Entry) { e.ID = "Releases-999" })
	}, "made it twice"},
	"a second infrastructure deployment": {func(p *planted) {
		p.again(p.made(simulator.DeploymentCreated, p.place.infrastructure), func(e *simulator.Entry) { e.ID = "Deployments-999" })
	}, "made it twice"},
	"a second infrastructure deployment under another marker": {func(p *planted) {
		p.again(p.made(simulator.DeploymentCreated, p.place.infrastructure), func(e *simulator.Entry) {
			e.ID, e.Detail = "Deployments-999", strings.Replace(e.Detail, "provision 1", "provision 2", 1)
		})
	}, "deployed its infrastructure 2 times in 1 rounds"},
	"a release of no run": {func(p *planted) {
		i := p.made(simulator.ReleaseCreated, p.place.application)
		p.again(i, func(e *simulator.Entry) { e.Detail = strings.ReplaceAll(e.Detail, p.run.ID.String(), uuid.NewString()) })
	}, "there is no run"},
	"a deployment without a marker": {func(p *planted) {
		p.again(p.made(simulator.DeploymentCreated, p.place.infrastructure), func(e *simulator.Entry) { e.Detail = "by hand" })
	}, "carries no marker"},
	"an infrastructure deployment that was never made": {func(p *planted) {
		p.remove(p.made(simulator.DeploymentCreated, p.place.infrastructure))
	}, "infrastructure deployment, but it made none"},
	"an infrastructure release that was never made": {func(p *planted) {
		p.Stages[p.stageOf(p.run, pipeline.Provision)].Result.ReleaseID = "Releases-999"
	}, "infrastructure release, but it made none"},
	"an application release that was never made": {func(p *planted) {
		p.Stages[p.stageOf(p.run, pipeline.CreateRelease)].Result.ReleaseID = "Releases-999"
	}, "application release, but it made none"},
	"another release in place of the one that was good": {func(p *planted) {
		good := p.run.ID
		p.Runs[slices.IndexFunc(p.Runs, func(r RunRow) bool { return r.ID == p.next().ID })].Restores = &good
	}, "that one's release was"},
	"a release after the override": {func(p *planted) {
		p.again(p.overrideSet(), func(e *simulator.Entry) {
			*e = p.Journal[p.made(simulator.ReleaseCreated, p.place.application)]
		})
	}, "did it after"},

	"an override that is set twice": {func(p *planted) {
		p.again(p.overrideSet(), func(*simulator.Entry) {})
	}, "the override stood already"},
	"two overrides": {func(p *planted) {
		p.again(p.overrideSet(), func(e *simulator.Entry) { e.ReleaseID = p.release(p.next()) })
	}, "still stood"},
	"an override that is left over": {func(p *planted) {
		p.Standing = append(p.Standing, simulator.Override{EnvironmentID: p.place.environment, ReleaseID: p.release(p.run)})
	}, "still stands"},
	"an override that another run's change has lost": {func(p *planted) {
		p.again(p.overrideSet(), func(e *simulator.Entry) { e.Effect, e.Detail = simulator.OverrideCleared, "by a PUT of the project" })
	}, "was taken away while"},
	"an override to a release of nobody": {func(p *planted) {
		p.again(p.overrideSet(), func(e *simulator.Entry) { e.ReleaseID = "Releases-999" })
	}, "is no run's release"},
}

var targetViolations = map[string]violation{
	"removal of a new target": {func(p *planted) {
		p.again(p.removal(), func(e *simulator.Entry) { e.ID = p.target("new") })
	}, "of the new generation of bravo#1, which succeeded"},
	"removal of new targets while no old ones serve": {func(p *planted) {
		p.again(p.removal(), func(e *simulator.Entry) { e.ID = p.target("new") })
		p.Runs[p.runIndex()].Status = pipeline.Failed
	}, "taken out while only 0 of 2 old targets"},
	"removal of a target that others made meanwhile": {func(p *planted) {
		id := p.Journal[p.removal()].ID
		p.Targets = slices.DeleteFunc(p.Targets, func(row TargetRow) bool { return row.RunID == p.run.ID && row.TargetID == id })
		p.Targets = append(p.Targets, TargetRow{RunID: p.run.ID, TargetID: id, Generation: "foreign"})
	}, "did not stand before"},
	"removal of a target outside the baseline": {func(p *planted) {
		p.again(p.removal(), func(e *simulator.Entry) { e.ID = "Machines-999" })
	}, "no run that knows the target was active"},
	"removal of a target that stands": {func(p *planted) {
		i := p.find(simulator.MachineHealthChanged, func(e simulator.Entry) bool {
			return e.ID == p.Journal[p.removal()].ID && e.Detail == "Unavailable"
		})
		p.remove(i)
	}, "should have stood"},
	"removal before the proof": {func(p *planted) {
		removal := p.Journal[p.removal()]
		p.again(p.overrideSet(), func(e *simulator.Entry) { *e = removal })
	}, "had not proven its targets"},
	"a runbook before the proof": {func(p *planted) {
		i := p.made(simulator.RunbookRunCreated, p.place.infrastructure)
		e := p.Journal[i]
		p.remove(i)
		p.insert(p.overrideSet(), e)
	}, "had not proven its targets"},
	"removal while too few new targets are available": {func(p *planted) {
		p.insert(p.removal(), simulator.Entry{Effect: simulator.MachineHealthChanged, ID: p.target("new"), Detail: "Unavailable"})
	}, "only 1 of 2 new targets"},

	"a release that is on no target": {func(p *planted) {
		p.remove(p.find(simulator.DeploymentFinished, func(e simulator.Entry) bool { return e.ReleaseID == p.release(p.run) }))
	}, "succeeded while"},
	"a deployment that failed": {func(p *planted) {
		p.Journal[p.find(simulator.DeploymentFinished, func(e simulator.Entry) bool { return e.ReleaseID == p.release(p.run) })].Detail = "Failed"
	}, "succeeded while"},
	"another release in the end": {func(p *planted) {
		i := p.find(simulator.DeploymentFinished, func(e simulator.Entry) bool { return e.ReleaseID == p.release(p.run) })
		p.again(i, func(e *simulator.Entry) { e.ID, e.ReleaseID = "Deployments-999", "Releases-999" })
	}, "in place of"},
	"too few new targets": {func(p *planted) {
		id := p.target("new")
		p.Targets = slices.DeleteFunc(p.Targets, func(row TargetRow) bool { return row.RunID == p.run.ID && row.TargetID == id })
	}, "only 1 of 2 new targets"},
	"a target of somebody else's deployment": {func(p *planted) {
		i := p.find(simulator.MachineCreated, func(e simulator.Entry) bool { return e.ID == p.target("new") })
		p.Journal[i].Name = "shop-deployments-999-1"
	}, "is no target of a deployment"},
}

var rowViolations = map[string]violation{
	"a lost delivery": {func(p *planted) {
		p.Deliveries = slices.DeleteFunc(p.Deliveries, func(d DeliveryRow) bool { return d.ExternalID == p.Sent[0].ID })
	}, "but is not stored"},
	"a delivery that is stored twice": {func(p *planted) {
		p.Deliveries = append(p.Deliveries, DeliveryRow{ID: uuid.New(), Source: "github", ExternalID: p.Sent[0].ID})
	}, "is stored 2 times"},
	"a delivery that became another": {func(p *planted) { p.Sent[0].Receipt.Delivery = uuid.New() }, "but is stored as"},
	"a lost run":                     {func(p *planted) { p.Runs = slices.Delete(p.Runs, p.runIndex(), p.runIndex()+1) }, "started the runs []"},
	"a second run of a delivery": {func(p *planted) {
		twin := p.run
		twin.ID = uuid.New()
		p.Runs = append(p.Runs, twin)
	}, "its acknowledgement names"},

	"a stage that began too early": {func(p *planted) {
		early := p.run.StartedAt.Add(-time.Second)
		p.Stages[p.stageOf(p.run, pipeline.CleanupStage)].StartedAt = &early
	}, "stage cleanup began while verify"},
	"a stage after one that failed": {func(p *planted) {
		p.Stages[p.stageOf(p.run, pipeline.Override)].Status = "failed"
	}, "stage verify began while override was failed"},
	"a stage that ended before it began": {func(p *planted) {
		early := p.run.StartedAt.Add(-time.Second)
		p.Stages[p.stageOf(p.run, pipeline.Provision)].EndedAt = &early
	}, "stage provision ended before it began"},
	"a stage that is left out": {func(p *planted) {
		p.Events = slices.DeleteFunc(p.Events, func(e EventRow) bool {
			return e.RunID == p.run.ID && e.Kind == "stage_started" && e.Stage == string(pipeline.Override)
		})
	}, "stage verify began after create_release"},
	"success without a stage": {func(p *planted) {
		p.Stages[p.stageOf(p.run, pipeline.CleanupStage)].Status = "waiting"
	}, "its stage cleanup is waiting"},

	"an attempt that is open": {func(p *planted) { p.Attempts[0].Outcome = "running" }, "with 1 open attempts"},
	"an attempt that is lost": {func(p *planted) { p.Attempts[0].Number++ }, "attempt 2 follows 0"},
	"a job that goes on": {func(p *planted) {
		p.Jobs[0].State, p.Jobs[0].FinishedAt = "running", nil
	}, "is running with 0 open attempts"},
	"a job that ended without a time": {func(p *planted) { p.Jobs[0].FinishedAt = nil }, "finished at"},
	"a job of River's that may act": {func(p *planted) {
		p.Runs[p.runIndex()].JobID = new(int64(17))
	}, "River's job 17 may act"},

	"two runs in one lane": {func(p *planted) {
		p.Events[p.event(p.next(), "run_started")].ID = p.Events[p.event(p.run, "run_started")].ID
		slices.SortStableFunc(p.Events, func(a, b EventRow) int { return int(a.ID - b.ID) })
	}, "took its lane while"},
	"two active runs": {func(p *planted) {
		for i := range p.Runs {
			if p.Runs[i].Lane == p.run.Lane {
				p.Runs[i].Status = pipeline.Waiting
			}
		}
	}, "are active in one lane"},
	"effects of two runs that mix": {func(p *planted) {
		late := p.Journal[p.made(simulator.ReleaseCreated, p.place.application)]
		late.ID, late.Detail = "Releases-999", strings.Replace(late.Detail, "]", " late]", 1)
		i := p.find(simulator.DeploymentCreated, func(e simulator.Entry) bool { return strings.Contains(e.Detail, p.next().ID.String()) })
		p.insert(i+1, late)
	}, "did it although"},
	"an effect after the end": {func(p *planted) {
		i := p.overrideSet()
		ended := p.run.Ended.Add(time.Second).Sub(p.clock.here)
		p.Journal[i].Time = p.clock.there.Add(time.Duration(float64(ended) * p.clock.speed))
	}, "did not hold its lane"},
}

// The checker notices whatever a rule is about, and has nothing to say of a
// history that is honest.
func TestCheckerSeesEveryKindOfViolation(t *testing.T) {
	t.Parallel()
	w := New(t, Options{})
	w.Serve("")
	for range 2 {
		for _, lane := range w.Lanes {
			if _, err := w.Push(t.Context(), lane); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Settle(t.Context(), settleTime); err != nil {
		t.Fatal(err)
	}
	honest := w.MustHold(t, "nothing was broken")
	if said := honest.copy().Check(); len(said) > 0 {
		t.Fatalf("of a copy of an honest history it says: %q", said)
	}
	for _, group := range []map[string]violation{effectViolations, targetViolations, rowViolations} {
		for name, v := range group {
			t.Run(name, func(t *testing.T) {
				lane := "bravo"
				if strings.Contains(name, "runbook") {
					lane = "delta"
				}
				p := plantIn(t, honest, lane)
				v.plant(p)
				p.mustSay(v.want)
			})
		}
	}
	t.Run("what really happened in Octopus and in the database", func(t *testing.T) { reallyPlanted(t, w) })
}

func (p *planted) mustSay(want string) {
	p.t.Helper()
	said := p.Check()
	if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, want) }) {
		p.t.Errorf("nothing that the checker says holds %q: %q", want, said)
	}
}

// reallyPlanted does to the world what must never happen, as a regrow that is
// broken would.
func reallyPlanted(t *testing.T, w *World) {
	t.Helper()
	steps := []struct {
		name string
		do   func(p *planted)
		want string
	}{
		{"a deployment twice", func(p *planted) {
			made := p.Journal[p.made(simulator.DeploymentCreated, p.place.infrastructure)]
			w.ask(t, http.MethodPost, "deployments", fmt.Sprintf(`{"ReleaseId":%q,"EnvironmentId":%q,"Comments":%q}`, made.ReleaseID, made.EnvironmentID, made.Detail))
		}, "made it twice"},
		{"an override after the end", func(p *planted) {
			project, _ := w.Octopus.Project(p.place.application)
			entry := fmt.Sprintf(`"AutoDeployReleaseOverrides":[{"EnvironmentId":%q,"TenantId":null,"ReleaseId":%q}]`, p.place.environment, p.release(p.run))
			changed := bytes.Replace(project.Document, []byte(`"AutoDeployReleaseOverrides":[]`), []byte(entry), 1)
			w.ask(t, http.MethodPut, "projects/"+p.place.application, string(changed))
		}, "still stands"},
		{"a target that stands", func(p *planted) {
			p.run = p.next() // its targets stand
			w.ask(t, http.MethodDelete, "machines/"+p.target("new"), "")
		}, "no run that knows the target was active"},
		{"a delivery", func(p *planted) {
			if _, err := w.Pool.Exec(t.Context(), "update deliveries set external_id = 'lost' where external_id = $1", p.Sent[1].ID); err != nil {
				t.Fatal(err)
			}
		}, "but is not stored"},
	}
	for _, step := range steps {
		h, err := w.History(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		step.do(plantIn(t, h, "bravo"))
		if h, err = w.History(t.Context()); err != nil {
			t.Fatal(err)
		}
		plantIn(t, h, "bravo").mustSay(step.want)
	}
}

// ask sends a request to Octopus in regrow's name.
func (w *World) ask(t *testing.T, method, what, body string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, "/api/Spaces-1/"+what, strings.NewReader(body))
	request.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	request.Header.Set("User-Agent", "regrow/broken")
	answer := httptest.NewRecorder()
	if w.Octopus.ServeHTTP(answer, request); answer.Code/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, what, answer.Code, answer.Body)
	}
}
