package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/pipeline"
)

// redeliver asks for a redelivery as operator.
func (s *server) redeliver(id uuid.UUID, body string, headers ...string) answer {
	s.t.Helper()
	return s.call(operatorToken, http.MethodPost, "/api/v1/deliveries/"+id.String()+"/redeliver", body, headers...)
}

// redelivered asks for a redelivery and reads what became of it.
func (s *server) redelivered(id uuid.UUID) client.Receipt {
	s.t.Helper()
	return as[client.Receipt](s.t, s.redeliver(id, "").want(s.t, http.StatusCreated))
}

// delivery shows a delivery.
func (s *server) delivery(id uuid.UUID) client.DeliveryDetail {
	s.t.Helper()
	return get[client.DeliveryDetail](s, "/api/v1/deliveries/"+id.String())
}

// reconfigured is another process on the same database.
func (s *server) reconfigured(options ...func(*Deps)) *server {
	s.t.Helper()
	other := serve(s.t, append(options, func(d *Deps) { d.Pool = s.pool })...)
	other.pool, other.store = s.pool, s.store
	return other
}

// without leaves a source out of the configuration.
func without(name string) func(*Deps) {
	return func(d *Deps) {
		d.Sources = slices.DeleteFunc(d.Sources, func(s Source) bool { return s.Receiver.Name() == name })
	}
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := as[client.Receipt](t, s.send(s.github(push{id: "1", message: "Greet"})).want(t, http.StatusAccepted))
	got := s.redeliver(first.Delivery, `{"reason":" the old runs were cancelled "}`).want(t, http.StatusCreated)
	again := as[client.Receipt](t, got)
	if again.Status != client.ReceiptStatusAccepted || len(again.Runs) != 2 || again.Runs[0].Number != 2 {
		t.Fatalf("got %+v, want the second runs of two pipelines", again)
	}
	if want := "/api/v1/deliveries/" + again.Delivery.String(); got.header.Get("Location") != want {
		t.Errorf("the location is %q, want %q", got.header.Get("Location"), want)
	}
	old, played := s.delivery(first.Delivery), s.delivery(again.Delivery)
	if played.RedeliveryOf != old.ID || played.RedeliveredBy != "ann" || played.RedeliveryReason != "the old runs were cancelled" {
		t.Errorf("the redelivery is %+v", played.Delivery)
	}
	if played.Body != old.Body || played.Source != "github" || played.Kind != "github" || played.Event != "push" || played.Headers["X-Github-Delivery"][0] != "1" {
		t.Errorf("the redelivery is %+v, want what the first one was", played)
	}
	if !strings.Contains(played.ExternalID, " ") || played.ExternalID == old.ExternalID {
		t.Errorf("the redelivery's external id is %q, which a sender could have", played.ExternalID)
	}
	if !slices.Equal(old.Redeliveries, []uuid.UUID{played.ID}) || old.RedeliveryOf != uuid.Nil || len(old.Runs) != 2 || old.Runs[0].ID == played.Runs[0].ID {
		t.Errorf("the first delivery is %+v", old)
	}
	run := get[client.RunDetail](s, "/api/v1/runs/"+again.Runs[0].ID.String())
	if run.DeliveryID != played.ID || run.Commit.SHA != sha('a') || run.Commit.Message != "Greet" {
		t.Errorf("the run is %+v", run.Run)
	}
	// The sender's own repetition finds the sender's own delivery still.
	repeated := as[client.Receipt](t, s.send(s.github(push{id: "1", message: "Greet"})).want(t, http.StatusOK))
	if repeated.Status != client.ReceiptStatusDuplicate || repeated.Delivery != old.ID {
		t.Errorf("sent again, it is %+v", repeated)
	}
}

