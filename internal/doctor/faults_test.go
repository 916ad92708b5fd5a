package doctor_test

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"regrow/internal/doctor"
	"regrow/internal/setup"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

// planted is something that is wrong, and what has to be said of it.
type planted struct {
	break_ func(*clinic)
	// id and scope tell the check; an empty scope means the only one of that id.
	id, scope string
	severity  doctor.Severity
	// says are parts of its message, details and remedy.
	says []string
	// too are other checks that cannot be fine then, or not be made.
	too []string
}

// Every fault makes the check speak that it is for, and no other.
func TestEveryFaultIsFoundByItsCheck(t *testing.T) {
	t.Parallel()
	spoke := map[string]bool{}
	for _, surroundings := range []struct {
		start  func(*testing.T) *clinic
		faults []map[string]planted
	}{
		{
			func(t *testing.T) *clinic { t.Helper(); return newClinic(t, simulator.HelloWorldOptions{}).ready() },
			[]map[string]planted{ownFaults(), serverFaults(), sourceFaults(), placeFaults(), settingFaults(), targetFaults(), hourFaults()},
		},
		{
			func(t *testing.T) *clinic { t.Helper(); return newExampleClinic(t, setup.PowerShell) },
			[]map[string]planted{exampleFaults()},
		},
	} {
		healthy := severitiesOf(surroundings.start(t).examine())
		cases := map[string]planted{}
		for _, some := range surroundings.faults {
			maps.Copy(cases, some)
		}
		for name, fault := range cases {
			spoke[fault.id] = true
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := surroundings.start(t)
				fault.break_(c)
				fault.check(t, c.examine(), healthy)
			})
		}
	}
	for _, d := range doctor.Catalogue() {
		if !spoke[d.ID] {
			t.Errorf("no fault makes the check %s speak", d.ID)
		}
	}
}

func (p planted) check(t *testing.T, report doctor.Report, healthy map[string]doctor.Severity) {
	t.Helper()
	found := false
	for _, c := range report.Checks {
		key := c.Scope + " " + c.ID
		was, known := healthy[key]
		switch {
		case c.ID == p.id && (p.scope == "" || c.Scope == p.scope):
			found = true
			said := strings.Join(append([]string{c.Message, c.Remedy}, c.Details...), "\n")
			if c.Severity != p.severity {
				t.Errorf("%s is %s, want %s: %s", key, c.Severity, p.severity, said)
			}
			if (p.severity == doctor.Warning || p.severity == doctor.Error) && c.Remedy == "" {
				t.Errorf("%s says no remedy", key)
			}
			for _, part := range p.says {
				if !strings.Contains(said, part) {
					t.Errorf("%s does not say %q:\n%s", key, part, said)
				}
			}
		case slices.Contains(p.too, c.ID) || known && was == c.Severity || !known && c.Severity != doctor.Warning && c.Severity != doctor.Error:
		default:
			t.Errorf("%s speaks too: %s %s %q", key, c.Severity, c.Message, c.Details)
		}
	}
	if !found {
		t.Errorf("there is no check %s", p.id)
	}
	if t.Failed() {
		t.Logf("\n%s", text(report))
	}
}

func severitiesOf(report doctor.Report) map[string]doctor.Severity {
	all := map[string]doctor.Severity{}
	for _, c := range report.Checks {
		all[c.Scope+" "+c.ID] = c.Severity
	}
	return all
}

