package doctor_test

import (
	"net/http"
	"time"

	"regrow/internal/doctor"
)

// pipelineWide are the checks that need both projects and the environment.
var pipelineWide = []string{"tenant", "channels", "lifecycle", "other-triggers", "guided-failure", "freezes", "override", "trigger"}

func and(ids ...string) []string { return append(ids, pipelineWide...) }

func placeFaults() map[string]planted {
	tenanted := func(c *clinic) {
		c.configure("environment: Development\n", "environment: Development\n    tenant: Acme\n")
	}
	tenant := func(c *clinic, environments ...string) string {
		id, err := c.octopus.AddTenant("Acme")
		if err != nil {
			c.t.Fatal(err)
		}
		for _, project := range []string{c.scene.ProjectID, c.scene.InfrastructureProjectID} {
			c.set("projects/"+project, "TenantedDeploymentMode", "TenantedOrUntenanted")
		}
		c.set("tenants/"+id, "ProjectEnvironments", map[string][]string{c.scene.ProjectID: environments, c.scene.InfrastructureProjectID: environments})
		return id
	}
	project := func(member string, value any) func(*clinic) {
		return func(c *clinic) { c.set("projects/"+c.scene.ProjectID, member, value) }
	}
	lifecycle := func(phases ...map[string]any) func(*clinic) {
		return func(c *clinic) {
			for _, phase := range phases {
				for member, value := range phase {
					if value == "Development" {
						phase[member] = []string{c.scene.EnvironmentID}
					}
				}
			}
			other := c.only("environments", "Elsewhere")
			for _, phase := range phases {
				if phase["OptionalDeploymentTargets"] == "Elsewhere" {
					phase["OptionalDeploymentTargets"] = []string{other[len("environments/"):]}
				}
			}
			c.set("lifecycles/"+c.scene.LifecycleID, "Phases", phases)
		}
	}
	elsewhere := func(break_ func(*clinic)) func(*clinic) {
		return func(c *clinic) {
			if _, err := c.octopus.AddEnvironment("Elsewhere"); err != nil {
				c.t.Fatal(err)
			}
			break_(c)
		}
	}
	return map[string]planted{
		"no such environment": {func(c *clinic) { c.configure("environment: Development", "environment: Production") }, "environment", "", doctor.Error,
			[]string{`"Production"`, "Infrastructure, Environments"}, and("targets", "target-policy")},
		"no such tenant": {tenanted, "tenant", "", doctor.Error, []string{`"Acme"`}, and("targets", "target-policy", "infrastructure-project", "application-project")},
		"a tenant apart": {func(c *clinic) { tenanted(c); tenant(c) }, "tenant", "", doctor.Error, []string{`"Hello World" is not connected`, "Connect project"}, []string{"targets"}},
		"a disabled tenant": {func(c *clinic) {
			tenanted(c)
			c.set("tenants/"+tenant(c, c.scene.EnvironmentID), "IsDisabled", true)
		}, "tenant", "", doctor.Error, []string{"disabled"}, []string{"targets"}},
		"no such infrastructure project": {func(c *clinic) { c.configure("project: Hello World Infrastructure", "project: Moon") }, "infrastructure-project", "", doctor.Error,
			[]string{`"Moon"`, "--example hello-world"}, and()},
		"a disabled project":    {project("IsDisabled", true), "application-project", "", doctor.Error, []string{"disabled", "Settings"}, nil},
		"a project for tenants": {project("TenantedDeploymentMode", "Tenanted"), "application-project", "", doctor.Error, []string{"tenants only"}, nil},
		"a project not for tenants": {func(c *clinic) {
			tenanted(c)
			tenant(c, c.scene.EnvironmentID)
			c.set("projects/"+c.scene.InfrastructureProjectID, "TenantedDeploymentMode", "Untenanted")
		}, "infrastructure-project", "", doctor.Error, []string{"cannot be deployed for tenants"}, []string{"tenant", "targets"}},
		"a project in Git without a branch": {func(c *clinic) {
			c.configure("project: Hello World, ", "project: Hello World, git: default, ")
			c.edit("projects/"+c.scene.ProjectID, func(d map[string]any) {
				d["IsVersionControlled"], d["PersistenceSettings"] = true, map[string]any{"Type": "VersionControlled", "DefaultBranch": ""}
			})
		}, "application-project", "", doctor.Error, []string{"no default branch"}, []string{"unavailable-targets"}},
		"no such channel": {func(c *clinic) { c.configure("project: Hello World, ", "project: Hello World, channel: Beta, ") }, "channels", "", doctor.Error, []string{`"Beta"`}, []string{"lifecycle"}},
		"a lifecycle that ends before": {elsewhere(lifecycle(map[string]any{"Name": "Only", "OptionalDeploymentTargets": "Elsewhere"})), "lifecycle", "", doctor.Error,
			[]string{"no phase", "Library, Lifecycles"}, nil},
		"a lifecycle with a phase before": {elsewhere(lifecycle(map[string]any{"Name": "First", "OptionalDeploymentTargets": "Elsewhere"}, map[string]any{"Name": "Then", "OptionalDeploymentTargets": "Development"})),
			"lifecycle", "", doctor.Error, []string{`pass the phase "First" first`}, nil},
		"a lifecycle that deploys at once": {elsewhere(lifecycle(map[string]any{"Name": "First", "AutomaticDeploymentTargets": "Development"})), "lifecycle", "", doctor.Warning,
			[]string{"as soon as it is made"}, nil},
		"no such runbook": {func(c *clinic) {
			c.configure("application: {", "cleanup: {mode: runbook, runbook: Sweep}\n    application: {")
		}, "runbook", "", doctor.Error, []string{`"Sweep"`, "Operations"}, nil},
		"no runbook for failures": {func(c *clinic) {
			c.configure("application: {", "on_failure: terminate\n    failure_runbook: Sweep\n    application: {")
		}, "runbook", "", doctor.Warning, []string{`"Sweep"`, "failure_runbook", "Operations"}, nil},
		"no runbook at all": {func(c *clinic) {
			c.configure("application: {", "on_failure: terminate\n    failure_runbook: Mop\n    cleanup: {mode: runbook, runbook: Sweep}\n    application: {")
		}, "runbook", "", doctor.Error, []string{`no runbook "Sweep"`, `no runbook "Mop"`}, nil},
		"a runbook for failures that is not published": {func(c *clinic) {
			c.configure("application: {", "on_failure: terminate\n    failure_runbook: Sweep\n    application: {")
			c.send(http.MethodPost, "runbooks", map[string]any{"Name": "Sweep", "ProjectId": c.scene.InfrastructureProjectID})
		}, "runbook", "", doctor.Warning, []string{"no published snapshot"}, nil},
		"a runbook that is not published": {func(c *clinic) {
			c.configure("application: {", "cleanup: {mode: runbook, runbook: Sweep}\n    application: {")
			c.send(http.MethodPost, "runbooks", map[string]any{"Name": "Sweep", "ProjectId": c.scene.InfrastructureProjectID})
		}, "runbook", "", doctor.Error, []string{"no published snapshot"}, nil},
	}
}