// What was stored of a delivery suffices to read it again, whoever sent it and
// however long ago.
func TestRedeliverEveryKind(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	s := serve(t, func(d *Deps) { d.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) } })
	form := url.Values{"payload": {push{}.body()}}.Encode()
	formed := s.request(http.MethodPost, "/webhooks/github", form)
	formed.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signGitHub(formed, "form", "push", form)
	build := `{"repository":"acme/shop","branch":"main","commit":"` + sha('b') + `","version":"2.6.0"}`

	first := map[string]client.Receipt{
		"github":         as[client.Receipt](t, s.send(s.github(push{id: "json"})).want(t, http.StatusAccepted)),
		"github, a form": as[client.Receipt](t, s.send(formed).want(t, http.StatusAccepted)),
		"generic":        as[client.Receipt](t, s.send(s.generic("build-1", time.Now(), build)).want(t, http.StatusAccepted)),
		"octopus":        as[client.Receipt](t, s.send(s.octopus("Events-1")).want(t, http.StatusAccepted)),
		"api":            {Delivery: s.start("shop").DeliveryID, Runs: make([]client.RunRef, 1)},
	}
	ahead.Store(int64(365 * 24 * time.Hour))
	for kind, before := range first {
		again := s.redelivered(before.Delivery)
		if again.Status != client.ReceiptStatusAccepted || len(again.Runs) != len(before.Runs) {
			t.Errorf("%s: got %+v, want as much as %+v", kind, again, before)
		}
		if kind == "octopus" && again.Woken == 0 {
			t.Errorf("the event woke no run: %+v", again)
		}
		if old, played := s.delivery(before.Delivery), s.delivery(again.Delivery); played.Body != old.Body || played.RedeliveryOf != old.ID {
			t.Errorf("%s: the redelivery is %+v", kind, played)
		}
	}
}

func TestRedeliverARedelivery(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)).Delivery
	second := s.redelivered(first).Delivery
	third := s.redelivered(second)
	other := s.redelivered(first).Delivery
	if len(third.Runs) != 2 || s.delivery(third.Delivery).RedeliveryOf != second {
		t.Errorf("the third delivery is %+v", third)
	}
	wantIDs(t, "the first one's redeliveries", s.delivery(first).Redeliveries, second, other)
	wantIDs(t, "the second one's redeliveries", s.delivery(second).Redeliveries, third.Delivery)
	listed := get[client.DeliveryList](s, "/api/v1/deliveries", "redelivery_of", first.String()).Deliveries
	wantIDs(t, "a list of them", each(listed, func(d client.Delivery) uuid.UUID { return d.ID }), other, second)
	all := get[client.DeliveryList](s, "/api/v1/deliveries").Deliveries
	if oldest := all[len(all)-1]; oldest.ID != first || len(oldest.Redeliveries) != 2 || listed[1].RedeliveredBy != "ann" {
		t.Errorf("the list shows %+v and %+v", oldest, listed[1])
	}
}

// A delivery meets the configuration of the day, in both directions.
func TestRedeliverMeetsTheConfigurationOfToday(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ignored := as[client.Receipt](t, s.send(s.github(push{id: "1", ref: "refs/heads/topic"})).want(t, http.StatusOK)).Delivery
	if again := s.redelivered(ignored); again.Status != client.ReceiptStatusIgnored || len(again.Mismatches) != 2 || again.Reason == "" {
		t.Errorf("unchanged, it is %+v", again)
	}
	topical := s.reconfigured(func(d *Deps) { d.Pipelines[0].Branches = []string{"topic"} })
	taken := topical.redelivered(ignored)
	if taken.Status != client.ReceiptStatusAccepted || len(taken.Runs) != 1 || taken.Runs[0].Pipeline != "shop" || len(taken.Mismatches) != 1 {
		t.Errorf("when a pipeline takes it, it is %+v", taken)
	}
	if left := s.redelivered(taken.Delivery); left.Status != client.ReceiptStatusIgnored {
		t.Errorf("when none takes it any more, it is %+v", left)
	}
}

