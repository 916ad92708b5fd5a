package setup

import (
	"encoding/json"
	"fmt"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// The values of a trigger that deploys to targets (Octopus' enumerations).
const (
	machineFilter = "MachineFilter"
	autoDeploy    = "AutoDeploy"
)

// available is the group of events that mean that a target can be deployed to
// (Octopus docs: the one that is recommended for auto-deploy).
const available = "MachineAvailableForDeployment"

// arrivals are the categories of that group.
var arrivals = []string{"MachineEnabled", "MachineHealthy", "MachineHasWarnings"}

// groups are the groups with some of these categories, and which (Octopus docs:
// event groups).
var groups = map[string][]string{
	available:              arrivals,
	"Machine":              arrivals,
	"MachineHealthChanged": {"MachineHealthy", "MachineHasWarnings"},
}

// Trigger is what counts in a project's trigger when targets become available.
type Trigger struct {
	Name       string
	IsDisabled bool
	Filter     struct {
		FilterType                          string
		EnvironmentIDs                      []string `json:"EnvironmentIds"`
		Roles, EventGroups, EventCategories []string
	}
	Action struct{ ActionType string }
}

// ReadTrigger reads a trigger of any kind.
func ReadTrigger(d octopus.Document) (Trigger, error) {
	var t Trigger
	if err := json.Unmarshal(d, &t); err != nil {
		return t, fmt.Errorf("reading the trigger %s: %w", d.ID(), err)
	}
	return t, nil
}

// Touches tells whether the trigger deploys to some of the targets in an
// environment with one of the roles, at some of the events by which they become
// available. An empty filter on environments or roles lets everything through.
func (t Trigger) Touches(environmentID string, roles []string) bool {
	return t.inEnvironment(environmentID) && pipeline.ShareName(t.events(), arrivals) &&
		(len(t.Filter.Roles) == 0 || pipeline.ShareName(t.Filter.Roles, roles))
}

// Covers tells whether the trigger deploys to all of these targets, whenever one
// becomes available.
func (t Trigger) Covers(environmentID string, roles []string) bool {
	return t.inEnvironment(environmentID) && pipeline.HasNames(t.events(), arrivals) &&
		(len(t.Filter.Roles) == 0 || pipeline.HasNames(t.Filter.Roles, roles))
}

// inEnvironment tells whether the trigger is there to deploy to targets of the
// environment.
func (t Trigger) inEnvironment(id string) bool {
	f := t.Filter
	return !t.IsDisabled && f.FilterType == machineFilter && t.Action.ActionType == autoDeploy &&
		(len(f.EnvironmentIDs) == 0 || pipeline.HasName(f.EnvironmentIDs, id))
}

// events are the categories of events that the trigger acts on, those of its
// groups included.
func (t Trigger) events() []string {
	events := slices.Clone(t.Filter.EventCategories)
	for _, named := range t.Filter.EventGroups {
		for group, categories := range groups {
			if pipeline.SameName(group, named) {
				events = append(events, categories...)
			}
		}
	}
	return events
}