func settingFaults() map[string]planted {
	policy := func(member string, value any) func(*clinic) {
		return func(c *clinic) { c.set(c.only("machinepolicies", "Immutable Infrastructure"), member, value) }
	}
	trigger := func(member string, value any) func(*clinic) {
		return func(c *clinic) { c.set(c.only("projecttriggers", ""), member, value) }
	}
	subscription := func(member string, value any) func(*clinic) {
		return func(c *clinic) { c.set(c.only("subscriptions", ""), member, value) }
	}
	const remedy = "regrow setup --pipeline hello-world"
	return map[string]planted{
		"no machine policy": {func(c *clinic) { c.configure("targets: 2", "targets: 2, machine_policy: Other") }, "machine-policy", "", doctor.Error, []string{`"Other"`, remedy}, []string{"target-policy"}},
		"a policy that checks rarely": {policy("MachineHealthCheckPolicy.HealthCheckInterval", "1.00:00:00"), "machine-policy", "", doctor.Warning,
			[]string{"Time between health checks: 1.00:00:00 → 00:02:00", remedy}, nil},
		"no trigger": {func(c *clinic) {
			c.send(http.MethodDelete, c.only("projecttriggers", ""), nil)
		}, "trigger", "", doctor.Error, []string{"no trigger", remedy}, nil},
		"a disabled trigger":         {trigger("IsDisabled", true), "trigger", "", doctor.Error, []string{"Disabled: true → false", remedy}, nil},
		"a trigger for other roles":  {trigger("Filter.Roles", []string{"web"}), "trigger", "", doctor.Error, []string{"Roles: web → hello-world"}, nil},
		"a trigger for more roles":   {trigger("Filter.Roles", []string{"web", "hello-world"}), "trigger", "", doctor.Warning, []string{"web, hello-world → hello-world"}, nil},
		"a trigger for all roles":    {trigger("Filter.Roles", []string{}), "trigger", "", doctor.Warning, []string{"nothing → hello-world"}, nil},
		"a trigger elsewhere":        {trigger("Filter.EnvironmentIds", []string{"Environments-77"}), "trigger", "", doctor.Error, []string{"Environments-77 → Development"}, nil},
		"a trigger that goes on":     {trigger("Action.ShouldRedeployWhenMachineHasBeenDeployedTo", true), "trigger", "", doctor.Warning, []string{"true → false"}, nil},
		"a trigger for other events": {trigger("Filter.EventGroups", []string{"MachineCritical"}), "trigger", "", doctor.Error, []string{"MachineCritical → MachineAvailableForDeployment"}, nil},
		"a trigger for all events":   {trigger("Filter.EventGroups", []string{"Machine"}), "trigger", "", doctor.Warning, []string{"Machine → MachineAvailableForDeployment"}, nil},
		"a trigger for some events":  {trigger("Filter.EventGroups", []string{"MachineHealthChanged"}), "trigger", "", doctor.Error, []string{"MachineHealthChanged → MachineAvailableForDeployment"}, nil},
		"two triggers": {func(c *clinic) {
			for _, name := range []string{"Old", "Older"} {
				c.send(http.MethodPost, "projecttriggers", map[string]any{"ProjectId": c.scene.ProjectID, "Name": name,
					"Filter": map[string]any{"FilterType": "MachineFilter", "EnvironmentIds": []string{}, "Roles": []string{"hello-world"}, "EventCategories": []string{"MachineHealthy"}},
					"Action": map[string]any{"ActionType": "AutoDeploy"}})
			}
		}, "other-triggers", "", doctor.Warning, []string{"3 triggers", `"Old"`, `"Older"`, "disable all but one"}, nil},
		"no subscription": {func(c *clinic) {
			c.send(http.MethodDelete, c.only("subscriptions", ""), nil)
		}, "subscription", "", doctor.Warning, []string{"no subscription", remedy}, []string{"deliveries"}},
		"a disabled subscription": {subscription("IsDisabled", true), "subscription", "", doctor.Warning, []string{"Disabled: true → false"}, []string{"deliveries"}},
		"a subscription that posts elsewhere": {subscription("EventNotificationSubscription.WebhookURI", "https://old.example.com/webhooks/octopus"), "subscription", "", doctor.Warning,
			[]string{"https://old.example.com/webhooks/octopus →"}, []string{"deliveries"}},
		"a subscription that hides machines": {func(c *clinic) {
			subscription("EventNotificationSubscription.Filter.Projects", []string{c.scene.ProjectID})(c)
		}, "subscription", "", doctor.Warning, []string{"Filter on projects"}, nil},
	}
}