func TestRedeliverWithAKey(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)).Delivery
	second := s.start("shop").DeliveryID
	ask := func(id uuid.UUID, key, body string) answer { return s.redeliver(id, body, "Idempotency-Key", key) }

	made := as[client.Receipt](t, ask(first, "k-1", `{"reason":"again"}`).want(t, http.StatusCreated))
	found := as[client.Receipt](t, ask(first, "k-1", `{ "reason": "again" }`).want(t, http.StatusOK))
	slices.SortFunc(made.Runs, func(a, b client.RunRef) int { return strings.Compare(a.Pipeline, b.Pipeline) })
	if found.Delivery != made.Delivery || found.Status != client.ReceiptStatusAccepted || !slices.Equal(found.Runs, made.Runs) {
		t.Errorf("the repeated key finds %+v, want %+v", found, made)
	}
	if n := s.delivery(made.Delivery).Duplicates; n != 1 {
		t.Errorf("the redelivery counts %d repetitions, want 1", n)
	}
	for what, a := range map[string]answer{
		"another reason":   ask(first, "k-1", `{"reason":"otherwise"}`),
		"another delivery": ask(second, "k-1", `{"reason":"again"}`),
		"the redelivery":   ask(made.Delivery, "k-1", `{"reason":"again"}`),
	} {
		if p := a.problem(t, keyReused); p.Remedy == "" {
			t.Errorf("%s: the problem %+v does not say what to do", what, p)
		}
	}
	// The keys of runs, and the ids of senders, are others.
	s.call(operatorToken, http.MethodPost, "/api/v1/runs", newRun("shop", "main", sha('a')), "Idempotency-Key", "k-1").want(t, http.StatusCreated)
	ask(first, "1", "").want(t, http.StatusCreated)
	ask(first, "two words", "").problem(t, badRequest)
	if n := s.count("deliveries"); n != 5 {
		t.Errorf("there are %d deliveries, want 5", n)
	}
}

// What a key asked for before stays answered, also when the delivery could not be
// played again any more.
func TestRedeliveryKeyOutlivesTheConfiguration(t *testing.T) {
	t.Parallel()
	s := serve(t)
	pushed := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)).Delivery
	byHand := s.start("shop").DeliveryID
	made := map[uuid.UUID]client.Receipt{}
	for id, key := range map[uuid.UUID]string{pushed: "k-1", byHand: "k-2"} {
		made[id] = as[client.Receipt](t, s.redeliver(id, "", "Idempotency-Key", key).want(t, http.StatusCreated))
	}
	gone := s.reconfigured(without("github"), func(d *Deps) { d.Pipelines = d.Pipelines[2:] })
	for id, key := range map[uuid.UUID]string{pushed: "k-1", byHand: "k-2"} {
		found := as[client.Receipt](t, gone.redeliver(id, "", "Idempotency-Key", key).want(t, http.StatusOK))
		if found.Delivery != made[id].Delivery || len(found.Runs) != len(made[id].Runs) {
			t.Errorf("the key %s finds %+v, want %+v", key, found, made[id])
		}
		gone.redeliver(id, `{"reason":"otherwise"}`, "Idempotency-Key", key).problem(t, keyReused)
	}
	gone.redeliver(pushed, "", "Idempotency-Key", "k-3").problem(t, conflict)
	gone.redeliver(byHand, "", "Idempotency-Key", "k-4").problem(t, unprocessable)
}

func TestRedeliverAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)).Delivery
	for name, key := range map[string]*string{"one key": new("key"), "no key": nil} {
		ids := make([]uuid.UUID, 6)
		var created atomic.Int64
		var group sync.WaitGroup
		for i := range ids {
			group.Go(func() {
				response, err := s.api.RedeliverWithResponse(t.Context(), first, &client.RedeliverParams{IdempotencyKey: key}, client.RedeliverRequest{})
				if err != nil {
					t.Error(err)
					return
				}
				if response.JSON201 != nil {
					created.Add(1)
					ids[i] = response.JSON201.Delivery
				} else {
					ids[i] = response.JSON200.Delivery
				}
			})
		}
		group.Wait()
		slices.SortFunc(ids, compareIDs)
		distinct, want := len(slices.Compact(ids)), 6
		if key != nil {
			want = 1
		}
		if distinct != want || created.Load() != int64(want) {
			t.Errorf("%s: six requests made %d redeliveries and found %d created, want %d", name, distinct, created.Load(), want)
		}
	}
	if n := s.count("(select lane from runs where status in ('running', 'waiting') group by lane having count(*) > 1) busy"); n != 0 {
		t.Errorf("%d lanes hold more than one active run", n)
	}
}

func TestWhoMayRedeliver(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)).Delivery
	path := "/api/v1/deliveries/" + first.String() + "/redeliver"
	s.call(viewerToken, http.MethodPost, path, "").problem(t, forbidden)
	s.call("", http.MethodPost, path, "").problem(t, unauthorized)
	s.call(operatorToken, http.MethodGet, path, "").problem(t, methodNotAllowed)
	s.redeliver(uuid.New(), "").problem(t, notFound)
	s.call(operatorToken, http.MethodPost, "/api/v1/deliveries/1/redeliver", "").problem(t, badRequest)
	s.redeliver(first, `{"reason":7}`).problem(t, badRequest)
	s.redeliver(first, `{"reason":"a\u0000"}`).problem(t, badRequest)
	s.redeliver(first, `{"raison":"again"}`).problem(t, badRequest)
	if n := s.count("deliveries"); n != 1 {
		t.Errorf("there are %d deliveries, want the first one only", n)
	}
}

