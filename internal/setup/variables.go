package setup

import (
	"context"
	"encoding/json"
	"fmt"
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
		{name: helloworld.VariableTargets, value: strconv.Itoa(i.Targets), about: "How many targets a deployment makes."},
		{name: helloworld.VariableRoles, value: strings.Join(i.Roles, ","), about: "The roles of new targets."},
		{name: helloworld.VariableMachinePolicy, value: i.MachinePolicy, about: "The machine policy of new targets."},
	}
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
	wanted := s.options.exampleVariables()
	current := octopus.Document("{}")
	if project.id != "" {
		if current, err = s.document(ctx, octopus.VariableSets, project.document.Text("/VariableSetId")); err != nil {
			return finding{}, err
		}
	}
	settings, err := variableSettings(current, wanted, environment.id)
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
func variableSettings(set octopus.Document, wanted []variable, environmentID string) ([]Setting, error) {
	list, err := elements(set, "/Variables")
	if err != nil {
		return nil, err
	}
	rank := func(entry octopus.Document) int {
		for i, v := range wanted {
			if v.is(entry, environmentID) {
				return i
			}
		}
		return -1
	}
	var settings, missing []Setting
	for i, at := range indexes(list, len(wanted), rank) {
		if at >= 0 {
			settings = append(settings, wanted[i].settings(fmt.Sprintf("/Variables/%d", at))...)
		}
		element, err := wanted[i].element(rank, i, environmentID)
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

// is tells whether an entry of a variable set is this variable, in the
// environment that its value is for.
func (v variable) is(entry octopus.Document, environmentID string) bool {
	if !pipeline.SameName(entry.Name(), v.name) {
		return false
	}
	raw, _, err := entry.Value("/Scope")
	if err != nil {
		return false
	}
	var scope map[string][]string
	if len(raw) > 0 && json.Unmarshal(raw, &scope) != nil {
		return false
	}
	for kind, ids := range scope {
		if kind != "Environment" && len(ids) > 0 {
			return false
		}
	}
	if v.everywhere {
		return len(scope["Environment"]) == 0
	}
	return environmentID != "" && pipeline.HasName(scope["Environment"], environmentID)
}

// settings are those of a variable that is there, at a pointer.
func (v variable) settings(pointer string) []Setting {
	field := "variable " + v.name
	if !v.secret {
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