func ownFaults() map[string]planted {
	configure := func(old, replacement string) func(*clinic) {
		return func(c *clinic) { c.configure(old, replacement) }
	}
	return map[string]planted{
		"an odd configuration": {configure(`token: "${TOKEN}"`, `token: "`+operatorToken+`"`), "config", "", doctor.Warning,
			[]string{"regrow.yaml:5:", "plain text"}, nil},
		"no database answers": {func(c *clinic) {
			c.change = append(c.change, func(o *doctor.Options) {
				o.OpenDatabase = func(context.Context, string) (doctor.Database, error) {
					return nil, errors.New("the database does not answer (check database.url)")
				}
			})
		}, "database", "", doctor.Error, []string{"does not answer", "database.url"}, []string{"schema", "database-clock", "durability"}},
		"an old schema": {func(c *clinic) { c.database.schema = store.ErrOldSchema }, "schema", "", doctor.Error, []string{"older", "regrow migrate up"}, nil},
		"a new schema":  {func(c *clinic) { c.database.schema = store.ErrNewSchema }, "schema", "", doctor.Error, []string{"newer"}, nil},
		"the database's clock is slow": {func(c *clinic) { c.database.behind = 12 * time.Second }, "database-clock", "", doctor.Warning,
			[]string{"behind this machine's", "12s"}, nil},
		"the database's clock is far ahead": {func(c *clinic) { c.database.behind = -10 * time.Minute }, "database-clock", "", doctor.Error,
			[]string{"ahead of this machine's", "Baselines"}, nil},
		"commits that a power cut undoes": {func(c *clinic) { c.database.off = []string{"fsync", "synchronous_commit"} }, "durability", "", doctor.Warning,
			[]string{"power cut", "fsync, synchronous_commit"}, nil},
		"no public URL": {configure("public_url: ${PUBLIC_URL}\n", ""), "public-url", "", doctor.Warning, []string{"public_url is not set"}, []string{"subscription"}},
		"a public URL where nobody is": {func(c *clinic) {
			gone := httptest.NewServer(http.NotFoundHandler())
			gone.Close()
			c.env["PUBLIC_URL"] = gone.URL
			c.setUp()
			c.octopus.Advance(time.Minute)
		}, "public-url", "", doctor.Warning, []string{"does not answer", "regrow serve"}, nil},
		"a public URL where somebody else is": {func(c *clinic) {
			c.wrap(&c.wrapRegrow, func(http.Handler) http.Handler { return http.NotFoundHandler() })
		}, "public-url", "", doctor.Error, []string{"Something else", "404 Not Found"}, nil},
		"a public URL that leads elsewhere": {func(c *clinic) {
			c.wrap(&c.wrapRegrow, func(http.Handler) http.Handler {
				return http.RedirectHandler("https://sso.example.com/", http.StatusFound)
			})
		}, "public-url", "", doctor.Error, []string{"302 Found to https://sso.example.com/"}, nil},
		"a public URL that does not exist": {func(c *clinic) {
			c.env["PUBLIC_URL"] = "https://regrow.invalid"
			c.change = append(c.change, func(o *doctor.Options) { o.Transport = unresolved{} })
			c.setUp()
			c.octopus.Advance(time.Minute)
		}, "public-url", "", doctor.Error, []string{"does not resolve", "regrow.invalid"}, nil},
		"a public URL without encryption": {func(c *clinic) {
			c.env["PUBLIC_URL"] = "http://regrow.example.com"
			c.change = append(c.change, func(o *doctor.Options) { o.Transport = healthyEverywhere{} })
			c.setUp()
			c.octopus.Advance(time.Minute)
		}, "public-url", "", doctor.Warning, []string{"unencrypted", "https"}, nil},
		"a token like an example": {func(c *clinic) { c.env["TOKEN"] = "my-secret-operator-token" }, "api-tokens", "", doctor.Warning, []string{`"ops"`, "openssl rand"}, nil},
		"a token that is a secret": {func(c *clinic) { c.env["TOKEN"] = githubSecret }, "api-tokens", "", doctor.Warning,
			[]string{`the secret of the source "github" too`}, nil},
		"no operator": {configure("role: operator", "role: viewer"), "api-tokens", "", doctor.Note, []string{"operator"}, nil},
	}
}

// healthyEverywhere answers for every regrow.
type healthyEverywhere struct{}

func (healthyEverywhere) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	_, err := w.WriteString(`{"status":"ok"}`)
	return w.Result(), err
}

// unresolved knows no host.
type unresolved struct{}

func (unresolved) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &net.DNSError{Err: "no such host", Name: r.URL.Hostname(), IsNotFound: true}
}

