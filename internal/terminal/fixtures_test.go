package terminal_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what was shown with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look, and if it is right: go test ./internal/terminal -update\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

// created is when the runs of these tests are created.
var created = time.Date(2026, 10, 24, 12, 3, 11, 0, time.UTC)

func at(seconds float64) time.Time {
	return created.Add(time.Duration(seconds * float64(time.Second)))
}

// screen is a screen that is looked at the given seconds after created, in a
// place two hours ahead of UTC.
func screen(seconds float64) (*terminal.Screen, *bytes.Buffer) {
	var out bytes.Buffer
	s := terminal.New(&out)
	s.Zone = time.FixedZone("", 2*60*60)
	s.Now = func() time.Time { return at(seconds) }
	s.Server = "http://127.0.0.1:8080"
	return s, &out
}

const octopus = "https://octopus.example.com/app#/Spaces-1/"

func newRun() client.RunDetail {
	run := client.RunDetail{
		Run: client.Run{
			ID: uuid.MustParse("0199c3a0-0000-7000-8000-00000000000c"), Pipeline: "hello-world", Number: 12, Round: 1,
			Status: client.RunStatusQueued, Stage: client.StageProvision, Reason: "The lane is taken.",
			Commit: client.Commit{
				Repository: "acme/hello", Ref: "refs/heads/main", Branch: "main", SHA: "4f0b1c5a9d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a",
				Message: "Greet the whole world\n\nNot only those who are logged in.", Author: "Mira Lindqvist <mira@acme.example>", Version: "1.4.2",
			},
			Server: "main", Lane: "main/Default/Production/hello-infra", CreatedAt: created,
		},
	}
	for _, stage := range []client.Stage{client.StageProvision, client.StageCreateRelease, client.StageOverride, client.StageVerify, client.StageCleanup} {
		run.Stages = append(run.Stages, client.StageDetail{Stage: stage, Status: client.StageStatusPending})
	}
	return run
}

// frozenRun waits for the end of a deployment freeze before its first step.
func frozenRun() client.RunDetail {
	run := newRun()
	run.Status, run.StartedAt = client.RunStatusWaiting, at(0.2)
	run.Frozen = client.Freeze{Name: "Christmas", Until: at(500000)}
	run.Reason = `The deployment freeze "Christmas" holds until 2026-10-30T06:56:31Z. The run goes on by itself when it is over, or at once with: regrow runs ignore-freeze hello-world#12 --reason TEXT`
	run.NextCheckAt = at(90)
	run.Stages[0].Status, run.Stages[0].StartedAt, run.Stages[0].Reason = client.StageStatusWaiting, at(0.2), run.Reason
	return run
}

// begun is a run whose first three stages are through and that waits in verify.
func begun() client.RunDetail {
	run := newRun()
	run.Status, run.Stage, run.StartedAt = client.RunStatusWaiting, client.StageVerify, at(0.2)
	run.Reason = "3 expected, 2 available, 1 deployed"
	run.NextCheckAt, run.DeadlineAt = at(90), at(1800)
	run.Stages[0] = through(client.StageProvision, 0.2, 3.4, "Release 1.0.12 of hello-infra is being deployed to Production.", map[string]any{
		"project_id": "Projects-1", "environment_id": "Environments-2", "baseline": true,
		"release_id": "Releases-112", "release_version": "1.0.12", "release_url": octopus + "releases/Releases-112",
		"deployment_id": "Deployments-71", "deployment_url": octopus + "deployments/Deployments-71",
		"task_id": "ServerTasks-903", "task_url": octopus + "tasks/ServerTasks-903",
	})
	run.Stages[0].Attempts = []client.Attempt{
		{Number: 1, StartedAt: at(0.2), EndedAt: at(0.9), Checks: 1, Outcome: client.AttemptOutcomeRetrying, Error: "Octopus answered 503 to POST /api/Spaces-1/releases/create/v1."},
		{Number: 2, StartedAt: at(1), EndedAt: at(1.1), Checks: 1, Outcome: client.AttemptOutcomeRetrying, Error: "Octopus answered 503 to POST /api/Spaces-1/releases/create/v1."},
		{Number: 3, StartedAt: at(1.5), EndedAt: at(1.9), Checks: 1, Outcome: client.AttemptOutcomeLost},
		{Number: 4, StartedAt: at(2), EndedAt: at(3.4), Checks: 1, Outcome: client.AttemptOutcomeSucceeded},
	}
	run.Stages[1] = through(client.StageCreateRelease, 3.4, 3.9, "Release 1.4.2 of hello-app is created.", map[string]any{
		"project_id": "Projects-2", "release_id": "Releases-113", "release_version": "1.4.2", "release_url": octopus + "releases/Releases-113",
	})
	run.Stages[2] = through(client.StageOverride, 3.9, 4.2, "New targets get release 1.4.2 of hello-app.", map[string]any{"override_release_id": "Releases-113"})
	run.Stages[3] = client.StageDetail{
		Stage: client.StageVerify, Status: client.StageStatusWaiting, StartedAt: at(4.2), Reason: run.Reason,
		Result: map[string]any{"expected": 3.0, "available": 2.0, "deployed": 1.0, "redeployments": []any{
			map[string]any{"deployment_id": "Deployments-74", "deployment_url": octopus + "deployments/Deployments-74", "targets": []any{"Machines-42"}},
		}},
		Attempts: []client.Attempt{{Number: 1, StartedAt: at(4.2), EndedAt: at(60), Checks: 9, Outcome: client.AttemptOutcomeWaiting}},
	}
	run.Targets = []client.Target{
		{ID: "Machines-31", Name: "web-11-a", Generation: client.TargetGenerationBaseline, Health: "Healthy", Available: true},
		{ID: "Machines-32", Name: "web-11-b", Generation: client.TargetGenerationBaseline, Health: "Unavailable"},
		fresh("Machines-41", "web-12-a", "deployed", 40), fresh("Machines-42", "web-12-b", "other", 41),
		{ID: "Machines-43", Name: "web-12-c", Generation: client.TargetGenerationNew, Health: "Unknown", ReleaseState: "missing"},
	}
	return run
}

