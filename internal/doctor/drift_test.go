package doctor_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"regrow/internal/doctor"
	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/setup/setuptest"
	"regrow/internal/simulator"
)

// checkOf says which check is for a kind of things. All others are the example's.
var checkOf = map[setup.Kind]string{
	setup.KindMachinePolicy: "machine-policy", setup.KindTrigger: "trigger", setup.KindSubscription: "subscription",
}

// drift is an example that people change by hand.
type drift struct {
	*clinic
	client  *octopus.Client
	options setup.Options
	every   []setuptest.Managed
	// elsewhere is a lifecycle that does not reach the pipeline's environment.
	elsewhere string
	healthy   map[string]doctor.Severity
	// stormy: nothing of regrow works at the first try.
	stormy bool
}

func newDrift(t *testing.T, shell string) *drift {
	t.Helper()
	c := newExampleClinic(t, shell)
	d := &drift{clinic: c, client: c.client(), options: c.setupOptions("hello-world")}
	plan, err := setup.Inspect(t.Context(), d.client, d.options)
	if err != nil {
		t.Fatal(err)
	}
	d.every = setuptest.All(plan)
	other := c.send(http.MethodPost, "environments", map[string]any{"Name": "Production"})
	d.elsewhere = c.send(http.MethodPost, "lifecycles", setuptest.ElsewhereOnly(other["Id"].(string)))["Id"].(string)
	report := c.examine()
	if report.Status != doctor.AllFine || of(t, report, "example").Severity != doctor.OK {
		t.Fatalf("before anything was changed:\n%s", text(report))
	}
	d.healthy = severitiesOf(report)
	return d
}

// A change by hand of any setting that setup keeps, the example's included, is
// named, and no other is; setup repairs exactly that one. In the second shell it is
// enough to look at the processes: everywhere else the settings are the same.
func TestEveryChangedSettingIsNamedAndRepaired(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{setup.Bash, setup.PowerShell} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			d := newDrift(t, shell)
			kinds := map[setup.Kind]int{}
			for i, m := range d.every {
				kinds[m.Item.Kind]++
				if shell == setup.Bash || m.Item.Kind == setup.KindProcess {
					d.changeAndRepair(m, i)
				}
				if t.Failed() {
					return
				}
			}
			if len(d.every) < 75 || len(kinds) != 8 {
				t.Errorf("setup keeps %d settings, of %v", len(d.every), kinds)
			}
			if after := severitiesOf(d.examine()); !maps.Equal(after, d.healthy) {
				t.Errorf("in the end:\n%v\nbefore:\n%v", after, d.healthy)
			}
		})
	}
}

// The same for some of them while a fifth of all requests fails.
func TestChangedSettingsAreNamedAndRepairedThroughFaults(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{setup.Bash, setup.PowerShell} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			d := newDrift(t, shell)
			d.change = append(d.change, func(o *doctor.Options) { o.Tries = 12 })
			d.stormy = true
			const samples = 6
			for i := range samples {
				d.changeAndRepair(d.every[(2*i+1)*len(d.every)/(2*samples)], i)
			}
			d.calm()
			if after := severitiesOf(d.examine()); !maps.Equal(after, d.healthy) {
				t.Errorf("in the end:\n%v\nbefore:\n%v", after, d.healthy)
			}
		})
	}
}

