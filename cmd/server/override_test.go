package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"regrow/internal/localpg/pgtest"
	"regrow/internal/simulator"
)

const overrideConfig = `
listen: 127.0.0.1:0
database: {url: "%s"}
api: {tokens: [{name: ops, role: operator, token: a-token-of-the-override-tests}]}
servers:
  - {name: main, url: "%s", api_key: API-SIMULATOR, space: Default, requests_per_minute: 60000, timeout: 1s}
sources:
  - {name: github, kind: github, secret: a-secret-of-the-override-tests}
pipelines:
  - name: hello-world
    source: github
    repository: acme/hello-world
    branches: [main]
    server: main
    environment: Development
    infrastructure: {project: Hello World Infrastructure, version: "1.0.{run}", roles: [hello-world], targets: 2}
    application: {project: Hello World, version: "2.0.{run}"}
`

// overrides is the command override over a configuration of a test.
type overrides struct{ config string }

func newOverrides(t *testing.T, octopus, database string) overrides {
	t.Helper()
	file := filepath.Join(t.TempDir(), "regrow.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, overrideConfig, database, octopus), 0o600); err != nil {
		t.Fatal(err)
	}
	return overrides{file}
}

func emptyDatabase(t *testing.T) string {
	t.Helper()
	return pgtest.NewURL(t, func(context.Context, *pgxpool.Pool) error { return nil }, "empty")
}

func (o overrides) run(ctx context.Context, args ...string) (code int, out, errors string) {
	var stdout, stderr bytes.Buffer
	code = execute(ctx, "test", append([]string{"override", args[0], "--config", o.config}, args[1:]...), strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// said runs a command that has to succeed.
func (o overrides) said(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errors := o.run(t.Context(), args...)
	if code != exitOK {
		t.Fatalf("override %v: exit %d: %s", args, code, errors)
	}
	return out
}

// simulated is a simulated Octopus with the Hello World scene and releases.
func simulated(t *testing.T, scene simulator.HelloWorldOptions, versions ...string) (*simulator.Server, simulator.Scene, string) {
	t.Helper()
	octopus := simulator.New(simulator.Options{})
	t.Cleanup(octopus.Close)
	built, err := octopus.HelloWorld(scene)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		if _, err := octopus.AddRelease(built.ProjectID, version); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(octopus)
	t.Cleanup(server.Close)
	return octopus, built, server.URL
}

func TestOverrideIsSetReplacedListedAndDeleted(t *testing.T) {
	t.Parallel()
	_, _, url := simulated(t, simulator.HelloWorldOptions{}, "0.0.2", "0.0.3")
	o := newOverrides(t, url, emptyDatabase(t))
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"list"}, "No override stands.\n"},
		{[]string{"delete", "--pipeline", "hello-world"}, "No override stands for Hello World in Development; nothing was changed."},
		{[]string{"set", "--pipeline", "hello-world", "--release", "0.0.2"}, "New targets of Hello World in Development get release 0.0.2."},
		{[]string{"set", "--project", "hello world", "--environment", "development", "--release", "0.0.2"}, "get release 0.0.2 already; nothing was changed."},
		{[]string{"set", "--pipeline", "hello-world", "--release", "latest"}, "get release 0.0.3, not 0.0.2 any more."},
		{[]string{"list"}, "main     Hello World  Development          0.0.3"},
		{[]string{"list", "--project", "Hello World", "--output", "json"}, `"release": "0.0.3"`},
		{[]string{"delete", "--pipeline", "hello-world", "-o", "json"}, `"previous": "0.0.3"`},
		{[]string{"list", "--pipeline", "hello-world", "--output", "json"}, "[]\n"},
	} {
		if got := o.said(t, step.args...); !strings.Contains(got, step.want) {
			t.Fatalf("override %v printed %q, want %q", step.args, got, step.want)
		}
	}
}