func through(stage client.Stage, from, to float64, reason string, result map[string]any) client.StageDetail {
	return client.StageDetail{
		Stage: stage, Status: client.StageStatusSucceeded, Reason: reason, StartedAt: at(from), EndedAt: at(to), Result: result,
		Attempts: []client.Attempt{{Number: 1, StartedAt: at(from), EndedAt: at(to), Checks: 1, Outcome: client.AttemptOutcomeSucceeded}},
	}
}

func fresh(id, name, state string, since float64) client.Target {
	return client.Target{
		ID: id, Name: name, Generation: client.TargetGenerationNew, Health: "Healthy", Available: true,
		ReleaseState: state, DeploymentID: "Deployments-72", AvailableSince: at(since),
	}
}

func succeeded() client.RunDetail {
	run := begun()
	run.Status, run.Stage, run.EndedAt = client.RunStatusSucceeded, client.StageCleanup, at(252)
	run.Reason = "2 old targets are removed, 1 old target left."
	run.NextCheckAt, run.DeadlineAt = time.Time{}, time.Time{}
	verify := &run.Stages[3]
	verify.Status, verify.EndedAt = client.StageStatusSucceeded, at(180)
	verify.Reason = "Release 1.4.2 of hello-app runs on all 3 targets of the new generation."
	run.Stages[4] = through(client.StageCleanup, 180, 252, run.Reason, map[string]any{"mode": "delete", "removed": []any{"Machines-31", "Machines-32"}})
	old := func(id, name string, removed float64, note string) client.Target {
		target := client.Target{ID: id, Name: name, Generation: client.TargetGenerationBaseline, Health: "Unavailable", Note: note}
		if removed > 0 {
			target.RemovedAt = at(removed)
		}
		return target
	}
	run.Targets = []client.Target{
		old("Machines-31", "web-11-a", 200, "It was unavailable."), old("Machines-32", "web-11-b", 201, "It was removed by something else."),
		old("Machines-33", "web-11-c", 0, "It belongs to other environments too."),
		fresh("Machines-41", "web-12-a", "deployed", 40), fresh("Machines-42", "web-12-b", "deployed", 41), fresh("Machines-43", "web-12-c", "deployed", 95),
	}
	return run
}

func failed() client.RunDetail {
	run := begun()
	run.Status, run.EndedAt, run.RetryFrom = client.RunStatusFailed, at(1801), client.StageProvision
	run.NextCheckAt, run.DeadlineAt = time.Time{}, time.Time{}
	run.Reason = "The new generation was not proven within 30m0s: 3 expected, 2 available, 1 deployed."
	run.Remedy = "find out in Octopus why fewer targets became available than expected, then retry the run, from provision for a new set"
	run.Stages[3].Status, run.Stages[3].EndedAt, run.Stages[3].Reason = client.StageStatusFailed, at(1801), run.Reason
	return run
}

func running() client.RunDetail {
	run := newRun()
	run.Status, run.StartedAt, run.Reason = client.RunStatusRunning, at(0.2), "Octopus answered 500."
	run.Stages[0].Status, run.Stages[0].StartedAt = client.StageStatusRunning, at(0.2)
	for i, reason := range []string{"Octopus answered 502.", "Octopus answered 502.", "Octopus answered 503.", "Octopus answered 504.", "Octopus answered 500."} {
		run.Stages[0].Attempts = append(run.Stages[0].Attempts, client.Attempt{
			Number: int32(i + 1), StartedAt: at(float64(i)), EndedAt: at(float64(i) + 0.5), Checks: 1, Outcome: client.AttemptOutcomeRetrying, Error: reason,
		})
	}
	run.Stages[0].Attempts = append(run.Stages[0].Attempts, client.Attempt{Number: 6, StartedAt: at(5), Checks: 1, Outcome: client.AttemptOutcomeRunning})
	return run
}

func cancelled() client.RunDetail {
	run := begun()
	run.Status, run.EndedAt, run.CancelRequestedAt = client.RunStatusCancelled, at(75), at(70)
	run.Reason, run.CancelReason = "Cancelled by ops: wrong branch", "Cancelled by ops: wrong branch"
	run.Stages[3].Status, run.Stages[3].EndedAt, run.Stages[3].Reason = client.StageStatusCancelled, at(75), run.Reason
	return run
}

func superseded() client.RunDetail {
	run := newRun()
	run.Status, run.EndedAt = client.RunStatusSuperseded, at(30)
	run.Reason = "Superseded by run #13, commit 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567."
	run.SupersededBy = uuid.MustParse("0199c3a0-0000-7000-8000-00000000000d")
	return run
}
