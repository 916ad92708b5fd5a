package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	helloworld "regrow/examples/hello-world/package"
	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// exampleVariables are what the example's scripts read. What differs between the
// pipelines of one project is for the pipeline's environment alone.
func (o Options) exampleVariables() []variable {
	i := o.Pipeline.Infrastructure
	return []variable{
		{name: helloworld.VariableAPIKey, value: o.APIKey, secret: true, everywhere: true, about: "With it the scripts register and stop targets."},
		{name: helloworld.VariableTargets, key: "targets", value: strconv.Itoa(i.Targets), about: "How many targets a deployment makes."},
		{name: helloworld.VariableRoles, key: "roles", value: strings.Join(i.Roles, ","), list: true, about: "The roles of new targets."},
		{name: helloworld.VariableMachinePolicy, key: "machine_policy", value: i.MachinePolicy, about: "The machine policy of new targets."},
	}
}

// checkVariables refuses to give a variable the value of this pipeline when
// another one needs its own in the same place: each setup would take the other's
// away. Octopus knows no scope by which to tell tenants apart.
func (o Options) checkVariables() error {
	mine := o.exampleVariables()
	for _, other := range o.Neighbours {
		if !pipeline.SameName(other.Infrastructure.Project, o.Pipeline.Infrastructure.Project) || !pipeline.SameName(other.Environment, o.Pipeline.Environment) {
			continue
		}
		for i, theirs := range (Options{Pipeline: other, APIKey: o.APIKey}).exampleVariables() {
			if !mine[i].same(theirs.value) {
				return &obstacle{fmt.Sprintf("The pipelines %s and %s share the project %s in %s, where Octopus keeps one value of the variable %s for both: %s wants %s, %s wants %s. "+
					"Give both the same infrastructure.%s, or one of them an infrastructure project or an environment of its own.",
					o.Pipeline.Name, other.Name, quoted(o.Pipeline.Infrastructure.Project), quoted(o.Pipeline.Environment), theirs.name,
					o.Pipeline.Name, quoted(mine[i].value), other.Name, quoted(theirs.value), theirs.key)}
			}
		}
	}
	return nil
}

// lookAtVariables compares the infrastructure project's variables with those
// that the example's scripts need. Others stay as they are.
func (s *scene) lookAtVariables(ctx context.Context, item Item) (finding, error) {
	project, err := s.needInfrastructure()
	if err != nil {
		return finding{}, err
	}
	environment, err := s.needEnvironment()
	if err != nil {
		return finding{}, err
	}
	if s.foreignProcess {
		return notNeeded(item), nil
	}
	if err := s.options.checkVariables(); err != nil {
		return finding{}, err
	}
	wanted := s.options.exampleVariables()
	current := octopus.Document("{}")
	if project.id != "" {
		if current, err = s.document(ctx, octopus.VariableSets, project.document.Text("/VariableSetId")); err != nil {
			return finding{}, err
		}
	}
	settings, err := variableSettings(current, wanted, environment)
	if err != nil {
		return finding{}, err
	}
	r := resource{collection: octopus.VariableSets, settings: settings, bare: len(settings) == len(wanted)}
	if project.id != "" {
		r.current = current
	}
	f, err := s.judge(item, r)
	if err != nil {
		return finding{}, err
	}
	return s.keyNoted(f), nil
}

// keyNoted says that the API key goes into Octopus, when it does.
func (s *scene) keyNoted(f finding) finding {
	for _, change := range f.item.Changes {
		if strings.Contains(change.Field, helloworld.VariableAPIKey) {
			f.item.Note = sentences(f.item.Note, "The API key that regrow.yaml has for the server "+s.options.Pipeline.Server.Name+
				" is stored in Octopus as the sensitive variable "+helloworld.VariableAPIKey+
				", for the scripts: whoever may change the process of this project can use it. Replace it by a key of its own that may only view, create and edit targets.")
		}
	}
	return f
}

// variableSettings are the settings of the wanted variables, with pointers to
// where they are in a variable set: one for each that it has to be there, and
// one more for each that is.
func variableSettings(set octopus.Document, wanted []variable, environment *thing) ([]Setting, error) {
	list, err := elements(set, "/Variables")
	if err != nil {
		return nil, err
	}
	rank := func(entry octopus.Document) int {
		return slices.IndexFunc(wanted, func(v variable) bool { return v.is(entry, environment.id) })
	}
	var settings, missing []Setting
	for i, at := range indexes(list, len(wanted), rank) {
		if err := wanted[i].checkAlone(list, environment); err != nil {
			return nil, err
		}
		if at >= 0 {
			settings = append(settings, wanted[i].settings(fmt.Sprintf("/Variables/%d", at))...)
		}
		element, err := wanted[i].element(rank, i, environment.id)
		if err != nil {
			return nil, err
		}
		missing = append(missing, element)
	}
	return append(settings, missing...), nil
}

