//go:build unix

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"regrow/internal/client"
)

// asJSON runs the command against the installation and reads the run that it
// prints.
func (i *installation) asJSON(args ...string) (client.RunDetail, int) {
	i.t.Helper()
	cmd, out, errs := i.command(append(args, "--server", i.url, "--output", "json")...)
	err := cmd.Run()
	code := cmd.ProcessState.ExitCode()
	var run client.RunDetail
	if decodeErr := json.Unmarshal(out.Bytes(), &run); decodeErr != nil {
		i.t.Fatalf("%v exits %d (%v): %v\n%s%s", args, code, err, decodeErr, out, errs)
	}
	return run, code
}

// releaseOf is the version of the application that a run put out.
func releaseOf(run client.RunDetail) any {
	for _, stage := range run.Stages {
		if stage.Stage == client.StageCreateRelease {
			return stage.Result["release_version"]
		}
	}
	return nil
}

// With the binary, as an operator does it: a commit turns out to be bad, the last
// good release goes on new infrastructure, and the next commit goes its usual way.
func TestRollbackByTheBinary(t *testing.T) {
	t.Parallel()
	i := install(t)
	i.push("d1", strings.Repeat("a", 40))
	good, code := i.asJSON("runs", "watch", "latest", "--timeout", "90s")
	if code != exitOK {
		t.Fatalf("the first run is %s: %s", good.Status, good.Reason)
	}
	i.push("d2", strings.Repeat("b", 40))
	if bad, code := i.asJSON("runs", "watch", "latest", "--timeout", "90s"); code != exitOK || bad.Number != 2 {
		t.Fatalf("the second run is %s: %s", bad.Status, bad.Reason)
	}
	back, code := i.asJSON("runs", "rollback", "hello-world#2", "--reason", "it is slow", "--wait", "--timeout", "90s")
	if code != exitOK || back.Status != client.RunStatusSucceeded || back.Kind != client.RunKindRollback || back.Restores != good.ID {
		t.Fatalf("exit %d, the rollback is %s %s: %s", code, back.Kind, back.Status, back.Reason)
	}
	if releaseOf(back) != releaseOf(good) || back.Commit.SHA != good.Commit.SHA {
		t.Errorf("release %v of %s was put out, want %v", releaseOf(back), back.Commit.SHA, releaseOf(good))
	}
	cmd, out, errs := i.command("runs", "rollback", "hello-world#2", "--server", i.url)
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != exitRefused || !strings.Contains(errs.String(), "does not run any more") {
		t.Errorf("a second rollback: exit %d, %s%s", cmd.ProcessState.ExitCode(), out, errs)
	}
	i.push("d3", strings.Repeat("c", 40))
	if next, code := i.asJSON("runs", "watch", "latest", "--timeout", "90s"); code != exitOK || next.Kind != client.RunKindCommit {
		t.Errorf("the next commit's run is %s: %s", next.Status, next.Reason)
	}
}

// A run that is still under way returns to the targets that stand.
func TestRollbackOfAnActiveRunByTheBinary(t *testing.T) {
	t.Parallel()
	i := prepare(t, flowConfig)
	i.simulate("--speed", "10")
	i.serve()
	i.push("d1", strings.Repeat("a", 40))
	back, code := i.asJSON("runs", "rollback", "latest", "--wait", "--timeout", "2m")
	if code != exitOK && back.Rollback.Way != client.RollbackWayNone {
		t.Fatalf("exit %d, the run is %s (%s): %s", code, back.Status, back.Rollback.Way, back.Reason)
	}
	if back.Status != client.RunStatusCancelled || !strings.Contains(back.Reason, "Rolled back by ops") {
		t.Errorf("the run is %s: %s", back.Status, back.Reason)
	}
}
