package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"regrow/internal/client"
)

func TestPushStartsARunOfEachPipelineThatTakesIt(t *testing.T) {
	t.Parallel()
	s := serve(t)
	receipt := as[client.Receipt](t, s.send(s.github(push{id: "d-1", message: "Sell more"})).want(t, http.StatusAccepted))
	if receipt.Status != client.ReceiptStatusAccepted || len(receipt.Runs) != 2 || len(receipt.Mismatches) != 0 {
		t.Fatalf("got %+v, want two runs", receipt)
	}
	for i, name := range []string{"shop", "preview"} {
		if run := receipt.Runs[i]; run.Pipeline != name || run.Number != 1 || run.Status != client.RunStatusRunning {
			t.Errorf("run %d is %+v, want the first one of %q, running", i, run, name)
		}
	}
	stored, err := s.store.GetDelivery(t.Context(), receipt.Delivery)
	if err != nil {
		t.Fatal(err)
	}
	if stored.ExternalID != "d-1" || stored.Source != "github" || stored.Event != "push" || stored.Outcome != "accepted" {
		t.Errorf("the stored delivery is %+v", stored)
	}
	if !bytes.Contains(stored.Body, []byte("Sell more")) {
		t.Errorf("the stored body is %s", stored.Body)
	}
}

func TestPushTellsWhichRuleDidNotMatch(t *testing.T) {
	t.Parallel()
	s := serve(t)
	partly := as[client.Receipt](t, s.send(s.github(push{id: "release", ref: "refs/heads/release/1"})).want(t, http.StatusAccepted))
	if len(partly.Runs) != 1 || len(partly.Mismatches) != 1 || partly.Mismatches[0].Pipeline != "preview" || partly.Mismatches[0].Rule != "branch" {
		t.Errorf("got %+v, want a run of shop and the branch rule of preview", partly)
	}
	tests := map[string]struct {
		push push
		rule string
	}{
		"branch":     {push{ref: "refs/heads/topic"}, "branch"},
		"repository": {push{repository: "evil/shop"}, "repository"},
	}
	for name, test := range tests {
		test.push.id = name
		receipt := as[client.Receipt](t, s.send(s.github(test.push)).want(t, http.StatusOK))
		if receipt.Status != client.ReceiptStatusIgnored || len(receipt.Runs) != 0 || len(receipt.Mismatches) != 2 || receipt.Reason == "" {
			t.Errorf("%s: got %+v, want it ignored by two pipelines", name, receipt)
			continue
		}
		if got := receipt.Mismatches[0].Rule; got != test.rule {
			t.Errorf("%s: the rule is %q, want %q", name, got, test.rule)
		}
	}
}

func TestWhatStartsNothingIsStoredWithTheReason(t *testing.T) {
	t.Parallel()
	s := serve(t)
	deleted := strings.Replace(push{}.body(), `"deleted":false`, `"deleted":true`, 1)
	deleted = strings.Replace(deleted, `"after":"`+sha('a'), `"after":"`+sha('0'), 1)
	tests := map[string]struct{ source, event, body string }{
		"ping":           {"github", "ping", `{"zen":"Keep it logically awesome.","hook_id":1}`},
		"unknown event":  {"github", "star", `{"action":"created"}`},
		"tag":            {"github", "push", push{ref: "refs/tags/v1"}.body()},
		"deleted branch": {"github", "push", deleted},
		"no pipeline":    {"lonely", "push", push{}.body()},
	}
	for id, test := range tests {
		request := s.request(http.MethodPost, "/webhooks/"+test.source, test.body)
		signGitHub(request, strings.ReplaceAll(id, " ", "-"), test.event, test.body)
		receipt := as[client.Receipt](t, s.send(request).want(t, http.StatusOK))
		if receipt.Status != client.ReceiptStatusIgnored || receipt.Reason == "" {
			t.Errorf("%s: got %+v, want it ignored with a reason", id, receipt)
		}
		if stored, err := s.store.GetDelivery(t.Context(), receipt.Delivery); err != nil || stored.Outcome != "ignored" || stored.Reason != receipt.Reason {
			t.Errorf("%s: stored %+v, %v", id, stored, err)
		}
	}
	if n := s.count("runs"); n != 0 {
		t.Errorf("there are %d runs, want none", n)
	}
}

