package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regrow/internal/client"
)

func TestRunsListAsksWithEveryFilter(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusFailed), client.RunDetail{})
	got := f.regrow(t.Context(), "runs", "list", "--pipeline", "hello-world", "--number", "12", "--status", "failed", "--commit", "4F0B", "--branch", "main",
		"--from", "2026-10-24T00:00:00+02:00", "--to", "2026-10-26T00:00:00Z", "--after", newerID.String(), "--limit", "7")
	got.want(t, exitOK, "✗  hello-world  12  failed  provision  4f0b1c5a  main", "")
	query, err := url.ParseQuery(f.asked(t, http.MethodGet, "/api/v1/runs")[0].query)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"pipeline": "hello-world", "number": "12", "status": "failed", "commit": "4F0B", "branch": "main",
		"from": "2026-10-24T00:00:00+02:00", "to": "2026-10-26T00:00:00Z", "after": newerID.String(), "limit": "7",
	}
	for name, value := range want {
		if query.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, query.Get(name), value)
		}
	}
	if len(query) != len(want) {
		t.Errorf("asked with %v", query)
	}
}

func TestRunsListPages(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusSucceeded), client.RunDetail{})
	f.answering("GET /api/v1/runs", http.StatusOK, client.RunList{Runs: []client.Run{aRun(client.RunStatusFailed).Run}, Next: newerID})
	f.regrow(t.Context(), "runs", "list").want(t, exitOK, "There are more: add --after "+newerID.String()+", or --all.", "")
}

func TestRunsListAll(t *testing.T) {
	t.Parallel()
	pages := []client.RunList{
		{Runs: []client.Run{aRun(client.RunStatusRunning).Run}, Next: newerID},
		{Runs: []client.Run{aRun(client.RunStatusFailed).Run}},
	}
	server := newPages(t, pages)
	got := perform(t.Context(), "runs", "list", "--all", "--output", "json", "--server", server.URL)
	var list client.RunList
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list.Runs) != 2 || list.Runs[1].Status != client.RunStatusFailed {
		t.Errorf("%v: %s%s", err, got.out, got.err)
	}
}

func TestRunsAreNamedInManyWays(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		runID.String():     "",
		"latest":           "limit=1",
		"hello-world":      "limit=1&pipeline=hello-world",
		"hello-world#12":   "limit=1&number=12&pipeline=hello-world",
		"a name&with=more": "limit=1&pipeline=a+name%26with%3Dmore",
	}
	for name, query := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
			f.regrow(t.Context(), "runs", "show", name).want(t, exitOK, "hello-world #12", "")
			f.asked(t, http.MethodGet, "/api/v1/runs/"+runID.String())
			if query == "" {
				return
			}
			values, err := url.ParseQuery(f.asked(t, http.MethodGet, "/api/v1/runs")[0].query)
			if err != nil || values.Encode() != query {
				t.Errorf("asked with %q, want %q (%v)", values.Encode(), query, err)
			}
		})
	}
}

func TestRunsThatAreNotThere(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.regrow(t.Context(), "runs", "show", newerID.String()).want(t, exitRefused, "", "There is no run here.")
	f.answering("GET /api/v1/runs", http.StatusOK, client.RunList{Runs: []client.Run{}})
	f.regrow(t.Context(), "runs", "show", "hello-world#99").want(t, exitRefused, "", "regrow: There is no run hello-world#99.\n  What to do: List what there is with regrow runs list.")
	f.regrow(t.Context(), "runs", "list").want(t, exitOK, "No runs.", "")
}

func TestRunsWatch(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusWaiting), aRun(client.RunStatusSucceeded))
	f.regrow(t.Context(), "runs", "watch", "latest").want(t, exitOK, "✓ succeeded", "")
}

func TestRunsRetry(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), aRun(client.RunStatusSucceeded))
	f.regrow(t.Context(), "runs", "retry", "latest", "--from", "provision").want(t, exitOK, "hello-world#12 goes on from provision.", "")
	f.regrow(t.Context(), "runs", "retry", "latest", "--wait").want(t, exitOK, "✓ succeeded", "")
	f.regrow(t.Context(), "runs", "retry", "latest", "--from", "start").want(t, exitUsage, "", "--from is one of the stages")
	asked := f.asked(t, http.MethodPost, "/api/v1/runs/"+runID.String()+"/retry")
	if len(asked) != 2 || strings.TrimSpace(asked[0].body) != `{"from":"provision"}` || strings.TrimSpace(asked[1].body) != `{}` {
		t.Errorf("asked %v", asked)
	}
	f.answering("POST /api/v1/runs/"+runID.String()+"/retry", http.StatusConflict, problem(http.StatusConflict, "the run is running", "wait for its end"))
	f.regrow(t.Context(), "runs", "retry", "latest", "--wait").want(t, exitRefused, "", "The run is running.\n  What to do: Wait for its end.")
}

