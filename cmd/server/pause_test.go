package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"regrow/internal/client"
)

var pauseID = uuid.MustParse("0199c3a0-0000-7000-8000-0000000000e1")

const laneKey = "https://octopus.example | default | production |  | web"

// aPause is one of an environment, a lane or everything.
func aPause(scope client.PauseScope) client.Pause {
	pause := client.Pause{ID: pauseID, Scope: scope, By: "ops", Reason: "fire", Since: aTime}
	switch scope {
	case client.PauseScopeEnvironment:
		pause.Key, pause.Name = "https://octopus.example | default | production", "Production"
	case client.PauseScopeLane:
		pause.Key, pause.Name = laneKey, laneKey
	case client.PauseScopeAll:
	}
	return pause
}

func aLane(server string, pauses ...client.Pause) client.Lane {
	return client.Lane{
		Key: laneKey, Server: client.Server{Name: server, URL: "https://octopus.example", Space: "Default"}, Environment: "Production",
		InfrastructureProject: "Web", Pipelines: []string{"hello-world"}, Queued: []client.LaneRun{}, PausedBy: append([]client.Pause{}, pauses...),
	}
}

func TestLanes(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.answering("GET /api/v1/lanes", http.StatusOK, client.LaneList{Lanes: []client.Lane{aLane("main", aPause(client.PauseScopeAll))}})
	f.answering("GET /api/v1/pauses", http.StatusOK, client.PauseList{Pauses: []client.Pause{aPause(client.PauseScopeAll)}})
	f.regrow(t.Context(), "lanes").want(t, exitOK, "Everything is paused by ops", "")
	got := f.regrow(t.Context(), "lanes", "--output", "json")
	var list client.LaneList
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list.Lanes) != 1 || len(list.Lanes[0].PausedBy) != 1 {
		t.Errorf("%v: %s%s", err, got.out, got.err)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args, body, lift string
		answer           client.PauseScope
	}{
		"a lane":                {"--lane " + strings.ReplaceAll(laneKey, " ", "_"), `{"lane":"` + laneKey + `","reason":"fire","scope":"lane"}`, "--lane", client.PauseScopeLane},
		"a pipeline's lane":     {"--pipeline hello-world", `{"pipeline":"hello-world","reason":"fire","scope":"lane"}`, `--pipeline "hello-world"`, client.PauseScopeLane},
		"an environment":        {"--environment Production", `{"environment":"Production","reason":"fire","scope":"environment"}`, `--environment "Production"`, client.PauseScopeEnvironment},
		"a server's":            {"--environment Production --octopus two", `{"environment":"Production","reason":"fire","scope":"environment","server":"two"}`, `--environment "Production" --octopus "two"`, client.PauseScopeEnvironment},
		"everything, as it was": {"--all", `{"reason":"fire","scope":"all"}`, "--all", client.PauseScopeAll},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
			status, says := http.StatusCreated, "is paused by ops"
			if c.answer == client.PauseScopeAll {
				status, says = http.StatusOK, "It was paused already"
			}
			f.answering("POST /api/v1/pauses", status, aPause(c.answer))
			args := []string{"pause", "--reason", "fire"}
			for _, arg := range strings.Fields(c.args) {
				args = append(args, strings.ReplaceAll(arg, "_", " "))
			}
			got := f.regrow(t.Context(), args...)
			got.want(t, exitOK, says, "")
			got.want(t, exitOK, "Lift it with: regrow resume "+c.lift, "")
			if asked := f.asked(t, http.MethodPost, "/api/v1/pauses")[0]; strings.TrimSpace(asked.body) != c.body {
				t.Errorf("asked %s, want %s", asked.body, c.body)
			}
			got = f.regrow(t.Context(), append(args, "--output", "json")...)
			if got.code != exitOK || !json.Valid([]byte(got.out)) {
				t.Errorf("exit %d, %q, %q", got.code, got.out, got.err)
			}
		})
	}
	for args, complaint := range map[string]string{
		"pause --all":                               "--reason is needed",
		"pause --reason x":                          "at least one of the flags",
		"pause --all --lane x --reason x":           "none of the others can be",
		"pause --all --octopus x --reason x":        "--octopus says of which server",
		"resume":                                    "at least one of the flags",
		"resume --pipeline x --octopus y":           "--octopus says of which server",
		"pause --environment x --reason x --output": "flag needs an argument",
	} {
		perform(t.Context(), strings.Fields(args)...).want(t, exitUsage, "", complaint)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	elsewhere := aPause(client.PauseScopeEnvironment)
	elsewhere.ID, elsewhere.Key = newerID, "https://two.example | default | production"
	all := []client.Pause{aPause(client.PauseScopeAll)}
	environment := []client.Pause{aPause(client.PauseScopeEnvironment)}
	lane := []client.Pause{aPause(client.PauseScopeLane)}
	for name, c := range map[string]struct {
		standing  []client.Pause
		args      []string
		code      int
		complaint string
	}{
		"everything":                      {all, []string{"--all"}, exitOK, ""},
		"a lane":                          {lane, []string{"--lane", "HTTPS://octopus.example | default | production | | web "}, exitOK, ""},
		"a pipeline's":                    {lane, []string{"--pipeline", "hello-world"}, exitOK, ""},
		"an environment":                  {environment, []string{"--environment", "production"}, exitOK, ""},
		"of two environments":             {append(environment, elsewhere), []string{"--environment", "Production", "--octopus", "main"}, exitOK, ""},
		"of two environments, not saying": {append(environment, elsewhere), []string{"--environment", "Production"}, exitUsage, "say which one with --octopus"},
		"not paused":                      {environment, []string{"--all"}, exitRefused, "There is no pause for --all.\n  What to do: List what is paused with regrow lanes."},
		"another pipeline":                {lane, []string{"--pipeline", "other"}, exitRefused, "There is no pause"},
		"another environment":             {environment, []string{"--environment", "Test"}, exitRefused, "There is no pause"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
			f.answering("GET /api/v1/pauses", http.StatusOK, client.PauseList{Pauses: c.standing})
			f.answering("GET /api/v1/lanes", http.StatusOK, client.LaneList{Lanes: []client.Lane{aLane("main", c.standing[0]), aLane("two")}})
			f.answering("DELETE /api/v1/pauses/"+pauseID.String(), http.StatusOK, c.standing[0])
			f.regrow(t.Context(), append([]string{"resume"}, c.args...)...).want(t, c.code, "", c.complaint)
			if c.code != exitOK {
				return
			}
			f.asked(t, http.MethodDelete, "/api/v1/pauses/"+pauseID.String())
			got := f.regrow(t.Context(), append([]string{"resume", "--output", "json"}, c.args...)...)
			if got.code != exitOK || !json.Valid([]byte(got.out)) {
				t.Errorf("exit %d, %q, %q", got.code, got.out, got.err)
			}
		})
	}
}

func TestRunsCancelWithTasks(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.regrow(t.Context(), "runs", "cancel", "latest", "--cancel-task").want(t, exitOK, "will be cancelled", "")
	if asked := f.asked(t, http.MethodPost, "/api/v1/runs/"+runID.String()+"/cancel")[0]; strings.TrimSpace(asked.body) != `{"cancel_octopus_task":true}` {
		t.Errorf("asked %v", asked)
	}
}
