package doctor

import (
	"context"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/setup"
)

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

// triggerActs tells whether a trigger deploys to all of the pipeline's new
// targets, whatever else it does.
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
	t, err := setup.ReadTrigger(documents[i])
	return err == nil && t.Covers(at.environment.ID, x.Infrastructure.Roles), err
}

// reactingTriggers returns the names of the triggers that react.
func reactingTriggers(documents []octopus.Document, environmentID string, roles []string) ([]string, error) {
	var reacting []string
	for _, d := range documents {
		t, err := setup.ReadTrigger(d)
		if err != nil {
			return nil, err
		}
		if t.Touches(environmentID, roles) {
			reacting = append(reacting, t.Name)
		}
	}
	return reacting, nil
}
