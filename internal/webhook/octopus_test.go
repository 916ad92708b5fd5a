package webhook_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"regrow/internal/webhook"
)

func TestOctopusMachine(t *testing.T) {
	t.Parallel()
	got := mustReceive(t, octopusReceiver(t), octopusRequest(sample(t, "octopus_machine.json")))
	want := &webhook.TargetEvent{
		EventID:        "Events-902",
		Category:       "MachineHealthy",
		Occurred:       time.Date(2025, 3, 9, 14, 18, 2, 551_000_000, time.UTC),
		SpaceID:        "Spaces-1",
		Machines:       []string{"Machines-3"},
		Environments:   []string{"Environments-1"},
		Message:        "Machine shop-blue-7 was found to be healthy",
		SubscriptionID: "Subscriptions-2",
		BatchID:        "6f0f2f0e-6f0b-4e0c-8a35-8f0d2b9a1c11",
		BatchNumber:    1,
		BatchSize:      2,
	}
	checkTargetEvent(t, got, want)
}

func TestOctopusDeployment(t *testing.T) {
	t.Parallel()
	got := mustReceive(t, octopusReceiver(t), octopusRequest(sample(t, "octopus_deployment.json")))
	want := &webhook.TargetEvent{
		EventID:        "Events-905",
		Category:       "DeploymentSucceeded",
		Occurred:       time.Date(2025, 3, 9, 14, 20, 31, 563_000_000, time.UTC),
		SpaceID:        "Spaces-1",
		Deployments:    []string{"Deployments-11"},
		Projects:       []string{"Projects-1"}, // and not ProjectGroups-2
		Releases:       []string{"Releases-7"},
		Environments:   []string{"Environments-1"},
		Tasks:          []string{"ServerTasks-311"},
		Tenants:        []string{"Tenants-4"},
		Message:        "Deploy to Production succeeded for Shop release 2.6.0 to Production",
		SubscriptionID: "Subscriptions-1",
		ServerURI:      "https://octopus.acme.example",
		BatchID:        "0c6a1b7e-4df1-4a2e-9a52-3f1d2c8b7a90",
		BatchNumber:    1,
		BatchSize:      1,
	}
	checkTargetEvent(t, got, want)
}

func checkTargetEvent(t *testing.T, got webhook.Delivery, want *webhook.TargetEvent) {
	t.Helper()
	if got.ID != want.EventID || got.Event != want.Category || got.Ignored != "" || got.Commits != nil {
		t.Errorf("got %+v, want only the event %s", got, want.EventID)
	}
	if !got.Target.Occurred.Equal(want.Occurred) {
		t.Errorf("occurred %s, want %s", got.Target.Occurred, want.Occurred)
	}
	got.Target.Occurred = want.Occurred // equal, but perhaps in another zone
	if !reflect.DeepEqual(got.Target, want) {
		t.Errorf("got  %+v\nwant %+v", got.Target, want)
	}
}

func TestOctopusMinimalEvent(t *testing.T) {
	t.Parallel()
	body := "\uFEFF" + `{"EventType":"SubscriptionPayload","Payload":{"Subscription":null,"Event":{
		"Id":"Events-1","Category":"SomethingNobodyKnowsYet","Occurred":"2025-03-09T14:18:02Z",
		"SpaceId":null,"Message":null,"RelatedDocumentIds":null}}}`
	request := octopusRequest([]byte(body))
	request.Header.Del("Content-Type")
	got := mustReceive(t, octopusReceiver(t), request)
	want := &webhook.TargetEvent{
		EventID: "Events-1", Category: "SomethingNobodyKnowsYet", Occurred: time.Date(2025, 3, 9, 14, 18, 2, 0, time.UTC),
	}
	checkTargetEvent(t, got, want)
}

func TestOctopusHeader(t *testing.T) {
	t.Parallel()
	body := sample(t, "octopus_machine.json")
	for name, test := range map[string]struct{ value, text string }{
		"absent":         {"", "is missing"},
		"other":          {"octo-secret-0000", "does not hold the secret"},
		"prefix":         {octopusSecret[:10], "does not hold the secret"},
		"longer":         {octopusSecret + "x", "does not hold the secret"},
		"other capitals": {strings.ToUpper(octopusSecret), "does not hold the secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := octopusRequest(body)
			request.Header.Set(webhook.DefaultHeaderKey, test.value)
			mustRefuse(t, octopusReceiver(t), request, refusal{reason: webhook.Unauthorized, text: "X-Regrow-Token " + test.text})
		})
	}
}

