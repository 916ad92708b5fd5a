package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"regrow/internal/client"
)

// triggered are the arguments of a trigger that needs nothing else.
func triggered(more ...string) []string {
	return append([]string{"trigger", "--pipeline", "hello-world", "--no-git", "--commit", aCommit, "--branch", "main"}, more...)
}

func TestTrigger(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	got := f.regrow(t.Context(), triggered("--message", "Greet", "--author", "Mira", "--version", "1.4.2", "--url", "https://example.com/c",
		"--repository", "acme/hello", "--idempotency-key", "build-7", "--token", "t0ken")...)
	got.want(t, exitOK, "hello-world#12 started: "+f.url+"/api/v1/runs/"+runID.String()+"\n", "")
	got.want(t, exitOK, "regrow runs watch hello-world#12 --server "+f.url, "")

	asked := f.asked(t, http.MethodPost, "/api/v1/runs")[0]
	var body client.NewRun
	if err := json.Unmarshal([]byte(asked.body), &body); err != nil {
		t.Fatal(err)
	}
	want := client.NewRun{Pipeline: "hello-world", Commit: aCommit, Branch: "main", Message: "Greet", Author: "Mira", Version: "1.4.2",
		URL: "https://example.com/c", Repository: "acme/hello"}
	if body != want {
		t.Errorf("asked for %+v, want %+v", body, want)
	}
	if key, token := asked.header.Get("Idempotency-Key"), asked.header.Get("Authorization"); key != "build-7" || token != "Bearer t0ken" {
		t.Errorf("key %q, token %q", key, token)
	}
}

func TestTriggerTellsAQueuedAndARepeatedRun(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusQueued), client.RunDetail{})
	f.regrow(t.Context(), triggered()...).want(t, exitOK, "hello-world#12 is queued: ", "")
	f.answering("POST /api/v1/runs", http.StatusOK, aRun(client.RunStatusRunning).Run)
	f.regrow(t.Context(), triggered("--idempotency-key", "k")...).want(t, exitOK, "was started by the first request with this key", "")
	first, second := f.asked(t, http.MethodPost, "/api/v1/runs")[0], f.asked(t, http.MethodPost, "/api/v1/runs")[1]
	if key := first.header.Get("Idempotency-Key"); len(key) != 36 || key == second.header.Get("Idempotency-Key") {
		t.Errorf("a trigger without a key should have one of its own, not %q", key)
	}
}

func TestTriggerWaits(t *testing.T) {
	t.Parallel()
	tests := map[client.RunStatus]struct {
		code     int
		out, err string
	}{
		client.RunStatusSucceeded:  {exitOK, "✓ succeeded", ""},
		client.RunStatusFailed:     {exitFailed, "what to do\n  Create it, then retry the run.", "hello-world#12 failed in provision"},
		client.RunStatusSuperseded: {exitSuperseded, "⊘ superseded", "superseded by a newer commit; follow that with: regrow runs watch " + newerID.String()},
		client.RunStatusCancelled:  {exitCancelled, "⊘ cancelled", "hello-world#12 was cancelled"},
	}
	for status, want := range tests {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, aRun(client.RunStatusRunning), aRun(status))
			got := f.regrow(t.Context(), triggered("--wait")...)
			got.want(t, want.code, want.out, want.err)
			got.want(t, want.code, "▸ provision      Stage provision begins.", "")
		})
	}
}

// The server goes away twice: in the midst of an event, and with an error. What
// came before is not shown again.
func TestWaitOutlivesLostConnections(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), aRun(client.RunStatusSucceeded))
	var resumed []string
	f.streaming(
		func(w io.Writer, _ *http.Request) {
			send(w, 1, "stage_started", "First.")
			fmt.Fprint(w, "id: 2\ndata: {\"id\": 2, \"mess")
		},
		func(w io.Writer, r *http.Request) {
			resumed = append(resumed, r.Header.Get("Last-Event-ID"))
			send(w, 2, "baseline_recorded", "Second.")
		},
		func(w io.Writer, r *http.Request) {
			resumed = append(resumed, r.Header.Get("Last-Event-ID"))
			send(w, 2, "baseline_recorded", "Second.")
			send(w, 3, "stage_succeeded", "Third.")
			f.end(w)
		},
	)
	got := f.regrow(t.Context(), triggered("--wait")...)
	got.want(t, exitOK, "connection lost", "")
	for _, once := range []string{"First.", "Second.", "Third."} {
		if n := strings.Count(got.out, once); n != 1 {
			t.Errorf("%q is shown %d times:\n%s", once, n, got.out)
		}
	}
	if strings.Join(resumed, " ") != "1 2" {
		t.Errorf("went on after %q, want after 1 and 2", resumed)
	}
}

func TestWaitTimesOut(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.streaming(hang(func() {}))
	f.regrow(t.Context(), triggered("--wait", "--timeout", "300ms")...).
		want(t, exitTimeout, "started", "--timeout passed: hello-world#12 goes on\nFollow it with: regrow runs watch hello-world#12")
}

func TestWaitTimesOutBeforeAnyAnswer(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	f.regrow(t.Context(), "runs", "watch", runID.String(), "--timeout", "1ns").
		want(t, exitTimeout, "", "--timeout passed: "+runID.String()+" goes on")
}

func TestWaitIsInterrupted(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	ctx, interrupt := context.WithCancel(t.Context())
	f.streaming(hang(interrupt))
	f.regrow(ctx, triggered("--wait")...).want(t, exitInterrupted, "started", "no longer waiting: hello-world#12 goes on")
}