func TestRedeliverWhatCannotBeTakenAnyMore(t *testing.T) {
	t.Parallel()
	s := serve(t)
	pushed := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)).Delivery
	event := as[client.Receipt](t, s.send(s.octopus("Events-1")).want(t, http.StatusAccepted)).Delivery
	byHand := s.start("shop").DeliveryID
	before := s.count("deliveries")

	gone := s.reconfigured(without("github"), without("octopus"), func(d *Deps) { d.Pipelines = d.Pipelines[2:] })
	if p := gone.redeliver(pushed, "").problem(t, conflict); !strings.Contains(p.Detail, `"github"`) || !strings.Contains(p.Remedy, `kind "github"`) {
		t.Errorf("the problem is %+v", p)
	}
	gone.redeliver(event, "").problem(t, conflict)
	if p := gone.redeliver(byHand, "").problem(t, unprocessable); !strings.Contains(p.Detail, `no pipeline "shop"`) || len(p.Errors) != 0 {
		t.Errorf("the problem is %+v", p)
	}
	narrower := s.reconfigured(func(d *Deps) { d.Pipelines[0].Branches = []string{"release"} })
	if p := narrower.redeliver(byHand, "").problem(t, unprocessable); !strings.Contains(p.Detail, `"release"`) {
		t.Errorf("the problem is %+v", p)
	}

	s.exec("update deliveries set kind = 'generic' where id = $1", pushed)
	if p := s.redeliver(pushed, "").problem(t, conflict); !strings.Contains(p.Detail, `now it is of kind "github"`) {
		t.Errorf("the problem is %+v", p)
	}
	s.exec(`update deliveries set kind = 'github', body = '{"ref":7}' where id = $1`, pushed)
	if p := s.redeliver(pushed, "").problem(t, unprocessable); !strings.Contains(p.Detail, "cannot be read any more") {
		t.Errorf("the problem is %+v", p)
	}
	if n := s.count("deliveries"); n != before {
		t.Errorf("%d deliveries are stored of what was refused", n-before)
	}
}

func TestNoRedeliveryWithoutCommit(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"commit refused":          `raise exception 'no room left' using errcode = 'disk_full';`,
		"commit broken":           `raise exception 'a mistake of ours' using errcode = 'raise_exception';`,
		"connection lost with it": `perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(10);`,
	}
	for name, code := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			first := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)).Delivery
			s.atCommit(code)
			for range 2 {
				refused := s.redeliver(first, "", "Idempotency-Key", "k")
				wantComeAgain(t, refused)
				if p := as[client.Problem](t, refused); !strings.Contains(p.Remedy, "same Idempotency-Key") {
					t.Errorf("the problem is %+v", p)
				}
			}
			if n := s.count("deliveries"); n != 1 {
				t.Errorf("%d deliveries are stored of what was answered 503", n-1)
			}
			s.exec("drop trigger at_commit on deliveries")
			if again := as[client.Receipt](t, s.redeliver(first, "", "Idempotency-Key", "k").want(t, http.StatusCreated)); len(again.Runs) != 2 {
				t.Errorf("asked for again, it became %+v", again)
			}
		})
	}
	t.Run("stopping", func(t *testing.T) {
		t.Parallel()
		s := serve(t)
		first := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)).Delivery
		s.draining.Store(true)
		wantComeAgain(t, s.redeliver(first, ""))
		s.draining.Store(false)
		s.pool.Close()
		wantComeAgain(t, s.redeliver(first, ""))
	})
}

// A run that ended makes room for the redelivery's at once.
func TestRedeliveryTakesTheLane(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted))
	for _, run := range first.Runs {
		s.end(run.ID, pipeline.Cancelled)
	}
	for _, run := range s.redelivered(first.Delivery).Runs {
		if run.Status != client.RunStatusRunning {
			t.Errorf("%s#%d is %s, and nothing is in its way", run.Pipeline, run.Number, run.Status)
		}
	}
}
