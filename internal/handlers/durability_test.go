package handlers

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"regrow/internal/client"
)

// wantComeAgain checks that an answer asks for the same once more.
func wantComeAgain(t *testing.T, a answer) {
	t.Helper()
	a.problem(t, unavailable)
	if a.header.Get("Retry-After") == "" {
		t.Error("503 does not say when to come again")
	}
}

// atCommit makes every commit of a delivery run some PL/pgSQL.
func (s *server) atCommit(code string) {
	s.t.Helper()
	s.exec(`create function at_commit() returns trigger language plpgsql as $$ begin ` + code + ` return null; end $$`)
	s.exec(`create constraint trigger at_commit after insert on deliveries deferrable initially deferred for each row execute function at_commit()`)
}

func TestNoSuccessWithoutCommit(t *testing.T) {
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
			s.atCommit(code)
			wantComeAgain(t, s.send(s.github(push{id: "1"})))
			wantComeAgain(t, s.send(s.octopus("Events-1")))
			if n := s.count("deliveries") + s.count("runs"); n != 0 {
				t.Errorf("%d rows are stored of what was answered 503", n)
			}
			s.exec("drop trigger at_commit on deliveries")
			receipt := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted))
			if len(receipt.Runs) != 2 || s.count("deliveries") != 1 {
				t.Errorf("sent again, it became %+v", receipt)
			}
		})
	}
}

func TestSlowDatabaseIsAnsweredBeforeSendersGiveUp(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) { d.Timing.Intake = 100 * time.Millisecond })
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), "lock table deliveries in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	wantComeAgain(t, s.send(s.github(push{id: "1"})))
	wantComeAgain(t, s.call(operatorToken, http.MethodPost, "/api/v1/runs", newRun("shop", "main", sha('a'))))
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.count("deliveries"); n != 0 {
		t.Errorf("%d deliveries are stored of what was answered 503", n)
	}
	// On a busy machine even a free table may take longer than that; a sender
	// comes again until it is stored.
	for range 50 {
		again := s.send(s.github(push{id: "1"}))
		if again.status == http.StatusAccepted || again.status == http.StatusOK { // stored now, or at the try before
			return
		}
		wantComeAgain(t, again)
	}
	t.Error("the delivery is never stored")
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.pool.Close()
	wantComeAgain(t, s.send(s.github(push{id: "1"})))
	wantComeAgain(t, s.send(s.octopus("Events-1")))
	wantComeAgain(t, s.call(operatorToken, http.MethodPost, "/api/v1/runs", newRun("shop", "main", sha('a'))))
	for _, path := range []string{"/pipelines", "/runs", "/jobs", "/deliveries", "/runs/" + uuid.NewString()} {
		wantComeAgain(t, s.call(viewerToken, http.MethodGet, "/api/v1"+path, ""))
	}
	s.call("", http.MethodGet, "/healthz", "").want(t, http.StatusOK)
	s.call("", http.MethodGet, "/metrics", "").want(t, http.StatusOK)
}

func TestStoppingProcessTakesNothingIn(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.draining.Store(true)
	wantComeAgain(t, s.send(s.github(push{id: "1"})))
	wantComeAgain(t, s.call(operatorToken, http.MethodPost, "/api/v1/runs", newRun("shop", "main", sha('a'))))
	s.call(viewerToken, http.MethodGet, "/api/v1/runs", "").want(t, http.StatusOK)
	if n := s.count("deliveries"); n != 0 {
		t.Errorf("%d deliveries are stored", n)
	}
}

// Whatever is sent, in whichever order and at the same time: an answer of 2xx
// names a delivery that is stored, and an id of a source makes at most one run
// per pipeline.
func TestDeliveriesInAnyOrder(t *testing.T) {
	t.Parallel()
	s := serve(t)
	rapid.Check(t, func(rt *rapid.T) {
		batch := uuid.NewString() // ids of this round
		ids := rapid.SliceOfN(rapid.IntRange(1, 3), 1, 6).Draw(rt, "ids")
		shas := rapid.SliceOfN(rapid.SampledFrom([]byte("abc")), len(ids), len(ids)).Draw(rt, "commits")
		answers := make([]answer, len(ids))
		var group sync.WaitGroup
		for i, id := range ids {
			request := s.github(push{id: fmt.Sprintf("%s-%d", batch, id), sha: sha(shas[i])})
			group.Go(func() { answers[i] = s.send(request) })
		}
		group.Wait()
		for _, a := range answers {
			if a.status != http.StatusAccepted && a.status != http.StatusOK {
				rt.Fatalf("got %d: %s", a.status, a.body)
			}
			receipt := as[client.Receipt](t, a)
			if _, err := s.store.GetDelivery(t.Context(), receipt.Delivery); err != nil {
				rt.Fatalf("delivery %s was answered %d and is not stored: %v", receipt.Delivery, a.status, err)
			}
		}
		var most int
		err := s.pool.QueryRow(t.Context(), `select coalesce(max(n), 0) from (
			select count(*) n from runs join deliveries d on d.id = delivery_id group by d.source, d.external_id, pipeline) counts`).Scan(&most)
		if err != nil || most != 1 {
			rt.Fatalf("an id made %d runs of one pipeline (%v)", most, err)
		}
		if n := s.count("(select lane from runs where status in ('running', 'waiting') group by lane having count(*) > 1) busy"); n != 0 {
			rt.Fatalf("%d lanes hold more than one active run", n)
		}
	})
}