func TestOverrideIsPerTenant(t *testing.T) {
	t.Parallel()
	_, _, url := simulated(t, simulator.HelloWorldOptions{Tenant: "Acme"}, "0.0.2", "0.0.3")
	o := newOverrides(t, url, emptyDatabase(t))
	o.said(t, "set", "--project", "Hello World", "--environment", "Development", "--release", "0.0.2")
	o.said(t, "set", "--project", "Hello World", "--environment", "Development", "--tenant", "Acme", "--release", "0.0.3")
	var listed []listedOverride
	if err := json.Unmarshal([]byte(o.said(t, "list", "-o", "json")), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed) != 2 || listed[0].Tenant != "" || listed[0].Release != "0.0.2" || listed[1].Tenant != "Acme" || listed[1].Release != "0.0.3" {
		t.Errorf("listed %+v", listed)
	}
	o.said(t, "delete", "--project", "Hello World", "--environment", "Development")
	if got := o.said(t, "list"); !strings.Contains(got, "Acme") || strings.Contains(got, "0.0.2") {
		t.Errorf("after deleting the untenanted one: %q", got)
	}
}

// An environment or a tenant narrows the list of all servers, of which not every
// one has it.
func TestOverrideListIsNarrowedOnEveryServer(t *testing.T) {
	t.Parallel()
	_, _, first := simulated(t, simulator.HelloWorldOptions{}, "0.0.2")
	_, _, second := simulated(t, simulator.HelloWorldOptions{Environment: "Production", Tenant: "Acme"}, "0.0.2")
	o := newOverrides(t, first, emptyDatabase(t))
	text, err := os.ReadFile(o.config)
	if err != nil {
		t.Fatal(err)
	}
	servers, pipelines, _ := strings.Cut(string(text), "pipelines:\n")
	servers = strings.Replace(servers, "sources:", fmt.Sprintf("  - {name: second, url: %q, api_key: API-SIMULATOR, space: Default, requests_per_minute: 60000}\nsources:", second), 1)
	other := strings.NewReplacer("name: hello-world", "name: other", "server: main", "server: second", "Development", "Production").Replace(pipelines)
	if err := os.WriteFile(o.config, []byte(servers+"pipelines:\n"+pipelines+other), 0o600); err != nil {
		t.Fatal(err)
	}
	o.said(t, "set", "--pipeline", "hello-world", "--release", "0.0.2")
	o.said(t, "set", "--octopus", "second", "--project", "Hello World", "--environment", "Production", "--tenant", "Acme", "--release", "0.0.2")
	for narrowed, want := range map[string][]string{
		"":                         {"main", "second"},
		"--octopus second":         {"second"},
		"--environment production": {"second"},
		"--tenant Acme":            {"second"},
		"--environment Development --tenant acme": {},
	} {
		var listed []listedOverride
		if err := json.Unmarshal([]byte(o.said(t, append([]string{"list", "-o", "json"}, strings.Fields(narrowed)...)...)), &listed); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range listed {
			got = append(got, l.Octopus)
		}
		if !slices.Equal(got, want) {
			t.Errorf("override list %s: of %q, want %q", narrowed, got, want)
		}
	}
}

func TestOverrideSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, _, url := simulated(t, simulator.HelloWorldOptions{})
	o := newOverrides(t, url, "postgres://127.0.0.1:1/none")
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no place":        {[]string{"delete"}, exitUsage, "--pipeline, or --project and --environment"},
		"both":            {[]string{"set", "--pipeline", "hello-world", "--project", "x", "--release", "1"}, exitUsage, "none of the others can be"},
		"no pipeline":     {[]string{"list", "--pipeline", "nonsense"}, exitUsage, "there are hello-world"},
		"no server":       {[]string{"list", "--project", "Hello World", "--octopus", "nonsense"}, exitUsage, "one of the servers main"},
		"none of servers": {[]string{"list", "--octopus", "nonsense"}, exitUsage, "one of the servers main"},
		"none anywhere":   {[]string{"list", "--environment", "Nonsense"}, exitRefused, `no environment is named "Nonsense"`},
		"no project":      {[]string{"list", "--project", "Nonsense"}, exitRefused, `there is no project of that name`},
		"no environment":  {[]string{"list", "--project", "Hello World", "--environment", "Nonsense"}, exitRefused, `there is no environment of that name`},
		"no release":      {[]string{"set", "--no-lock", "--pipeline", "hello-world", "--release", "9.9.9"}, exitRefused, `has no release "9.9.9"`},
		"no database":     {[]string{"set", "--pipeline", "hello-world", "--release", "0.0.1"}, exitUnreachable, "--no-lock"},
		"a wrong output":  {[]string{"list", "--output", "xml"}, exitUsage, "--output is text or json"},
		"needs a release": {[]string{"set", "--pipeline", "hello-world"}, exitUsage, `"release" not set`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, errors := o.run(t.Context(), test.args...)
			if code != test.code || !strings.Contains(errors, test.want) {
				t.Errorf("exit %d, %q; want exit %d and %q", code, errors, test.code, test.want)
			}
		})
	}
}

func TestOverrideGetsThroughFaults(t *testing.T) {
	t.Parallel()
	octopus, _, url := simulated(t, simulator.HelloWorldOptions{}, "0.0.2")
	for _, fault := range []simulator.Fault{
		{Probability: 0.05, Status: http.StatusServiceUnavailable, EmptyBody: true},
		{Probability: 0.05, Status: http.StatusTooManyRequests},
		{Probability: 0.05, DropAfter: true},
		{Probability: 0.05, Truncate: true},
	} {
		if _, err := octopus.Faults().Add(fault); err != nil {
			t.Fatal(err)
		}
	}
	o := newOverrides(t, url, emptyDatabase(t))
	for range 5 {
		o.said(t, "set", "--pipeline", "hello-world", "--release", "0.0.2")
		if got := o.said(t, "list"); !strings.Contains(got, "0.0.2") {
			t.Fatalf("listed %q", got)
		}
		o.said(t, "delete", "--pipeline", "hello-world")
	}
}

// keeper is an Octopus that keeps one project as the JSON that was written to it
// last, as Octopus does: without telling crossing writes apart.
type keeper struct {
	mu      sync.Mutex
	project string
	puts    int
}

func (k *keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	path, base := r.URL.Path, "/api/Spaces-1"
	list := func(items ...string) {
		fmt.Fprintf(w, `{"TotalResults":%d,"Items":[%s]}`, len(items), strings.Join(items, ","))
	}
	switch {
	case path == "/api/spaces":
		list(`{"Id":"Spaces-1","Name":"Default"}`)
	case path == base+"/projects":
		list(`{"Id":"Projects-1","Name":"Hello World"}`)
	case path == base+"/environments":
		var all []string
		for i := range writers {
			all = append(all, fmt.Sprintf(`{"Id":"Environments-%d","Name":"E%d"}`, i, i))
		}
		list(all...)
	case path == base+"/tenants":
		list()
	case strings.HasPrefix(path, base+"/projects/Projects-1/releases/"), strings.HasPrefix(path, base+"/releases/"):
		version := path[strings.LastIndex(path, "-")+1:]
		version = version[strings.LastIndex(version, "/")+1:]
		fmt.Fprintf(w, `{"Id":"Releases-%s","Version":%q}`, version, version)
	case path == base+"/projects/Projects-1" && r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		k.mu.Lock()
		k.project, k.puts = string(body), k.puts+1
		k.mu.Unlock()
		_, _ = w.Write(body)
	case path == base+"/projects/Projects-1":
		k.mu.Lock()
		defer k.mu.Unlock()
		_, _ = io.WriteString(w, k.project)
	default:
		http.Error(w, `{"ErrorMessage":"The resource was not found."}`, http.StatusNotFound)
	}
}

// writers is how many change a project at the same time.
const writers = 8

