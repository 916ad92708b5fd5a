package webhook_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"unicode/utf8"

	"regrow/internal/webhook"
)

// checkReceive signs nothing itself: it asserts what holds for every request,
// whatever is in it.
func checkReceive(t *testing.T, receiver *webhook.Receiver, request webhook.Request, secret string) {
	t.Helper()
	delivery, err := receiver.Receive(request)
	if err != nil {
		refused, ok := errors.AsType[*webhook.Error](err)
		if !ok || refused.Reason == "" || refused.Message == "" || refused.Reason == webhook.Unauthorized {
			t.Fatalf("a request that was signed is refused with %T %+v", err, err)
		}
		return
	}
	switch {
	case delivery.ID == "" || delivery.Event == "":
		t.Errorf("no id or no event: %+v", delivery)
	case !json.Valid(delivery.Body) || !utf8.Valid(delivery.Body):
		t.Errorf("the body to store is not JSON: %q", delivery.Body)
	case bytes.Contains(delivery.Body, []byte(secret)):
		t.Errorf("the body to store holds the secret: %s", delivery.Body)
	}
	if ways := count(delivery.Commits != nil, delivery.Target != nil, delivery.Ignored != ""); ways != 1 {
		t.Errorf("%d of commits, target and ignored are set, want one: %+v", ways, delivery)
	}
	for _, commit := range delivery.Commits {
		if commit.Repository == "" || commit.Branch() == "" || len(commit.SHA) < 7 {
			t.Errorf("a commit lacks what runs need: %+v", commit)
		}
	}
	// What is stored of it is enough to read it again.
	again, err := receiver.Reread(receiver.StoredHeaders(request.Header), delivery.Body)
	if err != nil || !reflect.DeepEqual(again, delivery) {
		t.Errorf("stored and read again it is %+v (%v), want %+v", again, err, delivery)
	}
}

func count(conditions ...bool) (n int) {
	for _, condition := range conditions {
		if condition {
			n++
		}
	}
	return n
}

// addSamples adds every sample of all senders, whole and cut in the middle.
func addSamples(f *testing.F, add func(body []byte)) {
	f.Helper()
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) == 0 {
		f.Fatalf("found the samples %v: %v", names, err)
	}
	for _, name := range names {
		body := sample(f, filepath.Base(name))
		add(body)
		add(body[:len(body)/2])
	}
	add([]byte(`{"ref":"a","ref":"b"}`))
	add([]byte(`{"a":"\ud800","\u0000":[[[[-0e+1]]]]}`))
	add([]byte("{\"a\":\"\xff\"}"))
	add([]byte(`{"` + gitHubSecret + `":["` + standardSecret + `","` + octopusSecret + `"]} x`))
	add([]byte("payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D&payload"))
}

func FuzzReceiveGitHub(f *testing.F) {
	addSamples(f, func(body []byte) {
		f.Add("push", "application/json", body)
		f.Add("ping", "application/x-www-form-urlencoded; charset=utf-8", append([]byte("payload="), body...))
	})
	receiver := gitHubReceiver(f)
	f.Fuzz(func(t *testing.T, event, media string, body []byte) {
		request := gitHubRequest(event, body)
		request.Header.Set("Content-Type", media)
		checkReceive(t, receiver, request, gitHubSecret)
	})
}

func FuzzReceiveGeneric(f *testing.F) {
	addSamples(f, func(body []byte) { f.Add(body) })
	receiver := genericReceiver(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		checkReceive(t, receiver, genericRequest(t, body), standardSecret)
	})
}

func FuzzReceiveOctopus(f *testing.F) {
	addSamples(f, func(body []byte) { f.Add(body) })
	receiver := octopusReceiver(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		checkReceive(t, receiver, octopusRequest(body), octopusSecret)
	})
}

// FuzzReceiveUnsigned shows that nothing gets in without the secret.
func FuzzReceiveUnsigned(f *testing.F) {
	addSamples(f, func(body []byte) { f.Add("v1,c2lnbmF0dXJl", body) })
	f.Add("sha256=", []byte("{}"))
	receivers := []*webhook.Receiver{gitHubReceiver(f), genericReceiver(f), octopusReceiver(f)}
	f.Fuzz(func(t *testing.T, proof string, body []byte) {
		request := genericRequest(t, body)
		for _, name := range []string{"X-Hub-Signature-256", "Webhook-Signature", webhook.DefaultHeaderKey} {
			request.Header.Set(name, proof)
		}
		for _, receiver := range receivers {
			mustRefuse(t, receiver, request, refusal{reason: webhook.Unauthorized})
		}
	})
}
