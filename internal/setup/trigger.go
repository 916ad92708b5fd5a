package setup

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// TriggerName returns the name of a pipeline's trigger. It goes by roles and
// environment: pipelines that share these share it, because several triggers of
// one project for the same targets interact badly (observed: Octopus issues 5482
// and 5531).
func TriggerName(p pipeline.Pipeline) string {
	roles := slices.Clone(p.Infrastructure.Roles)
	slices.SortFunc(roles, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return fmt.Sprintf("regrow: new %s targets in %s", strings.Join(roles, ", "), p.Environment)
}

func triggerSettings(environment *thing, roles []string) []Setting {
	return []Setting{
		flag("disabled", "/IsDisabled", false),
		text("kind of filter", "/Filter/FilterType", machineFilter),
		set("environments", "/Filter/EnvironmentIds", environment.id).shownAs(byName(environment), environment.name),
		set("roles", "/Filter/Roles", roles...),
		set("event groups", "/Filter/EventGroups", available),
		set("event categories", "/Filter/EventCategories"),
		text("action", "/Action/ActionType", autoDeploy),
		flag("deploy again to targets that have the release", "/Action/ShouldRedeployWhenMachineHasBeenDeployedTo", false),
	}
}

// lookAtTrigger finds the trigger of the application project that puts it onto
// new targets: regrow's own, or one that does the same.
func (s *scene) lookAtTrigger(ctx context.Context, item Item) (finding, error) {
	environment, err := s.needEnvironment()
	if err != nil {
		return finding{}, err
	}
	project, err := s.needApplication()
	if err != nil {
		return finding{}, err
	}
	var all []octopus.Document
	if project.id != "" {
		all, err = read(ctx, func(ctx context.Context) ([]octopus.Document, error) { return s.octopus.TriggersOf(ctx, project.id) })
		if err != nil {
			return finding{}, err
		}
	}
	own, others := twins(all, item.Name)
	roles := s.options.Pipeline.Infrastructure.Roles
	overlapping, covering, err := rivals(others, environment.id, roles)
	if err != nil {
		return finding{}, err
	}
	if covering != nil {
		return covered(item, covering, own), nil
	}
	r := resource{collection: octopus.ProjectTriggers, settings: triggerSettings(environment, roles)}
	r.draft = func(context.Context) (octopus.Document, error) {
		d, err := described(octopus.Document("{}"), item.Name, "")
		if err != nil {
			return nil, err
		}
		return d.With("/ProjectId", project.id)
	}
	if len(own) > 0 {
		r.current = own[0]
	}
	f, err := s.judge(item, r)
	if err != nil {
		return finding{}, err
	}
	if len(overlapping) > 0 {
		f.item.Note = sentences(f.item.Note, "Other triggers of the project deploy to some of the same targets, too, which interacts badly: "+
			strings.Join(overlapping, ", ")+". They stay as they are; disable what is not needed.")
	}
	return s.alone(f, octopus.ProjectTriggers, own), nil
}

// covered leaves the work to a trigger that does it already.
func covered(item Item, by octopus.Document, own []octopus.Document) finding {
	item.ID, item.Action = by.ID(), ActionLeave
	item.Note = "The trigger " + quoted(by.Name()) + " does this already, so none is created."
	if len(own) > 0 {
		item.Note = "The trigger " + quoted(by.Name()) + " does the same as regrow's own, which stays as it is: several triggers for the same targets interact badly."
	}
	return finding{item: item}
}

// rivals sorts the triggers that are not regrow's: which of those that are
// enabled deploy to some of the targets, and one that deploys to all of them.
func rivals(triggers []octopus.Document, environmentID string, roles []string) (overlapping []string, covering octopus.Document, err error) {
	for _, d := range triggers {
		t, err := ReadTrigger(d)
		if err != nil {
			return nil, nil, err
		}
		if !t.Touches(environmentID, roles) {
			continue
		}
		overlapping = append(overlapping, quoted(d.Name()))
		if covering == nil && t.Covers(environmentID, roles) {
			covering = d
		}
	}
	return overlapping, covering, nil
}

// twins sorts documents: those of setup's own name, the oldest first, and the
// others. Octopus may take one name twice, from two setups at once.
func twins(all []octopus.Document, name string) (own, others []octopus.Document) {
	for _, d := range all {
		if pipeline.SameName(d.Name(), name) {
			own = append(own, d)
		} else {
			others = append(others, d)
		}
	}
	slices.SortFunc(own, func(a, b octopus.Document) int { return number(a) - number(b) })
	return own, others
}

// number is the number in a resource's id, by which the oldest is known.
func number(d octopus.Document) int {
	_, digits, _ := strings.Cut(d.ID(), "-")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// alone adds to a finding that of several twins only the oldest stays. All
// setups choose the same one, so that it is there in the end.
func (s *scene) alone(f finding, k octopus.Collection, own []octopus.Document) finding {
	if len(own) < 2 {
		return f
	}
	f.item.Action = ActionChange
	f.item.Changes = append(f.item.Changes, Change{Field: "how many there are of this name", From: strconv.Itoa(len(own)), To: "1"})
	write := f.write
	f.write = func(ctx context.Context) error {
		for _, d := range own[1:] {
			if err := s.octopus.Delete(ctx, k, d.ID()); err != nil {
				return err
			}
		}
		if write == nil {
			return nil
		}
		return write(ctx)
	}
	return f
}