// hang is a stream on which nothing comes until the reader goes.
func hang(begun func()) func(io.Writer, *http.Request) {
	return func(w io.Writer, r *http.Request) {
		fmt.Fprint(w, ": still here\n\n")
		begun()
		<-r.Context().Done()
	}
}

func TestProblemsAreExplained(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	refusal := problem(http.StatusUnprocessableEntity, "branch \"topic\" matches none of [main]", "push to main")
	refusal.Errors = []client.ProblemError{{Pointer: "#/branch", Detail: "is none of [main]"}}
	f.answering("POST /api/v1/runs", http.StatusUnprocessableEntity, refusal)
	f.regrow(t.Context(), triggered()...).
		want(t, exitRefused, "", "regrow: Branch \"topic\" matches none of [main].\n  #/branch: is none of [main]\n  What to do: Push to main.\n")

	f.answering("POST /api/v1/runs", http.StatusServiceUnavailable, problem(http.StatusServiceUnavailable, "the database cannot be reached", ""))
	f.regrow(t.Context(), triggered()...).want(t, exitUnreachable, "", "The database cannot be reached.")
}

// Whoever lost the answer must be able to ask again without a second run.
func TestTriggerOfAnUnreachableServer(t *testing.T) {
	t.Parallel()
	got := perform(t.Context(), triggered("--server", "http://127.0.0.1:1", "--token", "s3cret", "--idempotency-key", "build-7")...)
	got.want(t, exitUnreachable, "", "the server at http://127.0.0.1:1 cannot be reached")
	got.want(t, exitUnreachable, "", "Start one with regrow serve, or name another with --server or REGROW_URL")
	got.want(t, exitUnreachable, "", "repeat it with --idempotency-key build-7")
	if strings.Contains(got.err, "s3cret") {
		t.Errorf("the token is shown: %s", got.err)
	}
}

func TestTriggerAsJSON(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), aRun(client.RunStatusFailed))
	var run client.Run
	got := f.regrow(t.Context(), triggered("--output", "json")...)
	if err := json.Unmarshal([]byte(got.out), &run); err != nil || run.ID != runID {
		t.Errorf("%v, %+v in %s", err, run, got.out)
	}
	var detail client.RunDetail
	got = f.regrow(t.Context(), triggered("--output", "json", "--wait")...)
	if err := json.Unmarshal([]byte(got.out), &detail); err != nil || detail.Status != client.RunStatusFailed {
		t.Errorf("%v, %+v in %s", err, detail, got.out)
	}
	got.want(t, exitFailed, "Greet <all>", "Stage provision begins.")
}

// TestTriggerFromGit lets git fill in what the flags leave open.
func TestTriggerFromGit(t *testing.T) {
	t.Parallel()
	repository := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", repository, "-c", "user.name=Mira", "-c", "user.email=mira@acme.example"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet", "--initial-branch=main")
	git("commit", "--quiet", "--allow-empty", "--message", "Greet\n\nEverybody.")
	git("tag", "v1")
	first := git("rev-parse", "HEAD")
	git("switch", "--quiet", "--create", "topic")
	git("commit", "--quiet", "--allow-empty", "--message", "Shout")
	second := git("rev-parse", "HEAD")
	git("switch", "--quiet", "main")

	tests := map[string]struct {
		flags string
		want  client.NewRun
		err   string
	}{
		"all of it":          {"", client.NewRun{Commit: first, Branch: "main", Message: "Greet\n\nEverybody.", Author: "Mira <mira@acme.example>"}, ""},
		"a name of a commit": {"--commit v1 --message Hi --author Ada", client.NewRun{Commit: first, Branch: "main", Message: "Hi", Author: "Ada"}, ""},
		"of another branch":  {"--commit topic --branch topic", client.NewRun{Commit: second, Branch: "topic", Message: "Shout", Author: "Mira <mira@acme.example>"}, ""},
		"not of this branch": {"--commit topic", client.NewRun{}, "git does not tell: topic is not on a current branch"},
		"full reference":     {"--ref refs/heads/other", client.NewRun{Commit: first, Ref: "refs/heads/other", Message: "Greet\n\nEverybody.", Author: "Mira <mira@acme.example>"}, ""},
		"unknown here":       {"--branch main --commit " + aCommit, client.NewRun{Commit: aCommit, Branch: "main"}, ""},
		"no commit at all":   {"--commit nonsense", client.NewRun{}, "git cannot complete it: fatal: "},
		"no repository":      {"--git " + filepath.Join(repository, "nowhere"), client.NewRun{}, "git does not tell: fatal: cannot change to"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
			args := append([]string{"trigger", "--pipeline", "hello-world"}, strings.Fields(test.flags)...)
			if !strings.Contains(test.flags, "--git") {
				args = append(args, "--git", repository)
			}
			got := f.regrow(t.Context(), args...)
			if test.err != "" {
				got.want(t, exitUsage, "", test.err)
				return
			}
			got.want(t, exitOK, "started", "")
			var body client.NewRun
			if err := json.Unmarshal([]byte(f.asked(t, http.MethodPost, "/api/v1/runs")[0].body), &body); err != nil {
				t.Fatal(err)
			}
			test.want.Pipeline = "hello-world"
			if body != test.want {
				t.Errorf("asked for %+v, want %+v", body, test.want)
			}
		})
	}
}