func TestFormEncodedPush(t *testing.T) {
	t.Parallel()
	s := serve(t)
	form := url.Values{"payload": {push{}.body()}}.Encode()
	request := s.request(http.MethodPost, "/webhooks/github", form)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signGitHub(request, "form", "push", form)
	receipt := as[client.Receipt](t, s.send(request).want(t, http.StatusAccepted))
	stored, err := s.store.GetDelivery(t.Context(), receipt.Delivery)
	if err != nil || !json.Valid(stored.Body) {
		t.Errorf("the stored body is %s (%v), want JSON", stored.Body, err)
	}
}

func TestRefusedWebhooksAreNotStored(t *testing.T) {
	t.Parallel()
	s := serve(t)
	now := time.Now()
	commit := fmt.Sprintf(`{"repository":"acme/shop","ref":"refs/heads/main","commit":%q,"version":"1.2.3"}`, sha('b'))
	with := func(r *http.Request, name, value string) *http.Request {
		r.Header.Set(name, value)
		return r
	}
	without := func(r *http.Request, name string) *http.Request {
		r.Header.Del(name)
		return r
	}
	large := func() *http.Request {
		body := `{"x":"` + strings.Repeat("x", 5000) + `"}`
		r := s.request(http.MethodPost, "/webhooks/github", body)
		signGitHub(r, "large", "push", body)
		return r
	}
	broken := func() *http.Request {
		body := strings.Replace(push{}.body(), `"refs/heads/main"`, "7", 1)
		r := s.request(http.MethodPost, "/webhooks/github", body)
		signGitHub(r, "broken", "push", body)
		return r
	}
	tests := map[string]struct {
		request *http.Request
		kind    kind
	}{
		"wrong signature":     {with(s.github(push{id: "1"}), "X-Hub-Signature-256", "sha256="+sha('c')), unauthorized},
		"no signature":        {without(s.github(push{id: "1"}), "X-Hub-Signature-256"), unauthorized},
		"replayed":            {s.generic("1", now.Add(-time.Hour), commit), unauthorized},
		"from the future":     {s.generic("1", now.Add(time.Hour), commit), unauthorized},
		"wrong octopus value": {with(s.octopus("Events-1"), "X-Hook", "guess"), unauthorized},
		"no id":               {without(s.github(push{id: "1"}), "X-GitHub-Delivery"), badRequest},
		"malformed":           {broken(), badRequest},
		"U+0000":              {s.github(push{id: "1", message: "a\x00b"}), badRequest},
		"unknown source":      {s.request(http.MethodPost, "/webhooks/nobody", "{}"), notFound},
		"GET":                 {s.request(http.MethodGet, "/webhooks/github", ""), methodNotAllowed},
		"GET, unknown source": {s.request(http.MethodGet, "/webhooks/nobody", ""), methodNotAllowed},
		"XML":                 {with(s.github(push{id: "1"}), "Content-Type", "application/xml"), unsupportedMedia},
		"too large":           {large(), tooLarge},
	}
	for name, test := range tests {
		got := s.send(test.request).problem(t, test.kind)
		if got.Instance != test.request.URL.Path || got.RequestID == "" {
			t.Errorf("%s: the problem is %+v, want it to name the request", name, got)
		}
		if test.kind == badRequest && name == "malformed" && (len(got.Errors) == 0 || got.Errors[0].Pointer != "#/ref") {
			t.Errorf("%s: the places are %+v, want #/ref", name, got.Errors)
		}
	}
	if n := s.count("deliveries"); n != 0 {
		t.Errorf("%d refused deliveries are stored", n)
	}
}

func TestTooLargeBodyIsNotReadToItsEnd(t *testing.T) {
	t.Parallel()
	s := serve(t)
	// Without the checked transport, which reads bodies whole.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/webhooks/github", endlessReader{})
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d, want 413", response.StatusCode)
	}
}

// endlessReader is a body without an end.
type endlessReader struct{}

func (endlessReader) Read(p []byte) (int, error) { return len(p), nil }

func TestDuplicateIsAnsweredWithTheFirstDelivery(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := as[client.Receipt](t, s.send(s.github(push{id: "same"})).want(t, http.StatusAccepted))
	again := as[client.Receipt](t, s.send(s.github(push{id: "same"})).want(t, http.StatusOK))
	if again.Status != client.ReceiptStatusDuplicate || again.Delivery != first.Delivery || again.Reason != "" {
		t.Errorf("got %+v, want a duplicate of %s", again, first.Delivery)
	}
	if !slices.EqualFunc(again.Runs, first.Runs, func(a, b client.RunRef) bool { return a.ID == b.ID }) && len(again.Runs) != len(first.Runs) {
		t.Errorf("the duplicate's runs are %+v, want those of the first, %+v", again.Runs, first.Runs)
	}
	other := as[client.Receipt](t, s.send(s.github(push{id: "same", sha: sha('d')})).want(t, http.StatusOK))
	if other.Status != client.ReceiptStatusDuplicate || !strings.Contains(other.Reason, "another body") {
		t.Errorf("got %+v, want the other body noted", other)
	}
	stored, err := s.store.GetDelivery(t.Context(), first.Delivery)
	if err != nil || stored.Duplicates != 2 {
		t.Errorf("counted %d duplicates (%v), want 2", stored.Duplicates, err)
	}
	if n := s.count("runs"); n != 2 {
		t.Errorf("there are %d runs, want those of the first delivery", n)
	}
}

