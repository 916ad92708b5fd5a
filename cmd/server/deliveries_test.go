package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"regrow/internal/client"
)

var (
	deliveryUUID = uuid.MustParse("0199c3a0-0000-7000-8000-0000000000d1")
	replayUUID   = uuid.MustParse("0199c3a0-0000-7000-8000-0000000000d2")
)

const deliveryPath = "/api/v1/deliveries/0199c3a0-0000-7000-8000-0000000000d1"

func aDelivery() client.DeliveryDetail {
	return client.DeliveryDetail{
		Delivery: client.Delivery{
			ID: deliveryUUID, Source: "github", Kind: "github", ExternalID: "sent-1", Event: "push", ReceivedAt: aTime,
			Outcome: client.DeliveryOutcomeAccepted, Mismatches: []client.Mismatch{}, Size: 2, RunCount: 1,
		},
		Headers: map[string][]string{}, Body: "{}", Runs: []client.RunRef{aRunRef()},
	}
}

func aRunRef() client.RunRef {
	return client.RunRef{ID: runID, Pipeline: "hello-world", Number: 12, Status: client.RunStatusRunning}
}

func aReceipt() client.Receipt {
	return client.Receipt{Status: client.ReceiptStatusAccepted, Delivery: replayUUID, Runs: []client.RunRef{aRunRef()}, Mismatches: []client.Mismatch{}}
}

// newDeliveryServer is a server with one delivery, whose redelivery starts a run
// that ends so.
func newDeliveryServer(t *testing.T, final client.RunStatus) *fakeServer {
	t.Helper()
	f := newFakeServer(t, aRun(client.RunStatusRunning), aRun(final))
	f.answering("GET /api/v1/deliveries", http.StatusOK, client.DeliveryList{Deliveries: []client.Delivery{aDelivery().Delivery}})
	f.answering("GET "+deliveryPath, http.StatusOK, aDelivery())
	f.redelivering(http.StatusCreated, aReceipt())
	return f
}

func (f *fakeServer) redelivering(status int, body any) {
	f.answering("POST "+deliveryPath+"/redeliver", status, body)
}

func TestDeliveriesListAsksWithEveryFilter(t *testing.T) {
	t.Parallel()
	f := newDeliveryServer(t, client.RunStatusSucceeded)
	got := f.regrow(t.Context(), "deliveries", "list", "--source", "github", "--event", "push", "--external-id", "sent-1", "--outcome", "accepted",
		"--redelivery-of", runID.String(), "--from", "2026-10-24T00:00:00+02:00", "--to", "2026-10-26T00:00:00Z", "--after", newerID.String(), "--limit", "7")
	got.want(t, exitOK, "✓  github  push   accepted  1", "")
	query, err := url.ParseQuery(f.asked(t, http.MethodGet, "/api/v1/deliveries")[0].query)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"source": {"github"}, "event": {"push"}, "external_id": {"sent-1"}, "outcome": {"accepted"}, "redelivery_of": {runID.String()},
		"from": {"2026-10-24T00:00:00+02:00"}, "to": {"2026-10-26T00:00:00Z"}, "after": {newerID.String()}, "limit": {"7"},
	}
	if query.Encode() != want.Encode() {
		t.Errorf("asked with %q, want %q", query.Encode(), want.Encode())
	}
}

func TestDeliveriesListPages(t *testing.T) {
	t.Parallel()
	f := newDeliveryServer(t, client.RunStatusSucceeded)
	f.answering("GET /api/v1/deliveries", http.StatusOK, client.DeliveryList{Deliveries: []client.Delivery{aDelivery().Delivery}, Next: newerID})
	f.regrow(t.Context(), "deliveries", "list").want(t, exitOK, "There are more: add --after "+newerID.String()+", or --all.", "")
	f.answering("GET /api/v1/deliveries", http.StatusOK, client.DeliveryList{Deliveries: []client.Delivery{}})
	f.regrow(t.Context(), "deliveries", "list").want(t, exitOK, "No deliveries.", "")
}

