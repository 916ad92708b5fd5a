package webhook_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"regrow/internal/webhook"
)

const (
	gitHubSecret   = "hub-secret-93ac5e"
	standardSecret = "whsec_cmVncm93LXRlc3RzLXNpZ24td2l0aC10aGlzLWtleQ=="
	octopusSecret  = "octo-secret-7d1f"
)

// received is when every request of these tests arrives.
var received = time.Date(2025, 3, 9, 14, 21, 0, 0, time.UTC)

// tb is what testing.TB and rapid.T have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newReceiver(t tb, source webhook.Source) *webhook.Receiver {
	t.Helper()
	if source.Name == "" {
		source.Name = "test"
	}
	receiver, err := webhook.New(source)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return receiver
}

func gitHubReceiver(t tb) *webhook.Receiver {
	return newReceiver(t, webhook.Source{Kind: webhook.GitHub, Secret: gitHubSecret})
}

func genericReceiver(t tb) *webhook.Receiver {
	return newReceiver(t, webhook.Source{Kind: webhook.Generic, Secret: standardSecret})
}

func octopusReceiver(t tb) *webhook.Receiver {
	return newReceiver(t, webhook.Source{Kind: webhook.Octopus, Secret: octopusSecret})
}

func gitHubRequest(event string, body []byte) webhook.Request {
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "GitHub-Hookshot/5d1c0aa")
	h.Set("X-GitHub-Event", event)
	h.Set("X-GitHub-Delivery", "5b0c7a30-fcf1-11ef-8f3e-2a4d7c9e6b10")
	h.Set("X-Hub-Signature-256", webhook.SignGitHub(gitHubSecret, body))
	return webhook.Request{Header: h, Body: body, Received: received}
}

func genericRequest(t tb, body []byte) webhook.Request {
	t.Helper()
	return genericRequestAt(t, body, received)
}

func genericRequestAt(t tb, body []byte, signed time.Time) webhook.Request {
	t.Helper()
	signature, err := webhook.SignStandard(standardSecret, "build-118", signed, body)
	if err != nil {
		t.Fatalf("SignStandard: %v", err)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("Webhook-Id", "build-118")
	h.Set("Webhook-Timestamp", strconv.FormatInt(signed.Unix(), 10))
	h.Set("Webhook-Signature", signature)
	return webhook.Request{Header: h, Body: body, Received: received}
}

func octopusRequest(body []byte) webhook.Request {
	h := http.Header{}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set(webhook.DefaultHeaderKey, octopusSecret)
	return webhook.Request{Header: h, Body: body, Received: received}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// edited returns a sample in which the text old, which has to be there once, is
// replaced.
func edited(t testing.TB, name, old, with string) []byte {
	t.Helper()
	body := string(sample(t, name))
	if n := strings.Count(body, old); n != 1 {
		t.Fatalf("%s holds %q %d times, want once", name, old, n)
	}
	return []byte(strings.Replace(body, old, with, 1))
}

func mustReceive(t tb, receiver *webhook.Receiver, request webhook.Request) webhook.Delivery {
	t.Helper()
	delivery, err := receiver.Receive(request)
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return delivery
}

// refusal is what an error is expected to be.
type refusal struct {
	reason  webhook.Reason
	pointer string
	// text is a part of the message.
	text string
}

func mustRefuse(t tb, receiver *webhook.Receiver, request webhook.Request, want refusal) {
	t.Helper()
	delivery, err := receiver.Receive(request)
	if err == nil {
		t.Fatalf("accepted as %+v, want an error with reason %q", delivery, want.reason)
	}
	refused, ok := errors.AsType[*webhook.Error](err)
	if !ok {
		t.Fatalf("got a %T, want a *webhook.Error: %v", err, err)
	}
	if refused.Reason != want.reason || refused.Pointer != want.pointer || !strings.Contains(refused.Message, want.text) {
		t.Fatalf("got reason %q at %q: %s\nwant reason %q at %q with %q in the message",
			refused.Reason, refused.Pointer, refused.Message, want.reason, want.pointer, want.text)
	}
	for _, secret := range []string{gitHubSecret, standardSecret, octopusSecret} {
		if strings.Contains(err.Error(), secret) {
			t.Fatalf("the error tells the secret: %v", err)
		}
	}
}

func mustMarshal(t tb, value any) []byte {
	t.Helper()
	body, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("Marshal: %v", err)
	}
	return body
}