// variable is a variable of the infrastructure project that the example's
// scripts read.
type variable struct {
	name, value, about string
	// key is where the pipeline's infrastructure has the value.
	key string
	// list: the value is names with commas between, in any order.
	list bool
	// secret: its value is never shown, so that only its absence can be seen.
	secret bool
	// everywhere: it is the same in all environments.
	everywhere bool
}

// document is the variable as Octopus keeps it.
func (v variable) document(environmentID string) (octopus.Document, error) {
	kind, scope := "String", map[string][]string{}
	if v.secret {
		kind = "Sensitive"
	}
	if !v.everywhere {
		scope["Environment"] = []string{environmentID}
	}
	return octopus.NewDocument(map[string]any{
		"Name": v.name, "Value": v.value, "Description": sentences(v.about, Mark), "Scope": scope,
		"Type": kind, "IsSensitive": v.secret, "IsEditable": true, "Prompt": nil,
	})
}

// same tells whether a value is as good as the wanted one.
func (v variable) same(value string) bool {
	if v.list {
		return sameSet(splitNames(value), splitNames(v.value))
	}
	return value == v.value
}

// is tells whether an entry of a variable set is this variable, in the
// environment that its value is for. One that is for other environments, too, is
// it as long as it has the value already.
func (v variable) is(entry octopus.Document, environmentID string) bool {
	scope, plain := v.scope(entry)
	switch {
	case !plain:
		return false
	case v.everywhere:
		return len(scope) == 0
	default:
		return environmentID != "" && pipeline.HasName(scope, environmentID) && (len(scope) == 1 || v.same(entry.Text("/Value")))
	}
}

// checkAlone refuses an entry that is for other environments, too, and has
// another value. Written to, it would change those; beside another one, Octopus
// would choose either.
func (v variable) checkAlone(list []octopus.Document, environment *thing) error {
	for _, entry := range list {
		scope, plain := v.scope(entry)
		if plain && !v.everywhere && environment.id != "" && len(scope) > 1 && pipeline.HasName(scope, environment.id) && !v.same(entry.Text("/Value")) {
			return &obstacle{fmt.Sprintf("The variable %s has one value, %s, for %s and other environments, and here it has to be %s. "+
				"Give each environment one of its own in Octopus, among the variables of the project.", v.name, quoted(entry.Text("/Value")), quoted(environment.name), quoted(v.value))}
		}
	}
	return nil
}

// scope returns the environments that an entry of this variable is for, none for
// all; it is not plain when the entry is another variable's, or for something
// else than environments.
func (v variable) scope(entry octopus.Document) (environments []string, plain bool) {
	if !pipeline.SameName(entry.Name(), v.name) {
		return nil, false
	}
	raw, _, err := entry.Value("/Scope")
	if err != nil {
		return nil, false
	}
	var scope map[string][]string
	if len(raw) > 0 && json.Unmarshal(raw, &scope) != nil {
		return nil, false
	}
	for kind, ids := range scope {
		if kind != "Environment" && len(ids) > 0 {
			return nil, false
		}
	}
	return scope["Environment"], true
}

// settings are those of a variable that is there, at a pointer.
func (v variable) settings(pointer string) []Setting {
	field := "variable " + v.name
	switch {
	case v.list:
		return []Setting{names(field, pointer+"/Value", splitNames(v.value)...)}
	case !v.secret:
		return []Setting{text(field, pointer+"/Value", v.value)}
	}
	sensitive := flag(field+": sensitive", pointer+"/IsSensitive", true)
	sensitive.set = func(d octopus.Document) (octopus.Document, error) {
		for member, value := range map[string]any{"Value": v.value, "Type": "Sensitive", "IsSensitive": true} {
			var err error
			if d, err = d.With(pointer+"/"+member, value); err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	return []Setting{sensitive}
}

// element is the variable as a part of the list of variables.
func (v variable) element(rank ranking, mine int, environmentID string) (Setting, error) {
	entry, err := v.document(environmentID)
	if err != nil {
		return Setting{}, fmt.Errorf("making the variable %s: %w", v.name, err)
	}
	words := v.value
	if v.secret {
		words = "the API key (not shown)"
	}
	return part("variable "+v.name, "/Variables", rank, mine, entry, words), nil
}
