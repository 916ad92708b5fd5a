package jobs

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// Each hindrance is told as the run itself tells it when it has failed by it.
func TestSurveyFindsWhatARunFailsBy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil  func(*testing.T, *world)
		change func(*pipeline.Pipeline)
		want   string
	}{
		"no environment": {nil, func(p *pipeline.Pipeline) { p.Environment = "Moon" }, `there is no environment of that name`},
		"no tenant":      {nil, func(p *pipeline.Pipeline) { p.Tenant = "Nobody" }, `there is no tenant of that name`},
		"no project":     {nil, func(p *pipeline.Pipeline) { p.Infrastructure.Project = "Castle" }, `there is no project of that name`},
		"no channel":     {nil, func(p *pipeline.Pipeline) { p.Application.Channel = "Beta" }, `there is no channel of that name`},
		"a disabled project": {func(t *testing.T, w *world) {
			t.Helper()
			w.edit("projects/"+w.scene.ProjectID, func(d map[string]any) { d["IsDisabled"] = true })
		}, nil, `Project Hello World is disabled`},
		"a release of the application": {func(t *testing.T, w *world) {
			t.Helper()
			if _, err := w.sim.AddRelease(w.scene.ProjectID, "1.0.1"); err != nil {
				t.Fatal(err)
			}
		}, nil, `"1.0.1"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			if test.spoil != nil {
				test.spoil(t, w)
			}
			p := w.pipeline()
			if test.change != nil {
				test.change(&p)
			}
			_, survey := w.survey(p)
			if !survey.Fails() || !strings.Contains(messages(survey), test.want) {
				t.Errorf("found:\n%s\nwant %s", messages(survey), test.want)
			}
			failed := w.untilEnd(w.commit(p, "eeeeeeeeee").ID)
			if failed.Status != pipeline.Failed || !strings.Contains(messages(survey), "fails: "+failed.Reason+" ("+failed.Remedy+")") {
				t.Errorf("the run is %s: %s (%s)\nforeseen was:\n%s", failed.Status, failed.Reason, failed.Remedy, messages(survey))
			}
		})
	}
}

func TestSurveyFindsSeveralHindrancesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	if _, err := w.sim.AddRelease(w.scene.InfrastructureProjectID, "0.1.1"); err != nil {
		t.Fatal(err)
	}
	_, survey := w.survey(w.pipeline(func(p *pipeline.Pipeline) {
		p.Environment, p.Tenant, p.Application.Channel = "Moon", "Nobody", "Beta"
		p.Cleanup.Mode, p.Cleanup.Runbook = pipeline.CleanupRunbook, "Sweep"
	}))
	for _, want := range []string{`"Moon"`, `"Nobody"`, `"Beta"`, `"0.1.1"`, `"Sweep"`} {
		if !strings.Contains(messages(survey), want) {
			t.Errorf("nothing tells of %s:\n%s", want, messages(survey))
		}
	}
	if survey.Infrastructure.Existing != pipeline.PresenceExists || survey.Infrastructure.ID == "" || survey.Infrastructure.URL == "" {
		t.Errorf("the infrastructure release is foreseen as %+v", survey.Infrastructure)
	}
	if survey.Targets.Existing != pipeline.PresenceUnknown || survey.Override.Existing != pipeline.PresenceUnknown {
		t.Errorf("in no environment: targets %s, override %s", survey.Targets.Existing, survey.Override.Existing)
	}
}

func TestSurveyTellsOfAnUnpublishedRunbook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	w.create("runbooks", fmt.Sprintf(`{"Name":"Sweep","ProjectId":%q}`, w.scene.InfrastructureProjectID))
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Cleanup.Mode, p.Cleanup.Runbook = pipeline.CleanupRunbook, "Sweep" })
	_, survey := w.survey(p)
	if got := messages(survey); !strings.Contains(got, "fails: Runbook Sweep") {
		t.Errorf("found: %s", got)
	}
	if survey.Targets.List[0].Fate != pipeline.FateRunbook {
		t.Errorf("foreseen is %+v", survey.Targets.List)
	}
}

// An override that people set is named, also when regrow's notes look like it.
func TestSurveyNamesAnOverrideOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	release := w.create("releases", fmt.Sprintf(`{"ProjectId":%q,"Version":"9.9.9","ReleaseNotes":"[regrow run %s]"}`, w.scene.ProjectID, uuid.New()))
	w.edit("projects/"+w.scene.ProjectID, func(d map[string]any) {
		d["AutoDeployReleaseOverrides"] = []any{map[string]any{"EnvironmentId": w.scene.EnvironmentID, "TenantId": nil, "ReleaseId": release}}
	})
	_, survey := w.survey(w.pipeline())
	override := survey.Override
	if override.Existing != pipeline.PresenceExists || override.ReleaseID != release || override.ReleaseVersion != "9.9.9" || override.Run != nil {
		t.Errorf("the override is %+v", override)
	}
	if got := messages(survey); !strings.Contains(got, "notice: The override of Hello World in Development names release 9.9.9") {
		t.Errorf("found: %s", got)
	}
}

// What provision would wait for is told in its own words.
func TestSurveyTellsWhatARunWouldWaitFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	release, err := w.sim.AddRelease(w.scene.InfrastructureProjectID, "0.0.9")
	if err != nil {
		t.Fatal(err)
	}
	w.create("deployments", fmt.Sprintf(`{"ReleaseId":%q,"EnvironmentId":%q}`, release, w.scene.EnvironmentID))
	_, survey := w.survey(w.pipeline())
	run := w.commit(w.pipeline(), "eeeeeeeeee")
	w.untilWaiting(run.ID, pipeline.Provision, "has to end first")
	if got, want := messages(survey), "waits: "+w.run(run.ID).Reason+" ()"; got != want {
		t.Errorf("found %q, the run says %q", got, want)
	}
}

func TestSurveyForeseesEachTargetsFate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: simulator.HelloWorldOptions{Targets: 3}})
	other, err := w.sim.AddEnvironment("Staging")
	if err != nil {
		t.Fatal(err)
	}
	shared, disabled := w.scene.TargetIDs[0], w.scene.TargetIDs[1]
	w.edit("machines/"+shared, func(d map[string]any) { d["EnvironmentIds"] = []string{w.scene.EnvironmentID, other} })
	w.edit("machines/"+disabled, func(d map[string]any) { d["IsDisabled"] = true })
	_, survey := w.survey(w.pipeline())
	want := map[string]pipeline.Fate{shared: pipeline.FateStays, disabled: pipeline.FateRemoved, w.scene.TargetIDs[2]: pipeline.FateRemovedWhenGone}
	got := map[string]pipeline.Fate{}
	for _, target := range survey.Targets.List {
		got[target.ID] = target.Fate
		if target.Reason == "" || target.URL == "" {
			t.Errorf("foreseen without a reason or an address: %+v", target)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("foreseen are %v, want %v", got, want)
	}
}

// Octopus being away, closed to us, in trouble or slow makes things unknown, and
// what regrow knows by itself is told all the same.
func TestSurveyWithoutOctopus(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault simulator.Fault
		want  string
		fails bool
		// asked is how often Octopus may be asked in vain.
		asked int
	}{
		"away":    {simulator.Fault{DropBefore: true}, "unknown: Could not", false, 1},
		"slow":    {simulator.Fault{Delay: time.Hour}, "unknown: Could not", false, 1},
		"closed":  {simulator.Fault{Status: http.StatusUnauthorized}, "fails: ", true, 1},
		"trouble": {simulator.Fault{Status: http.StatusServiceUnavailable}, "unknown: Could not", false, 100},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			w.fault(test.fault)
			preview := w.preview(w.pipeline(func(p *pipeline.Pipeline) {
				p.Application.Version = "{version}"
				p.Application.Packages = []pipeline.Package{{Step: "Deploy", Version: "{version}"}}
			}))[0]
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			asked := 0
			w.engine = w.start(func(c *Config) { wrap(c, func(o Octopus) Octopus { return countingLooks{o, &asked} }) })
			survey := w.engine.Survey(ctx, preview)
			if got := messages(survey); !strings.HasPrefix(got, test.want) || survey.Fails() != test.fails {
				t.Errorf("found: %s", got)
			}
			if asked == 0 || asked > test.asked {
				t.Errorf("Octopus was asked for a project or an environment %d times, want at most %d", asked, test.asked)
			}
			if got := survey.Application; got.Version != "4.5.6" || got.Existing != pipeline.PresenceUnknown || !slices.Equal(got.Packages, []pipeline.PackageVersion{{Step: "Deploy", Version: "4.5.6"}}) {
				t.Errorf("the application release is foreseen as %+v", got)
			}
			for _, presence := range []pipeline.Presence{survey.Infrastructure.Existing, survey.Override.Existing, survey.Targets.Existing, survey.Freezes.Existing} {
				if presence != pipeline.PresenceUnknown {
					t.Errorf("without Octopus something is said to be %s", presence)
				}
			}
		})
	}
}

// countingLooks counts the first looks of a survey's parts.
type countingLooks struct {
	Octopus
	asked *int
}

func (c countingLooks) Project(ctx context.Context, name string) (octopus.Project, error) {
	*c.asked++
	return c.Octopus.Project(ctx, name)
}

func (c countingLooks) Environment(ctx context.Context, name string) (octopus.Environment, error) {
	*c.asked++
	return c.Octopus.Environment(ctx, name)
}

// A freeze that holds is told in the words of the run that waits for it; one to
// come is told, and holds nobody.
func TestSurveyForeseesFreezes(t *testing.T) {
	t.Parallel()
	w := newColdWorld(t, worldOptions{})
	now := w.sim.Now()
	w.freeze("Christmas", 6*time.Hour, w.scene.InfrastructureProjectID, w.scene.ProjectID)
	w.freezeFrom("New Year", now.Add(48*time.Hour), time.Hour, w.scene.ProjectID)
	_, survey := w.survey(w.pipeline())
	var told []string
	for _, freeze := range survey.Freezes.List {
		told = append(told, fmt.Sprintf("%s of %s: %t", freeze.Name, freeze.Project, freeze.Active))
	}
	want := []string{"Christmas of Hello World Infrastructure: true", "Christmas of Hello World: true", "New Year of Hello World: false"}
	if survey.Freezes.Existing != pipeline.PresenceExists || !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	run := w.commit(w.pipeline(), "eeeeeeeeee")
	frozen := w.untilFrozen(run.ID, pipeline.Provision, "Christmas")
	if got := messages(survey); got != "waits: "+frozen.Reason+" ()" {
		t.Errorf("found %q, the run says %q", got, frozen.Reason)
	}
	_, survey = w.survey(w.pipeline())
	if got := messages(survey); !strings.Contains(got, "gives way to the newer run") || strings.Contains(got, "waits: ") {
		t.Errorf("behind a frozen run: %s", got)
	}
}

func TestSurveyWithoutFreezes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	if _, survey := w.survey(w.pipeline()); survey.Freezes.Existing != pipeline.PresenceNone {
		t.Errorf("freezes: %+v", survey.Freezes)
	}
	w.fault(simulator.Fault{Method: http.MethodGet, PathPattern: "/deploymentfreezes$", Status: http.StatusForbidden,
		Body: `{"ErrorMessage":"You do not have permission to do so: ProjectView."}`})
	if _, survey := w.survey(w.pipeline()); survey.Freezes.Existing != pipeline.PresenceUnknown || survey.Fails() || !strings.HasPrefix(messages(survey), "unknown: ") {
		t.Errorf("where they cannot be read: %+v, %s", survey.Freezes, messages(survey))
	}
}

// The process of a project that lives in Git is read where the pipeline says, and
// a state that Octopus does not know is told as the run tells it.
func TestSurveyForeseesTheGitState(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{scene: gitScene})
	p := w.pipeline(func(p *pipeline.Pipeline) {
		p.Infrastructure.Git, p.Application.Git = pipeline.GitDefault, pipeline.GitRef
	})
	_, survey := w.survey(p)
	if survey.Infrastructure.GitRef != "refs/heads/trunk" || survey.Application.GitRef != "refs/heads/main" || survey.Application.GitCommit != "" || survey.Fails() {
		t.Errorf("foreseen are %+v and %+v; %s", survey.Infrastructure, survey.Application, messages(survey))
	}
	p.Application.Git = pipeline.GitCommit
	_, survey = w.survey(p) // of a commit that nobody has pushed there
	failed := w.untilEnd(w.commit(p, "eeeeeeeeee").ID)
	if survey.Application.GitCommit != "eeeeeeeeee" || !strings.Contains(messages(survey), "fails: "+failed.Reason+" ("+failed.Remedy+")") {
		t.Errorf("foreseen is %+v; %s\nthe run failed by %s", survey.Application, messages(survey), failed.Reason)
	}
}

// A tenant's plan sees its own targets and override, and no others.
func TestSurveyOfATenant(t *testing.T) {
	t.Parallel()
	w, scenes := tenantWorld(t, true)
	for tenant, scene := range scenes {
		_, survey := w.survey(w.pipelineOf(tenant))
		var ids []string
		for _, target := range survey.Targets.List {
			ids = append(ids, target.ID)
		}
		slices.Sort(ids)
		if want := slices.Sorted(slices.Values(scene.TargetIDs)); !slices.Equal(ids, want) || len(survey.Findings) != 0 {
			t.Errorf("of tenant %q stand %v, want %v; %s", tenant, ids, want, messages(survey))
		}
	}
}