func targetFaults() map[string]planted {
	target := func(member string, value any) func(*clinic) {
		return func(c *clinic) { c.set("machines/"+c.scene.TargetIDs[0], member, value) }
	}
	return map[string]planted{
		"no targets yet": {func(c *clinic) {
			for _, id := range c.scene.TargetIDs {
				c.send(http.MethodDelete, "machines/"+id, nil)
			}
		}, "targets", "", doctor.Note, []string{"first run"}, nil},
		"a role with a slip":           {target("Roles", []string{"Hello_World"}), "targets", "", doctor.Warning, []string{`"Hello_World"`, "nearly"}, nil},
		"a role with a letter missing": {target("Roles", []string{"hello-wrld"}), "targets", "", doctor.Warning, []string{`"hello-wrld"`}, nil},
		"a target in two environments": {func(c *clinic) {
			other, err := c.octopus.AddEnvironment("Elsewhere")
			if err != nil {
				c.t.Fatal(err)
			}
			target("EnvironmentIds", []string{c.scene.EnvironmentID, other})(c)
		}, "targets", "", doctor.Warning, []string{"2 environments", "clean-up"}, nil},
		"a target of several tenants": {func(c *clinic) {
			one, err := c.octopus.AddTenant("Acme")
			if err != nil {
				c.t.Fatal(err)
			}
			c.edit("machines/"+c.scene.TargetIDs[0], func(d map[string]any) {
				d["TenantedDeploymentParticipation"], d["TenantIds"] = "TenantedOrUntenanted", []string{one}
			})
		}, "targets", "", doctor.Warning, []string{"serves tenants too; clean-up"}, nil},
		"a target of another policy": {func(c *clinic) {
			target("MachinePolicyId", c.only("machinepolicies", "Default Machine Policy")[len("machinepolicies/"):])(c)
		}, "target-policy", "", doctor.Warning, []string{`"Default Machine Policy"`, "1 target"}, nil},
		"deployments that stumble over targets": {func(c *clinic) {
			c.set("projects/"+c.scene.ProjectID, "ProjectConnectivityPolicy.SkipMachineBehavior", "None")
		}, "unavailable-targets", "", doctor.Warning, []string{"Exclude"}, nil},
		"guided failure in the environment": {func(c *clinic) { c.set("environments/"+c.scene.EnvironmentID, "UseGuidedFailure", true) }, "guided-failure", "", doctor.Warning,
			[]string{`from the environment "Development"`, "waits for a person"}, nil},
		"guided failure of a project": {func(c *clinic) { c.set("projects/"+c.scene.ProjectID, "DefaultGuidedFailureMode", "On") }, "guided-failure", "", doctor.Warning,
			[]string{`The project "Hello World" has guided failure on`}, nil},
	}
}

