package setup

import (
	"slices"

	"regrow/internal/octopus"
)

// Plan is what there is to do, or what has been done, in the order of the guide.
type Plan struct {
	Items []Item `json:"items"`
}

// Item is one resource that setup manages, and what is to be done about it.
type Item struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
	// ID is the resource's id, "" while there is none.
	ID     string `json:"id,omitempty"`
	Action Action `json:"action"`
	// Changes are what is to be written, or has been.
	Changes []Change `json:"changes,omitempty"`
	// Note is a sentence that people should read before they agree.
	Note string `json:"note,omitempty"`
	// Missing is the permission for the lack of which the item is blocked;
	// "unknown" when Octopus does not name it.
	Missing string `json:"missing_permission,omitempty"`
	// Settings are all settings that were looked at, right or wrong.
	Settings []Setting `json:"-"`
}

// Change is a setting that is not as it should be. It never shows a secret.
type Change struct {
	// Field names the setting for people.
	Field string `json:"field"`
	// Pointer is the setting's place: a JSON pointer into the resource.
	Pointer string `json:"pointer"`
	From    string `json:"from"`
	To      string `json:"to"`
}

// Kind is what an item is.
type Kind string

// The kinds of items, in the order of the guide.
const (
	KindMachinePolicy Kind = "machine policy"
	KindEnvironment   Kind = "environment"
	KindProjectGroup  Kind = "project group"
	KindProject       Kind = "project"
	KindChannel       Kind = "channel"
	KindProcess       Kind = "process"
	KindPackage       Kind = "package"
	KindVariables     Kind = "variables"
	KindTenant        Kind = "tenant"
	KindTrigger       Kind = "trigger"
	KindSubscription  Kind = "subscription"
)

// Kinds returns all kinds, in the order of the guide.
func Kinds() []Kind {
	return []Kind{
		KindMachinePolicy, KindEnvironment, KindProjectGroup, KindProject, KindChannel, KindProcess,
		KindPackage, KindVariables, KindTenant, KindTrigger, KindSubscription,
	}
}

// Action is what is to be done about an item.
type Action string

// The actions.
const (
	// ActionCreate makes what is not there.
	ActionCreate Action = "create"
	// ActionChange writes the settings that differ, and nothing else.
	ActionChange Action = "change"
	// ActionLeave does nothing: all is as it should be, or not regrow's to change.
	ActionLeave Action = "leave"
	// ActionBlocked cannot be done, or not even be looked at, before somebody helps.
	ActionBlocked Action = "blocked"
)

// Count returns how many items have one of the actions.
func (p Plan) Count(actions ...Action) int {
	n := 0
	for _, item := range p.Items {
		if slices.Contains(actions, item.Action) {
			n++
		}
	}
	return n
}

// obstacle is why an item is blocked when no request says so.
type obstacle struct{ note string }

func (o *obstacle) Error() string { return o.note }

// changesOf lists what differs, for people.
func changesOf(d octopus.Document, differing []Setting) []Change {
	changes := make([]Change, len(differing))
	for i, setting := range differing {
		changes[i] = Change{Field: setting.Field, Pointer: setting.Pointer, From: setting.from(d), To: setting.to}
	}
	return changes
}

// newly lists what something new will have, for people. What is empty or off goes
// without saying.
func newly(settings []Setting) []Change {
	var changes []Change
	for _, setting := range settings {
		if setting.to != nothingShown && (setting.Shape != Flag || setting.to == "true") {
			changes = append(changes, Change{Field: setting.Field, Pointer: setting.Pointer, To: setting.to})
		}
	}
	return changes
}
