package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"regrow/internal/webhook"
)

// What is examined is what is received: whoever is trusted, an examination ends
// as the receipt does.
func TestExaminingEndsAsReceivingDoes(t *testing.T) {
	t.Parallel()
	receivers := map[string]*webhook.Receiver{
		"github": gitHubReceiver(t), "generic": genericReceiver(t), "octopus": octopusReceiver(t),
		"small": newReceiver(t, webhook.Source{Kind: webhook.GitHub, Secret: gitHubSecret, MaxBody: 300}),
	}
	rapid.Check(t, func(t *rapid.T) {
		receiver := receivers[rapid.SampledFrom([]string{"github", "generic", "octopus", "small"}).Draw(t, "receiver")]
		request := anyRequest(t)
		x := receiver.Examine(request)
		want, err := receiver.Receive(request)
		first := x.Untrusted
		if first == nil {
			first = x.Refused
		}
		if why(first) != why(err) {
			t.Fatalf("examined: %v, received: %v", first, err)
		}
		if err == nil && !reflect.DeepEqual(x.Delivery, want) {
			t.Fatalf("examined: %+v, received: %+v", x.Delivery, want)
		}
		if err == nil {
			again, err := receiver.Reread(receiver.StoredHeaders(request.Header), want.Body)
			if err != nil || !reflect.DeepEqual(again, want) {
				t.Fatalf("stored and read again: %+v (%v), received: %+v", again, err, want)
			}
		}
		if x.Unsigned && x.Untrusted == nil {
			t.Fatal("unsigned, and yet trusted")
		}
	})
}

// why is all that an error tells a sender.
func why(err error) string {
	if refused, ok := errors.AsType[*webhook.Error](err); ok {
		return fmt.Sprint(*refused)
	}
	return fmt.Sprint(err)
}

// anyRequest draws a request that is right, or wrong in one way or several.
func anyRequest(t *rapid.T) webhook.Request {
	body := mustMarshal(t, map[string]any{
		"ref":        rapid.SampledFrom([]string{"refs/heads/main", "refs/tags/v1", ""}).Draw(t, "ref"),
		"after":      "4f0b1c5a9d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a",
		"repository": map[string]any{"full_name": "acme/shop"},
	})
	kinds := map[string]func() webhook.Request{
		"github": func() webhook.Request {
			return gitHubRequest(rapid.SampledFrom([]string{"push", "ping"}).Draw(t, "event"), body)
		},
		"generic": func() webhook.Request { return genericRequest(t, body) },
		"octopus": func() webhook.Request { return octopusRequest(body) },
		"stored commit": func() webhook.Request {
			return genericRequest(t, mustMarshal(t, map[string]any{
				"repository": "acme/shop", "branch": "main", "commit": "4f0b1c5a9d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a",
			}))
		},
	}
	request := kinds[rapid.SampledFrom([]string{"github", "generic", "octopus", "stored commit"}).Draw(t, "kind")]()
	for name := range request.Header {
		if rapid.IntRange(0, 9).Draw(t, "drop "+name) == 0 {
			request.Header.Del(name)
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "forge") == 0 {
		request.Body = append(slices.Clone(request.Body), ' ')
	}
	return request
}

func TestExamineTellsUnsignedFromForged(t *testing.T) {
	t.Parallel()
	push := sample(t, "github_push.json")
	forged := gitHubRequest("push", push)
	forged.Header.Set("X-Hub-Signature-256", "sha256=00")
	unsigned := gitHubRequest("push", push)
	unsigned.Header.Del("X-Hub-Signature-256")
	late := genericRequestAt(t, []byte(`{}`), received.Add(-webhook.DefaultTolerance*2))
	tests := map[string]struct {
		receiver            *webhook.Receiver
		request             webhook.Request
		untrusted, unsigned bool
		refused             bool
	}{
		"valid":             {gitHubReceiver(t), gitHubRequest("push", push), false, false, false},
		"forged":            {gitHubReceiver(t), forged, true, false, false},
		"unsigned":          {gitHubReceiver(t), unsigned, true, true, false},
		"too late":          {genericReceiver(t), late, true, false, true},
		"without a token":   {octopusReceiver(t), webhook.Request{Header: http.Header{}, Body: []byte(`{}`)}, true, true, true},
		"too large to tell": {newReceiver(t, webhook.Source{Kind: webhook.GitHub, Secret: gitHubSecret, MaxBody: 1}), unsigned, false, false, true},
	}
	for name, test := range tests {
		x := test.receiver.Examine(test.request)
		if (x.Untrusted != nil) != test.untrusted || x.Unsigned != test.unsigned || (x.Refused != nil) != test.refused {
			t.Errorf("%s: untrusted %v, unsigned %v, refused %v", name, x.Untrusted, x.Unsigned, x.Refused)
		}
		if x.Refused == nil && len(x.Delivery.Commits) != 1 {
			t.Errorf("%s: it says %+v", name, x.Delivery)
		}
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	given := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	tests := map[string]struct {
		receiver *webhook.Receiver
		header   http.Header
		event    string
		want     http.Header
		assumed  []string
	}{
		"a saved push": {
			gitHubReceiver(t), nil, "",
			given("Content-Type", "application/json", "X-GitHub-Event", "push", "X-GitHub-Delivery", "id-1"),
			[]string{"Content-Type", "X-GitHub-Event", "X-GitHub-Delivery"},
		},
		"a saved ping": {
			gitHubReceiver(t), given("content-type", "application/json"), "ping",
			given("Content-Type", "application/json", "X-GitHub-Event", "ping", "X-GitHub-Delivery", "id-1"),
			[]string{"X-GitHub-Delivery"},
		},
		"what claims to be GitHub's": {
			gitHubReceiver(t), given("X-Hub-Signature-256", "sha256=00"), "", given("X-Hub-Signature-256", "sha256=00"), nil,
		},
		"what is given stays": {
			gitHubReceiver(t), given("X-GitHub-Event", "ping", "X-GitHub-Delivery", "mine", "Content-Type", "text/plain"), "push",
			given("X-GitHub-Event", "ping", "X-GitHub-Delivery", "mine", "Content-Type", "text/plain"), nil,
		},
		"a build server's": {
			genericReceiver(t), nil, "push", given("Content-Type", "application/json", "Webhook-Id", "id-1"), []string{"Content-Type", "webhook-id"},
		},
		"an event of Octopus": {octopusReceiver(t), nil, "", http.Header{}, nil},
	}
	for name, test := range tests {
		got, assumed := test.receiver.Complete(test.header, test.event, "id-1")
		if !reflect.DeepEqual(got, test.want) || !slices.Equal(assumed, test.assumed) {
			t.Errorf("%s: got %v with %q assumed, want %v with %q", name, got, assumed, test.want, test.assumed)
		}
	}
	if !gitHubReceiver(t).NamesEvent() || genericReceiver(t).NamesEvent() || octopusReceiver(t).NamesEvent() {
		t.Error("GitHub alone names the event in a header")
	}
}
