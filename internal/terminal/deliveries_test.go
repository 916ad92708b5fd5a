package terminal_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

var (
	pushedID = uuid.MustParse("0199c3a0-0000-7000-8000-0000000000d1")
	playedID = uuid.MustParse("0199c3a0-0000-7000-8000-0000000000d2")
)

func pushed() client.DeliveryDetail {
	return client.DeliveryDetail{
		Delivery: client.Delivery{
			ID: pushedID, Source: "github", Kind: "github", ExternalID: "72d3162e-cc78-11e3-81ab-4c9367dc0958", Event: "push",
			ReceivedAt: created, Outcome: client.DeliveryOutcomeAccepted, Duplicates: 1, Size: 7412, RunCount: 2,
			Mismatches:   []client.Mismatch{{Pipeline: "nightly", Rule: "branch", Reason: `pipeline "nightly" takes branches "nightly", the commit is on "refs/heads/main"`}},
			Redeliveries: []uuid.UUID{playedID},
		},
		Headers: map[string][]string{"X-Github-Event": {"push"}}, Body: "{}",
		Runs: []client.RunRef{
			{ID: newRun().ID, Pipeline: "hello-world", Number: 12, Status: client.RunStatusWaiting},
			{ID: superseded().SupersededBy, Pipeline: "preview", Number: 7, Status: client.RunStatusCancelled},
		},
	}
}

// played is the redelivery of what was ignored, as it is still.
func played() client.DeliveryDetail {
	delivery := pushed()
	delivery.ID, delivery.ExternalID, delivery.ReceivedAt = playedID, "redelivery "+playedID.String(), at(3600)
	delivery.Outcome, delivery.Reason = client.DeliveryOutcomeIgnored, delivery.Mismatches[0].Reason
	delivery.RedeliveryOf, delivery.RedeliveredBy, delivery.RedeliveryReason = pushedID, "ann", "the branch is\nconfigured now"
	delivery.Redeliveries, delivery.Runs, delivery.RunCount, delivery.Duplicates = nil, nil, 0, 0
	return delivery
}

func woke() client.DeliveryDetail {
	return client.DeliveryDetail{Delivery: client.Delivery{
		ID: uuid.MustParse("0199c3a0-0000-7000-8000-0000000000d3"), Source: "octopus", Kind: "octopus", ExternalID: "Events-902", Event: "MachineHealthy",
		ReceivedAt: at(7200), Outcome: client.DeliveryOutcomeAccepted, Size: 1,
	}}
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	for name, style := range map[string]func(*terminal.Screen){
		"deliveries":        func(*terminal.Screen) {},
		"deliveries_narrow": func(s *terminal.Screen) { s.Width, s.Color = 80, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := screen(7300)
			style(s)
			if err := s.Deliveries([]client.Delivery{woke().Delivery, played().Delivery, pushed().Delivery}); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.String())
		})
	}
	s, out := screen(0)
	if err := s.Deliveries(nil); err != nil || strings.TrimSpace(out.String()) != "No deliveries." {
		t.Errorf("%v: %q", err, out)
	}
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	for name, delivery := range map[string]client.DeliveryDetail{
		"delivery": pushed(), "delivery_ignored": played(), "delivery_octopus": woke(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := screen(7300)
			s.Width = 110
			if err := s.Delivery(delivery); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.String())
		})
	}
}

func TestRedelivered(t *testing.T) {
	t.Parallel()
	accepted := client.Receipt{Status: client.ReceiptStatusAccepted, Delivery: playedID, Runs: pushed().Runs, Mismatches: pushed().Mismatches}
	accepted.Runs[1].Status = client.RunStatusQueued
	ignored := client.Receipt{Status: client.ReceiptStatusIgnored, Delivery: playedID, Reason: "the hook works; pushes to branches will start runs"}
	event := client.Receipt{Status: client.ReceiptStatusAccepted, Delivery: playedID}
	one, many := event, event
	one.Woken, many.Woken = 1, 3
	tests := map[string]struct {
		receipt  client.Receipt
		repeated bool
	}{
		"redelivered": {accepted, false}, "redelivered_before": {accepted, true}, "redelivered_ignored": {ignored, false},
		"redelivered_event": {many, false}, "redelivered_event_to_one": {one, false}, "redelivered_event_to_none": {event, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := screen(0)
			s.Flags = "--server http://127.0.0.1:9090"
			if err := s.Redelivered(pushedID, test.receipt, test.repeated); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.String())
		})
	}
}
