package doctor_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"regrow/internal/config"
	"regrow/internal/doctor"
	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// A configuration that is wrong is the first thing to be told, with every line;
// nothing else can be looked at.
func TestBrokenConfiguration(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{})
	c.configure("server: main\n    environment", "server: mian\n    environment")
	delete(c.env, "GITHUB")
	report := c.examine()
	first := report.Checks[0]
	if report.Status != doctor.Errors || first.ID != "config" || first.Severity != doctor.Error || len(first.Details) != 2 {
		t.Fatalf("\n%s", text(report))
	}
	if !strings.Contains(first.Details[0], "regrow.yaml:9:") || !strings.Contains(first.Details[1], `regrow.yaml:16:13: pipelines[0].server: no server is named "mian"`) {
		t.Errorf("%q", first.Details)
	}
	for _, check := range report.Checks[1:] {
		if check.Severity != doctor.Unknown || !strings.Contains(check.Message, `the check "config" did not succeed`) {
			t.Errorf("%+v", check)
		}
	}
}

func TestConfigurationThatCannotBeRead(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{})
	c.change = append(c.change, func(o *doctor.Options) {
		o.LoadConfig = func() (*config.Config, error) { return config.Load("nowhere/regrow.yaml", config.Options{}) }
	})
	check := of(t, c.examine(), "config")
	if check.Severity != doctor.Error || !strings.Contains(check.Message, "nowhere/regrow.yaml") || !strings.Contains(check.Remedy, "--config") {
		t.Errorf("%+v", check)
	}
}

// In development mode there may be no database and no token.
func TestDevelopmentMode(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	c.configure("database: {url: \"${DATABASE}\"}\napi: {tokens: [{name: ops, role: operator, token: \"${TOKEN}\"}]}\n", "api: {tokens: []}\n")
	c.change = append(c.change, func(o *doctor.Options) {
		o.LoadConfig = func() (*config.Config, error) {
			return config.Parse("regrow.yaml", []byte(c.text), config.Options{Development: true, LookupEnv: func(name string) (string, bool) {
				value, ok := c.env[name]
				return value, ok
			}})
		}
	})
	report := c.examine()
	want := map[string]doctor.Severity{"database": doctor.Note, "schema": doctor.NotApplicable, "database-clock": doctor.NotApplicable, "durability": doctor.NotApplicable, "api-tokens": doctor.Note, "override": doctor.OK}
	for id, severity := range want {
		if check := of(t, report, id); check.Severity != severity {
			t.Errorf("%+v", check)
		}
	}
	if report.Status != doctor.AllFine {
		t.Errorf("\n%s", text(report))
	}
}

// --pipeline leaves out what the pipeline does not need.
func TestOnePipeline(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	c.configure("sources:\n", "  - {name: spare, url: https://octopus.invalid, api_key: \"${API_KEY}\", space: Default}\nsources:\n  - {name: build, kind: generic, secret: \"${BUILD}\"}\n")
	c.change = append(c.change, func(o *doctor.Options) { o.Pipeline = "hello-world" })
	report := c.examine()
	for _, check := range report.Checks {
		if check.Scope == "server spare" || check.Scope == "source build" {
			t.Errorf("looked at %s", check.Scope)
		}
	}
	if report.Status != doctor.AllFine {
		t.Errorf("\n%s", text(report))
	}
	c.change = append(c.change, func(o *doctor.Options) { o.Pipeline = "hello" })
	_, err := doctor.Examine(t.Context(), c.options())
	unknown, ok := errors.AsType[*doctor.UnknownPipelineError](err)
	if !ok || unknown.Name != "hello" || !strings.Contains(err.Error(), "known are hello-world") {
		t.Errorf("%v", err)
	}
}

// A tenant's pipeline is as healthy as any.
func TestTenantedPipeline(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{Tenant: "Acme"})
	c.configure("environment: Development\n", "environment: Development\n    tenant: Acme\n")
	c.set("tenants/"+c.scene.TenantID, "ProjectEnvironments",
		map[string][]string{c.scene.ProjectID: {c.scene.EnvironmentID}, c.scene.InfrastructureProjectID: {c.scene.EnvironmentID}})
	report := c.ready().examine()
	if report.Status != doctor.AllFine || of(t, report, "tenant").Severity != doctor.OK || !strings.Contains(of(t, report, "targets").Message, "2 targets") {
		t.Errorf("\n%s", text(report))
	}
}