// changeAndRepair changes one setting by hand, to a wrong value of a number, has
// doctor name it and setup repair it. That doctor is content after that shows
// when it names the next one only.
func (d *drift) changeAndRepair(m setuptest.Managed, number int) {
	d.t.Helper()
	d.calm()
	before := d.document(m)
	changed := m.Spoiled(before, d.elsewhere, number)
	d.send(http.MethodPut, setuptest.Path(m.Item), changed)
	d.storm()
	report := d.examine()
	d.wantNamed(report, m)
	done, err := setup.Apply(d.t.Context(), d.client, d.options, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, item := range done.Items {
		if item.Action == setup.ActionLeave {
			continue
		}
		if item.ID != m.Item.ID || len(item.Changes) != 1 || item.Changes[0].Field != m.Setting.Field {
			d.t.Errorf("to repair %s, setup did this: %s %q: %s %+v", m, item.Kind, item.Name, item.Action, item.Changes)
		}
	}
	d.calm()
	if got, want := d.lasting(d.document(m)), d.lasting(before); got != want {
		d.t.Errorf("after repairing %s:\n%s\nbefore:\n%s", m, got, want)
	}
}

func (d *drift) document(m setuptest.Managed) octopus.Document {
	d.t.Helper()
	document, err := octopus.NewDocument(d.send(http.MethodGet, setuptest.Path(m.Item), nil))
	if err != nil {
		d.t.Fatal(err)
	}
	return document
}

func (d *drift) lasting(document octopus.Document) string {
	d.t.Helper()
	text, err := setuptest.Lasting(document)
	if err != nil {
		d.t.Fatal(err)
	}
	return text
}

// wantNamed fails unless a report names a setting, from what to what and how to
// repair it, and no other setting.
func (d *drift) wantNamed(report doctor.Report, m setuptest.Managed) {
	d.t.Helper()
	field := strings.ToUpper(m.Setting.Field[:1]) + m.Setting.Field[1:]
	named, line, remedy := "example", fmt.Sprintf("%s%s %q: %s: ", strings.ToUpper(string(m.Item.Kind[:1])), m.Item.Kind[1:], m.Item.Name, field),
		"regrow setup --pipeline hello-world --example hello-world"
	if d.shell != setup.Bash {
		remedy += " --shell " + d.shell
	}
	if check, own := checkOf[m.Item.Kind]; own {
		named, line, remedy = check, field+": ", "regrow setup --pipeline hello-world"
	}
	for _, id := range append(slices.Collect(maps.Values(checkOf)), "example") {
		check := of(d.t, report, id)
		if id != named {
			if check.Severity != doctor.OK {
				d.t.Errorf("%s was changed, and %s speaks: %+v", m, id, check)
			}
			continue
		}
		details := slices.DeleteFunc(slices.Clone(check.Details), func(line string) bool { return strings.HasPrefix(line, "Once the example") })
		if check.Severity != doctor.Warning && check.Severity != doctor.Error || check.Remedy != remedy ||
			len(details) != 1 || !strings.HasPrefix(details[0], line) || !strings.Contains(details[0], " → ") {
			d.t.Errorf("%s was changed, which is said with %q and remedied with %q: %+v", m, line, remedy, check)
		}
	}
}

// storm lets a fifth of all requests fail from now on, if that is asked for.
func (d *drift) storm() {
	d.t.Helper()
	if !d.stormy {
		return
	}
	for _, f := range passingFaults {
		if _, err := d.octopus.Faults().Add(f); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *drift) calm() { d.octopus.Faults().Clear() }

// The permissions that doctor asks for are those that docs/octopus.md lists.
func TestPermissionsAreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/octopus.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "| permission | for |")
	table, _, _ := strings.Cut(rest, "\n\n")
	var documented []string
	for row := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
		for _, found := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cell, -1) {
			documented = append(documented, found[1])
		}
	}
	c := newClinic(t, simulator.HelloWorldOptions{})
	if _, err := c.octopus.Faults().Add(simulator.Fault{PathPattern: "/permissions$", Status: 200, Body: `{"SpacePermissions":{},"SystemPermissions":[]}`}); err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, change := range []string{"", "cleanup: {mode: runbook, runbook: Sweep}", "tenant: Acme"} {
		c.text = strings.Replace(wholeConfig, "environment: Development\n", "environment: Development\n    "+change+"\n", 1)
		for _, detail := range of(t, c.examine(), "permissions").Details {
			name, _, _ := strings.Cut(detail, ",")
			asked[name] = true
		}
	}
	for _, name := range documented {
		if !asked[name] && unicode.IsUpper(rune(name[0])) {
			t.Errorf("no pipeline is asked for %s", name)
		}
		delete(asked, name)
	}
	for name := range asked {
		t.Errorf("docs/octopus.md does not list %s", name)
	}
}
