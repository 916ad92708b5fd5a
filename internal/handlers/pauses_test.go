package handlers

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/pipeline"
)

// pause pauses something as operator.
func (s *server) pause(body string) client.Pause {
	s.t.Helper()
	return as[client.Pause](s.t, s.call(operatorToken, http.MethodPost, "/api/v1/pauses", body).want(s.t, http.StatusCreated))
}

func (s *server) lane(name string) client.Lane {
	s.t.Helper()
	list := get[client.LaneList](s, "/api/v1/lanes")
	for _, lane := range list.Lanes {
		if lane.Environment == name {
			return lane
		}
	}
	s.t.Fatalf("there is no lane of environment %s in %+v", name, list)
	return client.Lane{}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := s.start("shop")
	body := `{"scope":"environment","environment":"production","reason":" the disks are full "}`
	answered := s.call(operatorToken, http.MethodPost, "/api/v1/pauses", body).want(t, http.StatusCreated)
	pause := as[client.Pause](t, answered)
	if answered.header.Get("Location") != "/api/v1/pauses/"+pause.ID.String() {
		t.Errorf("the location is %q", answered.header.Get("Location"))
	}
	if pause.Scope != client.PauseScopeEnvironment || pause.Name != "Production" || pause.Key != "https://octopus.example | default | production" ||
		pause.By != "ann" || pause.Reason != "the disks are full" || pause.Since.IsZero() {
		t.Errorf("paused: %+v", pause)
	}
	again := as[client.Pause](t, s.call(operatorToken, http.MethodPost, "/api/v1/pauses", strings.Replace(body, "full", "empty", 1)).want(t, http.StatusOK))
	if again != pause {
		t.Errorf("pausing again: %+v, want %+v", again, pause)
	}
	if shown := get[client.Pause](s, answered.header.Get("Location")); shown != pause {
		t.Errorf("at its location there is %+v, want %+v", shown, pause)
	}
	all := s.pause(`{"scope":"all","reason":"fire"}`)
	if list := get[client.PauseList](s, "/api/v1/pauses").Pauses; len(list) != 2 || list[0] != pause || list[1].ID != all.ID {
		t.Errorf("there stand %+v", list)
	}

	// Webhooks are taken meanwhile, and everything shows what holds it.
	second := as[client.Receipt](t, s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)).Runs[0]
	running, queued := get[client.RunDetail](s, "/api/v1/runs/"+first.ID.String()), get[client.RunDetail](s, "/api/v1/runs/"+second.ID.String())
	if len(running.HeldBy) != 2 || running.HeldBy[0].ID != pause.ID || strings.HasPrefix(running.Reason, "Held") {
		t.Errorf("the active run shows %+v, %q", running.HeldBy, running.Reason)
	}
	if len(queued.HeldBy) != 2 || !strings.HasPrefix(queued.Reason, "Held: environment Production is paused by ann since ") || !strings.Contains(queued.Reason, "the disks are full; everything is paused by ann since ") {
		t.Errorf("the queued run shows %+v, %q", queued.HeldBy, queued.Reason)
	}
	for _, run := range get[client.RunList](s, "/api/v1/runs", "pipeline", "shop").Runs {
		if len(run.HeldBy) != 2 {
			t.Errorf("in the list run #%d is held by %+v", run.Number, run.HeldBy)
		}
	}
	for _, line := range get[client.PipelineList](s, "/api/v1/pipelines").Pipelines {
		want := map[string]int{"shop": 2, "preview": 1, "build": 1}[line.Name]
		if len(line.PausedBy) != want {
			t.Errorf("pipeline %s is paused by %+v", line.Name, line.PausedBy)
		}
	}
	if lane := s.lane("Production"); len(lane.PausedBy) != 2 || len(s.lane("Build").PausedBy) != 1 {
		t.Errorf("the lane is paused by %+v", lane.PausedBy)
	}

	path := "/api/v1/pauses/" + pause.ID.String()
	lifted := as[client.Pause](t, s.call(operatorToken, http.MethodDelete, path, "").want(t, http.StatusOK))
	if lifted.ID != pause.ID || lifted.LiftedBy != "ann" || lifted.LiftedAt.Before(lifted.Since) {
		t.Errorf("lifted: %+v", lifted)
	}
	s.call(operatorToken, http.MethodDelete, path, "").problem(t, notFound)
	if shown := get[client.Pause](s, path); shown != lifted {
		t.Errorf("after it was lifted, it is %+v, want %+v", shown, lifted)
	}
	s.call(viewerToken, http.MethodGet, "/api/v1/pauses/"+uuid.NewString(), "").problem(t, notFound)
	s.call(viewerToken, http.MethodGet, "/api/v1/pauses/1", "").problem(t, badRequest)
	s.call(operatorToken, http.MethodDelete, "/api/v1/pauses/"+uuid.NewString(), "").problem(t, notFound)
	s.call(operatorToken, http.MethodDelete, "/api/v1/pauses/"+all.ID.String(), "").want(t, http.StatusOK)
	if free := get[client.RunDetail](s, "/api/v1/runs/"+second.ID.String()); len(free.HeldBy) != 0 || strings.HasPrefix(free.Reason, "Held") {
		t.Errorf("without a pause the run shows %+v, %q", free.HeldBy, free.Reason)
	}
	if list := get[client.PauseList](s, "/api/v1/pauses").Pauses; len(list) != 0 {
		t.Errorf("there stand %+v", list)
	}
}