func TestDuplicatesAtOnceCreateOneRunPerPipeline(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const senders = 8
	receipts := make([]client.Receipt, senders)
	statuses := make([]int, senders)
	var group sync.WaitGroup
	for i := range senders {
		request := s.github(push{id: "storm"})
		group.Go(func() {
			got := s.send(request)
			statuses[i] = got.status
			receipts[i] = as[client.Receipt](t, got)
		})
	}
	group.Wait()
	accepted := 0
	for i, receipt := range receipts {
		if receipt.Delivery != receipts[0].Delivery || len(receipt.Runs) != 2 {
			t.Errorf("got %+v, want the one delivery and its two runs", receipt)
		}
		if statuses[i] == http.StatusAccepted {
			accepted++
		} else if receipt.Status != client.ReceiptStatusDuplicate {
			t.Errorf("got %d with %q", statuses[i], receipt.Status)
		}
	}
	if accepted != 1 || s.count("runs") != 2 || s.count("deliveries") != 1 {
		t.Errorf("%d accepted, %d runs, %d deliveries; want 1, 2, 1", accepted, s.count("runs"), s.count("deliveries"))
	}
}

func TestTheSameIDFromAnotherSourceIsAnotherDelivery(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.send(s.github(push{id: "7"})).want(t, http.StatusAccepted)
	commit := fmt.Sprintf(`{"repository":"acme/shop","branch":"main","commit":%q,"version":"1.2.3"}`, sha('b'))
	receipt := as[client.Receipt](t, s.send(s.generic("7", time.Now(), commit)).want(t, http.StatusAccepted))
	if len(receipt.Runs) != 1 || receipt.Runs[0].Pipeline != "build" {
		t.Errorf("got %+v, want a run of build", receipt)
	}
}

func TestOctopusEventWakesRunsOfItsServer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	idle := as[client.Receipt](t, s.send(s.octopus("Events-1")).want(t, http.StatusAccepted))
	if idle.Woken != 0 || idle.Status != client.ReceiptStatusAccepted {
		t.Errorf("got %+v, want nothing woken", idle)
	}
	s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)
	receipt := as[client.Receipt](t, s.send(s.octopus("Events-2")).want(t, http.StatusAccepted))
	if receipt.Woken != 2 || len(receipt.Runs) != 0 {
		t.Errorf("got %+v, want two runs woken", receipt)
	}
	s.send(s.octopus("Events-2")).want(t, http.StatusOK)
	var wakes int
	if err := s.pool.QueryRow(t.Context(), "select sum(wakes) from runs").Scan(&wakes); err != nil || wakes != 2 {
		t.Errorf("runs were woken %d times (%v), want 2: the repeated event wakes nothing", wakes, err)
	}
}

func TestRateCountsOnlyVerifiedDeliveries(t *testing.T) {
	t.Parallel()
	s := serve(t)
	deliver := func(id string, genuine bool) answer {
		request := s.request(http.MethodPost, "/webhooks/lonely", push{}.body())
		signGitHub(request, id, "push", push{}.body())
		if !genuine {
			request.Header.Set("X-Hub-Signature-256", "sha256="+sha('e'))
		}
		return s.send(request)
	}
	for range 5 {
		deliver("forged", false).problem(t, unauthorized)
	}
	deliver("1", true).want(t, http.StatusOK)
	deliver("2", true).want(t, http.StatusOK)
	limited := deliver("3", true)
	limited.problem(t, tooManyRequests)
	if limited.header.Get("Retry-After") == "" {
		t.Error("429 does not say when to come again")
	}
	if n := s.count("deliveries"); n != 2 {
		t.Errorf("%d deliveries are stored, want 2", n)
	}
}

func TestBodyThatDoesNotArriveIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) { d.Timing.Body = 20 * time.Millisecond })
	reader, writer := io.Pipe() // a body that never comes
	t.Cleanup(func() { writer.Close() })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/webhooks/github", reader)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %d, want 408", response.StatusCode)
	}
}
