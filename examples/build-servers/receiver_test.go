package buildservers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"regrow/internal/pipeline"
	"regrow/internal/webhook"
)

// secret is base64 of bytes that shells, printf and arithmetic take badly: 0,
// %, \, quotes, digits, 255.
const secret = "whsec_ACVcIidgJDEwMAoNIP//gAEbfygpKwAJ"

// regrow takes messages in as regrow does, with answers of its own before that.
type regrow struct {
	t        *testing.T
	url      string
	receiver *webhook.Receiver

	mu       sync.Mutex
	trouble  []func(http.ResponseWriter) // the answers to the first requests
	requests []http.Header
	commits  []pipeline.Commit
}

func newRegrow(t *testing.T, secret string, trouble ...func(http.ResponseWriter)) *regrow {
	t.Helper()
	receiver, err := webhook.New(webhook.Source{Name: "build", Kind: webhook.Generic, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	r := &regrow{t: t, receiver: receiver, trouble: trouble}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *regrow) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(request.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.requests = append(r.requests, request.Header)
	if len(r.trouble) > 0 {
		answer := r.trouble[0]
		r.trouble = r.trouble[1:]
		answer(w)
		return
	}
	if request.URL.Path != "/webhooks/build" {
		problem(w, http.StatusNotFound, "there is no source of this name")
		return
	}
	delivery, err := r.receiver.Receive(webhook.Request{Header: request.Header, Body: body, Received: time.Now()})
	if refusal, refused := errors.AsType[*webhook.Error](err); refused {
		status := map[webhook.Reason]int{webhook.Unauthorized: http.StatusUnauthorized, webhook.Malformed: http.StatusBadRequest}[refusal.Reason]
		problem(w, status, refusal.Error())
		return
	}
	r.commits = append(r.commits, delivery.Commits...)
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprintf(w, "{\"status\":\"accepted\",\n\"delivery\":%q}\n", delivery.ID) // the script may be gone
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "detail": detail}) // the script may be gone
}

// later answers that regrow cannot take anything now.
func later(status int, retryAfter string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", retryAfter)
		problem(w, status, "the database is away")
	}
}

func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// ended is how a script ended.
type ended struct {
	code   int
	output string
}

// perform runs a script in a folder, with no variables but those given and a
// PATH. A curl that notes its arguments stands before the real one, and so does
// an openssl: nobody may see the secret there.
func perform(t *testing.T, shell, folder, script string, variables map[string]string) ended {
	t.Helper()
	scratch := t.TempDir()
	command := exec.CommandContext(t.Context(), shell, "-eu", "-c", script)
	command.Dir = folder
	command.Env = []string{"no_proxy=*", "HOME=" + scratch, "TMPDIR=" + scratch, "ARGUMENTS=" + filepath.Join(scratch, "arguments"),
		"PATH=" + witnesses(t, "curl", "openssl") + string(os.PathListSeparator) + os.Getenv("PATH")}
	for name, value := range variables {
		command.Env = append(command.Env, name+"="+value)
	}
	output, err := command.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	arguments, _ := os.ReadFile(filepath.Join(scratch, "arguments")) // absent when nothing was sent
	if seen := string(output) + string(arguments); variables["REGROW_SECRET"] != "" && strings.Contains(seen, variables["REGROW_SECRET"]) {
		t.Errorf("the script shows its secret:\n%s", seen)
	}
	if left, err := filepath.Glob(filepath.Join(scratch, "tmp*")); err != nil || len(left) > 0 {
		t.Errorf("the script leaves %q behind (%v)", left, err)
	}
	return ended{command.ProcessState.ExitCode(), string(output)}
}

// witnesses returns a folder of programs that note their arguments and then do
// what those of their names do.
func witnesses(t *testing.T, names ...string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range names {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("the scripts need %s (make bootstrap-test installs it): %v", name, err)
		}
		script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >>\"$ARGUMENTS\"\nexec " + program + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
