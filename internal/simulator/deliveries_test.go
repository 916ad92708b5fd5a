package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"regrow/internal/simulator"
)

func newReceiver(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// delivery is what a receiver of a subscription reads.
type delivery struct {
	EventType string
	Payload   struct {
		BatchID            string `json:"BatchId"`
		TotalEventsInBatch int
		EventNumberInBatch int
		Subscription       struct {
			EventNotificationSubscription struct{ WebhookHeaderValue any }
		}
		Event struct {
			ID                 string `json:"Id"`
			Category           string
			RelatedDocumentIDs []string `json:"RelatedDocumentIds"`
		}
	}
}

// inbox records deliveries and answers them as it is told.
type inbox struct {
	mu       sync.Mutex
	received []delivery
	secrets  []string
	answer   func(d delivery, number int) int // status for the n-th request, from 1
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	var d delivery
	if err := json.Unmarshal(data, &d); err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	b.received = append(b.received, d)
	b.secrets = append(b.secrets, r.Header.Get("X-Octopus-Secret"))
	status := 202
	if b.answer != nil {
		status = b.answer(d, len(b.received))
	}
	w.WriteHeader(status)
}

func (b *inbox) categories() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, d := range b.received {
		list = append(list, d.Payload.Event.Category)
	}
	return list
}

var deploymentEvents = []string{"DeploymentQueued", "DeploymentStarted", "DeploymentSucceeded"}

func listening(t *testing.T, switches simulator.Switches, answer func(delivery, int) int) (*world, *inbox) {
	t.Helper()
	b := &inbox{answer: answer}
	url := newReceiver(t, b.ServeHTTP)
	w := newWorld(t, simulator.Options{Switches: switches}, simulator.HelloWorldOptions{SubscriptionURL: url, SubscriptionSecret: "hush", Categories: deploymentEvents})
	return w, b
}

func TestDeliveriesInABatch(t *testing.T) {
	t.Parallel()
	w, b := listening(t, simulator.Switches{}, nil)
	w.deploy(w.scene.ReleaseID, nil)
	w.Advance(time.Minute)
	if got := b.categories(); !slices.Equal(got, deploymentEvents) {
		t.Fatalf("expected the events of a deployment in order, got %v", got)
	}
	for i, d := range b.received {
		if d.EventType != "SubscriptionPayload" || d.Payload.BatchID != b.received[0].Payload.BatchID || d.Payload.TotalEventsInBatch != 3 || d.Payload.EventNumberInBatch != i+1 {
			t.Errorf("expected number %d of a batch of 3, got %+v", i+1, d)
		}
		if !strings.HasPrefix(d.Payload.Event.RelatedDocumentIDs[0], "Deployments-") {
			t.Errorf("expected the deployment first, got %v", d.Payload.Event.RelatedDocumentIDs)
		}
		if b.secrets[i] != "hush" || d.Payload.Subscription.EventNotificationSubscription.WebhookHeaderValue != nil {
			t.Errorf("expected the secret in the header and nowhere else, got %q and %v", b.secrets[i], d.Payload.Subscription)
		}
	}
	w.Advance(5 * time.Minute)
	if got := b.categories(); len(got) != 3 {
		t.Errorf("expected nothing more, got %v", got)
	}
}

func TestFailingDeliveryAbortsTheBatch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		switches simulator.Switches
		answer   func(delivery, int) int
		want     string
		lost     int
	}{
		"a failure for good loses the rest": {simulator.Switches{}, func(delivery, int) int { return 500 }, "Queued Queued Queued", 2},
		"repeated until it works": {simulator.Switches{}, func(_ delivery, n int) int {
			if n < 3 {
				return 503
			}
			return 200
		}, "Queued Queued Queued Started Succeeded", 0},
		"only timeouts are repeated":     {simulator.Switches{WebhookRetryTimeoutsOnly: true}, func(delivery, int) int { return 500 }, "Queued", 2},
		"redirects are no success":       {simulator.Switches{WebhookAttempts: 1}, func(delivery, int) int { return 307 }, "Queued", 2},
		"a server that does not give up": {simulator.Switches{WebhookAttempts: 1, WebhookContinueAfterFailure: true}, func(delivery, int) int { return 500 }, "Queued Started Succeeded", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := listening(t, test.switches, test.answer)
			w.deploy(w.scene.ReleaseID, nil)
			w.Advance(5 * time.Minute)
			if got := strings.ReplaceAll(strings.Join(b.categories(), " "), "Deployment", ""); got != test.want {
				t.Errorf("expected %s, got %s", test.want, got)
			}
			if got := len(w.JournalOf(simulator.WebhookLost)); got != test.lost {
				t.Errorf("expected %d lost events, got %d", test.lost, got)
			}
		})
	}
}

// A receiver that answers too late is called again for the same event.
func TestSlowReceiver(t *testing.T) {
	t.Parallel()
	first := true
	received := []string{}
	var mu sync.Mutex
	url := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		var d delivery
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		mu.Lock()
		slow := first
		first = false
		received = append(received, d.Payload.Event.ID)
		mu.Unlock()
		if slow {
			<-r.Context().Done() // until the sender gives up
		}
	})
	w := newWorld(t, simulator.Options{Switches: simulator.Switches{WebhookTimeout: 20 * time.Millisecond}},
		simulator.HelloWorldOptions{SubscriptionURL: url, Categories: []string{"DeploymentQueued"}})
	w.deploy(w.scene.ReleaseID, nil)
	w.Advance(time.Minute)
	mu.Lock()
	defer mu.Unlock()
	// On a busy machine the second answer may come too late as well.
	if len(received) < 2 || len(slices.Compact(received)) != 1 {
		t.Errorf("expected the same event again, got %v", received)
	}
}