// Nothing can be reached: that is told apart from something being wrong.
func TestNothingCanBeReached(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c.env["OCTOPUS_URL"] = gone.URL
	if report := c.examine(); report.Status != doctor.Errors {
		t.Errorf("with a database: %s", report.Status)
	}
	c.change = append(c.change, func(o *doctor.Options) {
		o.OpenDatabase = func(context.Context, string) (doctor.Database, error) { return nil, errors.New("nobody is there") }
	})
	if report := c.examine(); report.Status != doctor.Unreachable {
		t.Errorf("without: %s", report.Status)
	}
}

// unwell is an Octopus that misbehaves in one call.
type unwell struct {
	doctor.Octopus
	freezes func(ctx context.Context) ([]octopus.Freeze, error)
}

func (u unwell) Freezes(ctx context.Context, _, _, _ string) ([]octopus.Freeze, error) {
	return u.freezes(ctx)
}

// A check that breaks or hangs does not take the others along.
func TestOneBrokenCheckHidesNoOther(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		freezes func(context.Context) ([]octopus.Freeze, error)
		says    string
	}{
		"panic": {func(context.Context) ([]octopus.Freeze, error) { panic("out of order") }, "The check itself failed: out of order."},
		"hang":  {func(ctx context.Context) ([]octopus.Freeze, error) { <-ctx.Done(); return nil, ctx.Err() }, "did not come in time"},
		"deaf":  {func(context.Context) ([]octopus.Freeze, error) { select {} }, "did not come in time"},
		"error": {func(context.Context) ([]octopus.Freeze, error) { return nil, errors.New("no freezes today") }, "No freezes today."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, simulator.HelloWorldOptions{}).ready()
			c.change = append(c.change, func(o *doctor.Options) {
				open := o.OpenOctopus
				o.OpenOctopus = func(s config.Server) (doctor.Octopus, error) {
					client, err := open(s)
					return unwell{client, test.freezes}, err
				}
				o.CheckTimeout = 5 * time.Second
			})
			report := c.examine()
			if report.Status != doctor.Warnings {
				t.Errorf("the status is %s", report.Status)
			}
			for _, check := range report.Checks {
				broken := check.ID == "freezes"
				if broken && (check.Severity != doctor.Unknown || !strings.Contains(check.Message, test.says)) || !broken && check.Severity != doctor.OK && check.Severity != doctor.NotApplicable {
					t.Errorf("%+v", check)
				}
			}
		})
	}
}

// The checks of a scope are told as soon as they and those before are done, in
// the order of the report, and the progress never goes back.
func TestProgress(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	var told []doctor.Check
	var scopes []string
	last := 0
	c.change = append(c.change, func(o *doctor.Options) {
		o.Found = func(scope string, checks []doctor.Check) {
			scopes = append(scopes, scope)
			told = append(told, checks...)
		}
		o.Progress = func(done, all int, scope string) {
			if done <= last || done > all || scope == "" {
				t.Errorf("%d of %d after %d, at %q", done, all, last, scope)
			}
			last = done
		}
	})
	report := c.examine()
	want := []string{"regrow", "server main", "source github", "source octopus", "pipeline hello-world"}
	if !slices.Equal(scopes, want) || !slices.EqualFunc(told, report.Checks, func(a, b doctor.Check) bool { return a.ID == b.ID && a.Scope == b.Scope }) {
		t.Errorf("told of %v", scopes)
	}
	if last < len(told)-10 {
		t.Errorf("the progress ended at %d of %d", last, len(told))
	}
}