func TestDeliveriesAreNamedInManyWays(t *testing.T) {
	t.Parallel()
	githubs := "72d3162e-cc78-11e3-81ab-4c9367dc0958"
	for name, query := range map[string]string{
		deliveryUUID.String(): "", "latest": "limit=2", "sent-1": "external_id=sent-1&limit=2", githubs: "external_id=" + githubs + "&limit=2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newDeliveryServer(t, client.RunStatusSucceeded)
			f.regrow(t.Context(), "deliveries", "show", name).want(t, exitOK, "delivery "+deliveryUUID.String()+"  ✓ accepted", "")
			if query == "" {
				return
			}
			values, err := url.ParseQuery(f.asked(t, http.MethodGet, "/api/v1/deliveries")[0].query)
			if err != nil || values.Encode() != query {
				t.Errorf("asked with %q, want %q (%v)", values.Encode(), query, err)
			}
		})
	}
}

func TestDeliveriesThatAreNotThere(t *testing.T) {
	t.Parallel()
	f := newDeliveryServer(t, client.RunStatusSucceeded)
	twice := []client.Delivery{aDelivery().Delivery, aDelivery().Delivery}
	f.answering("GET /api/v1/deliveries", http.StatusOK, client.DeliveryList{Deliveries: twice})
	f.regrow(t.Context(), "deliveries", "show", "sent-1").want(t, exitUsage, "", `several sources delivered something with the id "sent-1"; take one of: regrow deliveries list --external-id sent-1`)
	f.regrow(t.Context(), "deliveries", "show", "latest").want(t, exitOK, "✓ accepted", "")
	f.answering("GET /api/v1/deliveries", http.StatusOK, client.DeliveryList{Deliveries: []client.Delivery{}})
	for _, name := range []string{"sent-2", newerID.String(), "latest"} {
		f.regrow(t.Context(), "deliveries", "redeliver", name).want(t, exitRefused, "", "There is no delivery "+name+".\n  What to do: List what there is with regrow deliveries list.")
	}
	f.answering("GET "+deliveryPath, http.StatusServiceUnavailable, problem(http.StatusServiceUnavailable, "the database cannot be reached", ""))
	f.regrow(t.Context(), "deliveries", "show", deliveryUUID.String()).want(t, exitUnreachable, "", "The database cannot be reached.")
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	f := newDeliveryServer(t, client.RunStatusSucceeded)
	got := f.regrow(t.Context(), "deliveries", "redeliver", "latest", "--reason", "wrong branch", "--idempotency-key", "redo-1")
	got.want(t, exitOK, "is played again as "+replayUUID.String()+": accepted", "")
	got.want(t, exitOK, "Follow it with: regrow runs watch hello-world#12 --server "+f.url, "")
	f.redelivering(http.StatusOK, aReceipt())
	f.regrow(t.Context(), "deliveries", "redeliver", deliveryUUID.String()).want(t, exitOK, "was played again by the first request with this key", "")
	asked := f.asked(t, http.MethodPost, deliveryPath+"/redeliver")
	if strings.TrimSpace(asked[0].body) != `{"reason":"wrong branch"}` || asked[0].header.Get("Idempotency-Key") != "redo-1" {
		t.Errorf("asked %+v", asked[0])
	}
	if key := asked[1].header.Get("Idempotency-Key"); len(key) != 36 || strings.TrimSpace(asked[1].body) != "{}" {
		t.Errorf("without a key it should have one of its own, not %q; asked %+v", key, asked[1])
	}
	f.redelivering(http.StatusConflict, problem(http.StatusConflict, `the source "github" is not configured any more`, "configure it"))
	f.regrow(t.Context(), "deliveries", "redeliver", "latest").want(t, exitRefused, "", "is not configured any more.\n  What to do: Configure it.")
}

