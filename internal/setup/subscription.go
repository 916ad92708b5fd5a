package setup

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// The events that wake runs. Being deleted is in none of the groups.
var (
	wantedGroups     = []string{available, "MachineUnavailableForDeployment"}
	wantedCategories = []string{"DeploymentSucceeded", "DeploymentFailed", "MachineDeleted"}
)

const (
	webhook       = "/EventNotificationSubscription/"
	webhookFilter = webhook + "Filter/"
)

func (o Options) subscriptionName() string {
	if o.Subscription == nil {
		return "regrow"
	}
	return "regrow: " + o.Subscription.Name
}

// subscriptionSettings are those by which all events that regrow waits for come
// to it. Most events name no project, environment or tenant, so that a filter on
// those hides them (Octopus docs: subscriptions).
func (s *scene) subscriptionSettings(groups, categories []string) []Setting {
	sink := s.options.Subscription
	settings := []Setting{
		text("kind", "/Type", "Event"),
		flag("disabled", "/IsDisabled", false),
		text("payload URL", webhook+"WebhookURI", sink.URL),
		text("header", webhook+"WebhookHeaderKey", sink.Header),
		s.secret(),
		set("event groups", webhookFilter+"EventGroups", groups...),
		set("event categories", webhookFilter+"EventCategories", categories...),
		set("teams", webhook+"WebhookTeams"),
	}
	for _, hiding := range []struct{ field, member string }{
		{"users", "Users"}, {"projects", "Projects"}, {"project groups", "ProjectGroups"}, {"environments", "Environments"},
		{"event agents", "EventAgents"}, {"tenants", "Tenants"}, {"tags", "Tags"}, {"document types", "DocumentTypes"},
	} {
		settings = append(settings, set("filter on "+hiding.field, webhookFilter+hiding.member))
	}
	return settings
}

// secret is the header's value. Octopus shows it only when it is old; otherwise
// what is there is taken for right, unless it is to be sent again.
func (s *scene) secret() Setting {
	const pointer = webhook + "WebhookHeaderValue"
	wanted := s.options.Subscription.Secret
	setting := valueAt("secret", pointer, Secret, wanted, func(raw json.RawMessage) bool {
		if s.options.WriteSecret && !s.secretWritten {
			return false
		}
		if written, ok := textOf(raw); ok {
			return written == wanted || strings.Trim(written, "*") == ""
		}
		var hidden struct{ HasValue *bool }
		return json.Unmarshal(raw, &hidden) != nil || hidden.HasValue == nil || *hidden.HasValue
	})
	return setting.shownAs(func(json.RawMessage) string { return "what Octopus has" }, "the secret in regrow.yaml")
}

// lookAtSubscription finds the subscription that posts events to regrow: by its
// address, and else by its name.
func (s *scene) lookAtSubscription(ctx context.Context, item Item) (finding, error) {
	sink := s.options.Subscription
	switch {
	case sink == nil:
		return finding{}, &obstacle{"Add a source of kind octopus with server: " + s.options.Pipeline.Server.Name +
			" to regrow.yaml, so that there is an address for Octopus to post its events to. Without events, regrow looks by itself every reconcile.interval."}
	case sink.URL == "":
		return finding{}, &obstacle{"Set public_url in regrow.yaml to the address at which Octopus reaches regrow. Without events, regrow looks by itself every reconcile.interval."}
	}
	all, err := s.all(ctx, octopus.Subscriptions)
	if err != nil {
		return finding{}, err
	}
	groups, categories, note, err := s.eventIDs(ctx)
	if err != nil {
		return finding{}, err
	}
	own, others := twins(all, item.Name)
	current, own, doubles := choose(own, others, sink.URL)
	r := resource{collection: octopus.Subscriptions, current: current, settings: s.subscriptionSettings(groups, categories), always: []Setting{s.secret()}}
	r.draft = func(context.Context) (octopus.Document, error) { return newSubscription(item.Name) }
	if current != nil && !pipeline.SameName(current.Name(), item.Name) {
		item.Name, r.note = current.Name(), foreign(KindSubscription)
	}
	f, err := s.judge(item, r)
	if err != nil {
		return finding{}, err
	}
	f.item.Note = sentences(f.item.Note, note)
	for _, d := range doubles {
		f.item.Note = sentences(f.item.Note, "The subscription "+quoted(d.Name())+" looks like another one for the same purpose; it stays as it is.")
	}
	return s.rememberSecret(s.alone(f, octopus.Subscriptions, own)), nil
}

// choose returns the subscription to keep: one that posts to the address, of
// setup's own name if there is one, or else one of that name. Besides, it returns
// the twins of that name to make one of, and what seems to be there in vain.
func choose(own, others []octopus.Document, url string) (current octopus.Document, mine, doubles []octopus.Document) {
	posts := func(d octopus.Document) bool { return sameURL(d.Text(webhook+"WebhookURI"), url) }
	others = slices.DeleteFunc(others, func(d octopus.Document) bool { return !posts(d) })
	if len(own) > 0 && (len(others) == 0 || slices.ContainsFunc(own, posts)) {
		return own[0], own, others
	}
	if len(others) > 0 {
		return others[0], nil, slices.Concat(others[1:], own)
	}
	return nil, nil, nil
}

// rememberSecret makes sure that the secret is sent again once and not forever.
func (s *scene) rememberSecret(f finding) finding {
	write := f.write
	if write == nil {
		return f
	}
	f.write = func(ctx context.Context) error {
		err := write(ctx)
		s.secretWritten = s.secretWritten || err == nil
		return err
	}
	return f
}

// newSubscription is a subscription without what the settings bring.
func newSubscription(name string) (octopus.Document, error) {
	return octopus.NewDocument(map[string]any{"Name": name, "EventNotificationSubscription": map[string]any{
		"EmailTeams": []string{}, "EmailFrequencyPeriod": "01:00:00", "EmailPriority": "Normal", "EmailShowDatesInTimeZoneId": "UTC",
		"WebhookTimeout": "00:00:10",
	}})
}

func sameURL(a, b string) bool {
	return strings.TrimRight(strings.TrimSpace(a), "/") == strings.TrimRight(b, "/")
}

// eventNames are the ids of events that a server knows.
type eventNames struct{ groups, categories []string }

// eventIDs returns which of the wanted groups and categories the server knows,
// and a note about the others: their ids are documented in part only.
func (s *scene) eventIDs(ctx context.Context) (groups, categories []string, note string, err error) {
	if s.events == nil {
		names, err := s.readEvents(ctx)
		if octopus.Missing(err) != "" {
			return wantedGroups, wantedCategories, "Which events the server knows could not be looked up: the API key lacks the permission " + octopus.Missing(err) + ".", nil
		}
		if err != nil {
			return nil, nil, "", err
		}
		s.events = &names
	}
	var unknown []string
	known := func(wanted, all []string) (some []string) {
		for _, id := range wanted {
			if pipeline.HasName(all, id) {
				some = append(some, id)
			} else {
				unknown = append(unknown, id)
			}
		}
		return some
	}
	groups, categories = known(wantedGroups, s.events.groups), known(wantedCategories, s.events.categories)
	if len(unknown) > 0 {
		note = "The server does not know the events " + strings.Join(unknown, ", ") + ", so they are left out; regrow finds out by itself, later."
	}
	return groups, categories, note, nil
}

func (s *scene) readEvents(ctx context.Context) (eventNames, error) {
	groups, err := read(ctx, s.octopus.EventGroups)
	if err != nil {
		return eventNames{}, err
	}
	categories, err := read(ctx, s.octopus.EventCategories)
	return eventNames{groups: groups, categories: categories}, err
}