// Whoever has asked may give up.
func TestCancelled(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := doctor.Examine(ctx, c.options()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// passingFaults make a fifth of all requests fail.
var passingFaults = []simulator.Fault{
	{Status: 503, Probability: 0.045}, {Status: 429, RetryAfter: "0", EmptyBody: true, Probability: 0.045}, {DropBefore: true, Probability: 0.045},
	{DropAfter: true, Probability: 0.045}, {Truncate: true, Probability: 0.045},
}

// A fault that passes by itself is no finding.
func TestPassingFaultsChangeNothing(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	c.set("environments/"+c.scene.EnvironmentID, "UseGuidedFailure", true)
	c.set(c.only("projecttriggers", ""), "IsDisabled", true)
	calm := c.examine()
	for _, f := range passingFaults {
		if _, err := c.octopus.Faults().Add(f); err != nil {
			t.Fatal(err)
		}
	}
	c.change = append(c.change, func(o *doctor.Options) { o.Tries = 12 })
	for range 3 {
		if stormy := c.examine(); !sameReport(calm, stormy) {
			t.Errorf("in calm:\n%s\nwith faults:\n%s", text(calm), text(stormy))
		}
	}
}

// sameReport compares reports without how long ago something was.
func sameReport(a, b doctor.Report) bool {
	return a.Status == b.Status && slices.EqualFunc(a.Checks, b.Checks, func(x, y doctor.Check) bool {
		if x.ID == "deliveries" {
			x.Message, y.Message = "", ""
		}
		return x.ID == y.ID && x.Scope == y.Scope && x.Severity == y.Severity && x.Message == y.Message && x.Remedy == y.Remedy && slices.Equal(x.Details, y.Details)
	})
}

// No report holds a secret, whatever others say.
func TestReportsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	chatty := "it is all about " + strings.Join(allSecrets, ", ") + " at postgres://regrow:db-pass-7f2c@db.invalid/regrow"
	for name, break_ := range map[string]func(*clinic){
		"nothing": func(*clinic) {},
		"a chatty database": func(c *clinic) {
			c.change = append(c.change, func(o *doctor.Options) {
				o.OpenDatabase = func(context.Context, string) (doctor.Database, error) { return nil, errors.New(chatty) }
			})
		},
		"a chatty schema": func(c *clinic) { c.database.schema = errors.New(chatty) },
		"a chatty Octopus": func(c *clinic) {
			body, err := json.Marshal(map[string]any{"ErrorMessage": chatty})
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/environments", "/subscriptions", "/machinepolicies"} {
				if _, err := c.octopus.Faults().Add(simulator.Fault{PathPattern: path, Status: 400, Body: string(body)}); err != nil {
					t.Fatal(err)
				}
			}
		},
		"a chatty panic": func(c *clinic) {
			c.change = append(c.change, func(o *doctor.Options) {
				open := o.OpenOctopus
				o.OpenOctopus = func(s config.Server) (doctor.Octopus, error) {
					client, err := open(s)
					return unwell{client, func(context.Context) ([]octopus.Freeze, error) { panic(chatty) }}, err
				}
			})
		},
		"one secret everywhere": func(c *clinic) { c.env["GITHUB"], c.env["TOKEN"] = octopusSecret, octopusSecret },
		"drift": func(c *clinic) {
			c.set(c.only("subscriptions", ""), "EventNotificationSubscription.WebhookHeaderKey", octopusSecret)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, simulator.HelloWorldOptions{}).ready()
			break_(c)
			c.wantNoSecrets()
		})
	}
	t.Run("drift of the example", func(t *testing.T) {
		t.Parallel()
		c := newExampleClinic(t, setup.Bash)
		project := c.send(http.MethodGet, c.only("projects", "Hello World Infrastructure"), nil)
		c.edit("variables/"+project["VariableSetId"].(string), func(d map[string]any) {
			for _, v := range d["Variables"].([]any) {
				v := v.(map[string]any)
				v["Type"], v["IsSensitive"], v["Value"] = "String", false, apiKey
			}
		})
		c.set(c.only("projects", "Hello World"), "ProjectConnectivityPolicy.SkipMachineBehavior", octopusSecret)
		if report := c.wantNoSecrets(); of(t, report, "example").Severity != doctor.Warning {
			t.Errorf("nothing is said about the example:\n%s", text(report))
		}
	})
}

// allSecrets are those of regrow.yaml.
var allSecrets = []string{apiKey, githubSecret, octopusSecret, operatorToken, "db-pass-7f2c"}

// wantNoSecrets fails when a report holds one.
func (c *clinic) wantNoSecrets() doctor.Report {
	c.t.Helper()
	report := c.examine()
	said := text(report)
	for _, secret := range allSecrets {
		if strings.Contains(said, secret) {
			c.t.Errorf("the report holds %q:\n%s", secret, said)
		}
	}
	return report
}

// docs/doctor.md has one row for each check, in the order of the report.
func TestDocumentListsEveryCheck(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []doctor.Description
	of := ""
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			of = strings.ToLower(strings.TrimPrefix(heading, "Each "))
		}
		if cells := strings.Split(line, "|"); len(cells) == 5 && strings.HasPrefix(cells[1], " `") {
			rows = append(rows, doctor.Description{ID: strings.Trim(cells[1], " `"), Of: of})
		}
	}
	if want := doctor.Catalogue(); !slices.Equal(rows, want) {
		t.Errorf("the page has the rows %v, want %v", rows, want)
	}
}

