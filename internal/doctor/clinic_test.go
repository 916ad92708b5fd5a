package doctor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"regrow/internal/config"
	"regrow/internal/doctor"
	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// The secrets of the tests. They are long and look random, as they should.
const (
	apiKey        = "API-Q7M2ZK4XW9T1BHV6LD3RYP8JNC"
	githubSecret  = "9f3c1e0a7b5d48e2a6c4f1d09b8e7a53"
	buildSecret   = "whsec_hO3Zr9v1Yb6wKq8tLx2mNc5pJd7sGf4u"
	octopusSecret = "c81be4f05d7a92e6b3f48c1a5e0d97f2"
	operatorToken = "5ad0c7f3e1984b62a7d3f0e8c5b19d46"
)

// wholeConfig has one of everything. The variables are the tests' own.
const wholeConfig = `
listen: 127.0.0.1:0
public_url: ${PUBLIC_URL}
database: {url: "${DATABASE}"}
api: {tokens: [{name: ops, role: operator, token: "${TOKEN}"}]}
servers:
  - {name: main, url: "${OCTOPUS_URL}", api_key: "${API_KEY}", space: Default, requests_per_minute: 100}
sources:
  - {name: github, kind: github, secret: "${GITHUB}"}
  - {name: octopus, kind: octopus, server: main, secret: "${OCTOPUS}"}
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

// clinic is an installation in which everything is right, until a test breaks
// something.
type clinic struct {
	t        *testing.T
	octopus  *simulator.Server
	scene    simulator.Scene
	address  string // of Octopus
	text     string // of regrow.yaml
	env      map[string]string
	database *fakeDatabase
	// shell is the language of the example that setup makes; "" means none.
	shell string
	// change turns the knobs of an examination.
	change []func(*doctor.Options)

	mu sync.Mutex
	// wrapOctopus and wrapRegrow stand before the two servers.
	wrapOctopus, wrapRegrow func(http.Handler) http.Handler
}

// fakeDatabase is a database in which all is well.
type fakeDatabase struct {
	mu         sync.Mutex
	schema     error
	behind     time.Duration
	off        []string // settings
	deliveries map[string]time.Time
	active     string
	madeBy     map[string]string // runs by the releases that they made
	wentBack   map[string]string // runs by the releases that their rollbacks went back to
	closed     bool
}

func (d *fakeDatabase) CheckSchema(context.Context) error { return d.schema }

func (d *fakeDatabase) Now(context.Context) (time.Time, error) { return time.Now().Add(-d.behind), nil }

func (d *fakeDatabase) SwitchedOff(context.Context) ([]string, error) { return d.off, nil }

func (d *fakeDatabase) LastDelivery(_ context.Context, source string) (time.Time, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ever := d.deliveries[source]
	return at, ever, nil
}

func (d *fakeDatabase) ActiveRun(context.Context, string) (string, error) { return d.active, nil }

func (d *fakeDatabase) RunOfRelease(_ context.Context, _, id string) (string, error) {
	return d.madeBy[id], nil
}

func (d *fakeDatabase) RollbackTo(_ context.Context, _, id string) (string, error) {
	return d.wentBack[id], nil
}

func (d *fakeDatabase) Close() { d.closed = true }

// past is how long the simulated server has been at work.
const past = time.Hour

// newClinic is over an Octopus in which people have made what is theirs to make.
func newClinic(t *testing.T, scene simulator.HelloWorldOptions) *clinic {
	t.Helper()
	c := newEmptyClinic(t)
	scene.NoTrigger = true
	var err error
	if c.scene, err = c.octopus.HelloWorld(scene); err != nil {
		t.Fatal(err)
	}
	return c
}

// newExampleClinic is over an Octopus in which setup has made all that there is,
// for a pipeline that names all that it may.
func newExampleClinic(t *testing.T, shell string) *clinic {
	t.Helper()
	c := newEmptyClinic(t)
	c.shell = shell
	c.configure("environment: Development\n", "environment: Development\n    tenant: Acme\n")
	c.configure("project: Hello World Infrastructure,", "project: Hello World Infrastructure, channel: Default,")
	c.configure("project: Hello World,", "project: Hello World, channel: Fast,")
	c.octopus.Advance(time.Minute)
	c.setUp()
	c.octopus.Advance(past - time.Minute)
	return c
}

// newEmptyClinic is over an Octopus that has begun an hour ago.
func newEmptyClinic(t *testing.T) *clinic {
	t.Helper()
	c := &clinic{t: t, text: wholeConfig, database: &fakeDatabase{deliveries: map[string]time.Time{}}}
	c.octopus = simulator.New(simulator.Options{APIKey: apiKey, Start: time.Now().Add(-past)})
	t.Cleanup(c.octopus.Close)
	c.address = c.serve(c.octopus, func() func(http.Handler) http.Handler { return c.wrapOctopus })
	own := c.serve(http.HandlerFunc(c.regrow), func() func(http.Handler) http.Handler { return c.wrapRegrow })
	c.env = map[string]string{
		"PUBLIC_URL": own, "DATABASE": "postgres://regrow:db-pass-7f2c@db.invalid/regrow", "TOKEN": operatorToken,
		"OCTOPUS_URL": c.address, "API_KEY": apiKey, "GITHUB": githubSecret, "OCTOPUS": octopusSecret, "BUILD": buildSecret,
	}
	return c
}

// ready lets setup do its work, and an hour pass in which something happens.
func (c *clinic) ready() *clinic {
	c.t.Helper()
	c.octopus.Advance(time.Minute)
	c.setUp()
	c.octopus.Advance(time.Minute)
	if err := c.octopus.SetCondition(c.scene.TargetIDs[0], "HasWarnings"); err != nil {
		c.t.Fatal(err)
	}
	c.octopus.Advance(past - 2*time.Minute)
	return c
}

func (c *clinic) setUp() {
	c.t.Helper()
	loaded, err := c.load()
	if err != nil {
		c.t.Fatal(err)
	}
	client := c.client()
	for _, p := range loaded.Pipelines {
		if _, err := setup.Apply(c.t.Context(), client, c.setupOptions(p.Name), nil); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *clinic) setupOptions(pipeline string) setup.Options {
	c.t.Helper()
	loaded, err := c.load()
	if err != nil {
		c.t.Fatal(err)
	}
	options, err := setup.FromConfig(loaded, pipeline)
	if err != nil {
		c.t.Fatal(err)
	}
	options.Example, options.Shell = c.shell != "", c.shell
	return options
}

// serve makes a server whose handler is wrapped in what wrap returns when a
// request comes.
func (c *clinic) serve(handler http.Handler, wrap func() func(http.Handler) http.Handler) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		outer := wrap()
		c.mu.Unlock()
		if outer != nil {
			outer(handler).ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	c.t.Cleanup(server.Close)
	return server.URL
}

// regrow stands for the running server: it is healthy and takes deliveries.
func (c *clinic) regrow(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	source, isDelivery := strings.CutPrefix(r.URL.Path, "/webhooks/")
	switch {
	case r.URL.Path == "/healthz":
		_, _ = io.WriteString(w, `{"status":"ok"}`)
	case isDelivery && r.Header.Get("X-Regrow-Token") == octopusSecret:
		c.database.mu.Lock()
		c.database.deliveries[source] = c.octopus.Now()
		c.database.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	default:
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (c *clinic) wrap(what *func(http.Handler) http.Handler, with func(http.Handler) http.Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*what = with
}

func (c *clinic) load() (*config.Config, error) {
	return config.Parse("regrow.yaml", []byte(c.text), config.Options{LookupEnv: func(name string) (string, bool) {
		value, ok := c.env[name]
		return value, ok
	}})
}

// configure changes the text of regrow.yaml.
func (c *clinic) configure(old, replacement string) {
	c.t.Helper()
	if !strings.Contains(c.text, old) {
		c.t.Fatalf("the configuration has no %q", old)
	}
	c.text = strings.Replace(c.text, old, replacement, 1)
}

func (c *clinic) client() *octopus.Client {
	c.t.Helper()
	client, err := octopus.New(octopus.Config{URL: c.address, APIKey: apiKey, Space: "Default", RequestsPerMinute: 100_000, Rereads: 3, Settling: time.Millisecond})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return client
}

// examine performs an examination.
func (c *clinic) examine() doctor.Report {
	c.t.Helper()
	report, err := doctor.Examine(c.t.Context(), c.options())
	if err != nil {
		c.t.Fatal(err)
	}
	return report
}

func (c *clinic) options() doctor.Options {
	o := doctor.Options{
		ConfigFile: "regrow.yaml",
		LoadConfig: c.load,
		OpenDatabase: func(_ context.Context, url string) (doctor.Database, error) {
			if url != c.env["DATABASE"] {
				return nil, errors.New("another address than the configured one")
			}
			return c.database, nil
		},
		OpenOctopus: func(s config.Server) (doctor.Octopus, error) {
			return octopus.New(octopus.Config{URL: s.URL, APIKey: s.APIKey.Reveal(), Space: s.Space, RequestsPerMinute: 100_000})
		},
		Tries: 2,
	}
	for _, change := range c.change {
		change(&o)
	}
	return o
}

// send speaks to Octopus as an administrator would. A path that begins with a
// slash is one of the server, others are of the space.
func (c *clinic) send(method, path string, body any) map[string]any {
	c.t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/Spaces-1/" + path
	}
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.address+"/api"+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-Octopus-ApiKey", apiKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode > 299 {
		c.t.Fatalf("%s %s: %s %s %v", method, path, res.Status, answer, err)
	}
	var document map[string]any
	if err := json.Unmarshal(answer, &document); err != nil {
		c.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
	return document
}

// edit changes a resource of Octopus by hand.
func (c *clinic) edit(path string, change func(map[string]any)) {
	c.t.Helper()
	document := c.send(http.MethodGet, path, nil)
	change(document)
	c.send(http.MethodPut, path, document)
}

// set changes one member of a resource by hand.
func (c *clinic) set(path, member string, value any) {
	c.t.Helper()
	c.edit(path, func(d map[string]any) {
		names := strings.Split(member, ".")
		for _, name := range names[:len(names)-1] {
			d = d[name].(map[string]any)
		}
		d[names[len(names)-1]] = value
	})
}

// only returns the path of the one resource of a collection that has the name.
func (c *clinic) only(collection, name string) string {
	c.t.Helper()
	for _, item := range c.send(http.MethodGet, collection+"?take=1000", nil)["Items"].([]any) {
		d := item.(map[string]any)
		if name == "" || d["Name"] == name {
			return collection + "/" + d["Id"].(string)
		}
	}
	c.t.Fatalf("there is no %q in %s", name, collection)
	return ""
}

// of returns a check of the report.
func of(t *testing.T, report doctor.Report, id string) doctor.Check {
	t.Helper()
	i := slices.IndexFunc(report.Checks, func(c doctor.Check) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("the report has no check %q", id)
	}
	return report.Checks[i]
}

// text is a report as a test shows it.
func text(report doctor.Report) string {
	var b strings.Builder
	fmt.Fprintln(&b, report.Status)
	for _, c := range report.Checks {
		fmt.Fprintf(&b, "%-22s %-22s %-14s %s %q → %s\n", c.Scope, c.ID, c.Severity, c.Message, c.Details, c.Remedy)
	}
	return b.String()
}