func TestRedeliverWaits(t *testing.T) {
	t.Parallel()
	tests := map[client.RunStatus]struct {
		code     int
		out, err string
	}{
		client.RunStatusSucceeded:  {exitOK, "✓ succeeded", ""},
		client.RunStatusFailed:     {exitFailed, "what to do\n  Create it, then retry the run.", "hello-world#12 failed in provision"},
		client.RunStatusSuperseded: {exitSuperseded, "⊘ superseded", "superseded by a newer commit"},
		client.RunStatusCancelled:  {exitCancelled, "⊘ cancelled", "hello-world#12 was cancelled"},
	}
	for status, want := range tests {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			f := newDeliveryServer(t, status)
			got := f.regrow(t.Context(), "deliveries", "redeliver", "latest", "--wait")
			got.want(t, want.code, want.out, want.err)
			got.want(t, want.code, "▸ provision      Stage provision begins.", "")
		})
	}
}

// Every run is waited for, also after one that did not succeed, and programs get
// one document.
func TestRedeliverWaitsForAllRuns(t *testing.T) {
	t.Parallel()
	f := newDeliveryServer(t, client.RunStatusFailed)
	receipt := aReceipt()
	receipt.Runs = append(receipt.Runs, aRunRef())
	f.redelivering(http.StatusCreated, receipt)
	f.streaming(func(w io.Writer, _ *http.Request) { f.end(w) })
	got := f.regrow(t.Context(), "deliveries", "redeliver", "latest", "--wait")
	if got.code != exitFailed || strings.Count(got.out, "✗ failed") != 2 {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
	got = f.regrow(t.Context(), "deliveries", "redeliver", "latest", "--wait", "--output", "json")
	var both struct {
		Receipt client.Receipt
		Runs    []client.RunDetail
	}
	if err := json.Unmarshal([]byte(got.out), &both); err != nil || len(both.Runs) != 2 || both.Receipt.Delivery != replayUUID || got.code != exitFailed {
		t.Errorf("%v, exit %d: %s%s", err, got.code, got.out, got.err)
	}
	got = f.regrow(t.Context(), "deliveries", "redeliver", "latest", "--output", "json")
	var alone client.Receipt
	if err := json.Unmarshal([]byte(got.out), &alone); err != nil || len(alone.Runs) != 2 {
		t.Errorf("%v: %s", err, got.out)
	}
}

func TestRedeliverWaitsForNothing(t *testing.T) {
	t.Parallel()
	f := newDeliveryServer(t, client.RunStatusSucceeded)
	event := client.Receipt{Status: client.ReceiptStatusAccepted, Delivery: replayUUID, Runs: []client.RunRef{}, Mismatches: []client.Mismatch{}, Woken: 2}
	f.redelivering(http.StatusCreated, event)
	f.regrow(t.Context(), "deliveries", "redeliver", "latest", "--wait").want(t, exitOK, "2 runs look at Octopus again.", "")
	ignored := client.Receipt{Status: client.ReceiptStatusIgnored, Delivery: replayUUID, Runs: []client.RunRef{}, Mismatches: []client.Mismatch{}, Reason: "no pipeline takes it"}
	f.redelivering(http.StatusCreated, ignored)
	f.regrow(t.Context(), "deliveries", "redeliver", "latest").want(t, exitOK, ": ignored\n  No pipeline takes it.", "")
	f.regrow(t.Context(), "deliveries", "redeliver", "latest", "--wait").want(t, exitFailed, "", "nothing was started that could be waited for: no pipeline takes it")
}

func TestRedeliverTimesOut(t *testing.T) {
	t.Parallel()
	f := newDeliveryServer(t, client.RunStatusSucceeded)
	f.streaming(hang(func() {}))
	f.regrow(t.Context(), "deliveries", "redeliver", "latest", "--wait", "--timeout", "300ms").
		want(t, exitTimeout, "is played again", "--timeout passed: hello-world#12 goes on")
}
