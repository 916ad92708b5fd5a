package doctor_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"regrow/internal/doctor"
	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// collectionOf says where resources of a kind are.
var collectionOf = map[setup.Kind]octopus.Collection{
	setup.KindMachinePolicy: octopus.MachinePolicies, setup.KindTrigger: octopus.ProjectTriggers,
	setup.KindSubscription: octopus.Subscriptions, setup.KindTenant: octopus.Tenants,
}

// checkOf says which check is for it.
var checkOf = map[setup.Kind]string{
	setup.KindMachinePolicy: "machine-policy", setup.KindTrigger: "trigger", setup.KindSubscription: "subscription", setup.KindTenant: "tenant",
}

// managed is one setting that setup keeps right, and where.
type managed struct {
	kind    setup.Kind
	id      string
	setting setup.Setting
}

// managedSettings lists all of them, without those that cannot be seen.
func managedSettings(c *clinic) []managed {
	c.t.Helper()
	loaded, err := c.load()
	if err != nil {
		c.t.Fatal(err)
	}
	options, err := setup.FromConfig(loaded, "hello-world")
	if err != nil {
		c.t.Fatal(err)
	}
	plan, err := setup.Inspect(c.t.Context(), c.client(), options)
	if err != nil {
		c.t.Fatal(err)
	}
	var all []managed
	for _, item := range plan.Items {
		for _, setting := range item.Settings {
			if setting.Shape != setup.Secret {
				all = append(all, managed{item.Kind, item.ID, setting})
			}
		}
	}
	return all
}

// wrongValue is another value than a setting's.
func wrongValue(t *rapid.T, shape setup.Shape) any {
	switch shape {
	case setup.Flag:
		return nil // turned round instead
	case setup.Span:
		return rapid.SampledFrom([]string{"00:00:00", "00:02:01", "1.00:02:00", "00:05:01", "23:59:59"}).Draw(t, "span")
	case setup.Nothing:
		return "0 0 " + rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "hour") + " * * *"
	case setup.Set:
		return rapid.SliceOfNDistinct(rapid.StringMatching("[A-Z][a-z]{3,8}"), 1, 3, rapid.ID[string]).Draw(t, "set")
	case setup.Member:
		return []string{}
	default:
		return rapid.StringMatching("[A-Z][a-z]{3,12}").Draw(t, "text")
	}
}

// A change by hand of any setting that setup keeps is named by the check that is
// for it, and setup makes all right again.
func TestEveryChangedSettingIsNamed(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{Tenant: "Acme"})
	c.configure("environment: Development\n", "environment: Development\n    tenant: Acme\n")
	connect := func() {
		c.set("tenants/"+c.scene.TenantID, "ProjectEnvironments",
			map[string][]string{c.scene.ProjectID: {c.scene.EnvironmentID}, c.scene.InfrastructureProjectID: {c.scene.EnvironmentID}})
	}
	connect()
	c.ready()
	all := managedSettings(c)
	kinds := map[setup.Kind]int{}
	for _, m := range all {
		kinds[m.kind]++
	}
	if len(kinds) != len(checkOf) || len(all) < 20 {
		t.Fatalf("setup keeps %v", kinds)
	}
	rapid.Check(t, func(rt *rapid.T) {
		m := rapid.SampledFrom(all).Draw(rt, "setting")
		spoil(rt, c, m)
		check := of(t, c.examine(), checkOf[m.kind])
		if check.Severity != doctor.Warning && check.Severity != doctor.Error {
			rt.Errorf("%s of the %s was changed, and %s is %s: %s", m.setting.Field, m.kind, check.ID, check.Severity, check.Message)
		}
		if m.kind == setup.KindTenant {
			connect()
			return // people connect tenants, unless in an example
		}
		field := strings.ToUpper(m.setting.Field[:1]) + m.setting.Field[1:]
		if !slices.ContainsFunc(check.Details, func(d string) bool { return strings.HasPrefix(d, field+": ") }) {
			rt.Errorf("%s does not name %q: %q", check.ID, field, check.Details)
		}
		if !strings.Contains(check.Remedy, "regrow setup --pipeline hello-world") {
			rt.Errorf("the remedy is %q", check.Remedy)
		}
		c.setUp()
		if again := of(t, c.examine(), checkOf[m.kind]); again.Severity != doctor.OK {
			rt.Fatalf("after setup: %+v", again)
		}
	})
}

// spoil writes a wrong value by hand.
func spoil(rt *rapid.T, c *clinic, m managed) {
	path := string(collectionOf[m.kind]) + "/" + m.id
	value := wrongValue(rt, m.setting.Shape)
	c.edit(path, func(d map[string]any) {
		names := strings.Split(strings.TrimPrefix(m.setting.Pointer, "/"), "/")
		for _, name := range names[:len(names)-1] {
			d = d[name].(map[string]any)
		}
		last := names[len(names)-1]
		if m.setting.Shape == setup.Flag {
			now, _ := d[last].(bool)
			value = !now
		}
		d[last] = value
	})
}

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