// The JSON in docs/doctor.md has the members that reports have.
func TestDocumentShowsTheForm(t *testing.T) {
	t.Parallel()
	page, err := fs.ReadFile(os.DirFS("../../docs"), "doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	decoder := json.NewDecoder(strings.NewReader(example))
	decoder.DisallowUnknownFields()
	var report doctor.Report
	if err := decoder.Decode(&report); err != nil || len(report.Checks) == 0 {
		t.Fatalf("%v in\n%s", err, example)
	}
	again, err := json.MarshalIndent(report, "", "  ")
	if err != nil || strings.TrimSpace(example) != strings.ReplaceAll(strings.ReplaceAll(string(again), `\u003e`, ">"), `\u0026`, "&") {
		t.Errorf("a member is missing, or out of order: %v\n%s", err, again)
	}
}

// What lives in Git is looked at as far as Octopus tells of it.
func TestProjectInGit(t *testing.T) {
	t.Parallel()
	for git, says := range map[string]string{"default": "its default branch main", "ref": "the webhook's branch", "commit": "the webhook's commit"} {
		c := newClinic(t, simulator.HelloWorldOptions{}).ready()
		c.configure("project: Hello World, ", "project: Hello World, git: "+git+", ")
		c.edit("projects/"+c.scene.ProjectID, func(d map[string]any) {
			d["IsVersionControlled"], d["PersistenceSettings"] = true, map[string]any{"Type": "VersionControlled", "DefaultBranch": "main"}
		})
		report := c.examine()
		if check := of(t, report, "application-project"); check.Severity != doctor.OK || !strings.Contains(check.Message, says) {
			t.Errorf("%+v", check)
		}
		if check := of(t, report, "unavailable-targets"); check.Severity != doctor.NotApplicable {
			t.Errorf("%+v", check)
		}
	}
}

// What the API key's user may not see is not taken for right, and the permission
// is named.
func TestMissingViewPermissions(t *testing.T) {
	t.Parallel()
	for path, test := range map[string]struct{ id, permission string }{
		"/machinepolicies": {"machine-policy", "MachinePolicyView"},
		"/subscriptions":   {"subscription", "SubscriptionView"},
		"/triggers":        {"trigger", "TriggerView"},
		"/machines":        {"targets", "MachineView"},
		"/lifecycles":      {"lifecycle", "LifecycleView"},
		"/environments":    {"environment", "EnvironmentView"},
	} {
		t.Run(test.permission, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, simulator.HelloWorldOptions{}).ready()
			body := `{"ErrorMessage":"You do not have permission to perform this action. Missing permission: ` + test.permission + `"}`
			if _, err := c.octopus.Faults().Add(simulator.Fault{PathPattern: path, Status: 403, Body: body}); err != nil {
				t.Fatal(err)
			}
			report := c.examine()
			if check := of(t, report, test.id); check.Severity != doctor.Unknown || !strings.Contains(check.Message, test.permission) || !strings.Contains(check.Remedy, test.permission) {
				t.Errorf("%+v", check)
			}
			if report.Status != doctor.Warnings {
				t.Errorf("the status is %s", report.Status)
			}
		})
	}
	// Without the audit trail it is not known whether events arrive; nothing is
	// wrong with that.
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	body := `{"ErrorMessage":"You do not have permission to perform this action. Missing permission: EventView"}`
	if _, err := c.octopus.Faults().Add(simulator.Fault{PathPattern: "/api/events$", Status: 403, Body: body}); err != nil {
		t.Fatal(err)
	}
	if report := c.examine(); report.Status != doctor.AllFine || !strings.Contains(text(report), "permission EventView") {
		t.Errorf("\n%s", text(report))
	}
}

// A trigger of somebody else that does the same is as good as regrow's own.
func TestSomebodyElsesTrigger(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{})
	c.octopus.Advance(time.Minute)
	if _, err := c.octopus.AddTrigger(c.scene.ProjectID, c.scene.EnvironmentID, "hello-world"); err != nil {
		t.Fatal(err)
	}
	c.setUp()
	c.octopus.Advance(time.Minute)
	check := of(t, c.examine(), "trigger")
	if check.Severity != doctor.OK || len(check.Details) != 1 || !strings.Contains(check.Details[0], "does this already") {
		t.Errorf("%+v", check)
	}
}
