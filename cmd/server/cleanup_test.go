package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"regrow/internal/client"
)

func aCleanup(fate client.CleanupTargetFate) client.CleanupPreview {
	return client.CleanupPreview{
		Cleanup: client.Cleanup{Mode: client.CleanupModeDelete, Minimum: 1, TimeoutSeconds: 60}, Available: new(1), At: aRun(client.RunStatusRunning).CreatedAt,
		Targets: []client.CleanupTarget{{ID: "Machines-1", Name: "old", Fate: fate, Reason: "it is so"}}, Findings: []client.PlanFinding{},
	}
}

func TestRunsCleanupDryRun(t *testing.T) {
	t.Parallel()
	path := "/api/v1/runs/" + runID.String() + "/cleanup"
	f := newFakeServer(t, aRun(client.RunStatusWaiting), client.RunDetail{})
	f.answering("GET "+path, http.StatusOK, aCleanup(client.CleanupTargetFateRemoved))
	f.regrow(t.Context(), "runs", "cleanup", "latest", "--dry-run").want(t, exitOK, "hello-world #12  ✓ clean-up would remove 1 of 1 old target", "")
	got := f.regrow(t.Context(), "runs", "cleanup", "latest", "--dry-run", "--output", "json")
	var preview client.CleanupPreview
	if err := json.Unmarshal([]byte(got.out), &preview); err != nil || got.code != exitOK || len(preview.Targets) != 1 {
		t.Errorf("exit %d, %v: %s", got.code, err, got.out)
	}

	failing := aCleanup(client.CleanupTargetFateHeld)
	failing.WouldFail = true
	failing.Findings = []client.PlanFinding{{Kind: client.PlanFindingKindFails, Message: "too many"}}
	f.answering("GET "+path, http.StatusOK, failing)
	f.regrow(t.Context(), "runs", "cleanup", "latest", "--dry-run").want(t, exitFailed, "It would fail. Too many.", "the clean-up of hello-world#12 would fail")

	blind := aCleanup(client.CleanupTargetFateUnknown)
	blind.Findings = []client.PlanFinding{{Kind: client.PlanFindingKindUnknown, Message: "away"}}
	f.answering("GET "+path, http.StatusOK, blind)
	f.regrow(t.Context(), "runs", "cleanup", "latest", "--dry-run").want(t, exitFailed, "Unknown. Away.", "not all could be found out")
	for _, asked := range f.requests {
		if asked.method != http.MethodGet {
			t.Errorf("a dry run has asked for %v", asked)
		}
	}
	f.answering("GET "+path, http.StatusTooManyRequests, problem(http.StatusTooManyRequests, "too many plans", ""))
	f.regrow(t.Context(), "runs", "cleanup", "latest", "--dry-run").want(t, exitRefused, "", "Too many plans")
}

func TestRunsCleanup(t *testing.T) {
	t.Parallel()
	path := "/api/v1/runs/" + runID.String() + "/cleanup"
	f := newFakeServer(t, aRun(client.RunStatusRunning), aRun(client.RunStatusSucceeded))
	f.regrow(t.Context(), "runs", "cleanup", "latest").want(t, exitOK, "hello-world#12 cleans up again.", "")
	f.regrow(t.Context(), "runs", "cleanup", "latest", "--max-removals", "12", "--wait").want(t, exitOK, "✓ succeeded", "")
	if asked := f.asked(t, http.MethodPost, path); len(asked) != 2 || strings.TrimSpace(asked[0].body) != `{}` || strings.TrimSpace(asked[1].body) != `{"max_removals":12}` {
		t.Errorf("asked %v", asked)
	}
	for flags, want := range map[string]string{
		"--max-removals 0":           "a number from 1 to 10000, not 0",
		"--max-removals 10001":       "a number from 1 to 10000, not 10001",
		"--dry-run --max-removals 2": "--dry-run removes nothing",
		"--dry-run --wait":           "nothing that could be waited for",
	} {
		f.regrow(t.Context(), append([]string{"runs", "cleanup", "latest"}, strings.Fields(flags)...)...).want(t, exitUsage, "", want)
	}
	f.answering("POST "+path, http.StatusConflict, problem(http.StatusConflict, "only a run that failed in cleanup can clean up again", "wait for its end"))
	f.regrow(t.Context(), "runs", "cleanup", "latest").want(t, exitRefused, "", "Only a run that failed in cleanup can clean up again.\n  What to do: Wait for its end.")
}
