package setup

import (
	"context"
	"fmt"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

func (s *scene) lookAtApplicationProcess(ctx context.Context, item Item) (finding, error) {
	project, err := s.needApplication()
	if err != nil {
		return finding{}, err
	}
	f, _, err := s.lookAtProcess(ctx, item, project, s.options.applicationSteps())
	return f, err
}

func (s *scene) lookAtInfrastructureProcess(ctx context.Context, item Item) (finding, error) {
	project, err := s.needInfrastructure()
	if err != nil {
		return finding{}, err
	}
	f, foreign, err := s.lookAtProcess(ctx, item, project, s.options.infrastructureSteps())
	s.foreignProcess = foreign
	return f, err
}

// lookAtProcess compares a project's process with the steps that it has to have.
// A process that is somebody else's stays as it is.
func (s *scene) lookAtProcess(ctx context.Context, item Item, project *thing, wanted []step) (f finding, isForeign bool, err error) {
	if project.id == "" { // to be created, and its process with it
		settings, err := stepSettings(octopus.Document("{}"), wanted)
		if err != nil {
			return finding{}, false, err
		}
		f, err := s.judge(item, resource{settings: settings})
		return f, false, err
	}
	if project.inGit() {
		item.Action, item.Note = ActionLeave, "The process lives in Git, where setup does not write."
		return finding{item: item}, true, nil
	}
	current, err := s.document(ctx, octopus.DeploymentProcesses, project.document.Text("/DeploymentProcessId"))
	if err != nil {
		return finding{}, false, err
	}
	steps, err := elements(current, "/Steps")
	if err != nil {
		return finding{}, false, err
	}
	if !project.own && len(steps) > 0 {
		item.ID, item.Action = current.ID(), ActionLeave
		item.Note = "regrow did not make this project, so its steps stay as they are."
		return finding{item: item}, true, nil
	}
	settings, err := stepSettings(current, wanted)
	if err != nil {
		return finding{}, false, err
	}
	f, err = s.judge(item, resource{
		collection: octopus.DeploymentProcesses, current: current, settings: settings, bare: len(steps) == 0, note: project.foreignNote(),
	})
	return f, false, err
}

// step is a step that a process has to have. It has one action of its name.
type step struct {
	name, actionType string
	// roles are those of the targets that it runs on, or for.
	roles      []string
	properties []property
	// fromPackage: it runs a script of the example's package.
	fromPackage bool
	// about says what it does.
	about string
}

// property is one of an action's properties, which are all texts in Octopus.
type property struct{ field, key, value string }

// stepSettings are the settings of the wanted steps, with pointers to where they
// are in a process. Adding steps comes last, because it moves the others.
func stepSettings(process octopus.Document, wanted []step) ([]Setting, error) {
	list, err := elements(process, "/Steps")
	if err != nil {
		return nil, err
	}
	rank := stepRank(wanted)
	at := indexes(list, len(wanted), rank)
	var settings, missing []Setting
	complete := true
	for i, w := range wanted {
		if at[i] >= 0 {
			of, err := w.settings(list[at[i]], fmt.Sprintf("/Steps/%d", at[i]))
			if err != nil {
				return nil, err
			}
			settings = append(settings, of...)
		}
		complete = complete && at[i] >= 0
		element, err := w.document()
		if err != nil {
			return nil, err
		}
		missing = append(missing, part("step "+w.name, "/Steps", rank, i, element, w.about))
	}
	if complete && len(wanted) > 1 {
		missing = append(missing, inOrder("order of the steps", "/Steps", rank, stepNames(wanted)))
	}
	return append(settings, missing...), nil
}

func stepRank(wanted []step) ranking {
	return func(d octopus.Document) int {
		for i, w := range wanted {
			if pipeline.SameName(d.Name(), w.name) {
				return i
			}
		}
		return -1
	}
}

func stepNames(steps []step) string {
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}

// settings are those of a step that is there, at a pointer.
func (w step) settings(current octopus.Document, pointer string) ([]Setting, error) {
	field := func(what string) string { return "step " + w.name + ": " + what }
	settings := []Setting{names(field("roles"), pointer+"/Properties/"+targetRoles, w.roles...)}
	actions, err := elements(current, "/Actions")
	if err != nil {
		return nil, err
	}
	ofName := stepRank([]step{w})
	at := max(0, indexes(actions, 1, ofName)[0])
	if len(actions) == 0 {
		element, err := w.action()
		if err != nil {
			return nil, err
		}
		return append(settings, part(field("action"), pointer+"/Actions", ofName, 0, element, w.about)), nil
	}
	pointer = fmt.Sprintf("%s/Actions/%d", pointer, at)
	settings = append(settings,
		text(field("kind"), pointer+"/ActionType", w.actionType),
		flag(field("disabled"), pointer+"/IsDisabled", false))
	for _, p := range w.properties {
		settings = append(settings, text(field(p.field), pointer+"/Properties/"+p.key, p.value))
	}
	if w.fromPackage {
		settings = append(settings, packageSettings(field, pointer+"/Packages")...)
	}
	return settings, nil
}
