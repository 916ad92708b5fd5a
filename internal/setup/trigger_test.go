package setup_test

import (
	"net/http"
	"strings"
	"testing"

	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

type object = map[string]any

// otherTrigger is an auto-deploy trigger that somebody made; change varies it.
func otherTrigger(change func(trigger, filter object)) object {
	filter := object{"FilterType": "MachineFilter", "EnvironmentIds": []string{"Environments-1"}, "Roles": []string{"hello-world", "web"},
		"EventGroups": []string{"MachineAvailableForDeployment"}, "EventCategories": []string{}}
	trigger := object{"ProjectId": "Projects-1", "Name": "By hand", "Filter": filter,
		"Action": object{"ActionType": "AutoDeploy", "ShouldRedeployWhenMachineHasBeenDeployedTo": false}}
	if change != nil {
		change(trigger, filter)
	}
	return trigger
}

// newSceneOfTriggers has all that a trigger needs, and no trigger.
func newSceneOfTriggers(t *testing.T) *world {
	t.Helper()
	w := newNearWorld(t, simulator.Options{})
	if _, err := w.HelloWorld(simulator.HelloWorldOptions{NoTrigger: true, NoInitialTargets: true}); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestOtherTriggers looks at what setup makes of a trigger that is there already.
func TestOtherTriggers(t *testing.T) {
	t.Parallel()
	const covered, named, unseen = "does this already", "Other triggers", ""
	for name, test := range map[string]struct {
		change func(trigger, filter object)
		want   string
	}{
		"the same":                 {nil, covered},
		"any environment and role": {func(_, f object) { f["EnvironmentIds"], f["Roles"] = []string{}, []string{} }, covered},
		"more roles":               {func(_, f object) { f["Roles"] = []string{"WEB", "db", "Hello-World"} }, covered},
		"all machine events":       {func(_, f object) { f["EventGroups"] = []string{"Machine"} }, covered},
		"the group's categories": {func(_, f object) {
			f["EventGroups"], f["EventCategories"] = nil, []string{"MachineHealthy", "MachineHasWarnings", "MachineEnabled"}
		}, covered},
		"some of the roles":             {func(_, f object) { f["Roles"] = []string{"web"} }, named},
		"some of the events":            {func(_, f object) { f["EventGroups"], f["EventCategories"] = nil, []string{"MachineHealthy"} }, named},
		"some of the events of a group": {func(_, f object) { f["EventGroups"] = []string{"MachineHealthChanged"} }, named},
		"a group and the rest": {func(_, f object) {
			f["EventGroups"], f["EventCategories"] = []string{"machinehealthchanged"}, []string{"MachineEnabled"}
		}, covered},
		"other events":                  {func(_, f object) { f["EventGroups"] = []string{"MachineCritical"} }, unseen},
		"another environment":           {func(_, f object) { f["EnvironmentIds"] = []string{"Environments-9"} }, unseen},
		"other roles":                   {func(_, f object) { f["Roles"] = []string{"db"} }, unseen},
		"disabled":                      {func(trigger, _ object) { trigger["IsDisabled"] = true }, unseen},
		"a schedule":                    {func(trigger, _ object) { trigger["Filter"] = object{"FilterType": "OnceDailySchedule"} }, unseen},
		"something else than to deploy": {func(trigger, _ object) { trigger["Action"] = object{"ActionType": "RunRunbook"} }, unseen},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, options := newSceneOfTriggers(t), optionsOf(just(setup.KindTrigger))
			other := w.must(t, http.MethodPost, "/api/Spaces-1/projecttriggers", otherTrigger(test.change))

			item := itemOf(t, w.apply(t, options), setup.KindTrigger)
			wantAction, wantTriggers := setup.ActionCreate, 2
			if test.want == covered {
				wantAction, wantTriggers = setup.ActionLeave, 1
			}
			if item.Action != wantAction || !strings.Contains(item.Note, test.want) || (item.Note == "") != (test.want == unseen) {
				t.Errorf("%s %q, want %s and %q", item.Action, item.Note, wantAction, test.want)
			}
			if test.want != unseen && !strings.Contains(item.Note, `"By hand"`) {
				t.Errorf("the other trigger is not named: %s", item.Note)
			}
			if got := len(w.listed(t, octopus.ProjectTriggers)); got != wantTriggers {
				t.Errorf("%d triggers, want %d", got, wantTriggers)
			}
			if got := w.must(t, http.MethodGet, "/api/Spaces-1/projecttriggers/"+other.ID(), nil); string(got) != string(other) {
				t.Errorf("the other trigger was changed to %s", got)
			}
		})
	}
}

// TestOwnTriggerStaysBesideOneThatCoversIt: two for the same targets would
// interact badly, so that the own one is not switched on again.
func TestOwnTriggerStaysBesideOneThatCoversIt(t *testing.T) {
	t.Parallel()
	w, options := newSceneOfTriggers(t), optionsOf(just(setup.KindTrigger))
	w.apply(t, options)
	own := itemOf(t, w.inspect(t, options), setup.KindTrigger)
	disabled, err := w.documentOf(t, own).With("/IsDisabled", true)
	if err != nil {
		t.Fatal(err)
	}
	w.must(t, http.MethodPut, pathOf(own), disabled)
	w.must(t, http.MethodPost, "/api/Spaces-1/projecttriggers", otherTrigger(nil))
	since := len(w.Journal())
	item := itemOf(t, w.apply(t, options), setup.KindTrigger)
	if item.Action != setup.ActionLeave || !strings.Contains(item.Note, `"By hand" does the same as regrow's own`) || len(w.writes(since)) != 0 {
		t.Errorf("%s %s, wrote %v", item.Action, item.Note, w.writes(since))
	}
}

// TestPipelinesThatShareRolesShareATrigger names it by environment and roles.
func TestPipelinesThatShareRolesShareATrigger(t *testing.T) {
	t.Parallel()
	w, options := newSceneOfTriggers(t), optionsOf(just(setup.KindTrigger))
	w.apply(t, options)
	options.Pipeline.Name = "hello-world-nightly"
	options.Pipeline.Infrastructure.Roles = []string{"web", "hello-world"}
	if item := itemOf(t, w.apply(t, options), setup.KindTrigger); item.Action != setup.ActionLeave {
		t.Errorf("the trigger of the second pipeline: %+v", item)
	}
	if name := setup.TriggerName(options.Pipeline); name != "regrow: new hello-world, web targets in Development" {
		t.Errorf("the trigger is called %q", name)
	}
}
