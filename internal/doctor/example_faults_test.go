package doctor_test

import (
	"net/http"

	"regrow/internal/doctor"
	"regrow/internal/setup"
)

// exampleFaults are those of what setup has made as an example, in PowerShell.
func exampleFaults() map[string]planted {
	const remedy = "regrow setup --pipeline hello-world --example hello-world --shell powershell"
	project := func(c *clinic, name, member string) string {
		id, _ := c.send(http.MethodGet, c.only("projects", name), nil)[member].(string)
		return id
	}
	infrastructure := func(c *clinic) string {
		return "deploymentprocesses/" + project(c, "Hello World Infrastructure", "DeploymentProcessId")
	}
	variables := func(c *clinic) string {
		return "variables/" + project(c, "Hello World Infrastructure", "VariableSetId")
	}
	return map[string]planted{
		"a changed script": {func(c *clinic) {
			c.edit("deploymentprocesses/"+project(c, "Hello World", "DeploymentProcessId"), func(d map[string]any) {
				step := d["Steps"].([]any)[0].(map[string]any)
				step["Actions"].([]any)[0].(map[string]any)["Properties"].(map[string]any)["Octopus.Action.Script.ScriptBody"] = "exit 1"
			})
		}, "example", "", doctor.Warning, []string{`Process "Hello World": Step Say hello: script: exit 1 → `, remedy, setup.Mark}, nil},
		"a step taken out": {func(c *clinic) {
			c.edit(infrastructure(c), func(d map[string]any) { d["Steps"] = d["Steps"].([]any)[1:] })
		}, "example", "", doctor.Warning, []string{`Process "Hello World Infrastructure": Step Provision: nothing → runs provision.`, remedy}, nil},
		"an empty process": {func(c *clinic) {
			c.edit(infrastructure(c), func(d map[string]any) { d["Steps"] = []any{} })
		}, "example", "", doctor.Error, []string{"Step Health check: nothing → ", "Step Terminate: nothing → ", remedy}, nil},
		"a variable of another value": {func(c *clinic) {
			c.edit(variables(c), func(d map[string]any) {
				for _, v := range d["Variables"].([]any) {
					if v := v.(map[string]any); v["Name"] == "HelloWorld.Targets" {
						v["Value"] = "7"
					}
				}
			})
		}, "example", "", doctor.Warning, []string{`Variables "Hello World Infrastructure": Variable HelloWorld.Targets: 7 → 2.`}, nil},
		"a variable of several environments": {func(c *clinic) {
			other, err := c.octopus.AddEnvironment("Elsewhere")
			if err != nil {
				c.t.Fatal(err)
			}
			c.edit(variables(c), func(d map[string]any) {
				for _, v := range d["Variables"].([]any) {
					if v := v.(map[string]any); v["Name"] == "HelloWorld.Targets" {
						scope := v["Scope"].(map[string]any)
						v["Value"], scope["Environment"] = "7", append(scope["Environment"].([]any), other)
					}
				}
			})
		}, "example", "", doctor.Warning, []string{`Variables "Hello World Infrastructure": The variable HelloWorld.Targets has one value, "7"`, "do what the lines say", remedy}, nil},
		"no variables": {func(c *clinic) { c.set(variables(c), "Variables", []any{}) }, "example", "", doctor.Error,
			[]string{"Variable HelloWorld.ApiKey: nothing → the API key (not shown)"}, nil},
		"no package": {func(c *clinic) {
			c.send(http.MethodDelete, "packages/packages-HelloWorldInfrastructure.1.0.0", nil)
		}, "example", "", doctor.Warning, []string{`Package "HelloWorldInfrastructure 1.0.0" is missing.`, remedy}, nil},
		"no targets by deployments": {func(c *clinic) { c.set(c.only("environments", "Development"), "AllowDynamicInfrastructure", false) }, "example", "", doctor.Warning,
			[]string{`Environment "Development": Targets may be made by deployments: false → true.`}, nil},
		"a project that wants targets": {func(c *clinic) {
			c.set(c.only("projects", "Hello World Infrastructure"), "ProjectConnectivityPolicy.AllowDeploymentsToNoTargets", false)
		}, "example", "", doctor.Warning, []string{`Project "Hello World Infrastructure": Deployments without targets: false → true.`}, nil},
		"a tenant that is disconnected": {func(c *clinic) { c.set(c.only("tenants", "Acme"), "ProjectEnvironments", map[string]any{}) }, "example", "", doctor.Warning,
			[]string{`Tenant "Acme": Environments of project "Hello World": nothing → Development.`}, []string{"tenant"}},
		"a channel that is gone": {func(c *clinic) { c.send(http.MethodDelete, c.only("channels", "Fast"), nil) }, "example", "", doctor.Error,
			[]string{`Channel "Fast" is missing.`, remedy}, []string{"channels", "lifecycle"}},
		"a project of the two that is gone": {func(c *clinic) {
			c.send(http.MethodDelete, c.only("projects", "Hello World Infrastructure"), nil)
		}, "example", "", doctor.Error, []string{`Project "Hello World Infrastructure" is missing.`, `Process "Hello World Infrastructure" is missing.`, remedy},
			and("infrastructure-project")},
		"variables that cannot be seen": {func(c *clinic) {
			if err := c.octopus.SetMissingPermissions("VariableView"); err != nil {
				c.t.Fatal(err)
			}
		}, "example", "", doctor.Unknown, []string{"VariableView is missing", "docs/setup.md"}, nil},
		"an example that has become somebody's own": {func(c *clinic) {
			for _, name := range []string{"Hello World", "Hello World Infrastructure"} {
				c.set(c.only("projects", name), "Description", "Ours.")
			}
			c.set(infrastructure(c), "Steps", []any{})
		}, "example", "", doctor.NotApplicable, []string{"not those of an example"}, nil},
	}
}