func serverFaults() map[string]planted {
	everythingThere := []string{"octopus-version", "api-key", "space", "clock", "deliveries", "permissions", "environment", "infrastructure-project", "application-project",
		"channels", "lifecycle", "machine-policy", "trigger", "other-triggers", "subscription", "example", "targets", "target-policy", "unavailable-targets", "guided-failure",
		"freezes", "override"}
	answering := func(f simulator.Fault) func(*clinic) {
		return func(c *clinic) {
			if _, err := c.octopus.Faults().Add(f); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	date := func(ahead time.Duration) func(*clinic) {
		return func(c *clinic) {
			c.wrap(&c.wrapOctopus, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
					next.ServeHTTP(w, r)
				})
			})
		}
	}
	return map[string]planted{
		"no Octopus": {func(c *clinic) {
			gone := httptest.NewServer(http.NotFoundHandler())
			gone.Close()
			c.env["OCTOPUS_URL"] = gone.URL
		}, "octopus", "", doctor.Error, []string{"connection refused"}, everythingThere},
		"an Octopus that is ill":  {answering(simulator.Fault{Status: 503}), "octopus", "", doctor.Error, []string{"503"}, everythingThere},
		"something else answers":  {answering(simulator.Fault{Status: 200, Body: "<html></html>"}), "octopus", "", doctor.Error, []string{"not the JSON"}, everythingThere},
		"an old Octopus":          {answering(simulator.Fault{PathPattern: "^/api$", Status: 200, Body: `{"Version":"2019.13.7"}`}), "octopus-version", "", doctor.Warning, []string{"2019.13.7", "2024.2 to 2026.3"}, nil},
		"an Octopus of no number": {answering(simulator.Fault{PathPattern: "^/api$", Status: 200, Body: `{"Version":"next"}`}), "octopus-version", "", doctor.Warning, []string{`"next"`}, nil},
		"a wrong key": {func(c *clinic) { c.env["API_KEY"] = "API-ANOTHERKEYTHATWASONCEGOOD" }, "api-key", "", doctor.Error,
			[]string{"does not take the API key", "logged in"}, slices.DeleteFunc(slices.Clone(everythingThere), func(id string) bool { return id == "api-key" || id == "clock" })},
		"no such space": {func(c *clinic) { c.configure("space: Default", "space: Elsewhere") }, "space", "", doctor.Error,
			[]string{`"Elsewhere"`}, slices.DeleteFunc(slices.Clone(everythingThere), func(id string) bool {
				return id == "api-key" || id == "clock" || id == "space"
			})},
		"Octopus' clock is fast":  {date(15 * time.Second), "clock", "", doctor.Warning, []string{"ahead of this machine's"}, nil},
		"Octopus' clock is wrong": {date(-10 * time.Minute), "clock", "", doctor.Error, []string{"behind this machine's", "tolerance"}, nil},
		"nobody takes Octopus' events": {func(c *clinic) {
			c.configure("  - {name: octopus, kind: octopus, server: main, secret: \"${OCTOPUS}\"}\n", "")
		}, "callbacks", "", doctor.Note, []string{"30s", "kind octopus"}, []string{"subscription"}},
		"a server without pipelines": {func(c *clinic) {
			c.configure("sources:\n", "  - {name: spare, url: \"${OCTOPUS_URL}/\", api_key: \"${API_KEY}\", space: default, requests_per_minute: 100}\nsources:\n")
		}, "callbacks", "server spare", doctor.Note, []string{"No pipeline"}, []string{"config"}},
		"a key that may do little": {answering(simulator.Fault{PathPattern: "/permissions$", Status: 200, Body: `{"SpacePermissions":{"ReleaseView":[{"SpaceId":"Spaces-1"}]},"SystemPermissions":[]}`}),
			"permissions", "", doctor.Error, []string{"ReleaseCreate, for provision", "MachineDelete", "Teams"}, nil},
		"a key that cannot override freezes": {func(c *clinic) {
			c.wrap(&c.wrapOctopus, rewriting("/permissions", "DeploymentFreezeAdminister", "SomethingElse"))
		}, "permissions", "", doctor.Note, []string{"DeploymentFreezeAdminister, for letting a run ignore"}, nil},
		"a server that does not tell permissions": {answering(simulator.Fault{PathPattern: "/permissions$", Status: 404, Body: `{"ErrorMessage":"not found"}`}),
			"permissions", "", doctor.Unknown, []string{"does not tell", "docs/octopus.md"}, nil},
	}
}

