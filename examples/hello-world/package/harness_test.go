package helloworld_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"regrow/internal/simulator"
)

const (
	apiKey      = "API-KEEPTHISSECRET1"
	readOnlyKey = "API-KEEPTHISSECRET2"
)

// bootstrap is what Octopus puts before a script: it defines the function that
// reads variables, and reads the script.
const bootstrap = `
get_octopusvariable() { if [ -e "$VARIABLES/$1" ]; then cat "$VARIABLES/$1"; fi; }
. ./"$SCRIPT"
`

// witness is a curl that notes its arguments, which every process could see.
const witness = `#!/bin/sh
printf '%s\n' "$@" >>"$ARGUMENTS"
exec "$REAL_CURL" "$@"
`

// octopus is a simulated Octopus Server with an environment and the policy, and
// a note of each request.
type octopus struct {
	*simulator.Server
	url           string
	environmentID string
	policyID      string

	mu       sync.Mutex
	requests []request
}

type request struct {
	method, path, body, answer string
}

func newOctopus(t *testing.T) *octopus {
	t.Helper()
	o := &octopus{Server: simulator.New(simulator.Options{APIKey: apiKey, ReadOnlyAPIKey: readOnlyKey})}
	server := httptest.NewServer(o)
	t.Cleanup(o.Close)
	t.Cleanup(server.Close)
	o.url = server.URL
	var err error
	if o.environmentID, err = o.AddEnvironment("Development"); err != nil {
		t.Fatal(err)
	}
	if o.policyID, err = o.AddImmutablePolicy(); err != nil {
		t.Fatal(err)
	}
	return o
}

// ServeHTTP notes a request and its answer on the way.
func (o *octopus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := &copied{ResponseWriter: w}
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.requests = append(o.requests, request{r.Method, r.URL.Path, string(body), answer.body.String()})
	}()
	o.Server.ServeHTTP(answer, r)
}

type copied struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (c *copied) Write(data []byte) (int, error) {
	c.body.Write(data)
	return c.ResponseWriter.Write(data)
}

// sent returns the noted requests with a method.
func (o *octopus) sent(method string) []request {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []request
	for _, r := range o.requests {
		if r.method == method {
			found = append(found, r)
		}
	}
	return found
}

// variables of a deployment of the infrastructure project.
type variables map[string]string

// with returns a copy that differs in some; an empty value is an absent one.
func (v variables) with(pairs ...string) variables {
	changed := maps.Clone(v)
	for i := 0; i < len(pairs); i += 2 {
		changed[pairs[i]] = pairs[i+1]
	}
	return changed
}

func (o *octopus) deployment() variables {
	return variables{
		"Octopus.Web.ServerUri":  o.url + "/",
		"Octopus.Space.Id":       "Spaces-1",
		"Octopus.Environment.Id": o.environmentID,
		"Octopus.Deployment.Id":  "Deployments-12",
		"HelloWorld.ApiKey":      apiKey,
	}
}

// run unpacks the package and runs one of its scripts there, as Octopus does.
// It returns what the script printed, and whether it succeeded.
func run(t *testing.T, script string, v variables) (output string, succeeded bool) {
	t.Helper()
	dir := t.TempDir()
	unpack(t, filepath.Join(dir, "package"))
	write(t, filepath.Join(dir, "bin", "curl"), witness, 0o755)
	for name, value := range v {
		if value != "" {
			write(t, filepath.Join(dir, "variables", name), value, 0o600)
		}
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatalf("the scripts need curl (make bootstrap-test installs it): %v", err)
	}
	command := exec.CommandContext(t.Context(), "bash", "-c", bootstrap)
	command.Dir = filepath.Join(dir, "package")
	command.Env = append(os.Environ(), "no_proxy=*", "SCRIPT="+script, "VARIABLES="+filepath.Join(dir, "variables"),
		"TMPDIR="+dir, "REAL_CURL="+curl, "ARGUMENTS="+filepath.Join(dir, "arguments"),
		"PATH="+filepath.Join(dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	printed, err := command.CombinedOutput()
	arguments, _ := os.ReadFile(filepath.Join(dir, "arguments")) // absent when nothing was sent
	if seen := string(printed) + string(arguments); strings.Contains(seen, "KEEPTHISSECRET") {
		t.Errorf("%s shows its key:\n%s", script, seen)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "tmp*")); err != nil || len(left) > 0 {
		t.Errorf("%s leaves %q behind (%v)", script, left, err)
	}
	return string(printed), err == nil
}

func unpack(t *testing.T, dir string) {
	t.Helper()
	for _, file := range unzip(t).File {
		write(t, filepath.Join(dir, file.Name), read(t, file), file.Mode())
	}
}

func write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
