package terminal_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

// planned is a plan of a push of which there is much to say.
func planned() client.Plan {
	commit := newRun().Commit
	lane := client.PlanLane{Key: "https://octopus.example.com | default | production |  | hello-infra", Policy: client.PlanLanePolicyLatest}
	first := client.PlanRun{
		Number: 13, Status: client.RunStatusRunning, Commit: commit, Lane: lane,
		Infrastructure: client.PlanRelease{Project: "hello-infra", Version: "1.0.13", Existing: client.PlanPresenceNone, GitRef: "refs/heads/main"},
		Application: client.PlanRelease{
			Project: "hello-app", Version: "1.4.2", Existing: client.PlanPresenceNone,
			Packages: []client.PlanPackage{{Step: "Deploy", Version: "1.4.2"}, {Step: "Deploy", Reference: "assets", Version: "1.4.2"}},
		},
		Override: client.PlanOverride{Existing: client.PlanPresenceNone}, Freezes: client.PlanFreezes{Existing: client.PlanPresenceNone},
		Targets: client.PlanTargets{Existing: client.PlanPresenceExists, Expected: 3, Cleanup: client.PlanTargetsCleanupDelete, Targets: []client.PlanTarget{
			{ID: "Machines-31", Name: "web-11-a", Roles: []string{"web"}, Health: "Healthy", Available: true, Fate: client.PlanTargetFateRemovedWhenGone, Reason: "it still stands"},
			{ID: "Machines-32", Name: "web-11-b", Roles: []string{"web", "canary"}, Health: "Unavailable", Fate: client.PlanTargetFateRemoved, Reason: "it is unavailable"},
			{ID: "Machines-33", Name: "web-11-c", Roles: []string{"web"}, Health: "Healthy", Disabled: true, Fate: client.PlanTargetFateStays, Reason: "it is in other environments too"},
		}},
	}
	second := first
	second.Number, second.Status, second.WouldFail = 7, client.RunStatusQueued, true
	second.Lane.Holder = client.PlanLaneRun{Pipeline: "preview", Number: 4, Status: client.RunStatusWaiting, Stage: client.StageVerify, Since: at(-90)}
	second.Lane.PausedBy = []client.Pause{onePause()}
	second.Lane.Supersedes = []client.PlanLaneRun{{Pipeline: "preview", Number: 5}, {Pipeline: "preview", Number: 6}}
	second.Lane.Ahead = []client.PlanLaneRun{{Pipeline: "hello-world", Number: 12}}
	second.Application.Existing, second.Application.ReleaseID, second.Application.ReleaseURL = client.PlanPresenceExists, "Releases-77", octopus+"releases/Releases-77"
	second.Override = client.PlanOverride{Existing: client.PlanPresenceExists, ReleaseID: "Releases-70", ReleaseVersion: "1.4.0"}
	second.Freezes = client.PlanFreezes{Existing: client.PlanPresenceExists, Freezes: []client.PlanFreeze{
		{ID: "DeploymentFreezes-1", Name: "Christmas", Project: "hello-app", Start: at(-3600), End: at(7200), Active: true},
		{ID: "DeploymentFreezes-2", Name: "New Year", Project: "hello-app", Start: at(90000), End: at(180000)},
	}}
	second.Findings = []client.PlanFinding{
		{Kind: client.PlanFindingKindFails, Message: "a release of that version exists and is not of this run: Releases-77", Remedy: "delete that release"},
		{Kind: client.PlanFindingKindWaits, Message: `The deployment freeze "Christmas" holds.`},
		{Kind: client.PlanFindingKindUnknown, Message: "Octopus answered 503."},
		{Kind: client.PlanFindingKindNotice, Message: "The run waits for its lane."},
	}
	return client.Plan{
		Source: "github", Kind: "github", Outcome: client.PlanOutcomeAccepted, Status: 202,
		Signature: client.PlanSignature{State: client.PlanSignatureStateMissing, Reason: "the header X-Hub-Signature-256 is missing"},
		Assumed:   []client.PlanAssumption{{Header: "Content-Type", Value: "application/json"}, {Header: "X-GitHub-Event", Value: "push"}},
		Delivery:  client.PlanDelivery{ExternalID: "72d3162e-cc78-11e3-81ab-4c9367dc0958", Event: "push", Commits: []client.Commit{commit}},
		Pipelines: []client.PlanPipeline{
			{Pipeline: "hello-world", Matches: true, Run: first},
			{Pipeline: "shop", Rule: "repository", Reason: `pipeline "shop" takes repository "acme/shop", the commit is in "acme/hello"`},
			{Pipeline: "preview", Matches: true, Run: second},
			{Pipeline: "nightly", Rule: "source", Reason: `pipeline "nightly" takes source "build", the commit came from "github"`},
		},
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	forged := planned()
	forged.Outcome, forged.Status, forged.Reason = client.PlanOutcomeRefused, 401, "the header X-Hub-Signature-256 does not match the body"
	forged.Signature = client.PlanSignature{State: client.PlanSignatureStateInvalid, Reason: forged.Reason}
	forged.IfSigned, forged.Assumed = client.PlanIfSigned{Outcome: client.PlanOutcomeAccepted, Status: 202}, nil
	forged.Pipelines = forged.Pipelines[:2]
	blind := planned()
	blind.Pipelines = blind.Pipelines[:1]
	run := &blind.Pipelines[0].Run
	run.Infrastructure.Existing, run.Application.Existing = client.PlanPresenceUnknown, client.PlanPresenceUnknown
	run.Override.Existing, run.Freezes.Existing, run.Targets = client.PlanPresenceUnknown, client.PlanPresenceUnknown, client.PlanTargets{Existing: client.PlanPresenceUnknown, Expected: 1}
	run.Findings = []client.PlanFinding{{Kind: client.PlanFindingKindUnknown, Message: "Could not find the environment: connection refused.", Remedy: "check that the server is up"}}
	tests := map[string]client.Plan{
		"accepted": planned(),
		"forged":   forged,
		"blind":    blind,
		"ignored": {
			Source: "github", Kind: "github", Outcome: client.PlanOutcomeIgnored, Status: 200, Reason: "the hook works; pushes to branches will start runs",
			Signature: client.PlanSignature{State: client.PlanSignatureStateValid}, Delivery: client.PlanDelivery{Event: "ping", ExternalID: "id-1"},
		},
		"duplicate": {
			Source: "github", Kind: "github", Outcome: client.PlanOutcomeDuplicate, Status: 200, Signature: client.PlanSignature{State: client.PlanSignatureStateValid},
			Delivery: client.PlanDelivery{Event: "push", ExternalID: "id-1", Commits: planned().Delivery.Commits},
			Duplicate: client.PlanDuplicate{
				Delivery: uuid.MustParse("0199c3a0-0000-7000-8000-00000000000a"), ReceivedAt: at(-60), Outcome: client.DeliveryOutcomeAccepted, SameBody: true,
				Runs: []client.RunRef{{Pipeline: "hello-world", Number: 12, Status: client.RunStatusWaiting}},
			},
			Pipelines: []client.PlanPipeline{{Pipeline: "hello-world", Matches: true}},
		},
		"malformed": {
			Source: "github", Kind: "github", Outcome: client.PlanOutcomeRefused, Status: 400, Reason: "/after: expected a commit id, found nothing",
			Signature: client.PlanSignature{State: client.PlanSignatureStateValid},
		},
		"octopus": {
			Source: "octopus", Kind: "octopus", Outcome: client.PlanOutcomeAccepted, Status: 202, Woken: 1, Signature: client.PlanSignature{State: client.PlanSignatureStateValid},
			Delivery: client.PlanDelivery{Event: "MachineHealthy", ExternalID: "Events-7", Octopus: client.PlanOctopusEvent{
				ID: "Events-7", Server: "main", Category: "MachineHealthy", Occurred: at(-1), Message: "web-12-a was found to be healthy", Targets: []string{"Machines-41"},
			}},
		},
	}
	for name, plan := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := screen(0)
			if err := s.Plan(plan); err != nil {
				t.Fatal(err)
			}
			golden(t, "plan_"+name, out.String())
		})
	}
}