func TestDisturbedDeliveries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault simulator.DeliveryFault
		want  string
	}{
		"lost":     {simulator.DeliveryFault{Action: simulator.LoseDelivery, Categories: []string{"DeploymentStarted"}}, "Queued Succeeded"},
		"doubled":  {simulator.DeliveryFault{Action: simulator.DoubleDelivery, Match: func(c string) bool { return c == "DeploymentSucceeded" }}, "Queued Started Succeeded Succeeded"},
		"delayed":  {simulator.DeliveryFault{Action: simulator.DelayDelivery, Delay: time.Minute, Times: 1}, "Started Succeeded Queued"},
		"reversed": {simulator.DeliveryFault{Action: simulator.ReverseDeliveries}, "Succeeded Started Queued"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := listening(t, simulator.Switches{}, nil)
			if _, err := w.Faults().Disturb(test.fault); err != nil {
				t.Fatal(err)
			}
			w.deploy(w.scene.ReleaseID, nil)
			w.Advance(3 * time.Minute)
			if got := strings.ReplaceAll(strings.Join(b.categories(), " "), "Deployment", ""); got != test.want {
				t.Errorf("expected %s, got %s", test.want, got)
			}
		})
	}
}

// Both notations of the secret are taken, null lists too, and it stays out of every answer.
func TestSubscriptionDocuments(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string]any{"text": "hush-hush", "object": object{"HasValue": true, "NewValue": "hush-hush"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newServer(t, simulator.Options{})
			created := w.call(http.MethodPost, "/api/Spaces-1/subscriptions", object{"Name": "s", "EventNotificationSubscription": object{
				"Filter": object{"EventCategories": nil}, "WebhookURI": "http://127.0.0.1:9/", "WebhookHeaderKey": "X-Token", "WebhookHeaderValue": secret}}, 201)
			id := created["Id"].(string)
			created["Name"] = "renamed"
			updated := w.call(http.MethodPut, "/api/Spaces-1/subscriptions/"+id, created, 200)
			for _, shown := range []any{created, updated, w.get("/api/Spaces-1/subscriptions/" + id)} {
				text, err := json.Marshal(shown)
				if err != nil || strings.Contains(string(text), "hush-hush") || !strings.Contains(string(text), `"EventCategories":[]`) {
					t.Errorf("expected empty lists and no secret, got %s (%v)", text, err)
				}
			}
			w.call(http.MethodDelete, "/api/Spaces-1/subscriptions/"+id, nil, 200)
			w.call(http.MethodGet, "/api/Spaces-1/subscriptions/"+id, nil, 404)
		})
	}
}

// A subscription's secret outlives PUTs that do not mention it, and is gone after those that empty it.
func TestSubscriptionsKeepTheirSecret(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value any
		kept  bool
	}{
		"null":                 {nil, true},
		"no word about it":     {"absent", true},
		"an object without it": {object{"HasValue": true, "NewValue": nil, "Hint": nil}, true},
		"another":              {"other", false},
		"another in an object": {object{"HasValue": true, "NewValue": "other"}, false},
		"nothing":              {"", false},
		"nothing in an object": {object{"HasValue": false, "NewValue": nil}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secrets := make(chan string, 100)
			receiver := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) { secrets <- r.Header.Get("X-Octopus-Secret") })
			w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{SubscriptionURL: receiver, SubscriptionSecret: "first", Categories: []string{"MachineDisabled"}})
			path := "/api/Spaces-1/subscriptions/" + w.scene.SubscriptionID
			subscription := w.get(path)
			notification := subscription["EventNotificationSubscription"].(object)
			before := notification["WebhookLastProcessedEventAutoId"]
			if notification["WebhookHeaderValue"] = test.value; test.value == "absent" {
				delete(notification, "WebhookHeaderValue")
			}
			after := w.call(http.MethodPut, path, subscription, 200)["EventNotificationSubscription"].(object)
			if after["WebhookHeaderValue"] != nil || after["WebhookHeaderKey"] != "X-Octopus-Secret" || after["WebhookLastProcessedEventAutoId"] != before {
				t.Errorf("expected the rest to be kept and the secret not to be shown, got %v", after)
			}
			target := w.get("/api/Spaces-1/machines/" + w.scene.TargetIDs[0])
			target["IsDisabled"] = true
			w.call(http.MethodPut, "/api/Spaces-1/machines/"+w.scene.TargetIDs[0], target, 200)
			w.Advance(time.Minute)
			if got := <-secrets; (got == "first") != test.kept || got != "first" && got != "other" && got != "" {
				t.Errorf("expected the secret to be kept: %v, got %q", test.kept, got)
			}
		})
	}
}

// Each look for events is noted, even when there are none to send.
func TestSubscriptionsNoteTheirTicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{SubscriptionURL: "http://127.0.0.1:9/", Categories: []string{"LoginFailed"}})
	processed := func() any {
		return w.get("/api/Spaces-1/subscriptions/" + w.scene.SubscriptionID)["EventNotificationSubscription"].(object)["WebhookLastProcessed"]
	}
	if processed() != nil {
		t.Errorf("expected a new subscription to have processed nothing, got %v", processed())
	}
	last := processed()
	for range 3 {
		w.Advance(30 * time.Second)
		if now := processed(); now == last || now == nil {
			t.Errorf("expected the time to move on from %v, got %v", last, now)
		}
		last = processed()
	}
}