// A run that has ended is held by nothing.
func TestEndedRunsAreNotHeld(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	s.end(run.ID, pipeline.Failed)
	s.pause(`{"scope":"all","reason":"fire"}`)
	if ended := get[client.RunDetail](s, "/api/v1/runs/"+run.ID.String()); len(ended.HeldBy) != 0 || ended.Reason != "It is over." {
		t.Errorf("the ended run shows %+v, %q", ended.HeldBy, ended.Reason)
	}
}

func TestPausingALane(t *testing.T) {
	t.Parallel()
	s := serve(t)
	byName := s.pause(`{"scope":"lane","pipeline":"shop","reason":"audit"}`)
	key := s.lane("Production").Key
	if byName.Key != key || byName.Name != key {
		t.Errorf("paused %+v, want lane %q", byName, key)
	}
	// As a screen shows it, with one space where the key has two.
	shown := strings.ToUpper(strings.Join(strings.Fields(key), " "))
	again := as[client.Pause](t, s.call(operatorToken, http.MethodPost, "/api/v1/pauses", `{"scope":"lane","lane":`+string(mustJSON(shown))+`,"reason":"x"}`).want(t, http.StatusOK))
	if again.ID != byName.ID {
		t.Errorf("by its key it is another pause: %+v", again)
	}
	if other := s.lane("Build"); len(other.PausedBy) != 0 {
		t.Errorf("another lane is paused by %+v", other.PausedBy)
	}
}

// A lane that is only left from an older configuration can be seen and paused.
func TestLanesOfAnOlderConfiguration(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	old := "https://old.example | default | attic |  | infrastructure"
	s.exec(`update runs set lane = $2, config = jsonb_set(jsonb_set(config, '{server,url}', '"https://old.example"'), '{environment}', '"Attic"') where id = $1`, run.ID, old)
	lane := s.lane("Attic")
	if lane.Key != old || lane.Active.ID != run.ID || len(lane.Pipelines) != 0 || lane.InfrastructureProject != "Infrastructure" {
		t.Errorf("the old lane is %+v", lane)
	}
	if pause := s.pause(`{"scope":"lane","lane":"` + old + `","reason":"audit"}`); pause.Key != old {
		t.Errorf("paused %+v", pause)
	}
	s.pause(`{"scope":"environment","environment":"Attic","reason":"audit"}`)
	if lane := s.lane("Attic"); len(lane.PausedBy) != 2 {
		t.Errorf("the old lane is paused by %+v", lane.PausedBy)
	}
	s.end(run.ID, pipeline.Failed)
	for _, lane := range get[client.LaneList](s, "/api/v1/lanes").Lanes {
		if lane.Key == old {
			t.Error("a lane is shown that nobody is in or could come to")
		}
	}
}

