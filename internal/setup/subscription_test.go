package setup_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// secretSent is the subscription's secret in the last request that had one: no
// answer shows it.
func (w *world) secretSent(t *testing.T) string {
	t.Helper()
	secret := ""
	for _, body := range w.recorded.bodies {
		secret = cmp.Or(octopus.Document(body).Text("/EventNotificationSubscription/WebhookHeaderValue"), secret)
	}
	return secret
}

func TestSubscriptionIsFoundByAddressAndByName(t *testing.T) {
	t.Parallel()
	const url = "http://regrow.example/webhooks/octopus"
	webhook := func(name, url string) object {
		return object{"Name": name, "EventNotificationSubscription": object{"WebhookURI": url, "Filter": object{"EventGroups": []string{"Machine"}}}}
	}
	for name, test := range map[string]struct {
		there   []object
		changes string // of the address
		note    string
		created bool
	}{
		"none":                    {nil, "", "", true},
		"another address":         {[]object{webhook("somebody's", "http://elsewhere.example/")}, "", "", true},
		"own, moved":              {[]object{webhook("regrow: octopus", "http://old.example/webhooks/octopus")}, "http://old.example/webhooks/octopus → " + url, "", false},
		"by hand":                 {[]object{webhook("by hand", url+"/")}, url + "/ → " + url, "regrow did not make this subscription", false},
		"own and by hand":         {[]object{webhook("by hand", url), webhook("regrow: octopus", url)}, "", `"by hand" looks like another one`, false},
		"own, moved, and by hand": {[]object{webhook("by hand", url), webhook("regrow: octopus", "http://old.example")}, "", `"regrow: octopus" looks like another one`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Options{})
			for _, d := range test.there {
				w.must(t, http.MethodPost, "/api/Spaces-1/subscriptions", d)
			}
			options := optionsOf(just(setup.KindSubscription))
			item := itemOf(t, w.apply(t, options), setup.KindSubscription)
			if (item.Action == setup.ActionCreate) != test.created || !strings.Contains(item.Note, test.note) {
				t.Errorf("%s %q %+v", item.Action, item.Note, item.Changes)
			}
			moved := ""
			for _, change := range item.Changes {
				if change.Field == "payload URL" && !test.created {
					moved = change.From + " → " + change.To
				}
			}
			if moved != test.changes {
				t.Errorf("the address: %q, want %q", moved, test.changes)
			}
			again := itemOf(t, w.inspect(t, options), setup.KindSubscription)
			if again.Action != setup.ActionLeave || w.secretSent(t) != sinkSecret {
				t.Errorf("afterwards: %+v, with the secret %q", again, w.secretSent(t))
			}
		})
	}
}

// TestSecretIsSentWithEveryChangeAndOnRequest because Octopus never shows it.
func TestSecretIsSentWithEveryChangeAndOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	options := optionsOf(just(setup.KindSubscription))
	w.apply(t, options)
	if got := w.secretSent(t); got != sinkSecret {
		t.Fatalf("created with the secret %q", got)
	}

	options.Subscription.Secret = "another-one-in-the-file"
	if item := itemOf(t, w.apply(t, options), setup.KindSubscription); item.Action != setup.ActionLeave {
		t.Errorf("nobody can see that the secret differs, and yet: %+v", item)
	}
	options.WriteSecret = true
	item := itemOf(t, w.apply(t, options), setup.KindSubscription)
	if item.Action != setup.ActionChange || len(item.Changes) != 1 || item.Changes[0].Field != "secret" || w.secretSent(t) != "another-one-in-the-file" {
		t.Errorf("sent on request: %+v, is %q", item, w.secretSent(t))
	}

	options.WriteSecret, options.Subscription.Secret = false, "a-third-one"
	options.Subscription.Header = "X-Other"
	item = itemOf(t, w.apply(t, options), setup.KindSubscription)
	if len(item.Changes) != 1 || item.Changes[0].Field != "header" || w.secretSent(t) != "a-third-one" {
		t.Errorf("sent with a change: %+v, is %q", item, w.secretSent(t))
	}
}

// TestSecretThatIsShownIsCompared: old servers show it.
func TestSecretThatIsShownIsCompared(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{Switches: simulator.Switches{EchoWebhookSecret: true}})
	options := optionsOf(just(setup.KindSubscription))
	w.apply(t, options)
	wantAll(t, w.inspect(t, options), setup.ActionLeave)
	options.Subscription.Secret = "the-new-one-in-the-file"
	item := itemOf(t, w.apply(t, options), setup.KindSubscription)
	if item.Action != setup.ActionChange || len(item.Changes) != 1 || item.Changes[0].Field != "secret" {
		t.Errorf("%+v", item)
	}
	wantAll(t, w.inspect(t, options), setup.ActionLeave)
}

// TestSecretsStayOut of everything that is told.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{Switches: simulator.Switches{EchoWebhookSecret: true}})
	options := optionsOf()
	options.APIKey = "API-NOTTOBESHOWN"
	var told strings.Builder
	tell := func(plan setup.Plan) {
		text, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&told, "%s %+v", text, plan)
	}
	tell(w.inspect(t, options))
	tell(w.apply(t, options))
	options.WriteSecret, options.Subscription.Secret = true, "the-next-"+sinkSecret
	tell(w.apply(t, options))
	for _, secret := range []string{sinkSecret, options.APIKey} {
		if strings.Contains(told.String(), secret) {
			t.Errorf("%q is told: %s", secret, told.String())
		}
	}
}

func TestSubscriptionThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	for want, change := range map[string]func(*setup.Options){
		"a source of kind octopus with server: main": func(o *setup.Options) { o.Subscription = nil },
		"Set public_url": func(o *setup.Options) { o.Subscription.URL = "" },
	} {
		item := itemOf(t, w.inspect(t, optionsOf(just(setup.KindSubscription), change)), setup.KindSubscription)
		if item.Action != setup.ActionBlocked || !strings.Contains(item.Note, want) {
			t.Errorf("%s %q, want %q", item.Action, item.Note, want)
		}
	}
}

// unknowing is an Octopus that does not know some events.
type unknowing struct{ *octopus.Client }

func (unknowing) EventCategories(context.Context) ([]string, error) {
	return []string{"deploymentsucceeded", "DeploymentFailed"}, nil
}

func TestEventsThatTheServerDoesNotKnowAreLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{})
	plan, err := setup.Apply(t.Context(), unknowing{w.client}, optionsOf(just(setup.KindSubscription)), nil)
	if err != nil {
		t.Fatal(err)
	}
	item := itemOf(t, plan, setup.KindSubscription)
	if !strings.Contains(item.Note, "does not know the events MachineDeleted, so they are left out") {
		t.Errorf("the note: %q", item.Note)
	}
	raw, _, err := w.documentOf(t, item).Value("/EventNotificationSubscription/Filter/EventCategories")
	if err != nil || string(raw) != `["DeploymentSucceeded","DeploymentFailed"]` {
		t.Errorf("categories: %s %v", raw, err)
	}
}