// strange are members that decoding and encoding again would change or lose.
func strange() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		name, _ := json.Marshal(rapid.StringN(0, 12, 40).Draw(t, "name"))
		value := rapid.SampledFrom([]string{
			`1.0`, `1e400`, `"a\/b\u0041"`, `{"x":1,"x":2}`, `[ ]`, `null`, `"<&>"`, `{ "AutoDeployReleaseOverrides" : [ 1 ] }`, `12345678901234567890123`,
		}).Draw(t, "value")
		return string(name) + rapid.SampledFrom([]string{":", " : ", ":\n\t"}).Draw(t, "colon") + value
	})
}

// document puts overrides between the other members of a project.
func document(before, after []string, overrides string) string {
	members := append([]string{`"Id":"Projects-1"`, `"Name" : "Hello World"`}, before...)
	members = append(members, `"AutoDeployReleaseOverrides":`+overrides)
	return "{ " + strings.Join(append(members, after...), " ,\n") + "}"
}

func TestOverrideCommandsLeaveEveryOtherByte(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	o := newOverrides(t, server.URL, "postgres://127.0.0.1:1/not-used")
	place := []string{"--no-lock", "--project", "Hello World", "--environment", "E1"}
	rapid.Check(t, func(r *rapid.T) {
		before := rapid.SliceOfN(strange(), 0, 4).Draw(r, "before")
		after := rapid.SliceOfN(strange(), 0, 4).Draw(r, "after")
		others := rapid.SampledFrom([]string{
			``, `{"EnvironmentId":"Environments-2","TenantId":null,"ReleaseId":"Releases-5","Since" : 1.0}`,
			`{"EnvironmentId":"Environments-1","TenantId":"Tenants-1","ReleaseId":"Releases-6"}`,
		}).Draw(r, "others")
		k.project = document(before, after, "["+others+"]")
		check := func(want string) {
			if k.project != want {
				r.Fatalf("got  %s\nwant %s", k.project, want)
			}
		}
		ours := func(version int) string {
			entry := fmt.Sprintf(`{"EnvironmentId":"Environments-1","TenantId":null,"ReleaseId":"Releases-%d"}`, version)
			if others != "" {
				entry = others + "," + entry
			}
			return document(before, after, "["+entry+"]")
		}
		o.said(t, append([]string{"set", "--release", "7"}, place...)...)
		check(ours(7))
		o.said(t, append([]string{"set", "--release", "8"}, place...)...)
		check(ours(8))
		o.said(t, append([]string{"list"}, place[1:]...)...)
		check(ours(8))
		o.said(t, append([]string{"delete"}, place...)...)
		check(document(before, after, "["+others+"]"))
	})
}

func TestRacingOverridesAllStand(t *testing.T) {
	t.Parallel()
	before, after := []string{`"Order":1.0`, `"Huge" : 1e400`}, []string{`"Icon":{"Id":"🐙"}`}
	k := &keeper{project: document(before, after, "[]")}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	o := newOverrides(t, server.URL, emptyDatabase(t))
	for round := range 4 {
		var racing sync.WaitGroup
		for i := range writers {
			racing.Go(func() {
				code, _, errors := o.run(t.Context(), "set", "--project", "Hello World", "--environment", fmt.Sprintf("E%d", i), "--release", fmt.Sprint(round))
				if code != exitOK {
					t.Errorf("writer %d: exit %d: %s", i, code, errors)
				}
			})
		}
		racing.Wait()
		for i := range writers {
			if entry := fmt.Sprintf(`{"EnvironmentId":"Environments-%d","TenantId":null,"ReleaseId":"Releases-%d"}`, i, round); !strings.Contains(k.project, entry) {
				t.Errorf("round %d: the override of writer %d is lost: %s", round, i, k.project)
			}
		}
	}
	start, end := strings.Index(k.project, "["), strings.LastIndex(k.project, "]")
	if rest := k.project[:start] + "[]" + k.project[end+1:]; rest != document(before, after, "[]") {
		t.Errorf("something else has changed: %s", rest)
	}
	if k.puts != 4*writers {
		t.Errorf("%d writes for %d changes", k.puts, 4*writers)
	}
}