// hourFaults are those that come and go.
func hourFaults() map[string]planted {
	freeze := func(from, to time.Duration) func(*clinic) {
		return func(c *clinic) {
			now := time.Now()
			c.send(http.MethodPost, "/deploymentfreezes", map[string]any{"Name": "Autumn sale", "Start": now.Add(from).Format(time.RFC3339), "End": now.Add(to).Format(time.RFC3339),
				"ProjectEnvironmentScope": map[string][]string{c.scene.ProjectID: {c.scene.EnvironmentID}, c.scene.InfrastructureProjectID: {c.scene.EnvironmentID}}})
		}
	}
	override := func(c *clinic) string {
		release, err := c.octopus.AddRelease(c.scene.ProjectID, "7.7.7")
		if err != nil {
			c.t.Fatal(err)
		}
		c.set("projects/"+c.scene.ProjectID, "AutoDeployReleaseOverrides", []map[string]any{{"EnvironmentId": c.scene.EnvironmentID, "TenantId": nil, "ReleaseId": release}})
		return release
	}
	return map[string]planted{
		"a freeze now":      {freeze(-time.Hour, time.Hour), "freezes", "", doctor.Warning, []string{"frozen now", `"Autumn sale" until`, "ignore-freeze"}, nil},
		"a freeze soon":     {freeze(48*time.Hour, 72*time.Hour), "freezes", "", doctor.Note, []string{"within a week", `"Autumn sale" from`}, nil},
		"a freeze far away": {freeze(20*24*time.Hour, 21*24*time.Hour), "freezes", "", doctor.OK, []string{"No deployment freeze"}, nil},
		"an override left behind": {func(c *clinic) { override(c) }, "override", "", doctor.Warning,
			[]string{"release 7.7.7", "No run of regrow", "regrow override delete --pipeline hello-world"}, nil},
		"an override of a run that is over": {func(c *clinic) { c.database.madeBy = map[string]string{override(c): "hello-world#12"} }, "override", "", doctor.Warning,
			[]string{"hello-world#12 has made that release, and is over"}, nil},
		"an override that a rollback has left": {func(c *clinic) {
			good := override(c)
			c.database.madeBy, c.database.wentBack = map[string]string{good: "hello-world#11"}, map[string]string{good: "hello-world#12"}
		}, "override", "", doctor.Note, []string{"release 7.7.7", "left by the rollback of hello-world#12", "until the next deployment"}, nil},
		"an override of a run that is active": {func(c *clinic) { override(c); c.database.active = "hello-world#13" }, "override", "", doctor.OK, []string{"hello-world#13"}, nil},
	}
}