func TestRunsCancel(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.regrow(t.Context(), "runs", "cancel", "latest", "--reason", "wrong branch").want(t, exitOK, "will be cancelled as soon as its stage lets go", "")
	if asked := f.asked(t, http.MethodPost, "/api/v1/runs/"+runID.String()+"/cancel")[0]; strings.TrimSpace(asked.body) != `{"reason":"wrong branch"}` {
		t.Errorf("asked %v", asked)
	}
	f = newFakeServer(t, aRun(client.RunStatusCancelled), client.RunDetail{})
	f.regrow(t.Context(), "runs", "cancel", "latest").want(t, exitOK, "hello-world#12 is cancelled.", "")
}

func TestRunsIgnoreFreeze(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusWaiting), aRun(client.RunStatusSucceeded))
	f.regrow(t.Context(), "runs", "ignore-freeze", "latest", "--reason", "the shop is down").want(t, exitOK, "hello-world#12 goes on in spite of the deployment freeze.", "")
	f.regrow(t.Context(), "runs", "ignore-freeze", "latest", "--reason", "security", "--wait").want(t, exitOK, "✓ succeeded", "")
	for _, args := range [][]string{{"latest"}, {"latest", "--reason", "  "}} {
		f.regrow(t.Context(), append([]string{"runs", "ignore-freeze"}, args...)...).want(t, exitUsage, "", "--reason is needed")
	}
	path := "/api/v1/runs/" + runID.String() + "/ignore-freeze"
	if asked := f.asked(t, http.MethodPost, path); len(asked) != 2 || strings.TrimSpace(asked[0].body) != `{"reason":"the shop is down"}` {
		t.Errorf("asked %v", asked)
	}
	f.answering("POST "+path, http.StatusConflict, problem(http.StatusConflict, "no deployment freeze holds it", "see what it waits for"))
	f.regrow(t.Context(), "runs", "ignore-freeze", "latest", "--reason", "why").want(t, exitRefused, "", "No deployment freeze holds it.\n  What to do: See what it waits for.")
}

func TestEveryAnswerCanBeJSON(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"list", "show latest", "watch latest", "retry latest", "retry latest --wait", "cancel latest", "rollback latest", "cleanup latest", "ignore-freeze latest --reason urgent"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, aRun(client.RunStatusRunning), aRun(client.RunStatusSucceeded))
			got := f.regrow(t.Context(), append([]string{"runs", "--output", "json"}, strings.Fields(args)...)...)
			if got.code != exitOK || !json.Valid([]byte(got.out)) {
				t.Errorf("exit %d, %q, %q", got.code, got.out, got.err)
			}
		})
	}
}

// Not parallel: the environment is everybody's.
func TestServerAndTokenComeFromTheEnvironment(t *testing.T) {
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	t.Setenv("REGROW_URL", f.url)
	t.Setenv("REGROW_TOKEN", "from-environment")
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := perform(t.Context(), "runs", "show", "latest")
	got.want(t, exitOK, "regrow runs watch hello-world#12 ", "")
	if strings.Contains(got.out, "--server") {
		t.Errorf("hints repeat what the environment says:\n%s", got.out)
	}
	perform(t.Context(), "runs", "list", "--token-file", file).want(t, exitOK, "", "")
	perform(t.Context(), "runs", "list", "--token", "from-flag").want(t, exitOK, "", "")
	perform(t.Context(), "runs", "--help").want(t, exitOK, "REGROW_TOKEN", "")
	asked := f.asked(t, http.MethodGet, "/api/v1/runs")
	for i, want := range []string{"from-environment", "from-file", "from-flag"} {
		if got := asked[i].header.Get("Authorization"); got != "Bearer "+want {
			t.Errorf("request %d came with %q, want %q", i, got, want)
		}
	}
}

func TestAnAnswerOfSomethingElse(t *testing.T) {
	t.Parallel()
	server := newPages(t, nil)
	perform(t.Context(), "runs", "list", "--server", server.URL).want(t, exitRefused, "", "Expected an answer of regrow, got one of type")
}

func TestMoments(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)
	tests := map[string]time.Time{
		"2h":                        now.Add(-2 * time.Hour),
		"-2h":                       now.Add(-2 * time.Hour),
		"2026-10-20T08:00:00+02:00": time.Date(2026, 10, 20, 6, 0, 0, 0, time.UTC),
		"2026-10-20":                time.Date(2026, 10, 20, 0, 0, 0, 0, time.Local),
	}
	for text, want := range tests {
		if got, err := moment("from", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v (%v), want %v", text, got, err, want)
		}
	}
}
