package doctor

import (
	"context"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// The values of a trigger that matter here (Octopus' enumerations).
const (
	machineFilter = "MachineFilter"
	autoDeploy    = "AutoDeploy"
)

// availability are the event groups and categories by which a target that
// becomes available makes a trigger act (Octopus docs: event groups).
var availability = []string{
	"MachineAvailableForDeployment", "Machine", "MachineHealthChanged",
	"MachineEnabled", "MachineHealthy", "MachineHasWarnings",
}

// trigger is what matters of a project trigger.
type trigger struct {
	Name       string
	IsDisabled bool
	Filter     struct {
		FilterType      string
		EnvironmentIDs  []string `json:"EnvironmentIds"`
		Roles           []string
		EventGroups     []string
		EventCategories []string
	}
	Action struct{ ActionType string }
}

// reacts tells whether the trigger deploys to new targets in an environment with
// one of the roles. Empty lists are for all.
func (t trigger) reacts(environmentID string, roles []string) bool {
	f := t.Filter
	return !t.IsDisabled && f.FilterType == machineFilter && t.Action.ActionType == autoDeploy &&
		(len(f.EnvironmentIDs) == 0 || pipeline.HasName(f.EnvironmentIDs, environmentID)) &&
		(len(f.Roles) == 0 || overlap(f.Roles, roles)) &&
		overlap(slices.Concat(f.EventGroups, f.EventCategories), availability)
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(name string) bool { return pipeline.HasName(b, name) })
}

// oneTriggerReacts looks whether several triggers react to the same new targets.
// Octopus' own issues tell that they get into each other's way.
func (x *patient) oneTriggerReacts(ctx context.Context) (finding, error) {
	at, err := x.place(ctx)
	if err != nil {
		return finding{}, err
	}
	documents, err := at.client.TriggersOf(ctx, at.application.ID)
	if err != nil {
		return finding{}, err
	}
	reacting, err := reactingTriggers(documents, at.environment.ID, x.Infrastructure.Roles)
	if err != nil {
		return finding{}, err
	}
	if len(reacting) > 1 {
		return warned("%d triggers of %q react to the same new targets: %s.", len(reacting), at.application.Name, named(reacting)).
			with("disable all but one in Octopus under Projects, %s, Deployments, Triggers; new targets may else get two deployments, or none", at.application.Name), nil
	}
	return fine("No two triggers react to the same new targets."), nil
}

// triggerActs tells whether a trigger deploys to the pipeline's new targets,
// whatever else it does.
func (x *patient) triggerActs(ctx context.Context, id string) (bool, error) {
	at, err := x.place(ctx)
	if err != nil {
		return false, err
	}
	documents, err := at.client.TriggersOf(ctx, at.application.ID)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(documents, func(d octopus.Document) bool { return d.ID() == id })
	if i < 0 {
		return false, nil
	}
	t, err := decode[trigger](documents[i])
	// Of the events only the guide's group is certain to come for every new target.
	return err == nil && t.reacts(at.environment.ID, x.Infrastructure.Roles) && pipeline.HasName(t.Filter.EventGroups, availability[0]), err
}

// reactingTriggers returns the names of the triggers that react.
func reactingTriggers(documents []octopus.Document, environmentID string, roles []string) ([]string, error) {
	var reacting []string
	for _, d := range documents {
		t, err := decode[trigger](d)
		if err != nil {
			return nil, err
		}
		if t.reacts(environmentID, roles) {
			reacting = append(reacting, t.Name)
		}
	}
	return reacting, nil
}