func TestLanes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	first := s.start("shop")
	const many = shownQueue + 3
	for i := range many {
		s.exec(`insert into deliveries (id, source, external_id, kind, event, received_at, headers, body, body_sha256, outcome)
			values (gen_random_uuid(), 'x', $1::int::text, 'x', 'x', now(), '{}', '', '', 'accepted')`, i)
		s.exec(`insert into runs (id, pipeline, number, delivery_id, server, lane, config, repository, ref, commit_sha, status, stage, created_at)
			select gen_random_uuid(), pipeline, number + $2::int + 1, (select id from deliveries where external_id = $2::int::text), server, lane, config, repository, ref, commit_sha, 'queued', stage, now()
			from runs where id = $1`, first.ID, i)
	}
	list := get[client.LaneList](s, "/api/v1/lanes")
	if len(list.Lanes) != 3 || list.Lanes[0].Pipelines[0] != "shop" || list.Lanes[1].Pipelines[0] != "preview" || list.Lanes[2].Tenant != "Acme" {
		t.Errorf("the lanes are %+v", list.Lanes)
	}
	lane := list.Lanes[0]
	if lane.Active.ID != first.ID || lane.Active.Status != client.RunStatusRunning || lane.Active.Commit != sha('a') || lane.Server.Name != "octo" || lane.Server.Space != "Default" {
		t.Errorf("the lane is %+v", lane)
	}
	if len(lane.Queued) != shownQueue || lane.QueuedCount != many {
		t.Fatalf("%d of %d queued runs are shown", len(lane.Queued), lane.QueuedCount)
	}
	for i, queued := range lane.Queued {
		if queued.Number != first.Number+int64(i)+1 || queued.Status != client.RunStatusQueued {
			t.Errorf("at place %d there is #%d, %s", i+1, queued.Number, queued.Status)
		}
	}
}

func TestPausesThatCannotBe(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) {
		elsewhere := d.Pipelines[0]
		elsewhere.Name, elsewhere.Server = "elsewhere", pipeline.Server{Name: "two", URL: "https://two.example", Space: "Default"}
		d.Pipelines = append(d.Pipelines, elsewhere)
	})
	for body, place := range map[string]string{
		`{"scope":"lane","reason":"x"}`:                                                     "#/lane",
		`{"scope":"lane","lane":"a","pipeline":"shop","reason":"x"}`:                        "#/lane",
		`{"scope":"lane","lane":"nowhere","reason":"x"}`:                                    "#/lane",
		`{"scope":"lane","pipeline":"nobody","reason":"x"}`:                                 "#/pipeline",
		`{"scope":"lane","pipeline":"shop","environment":"Production","reason":"x"}`:        "#/environment",
		`{"scope":"environment","reason":"x"}`:                                              "#/environment",
		`{"scope":"environment","environment":"Moon","reason":"x"}`:                         "#/environment",
		`{"scope":"environment","environment":"Build","server":"two","reason":"x"}`:         "#/environment",
		`{"scope":"environment","environment":"Production","reason":"x"}`:                   "#/server",
		`{"scope":"environment","environment":"Production","pipeline":"shop","reason":"x"}`: "#/pipeline",
		`{"scope":"all","lane":"a","reason":"x"}`:                                           "#/lane",
		`{"scope":"all","server":"two","reason":"x"}`:                                       "#/server",
	} {
		refused := s.call(operatorToken, http.MethodPost, "/api/v1/pauses", body).problem(t, unprocessable)
		if len(refused.Errors) != 1 || refused.Errors[0].Pointer != place {
			t.Errorf("%s: the places are %+v, want %s", body, refused.Errors, place)
		}
	}
	for _, body := range []string{`{"scope":"all"}`, `{"scope":"all","reason":" "}`, `{"scope":"galaxy","reason":"x"}`, `{"reason":"x"}`} {
		s.call(operatorToken, http.MethodPost, "/api/v1/pauses", body).problem(t, badRequest)
	}
	s.call(viewerToken, http.MethodPost, "/api/v1/pauses", `{"scope":"all","reason":"x"}`).problem(t, forbidden)
	pause := s.pause(`{"scope":"environment","environment":"Production","server":"two","reason":"x"}`)
	if pause.Key != "https://two.example | default | production" {
		t.Errorf("paused %+v", pause)
	}
	s.call(viewerToken, http.MethodDelete, "/api/v1/pauses/"+pause.ID.String(), "").problem(t, forbidden)
	if allow := s.call(operatorToken, http.MethodPut, "/api/v1/pauses/"+pause.ID.String(), "").header.Get("Allow"); allow != "GET, DELETE" {
		t.Errorf("Allow is %q", allow)
	}
	if n := s.count("pauses"); n != 1 {
		t.Errorf("%d pauses are stored, want 1", n)
	}
}