func sourceFaults() map[string]planted {
	const github, octopus = "source github", "source octopus"
	secret := func(value string) func(*clinic) {
		return func(c *clinic) { c.env["GITHUB"] = value }
	}
	generic := func(value string) func(*clinic) {
		return func(c *clinic) {
			c.configure(`kind: github, secret: "${GITHUB}"`, `kind: generic, secret: "${GITHUB}"`)
			c.env["GITHUB"] = value
		}
	}
	return map[string]planted{
		"a short secret":      {secret("kQ8z-Wm4u"), "secret", github, doctor.Warning, []string{"is short"}, []string{"config"}},
		"a secret of one key": {secret(strings.Repeat("aab", 20)), "secret", github, doctor.Warning, []string{"hardly any different"}, nil},
		"an example's secret": {secret("s3cret-value-of-github"), "secret", github, doctor.Warning, []string{"example", "openssl rand -hex 32"}, nil},
		"a published secret":  {generic("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "secret", github, doctor.Warning, []string{"everybody can read", "whsec_$(openssl"}, nil},
		"an encoded example":  {generic("whsec_dHJpYWwtYnVpbGQtb2YtZXZlcnlib2R5LTAx"), "secret", github, doctor.Warning, []string{"looks like an example"}, nil},
		"one secret twice":    {secret(octopusSecret), "secret", github, doctor.Warning, []string{`the source "octopus" too`}, []string{"secret"}},
		"an old secret": {func(c *clinic) {
			c.configure(`secret: "${GITHUB}"`, `secret: "${GITHUB}", previous_secret: "${OLD}"`)
			c.env["OLD"] = "1f0e9d8c7b6a5f4e3d2c1b0a9f8e7d6c"
		}, "secret", github, doctor.Note, []string{"previous_secret"}, nil},
		"a source for nothing": {func(c *clinic) {
			c.configure("  - {name: octopus,", "  - {name: spare, kind: generic, secret: \"${BUILD}\"}\n  - {name: octopus,")
		}, "source-use", "source spare", doctor.Warning, []string{`"spare"`}, nil},
		"Octopus' events for nothing": {func(c *clinic) {
			c.configure("sources:\n", "  - {name: spare, url: \"${OCTOPUS_URL}/\", api_key: \"${API_KEY}\", space: default, requests_per_minute: 100}\nsources:\n"+
				"  - {name: wasted, kind: octopus, server: spare, secret: \"${BUILD}\"}\n")
			c.send(http.MethodPost, "subscriptions", map[string]any{"Name": "Wasted", "EventNotificationSubscription": map[string]any{
				"Filter": map[string]any{"EventCategories": []string{"MachineHealthy"}}, "WebhookURI": c.env["PUBLIC_URL"] + "/webhooks/wasted"}})
		}, "source-use", "source wasted", doctor.Warning, []string{`the server "spare"`}, []string{"config"}},
		"a subscription that is not processed": {func(c *clinic) {
			c.wrap(&c.wrapOctopus, rewriting("/subscriptions", `"WebhookLastProcessed":"`, `"WebhookLastProcessed":"2020-01-01T00:00:00Z","Was":"`))
		}, "deliveries", octopus, doctor.Warning, []string{"has not processed"}, nil},
		"a subscription that was never processed": {func(c *clinic) {
			c.wrap(&c.wrapOctopus, rewriting("/subscriptions", `"WebhookLastProcessed":"`, `"WebhookLastProcessed":null,"Was":"`))
		}, "deliveries", octopus, doctor.Note, []string{"yet"}, nil},
		"deliveries that get lost": {func(c *clinic) {
			c.database.deliveries = map[string]time.Time{}
		}, "deliveries", octopus, doctor.Warning, []string{"nothing has ever arrived", "/webhooks/octopus"}, nil},
		"deliveries that have stopped": {func(c *clinic) {
			c.database.deliveries["octopus"] = time.Now().Add(-3 * time.Hour)
		}, "deliveries", octopus, doctor.Warning, []string{"the last delivery came 3h"}, nil},
	}
}

// rewriting changes the text of answers below a path.
func rewriting(path, old, replacement string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, path) {
				next.ServeHTTP(w, r)
				return
			}
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			maps.Copy(w.Header(), recorder.Header())
			w.Header().Del("Content-Length")
			w.WriteHeader(recorder.Code)
			_, _ = w.Write([]byte(strings.ReplaceAll(recorder.Body.String(), old, replacement)))
		})
	}
}