func TestOctopusOwnHeaderKey(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, webhook.Source{Kind: webhook.Octopus, Secret: octopusSecret, HeaderKey: "x-acme-hook"})
	request := octopusRequest(sample(t, "octopus_machine.json"))
	mustRefuse(t, receiver, request, refusal{reason: webhook.Unauthorized, text: "x-acme-hook is missing"})
	request.Header.Set("X-Acme-Hook", octopusSecret)
	mustReceive(t, receiver, request)
}

func TestOctopusMalformed(t *testing.T) {
	t.Parallel()
	const file = "octopus_machine.json"
	tests := map[string]struct {
		old, with string
		want      refusal
	}{
		"other event type":   {`"SubscriptionPayload"`, `"DigestPayload"`, refusal{pointer: "/EventType", text: `expected "SubscriptionPayload", found the string "DigestPayload"`}},
		"no event type":      {`"EventType"`, `"Kind"`, refusal{pointer: "/EventType", text: "found nothing"}},
		"no payload":         {`"Payload"`, `"Load"`, refusal{pointer: "/Payload", text: "expected an object, found nothing"}},
		"no event":           {`"Event": {`, `"Evt": {`, refusal{pointer: "/Payload/Event", text: "expected an object, found nothing"}},
		"no id":              {`"Id": "Events-902"`, `"Id": null`, refusal{reason: webhook.MissingID, pointer: "/Payload/Event/Id", text: "found null"}},
		"id is a number":     {`"Id": "Events-902"`, `"Id": 902`, refusal{pointer: "/Payload/Event/Id", text: "found the number 902"}},
		"id with a space":    {`"Id": "Events-902"`, `"Id": "Events 902"`, refusal{pointer: "/Payload/Event/Id", text: "without spaces"}},
		"no category":        {`"Category"`, `"Cat"`, refusal{pointer: "/Payload/Event/Category", text: "found nothing"}},
		"time without zone":  {`14:18:02.551+00:00"`, `14:18:02"`, refusal{pointer: "/Payload/Event/Occurred", text: "expected a time such as"}},
		"documents are text": {`["Machines-3", "Environments-1", "MachinePolicies-1"]`, `"Machines-3"`, refusal{pointer: "/Payload/Event/RelatedDocumentIds", text: "array of strings"}},
		"document is a flag": {`"Environments-1"`, `false`, refusal{pointer: "/Payload/Event/RelatedDocumentIds/1", text: "expected a string, found false"}},
		"batch is a half":    {`"TotalEventsInBatch": 2`, `"TotalEventsInBatch": 2.5`, refusal{pointer: "/Payload/TotalEventsInBatch", text: "whole number"}},
		"batch is negative":  {`"TotalEventsInBatch": 2`, `"TotalEventsInBatch": -2`, refusal{pointer: "/Payload/TotalEventsInBatch", text: "whole number"}},
		"batch is a word":    {`"TotalEventsInBatch": 2`, `"TotalEventsInBatch": "two"`, refusal{pointer: "/Payload/TotalEventsInBatch", text: "whole number"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.want.reason == "" {
				test.want.reason = webhook.Malformed
			}
			body := edited(t, file, test.old, test.with)
			mustRefuse(t, octopusReceiver(t), octopusRequest(body), test.want)
		})
	}
}

// Whatever the form of the subscription's secret, it is not stored, and nothing
// else is changed.
func TestOctopusHidesHeaderValue(t *testing.T) {
	t.Parallel()
	const member = `{"HasValue": true, "NewValue": "octo-secret-7d1f", "Hint": null}`
	for name, test := range map[string]struct{ value, stored string }{
		"object":         {member, `"[redacted]"`},
		"array":          {`[["octo-secret-7d1f"], "x"]`, `"[redacted]"`},
		"own secret":     {`"octo-secret-7d1f"`, `"[redacted]"`},
		"another secret": {`"of another service"`, `"[redacted]"`},
		"number":         {`12345`, `"[redacted]"`},
		"empty":          {`""`, `"[redacted]"`},
		"null":           {`null`, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := edited(t, "octopus_machine.json", member, test.value)
			want := edited(t, "octopus_machine.json", member, test.stored)
			got := mustReceive(t, octopusReceiver(t), octopusRequest(body))
			if !bytes.Equal(got.Body, want) {
				t.Errorf("got %s", got.Body)
			}
			if !json.Valid(got.Body) {
				t.Error("the body to store is not JSON")
			}
		})
	}
}
