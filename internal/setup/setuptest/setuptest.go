// Package setuptest changes by hand what regrow setup manages, for tests: any of
// all its settings, to any wrong value.
package setuptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"regrow/internal/octopus"
	"regrow/internal/setup"
)

// Managed is a setting of a resource.
type Managed struct {
	Item    setup.Item
	Setting setup.Setting
}

// All returns all settings of a plan whose values can be seen.
func All(plan setup.Plan) []Managed {
	var all []Managed
	for _, item := range plan.Items {
		for _, setting := range item.Settings {
			if setting.Shape != setup.Secret {
				all = append(all, Managed{item, setting})
			}
		}
	}
	return all
}

// String names the setting and what it belongs to.
func (m Managed) String() string {
	return fmt.Sprintf("%s of the %s %q", m.Setting.Field, m.Item.Kind, m.Item.Name)
}

var collections = map[setup.Kind]octopus.Collection{
	setup.KindMachinePolicy: octopus.MachinePolicies, setup.KindEnvironment: octopus.Environments, setup.KindProjectGroup: octopus.ProjectGroups,
	setup.KindProject: octopus.Projects, setup.KindChannel: octopus.Channels, setup.KindProcess: octopus.DeploymentProcesses,
	setup.KindVariables: octopus.VariableSets, setup.KindTenant: octopus.Tenants, setup.KindTrigger: octopus.ProjectTriggers,
	setup.KindSubscription: octopus.Subscriptions,
}

// Path is where an item's resource is in a space.
func Path(item setup.Item) string { return string(collections[item.Kind]) + "/" + item.ID }

// ElsewhereOnly is a lifecycle, to be created, that reaches one environment only.
func ElsewhereOnly(environmentID string) any {
	return map[string]any{"Name": "Elsewhere only", "Phases": []any{
		map[string]any{"Name": "Elsewhere", "OptionalDeploymentTargets": []string{environmentID}},
	}}
}

// Spoiled is the document of the setting's resource as somebody leaves it who
// changes just that setting, to a wrong value of many: the same one for the same
// number. elsewhereID is a lifecycle that does not reach the environment.
func (m Managed) Spoiled(d octopus.Document, elsewhereID string, number int) octopus.Document {
	return rapid.Custom(func(t *rapid.T) octopus.Document {
		rapid.Bool().Draw(t, "anything, which rapid insists on") // some settings have one wrong value only
		return m.spoil(t, d, elsewhereID)
	}).Example(number)
}

func (m Managed) spoil(t *rapid.T, d octopus.Document, elsewhereID string) octopus.Document {
	raw, _, err := d.Value(m.Setting.Pointer)
	if err != nil {
		t.Fatal(err)
	}
	write := func(d octopus.Document, pointer string, value any) octopus.Document {
		changed, err := d.With(pointer, value)
		if err != nil {
			t.Fatalf("%s: %v", m, err)
		}
		return changed
	}
	changed := write(d, m.Setting.Pointer, m.wrong(t, raw, elsewhereID))
	if variable, is := strings.CutSuffix(m.Setting.Pointer, "/IsSensitive"); is { // Octopus has this twice
		changed = write(changed, variable+"/Type", "String")
	}
	return changed
}

// wrong draws another value than the setting has.
func (m Managed) wrong(t *rapid.T, raw json.RawMessage, elsewhereID string) any {
	word := rapid.StringMatching(`x-[a-z0-9]{1,12}`)
	switch m.Setting.Shape {
	case setup.Text, setup.Nothing:
		return rapid.StringMatching(`x-[a-z0-9 ]{1,12}`).Draw(t, "text")
	case setup.Flag:
		return string(raw) != "true"
	case setup.Span:
		return rapid.Custom(anySpan).Filter(func(s string) bool { return !bytes.Contains(raw, []byte(s)) }).Draw(t, "span")
	case setup.Set:
		var now []string
		if err := json.Unmarshal(raw, &now); err != nil {
			t.Fatal(err)
		}
		return wrongSet(t, now, word)
	case setup.Names:
		now := strings.FieldsFunc(string(raw), func(r rune) bool { return r == ',' || r == '"' })
		return strings.Join(wrongSet(t, now, word), ",")
	case setup.OneOf:
		return map[string]string{"/LifecycleId": elsewhereID, "/TenantedDeploymentMode": "Untenanted"}[m.Setting.Pointer]
	case setup.Member:
		return []string{}
	case setup.Part, setup.Order:
		return wrongParts(t, raw, m.Setting)
	default:
		t.Fatalf("no wrong value is known for %s, a setting of the shape %q", m, m.Setting.Shape)
		return nil
	}
}

// wrongSet draws a set that is another one and not empty: Octopus takes no
// trigger without an event.
func wrongSet(t *rapid.T, now []string, word *rapid.Generator[string]) []string {
	others := rapid.SliceOfNDistinct(word, 1, 3, rapid.ID[string]).Draw(t, "others")
	kept := rapid.SliceOfN(rapid.SampledFrom(append(now, "")), 0, 2).Draw(t, "kept")
	return slices.Concat(others, slices.DeleteFunc(kept, func(s string) bool { return s == "" }))
}

// anySpan draws a time span as Octopus writes it.
func anySpan(t *rapid.T) string {
	clock := fmt.Sprintf("%02d:%02d:%02d", rapid.IntRange(0, 23).Draw(t, "hours"), rapid.IntRange(0, 59).Draw(t, "minutes"), rapid.IntRange(0, 59).Draw(t, "seconds"))
	if days := rapid.IntRange(0, 30).Draw(t, "days"); days > 0 {
		return fmt.Sprintf("%d.%s", days, clock)
	}
	return clock
}

// wrongParts leaves one element out, or changes the order of all.
func wrongParts(t *rapid.T, raw json.RawMessage, setting setup.Setting) []octopus.Document {
	var list []octopus.Document
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if setting.Shape == setup.Part {
		return slices.DeleteFunc(list, func(d octopus.Document) bool { return strings.HasSuffix(setting.Field, " "+d.Name()) })
	}
	for at := range len(list) - 1 { // one rotation at least is another order
		list[at], list[at+1] = list[at+1], list[at]
	}
	return list
}

// Lasting is a document without what the server writes into it with every
// change, and without the ids of its parts, which are new for one made again.
func Lasting(d octopus.Document) (string, error) {
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(d))
	decoder.UseNumber()
	if err := decoder.Decode(&members); err != nil {
		return "", fmt.Errorf("reading %s: %w", d, err)
	}
	for _, stamp := range []string{"LastModifiedOn", "LastModifiedBy", "Version"} {
		delete(members, stamp)
	}
	for _, list := range []string{"Steps", "Variables"} {
		withoutIDs(members[list])
	}
	if notification, ok := members["EventNotificationSubscription"].(map[string]any); ok {
		delete(notification, "WebhookLastProcessedEventAutoId")
		delete(notification, "WebhookLastProcessed")
	}
	text, err := json.MarshalIndent(members, "", " ")
	return string(text), err
}

func withoutIDs(parts any) {
	list, _ := parts.([]any)
	for _, element := range list {
		if members, ok := element.(map[string]any); ok {
			delete(members, "Id")
			withoutIDs(members["Actions"])
		}
	}
}
