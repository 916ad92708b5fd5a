package terminal_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

func onePause() client.Pause {
	return client.Pause{
		ID: uuid.MustParse("0199c3a0-0000-7000-8000-0000000000e1"), Scope: client.PauseScopeEnvironment,
		Key: "https://octopus.example.com | default | production", Name: "Production", By: "ops",
		Reason: "the disks are full,\nINC-4711", Since: at(3600),
	}
}

// heldRun is a run that a pause holds before its fourth stage.
func heldRun() client.RunDetail {
	run := begun()
	run.NextCheckAt, run.DeadlineAt = time.Time{}, time.Time{}
	run.HeldBy = []client.Pause{onePause()}
	run.Reason = "Held: environment Production is paused by ops since 2026-10-24T13:03:11Z: the disks are full, INC-4711."
	run.Stages[3] = newRun().Stages[3]
	run.Targets = nil
	return run
}

func someLanes() []client.Lane {
	key := "https://octopus.example.com | default | production"
	return []client.Lane{
		{
			Key: key + " |  | hello-infra", Server: client.Server{Name: "main"}, Environment: "Production", InfrastructureProject: "hello-infra",
			Pipelines: []string{"hello-world", "preview"}, QueuedCount: 2, PausedBy: []client.Pause{onePause()},
			Active: client.LaneRun{ID: begun().ID, Pipeline: "hello-world", Number: 12, Status: client.RunStatusWaiting, Stage: client.StageVerify, Since: at(0.2)},
			Queued: []client.LaneRun{{Pipeline: "hello-world", Number: 13}, {Pipeline: "preview", Number: 7}},
		},
		{
			Key: key + " | acme | shop-infra", Server: client.Server{Name: "main"}, Environment: "Production", Tenant: "Acme", InfrastructureProject: "shop-infra",
			Pipelines: []string{"shop"}, Queued: []client.LaneRun{}, PausedBy: []client.Pause{onePause()},
		},
		{
			Key: "https://octopus.example.com | default | test |  | gone-infra", Environment: "Test", InfrastructureProject: "gone-infra",
			Active: client.LaneRun{Pipeline: "gone", Number: 3, Status: client.RunStatusRunning, Stage: client.StageCleanup, Since: at(7000)},
		},
	}
}

func TestLanes(t *testing.T) {
	t.Parallel()
	for name, style := range map[string]func(*terminal.Screen){
		"lanes":        func(*terminal.Screen) {},
		"lanes_narrow": func(s *terminal.Screen) { s.Width, s.Color = 80, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := screen(7300)
			style(s)
			if err := s.Lanes(someLanes(), []client.Pause{onePause()}); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.String())
		})
	}
	s, out := screen(0)
	if err := s.Lanes(nil, nil); err != nil || strings.TrimSpace(out.String()) != "No lanes." {
		t.Errorf("%v: %q", err, out)
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	s, out := screen(7300)
	s.Flags = "--server http://127.0.0.1:9090"
	lane, all := onePause(), onePause()
	lane.Scope, lane.Key = client.PauseScopeLane, someLanes()[0].Key
	lane.Name = lane.Key
	all.Scope, all.Key, all.Name = client.PauseScopeAll, "", ""
	for _, show := range []func() error{
		func() error { return s.Paused(onePause(), false, `--environment "Production"`) },
		func() error { return s.Paused(lane, true, `--pipeline "hello-world"`) },
		func() error { return s.Resumed(onePause()) },
		func() error { return s.Resumed(lane) },
		func() error { return s.Resumed(all) },
	} {
		if err := show(); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "pauses", out.String())
}