func TestPlanInColourAndNarrow(t *testing.T) {
	t.Parallel()
	s, out := screen(0)
	s.Color, s.Width = true, 72
	if err := s.Plan(planned()); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan_colour_narrow", out.String())
}

func TestForeignTextInAPlanIsHarmless(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x1b\x9b\n\r\t\u202e\u2066\x07[31m")))).Draw(t, "text")
		plan := planned()
		plan.Source, plan.Kind, plan.Reason, plan.Assumed[0].Value = text, text, text, text
		plan.Delivery.Event, plan.Delivery.ExternalID = text, text
		plan.Delivery.Commits = []client.Commit{{SHA: text, Message: text, Branch: text, Repository: text, Version: text}}
		plan.Delivery.Octopus = client.PlanOctopusEvent{ID: text + "x", Server: text, Message: text}
		for i := range plan.Pipelines {
			plan.Pipelines[i].Pipeline, plan.Pipelines[i].Rule, plan.Pipelines[i].Reason = text, text, text
		}
		run := &plan.Pipelines[2].Run
		run.Commit.Message, run.Commit.SHA, run.Lane.Key, run.Lane.Holder.Pipeline, run.Lane.Ahead[0].Pipeline = text, text, text, text, text
		run.Infrastructure = client.PlanRelease{Project: text, Version: text, GitRef: text, Packages: []client.PlanPackage{{Step: text, Reference: text, Version: text}}}
		run.Application.ReleaseID, run.Application.ReleaseURL = text, text
		run.Override.ReleaseVersion, run.Override.Run.Pipeline, run.Override.Run.Number = text, text, 1
		run.Freezes.Freezes[0].Name, run.Freezes.Freezes[0].Project = text, text
		run.Targets.Targets = []client.PlanTarget{{ID: text, Name: text, Roles: []string{text}, Health: text, Reason: text, Fate: client.PlanTargetFate(text)}}
		run.Findings[0].Message, run.Findings[0].Remedy = text, text
		var out bytes.Buffer
		s := terminal.New(&out)
		s.Width = rapid.IntRange(0, 200).Draw(t, "width")
		if err := s.Plan(plan); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			for _, r := range strings.TrimSuffix(line, "\n") {
				if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
					t.Fatalf("%q reaches the terminal in %q", r, line)
				}
			}
		}
	})
}
