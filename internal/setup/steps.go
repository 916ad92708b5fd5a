package setup

import (
	"strings"

	helloworld "regrow/examples/hello-world/package"
	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// Names of properties in Octopus.
const (
	targetRoles  = "Octopus.Action.TargetRoles"
	runOnServer  = "Octopus.Action.RunOnServer"
	scriptSource = "Octopus.Action.Script.ScriptSource"
	scriptSyntax = "Octopus.Action.Script.Syntax"
	scriptBody   = "Octopus.Action.Script.ScriptBody"
	scriptFile   = "Octopus.Action.Script.ScriptFileName"

	scriptAction = "Octopus.Script"
	healthAction = "Octopus.HealthCheck"
	builtInFeed  = "feeds-builtin"
)

// hello are the scripts that stand for an application.
var hello = map[helloworld.Shell]string{
	helloworld.Bash: `echo "Hello World from $(hostname): release $(get_octopusvariable "Octopus.Release.Number")"
`,
	helloworld.PowerShell: `Write-Host ("Hello World from {0}: release {1}" -f [Environment]::MachineName, $OctopusParameters["Octopus.Release.Number"])
`,
}

// applicationSteps are the guide's "Hello World": a script on every target of
// the pipelines that deploy the project.
func (o Options) applicationSteps() []step {
	roles := o.roles(func(a, b pipeline.Pipeline) bool {
		return pipeline.SameName(a.Application.Project, b.Application.Project)
	})
	return []step{{
		name: "Say hello", actionType: scriptAction, roles: roles,
		properties: []property{
			{"where it runs", runOnServer, "False"},
			{"source of the script", scriptSource, "Inline"},
			{"language", scriptSyntax, string(o.shell())},
			{"script", scriptBody, hello[o.shell()]},
		},
		about: "runs a script on each target of " + strings.Join(roles, ", "),
	}}
}

// infrastructureSteps are the three of the guide: make targets, leave out those
// that do not answer, stop the ones before.
func (o Options) infrastructureSteps() []step {
	roles := o.roles(func(a, b pipeline.Pipeline) bool {
		return pipeline.SameName(a.Infrastructure.Project, b.Infrastructure.Project)
	})
	provision, terminate := o.shell().Scripts()
	onServer := func(file string) []property {
		return []property{
			{"where it runs", runOnServer, "True"},
			{"source of the script", scriptSource, "Package"},
			{"script", scriptFile, file},
		}
	}
	return []step{{
		name: "Provision", actionType: scriptAction, properties: onServer(provision), fromPackage: true,
		about: "runs " + provision + " of the package on the server",
	}, {
		name: "Health check", actionType: healthAction, roles: roles,
		properties: []property{
			{"extent", "Octopus.Action.HealthCheck.Type", "FullHealthCheck"},
			{"unavailable targets", "Octopus.Action.HealthCheck.ErrorHandling", "TreatExceptionsAsWarnings"},
			{"new targets", "Octopus.Action.HealthCheck.IncludeMachinesInDeployment", "DoNotAlterMachines"},
		},
		about: "checks the targets, and leaves out those that are unavailable",
	}, {
		name: "Terminate", actionType: scriptAction, roles: roles, properties: onServer(terminate), fromPackage: true,
		about: "runs " + terminate + " of the package on the server, for each target of " + strings.Join(roles, ", "),
	}}
}

// document is the step as Octopus keeps it.
func (w step) document() (octopus.Document, error) {
	action, err := w.action()
	if err != nil {
		return nil, err
	}
	return octopus.NewDocument(map[string]any{
		"Name": w.name, "PackageRequirement": "LetOctopusDecide", "Condition": "Success", "StartTrigger": "StartAfterPrevious",
		"Properties": map[string]string{targetRoles: strings.Join(w.roles, ",")}, "Actions": []octopus.Document{action},
	})
}

func (w step) action() (octopus.Document, error) {
	properties := map[string]string{"OctopusUseBundledTooling": "False"}
	for _, p := range w.properties {
		properties[p.key] = p.value
	}
	packages := []any{}
	if w.fromPackage {
		packages = append(packages, packageReference())
		properties["Octopus.Action.Package.PackageId"] = helloworld.ID
		properties["Octopus.Action.Package.FeedId"] = builtInFeed
		properties["Octopus.Action.Package.DownloadOnTentacle"] = "False"
	}
	return octopus.NewDocument(map[string]any{
		"Name": w.name, "ActionType": w.actionType, "IsDisabled": false, "IsRequired": false, "CanBeUsedForProjectVersioning": w.fromPackage,
		"Condition": "Success", "Environments": []string{}, "ExcludedEnvironments": []string{}, "Channels": []string{}, "TenantTags": []string{},
		"Packages": packages, "Properties": properties,
	})
}
