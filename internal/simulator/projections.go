package simulator

import "slices"

// The read-only views of what was deployed where, and of what could be.

// deploymentTemplate says where a release can go.
func deploymentTemplate(c *call, release document) (reply, error) {
	promote := []document{}
	for _, environment := range c.documents["environments"].order {
		if c.visible(environment) && c.mayDeploy(release, environment.id()) == "" {
			promote = append(promote, document{"Id": environment.id(), "Name": environment.text("Name"),
				"Links": map[string]string{"Preview": c.link("/api/{space}/releases/" + release.id() + "/deployments/preview/" + environment.id())}})
		}
	}
	project := c.documents["projects"].get(release.text("ProjectId"))
	process := c.documents["deploymentprocesses"].get(project.text("DeploymentProcessId"))
	frozen := c.processOf(document{"DeploymentProcessId": release.text("ProjectDeploymentProcessSnapshotId")})
	return ok(document{"IsDeploymentProcessModified": process.number("Version") != frozen.number("Version"), "IsVariableSetModified": false,
		"IsLibraryVariableSetModified": false, "DeploymentNotes": nil, "PromoteTo": promote, "TenantPromotions": []any{}, "Links": document{}})
}

// deploymentPreview says which machines a deployment would reach now.
func deploymentPreview(c *call, release document) (reply, error) {
	environment, err := c.find("environments", "environment")
	if err != nil {
		return reply{}, err
	}
	frozen := c.processOf(document{"DeploymentProcessId": release.text("ProjectDeploymentProcessSnapshotId")})
	steps := []document{}
	number := 0
	for _, step := range frozen.objects("Steps") {
		roles := splitRoles(step.object("Properties").text(targetRolesKey))
		machines, names, unavailable := []document{}, []string{}, []document{}
		for _, m := range c.documents["machines"].order {
			if !contains(m.list("EnvironmentIds"), environment.id()) || !overlap(m.list("Roles"), roles) || m.flag("IsDisabled") {
				continue
			}
			brief := document{"Id": m.id(), "Name": m.text("Name"), "HealthStatus": m.text("HealthStatus")}
			machines, names = append(machines, brief), append(names, m.text("Name"))
			if m.text("HealthStatus") == "Unavailable" {
				unavailable = append(unavailable, brief)
			}
		}
		for _, action := range step.objects("Actions") {
			if !actionApplies(action, environment.id()) {
				continue
			}
			number++
			steps = append(steps, document{"ActionId": action.id(), "ActionName": action.text("Name"), "ActionNumber": number, "Roles": roles, "MachineNames": names,
				"Machines": machines, "CanBeSkipped": !action.flag("IsRequired"), "HasNoApplicableMachines": len(roles) > 0 && len(machines) == 0,
				"UnavailableMachines": unavailable, "ExcludedMachines": []any{}, "IsDisabled": false})
		}
	}
	return ok(document{"StepsToExecute": steps, "Form": document{"Values": document{}, "Elements": []any{}}, "UseGuidedFailureModeByDefault": environment.flag("UseGuidedFailure"), "Links": document{}})
}

// releaseProgression shows how far a release has come in its lifecycle.
func releaseProgression(c *call, release document) (reply, error) {
	phases := []document{}
	next := []string{}
	current := true
	for _, phase := range c.phasesOf(c.lifecycleOf(release)) {
		deployments := []document{}
		for _, d := range c.documents["deployments"].order {
			if d.text("ReleaseId") == release.id() && contains(phaseEnvironments(phase), d.text("EnvironmentId")) {
				deployments = append(deployments, document{"Task": c.show(c.kinds["tasks"], c.documents["tasks"].get(d.text("TaskId"))), "Deployment": c.show(c.kinds["deployments"], d)})
			}
		}
		progress := "Pending"
		switch {
		case c.phaseComplete(phase, release.id()):
			progress = "Complete"
		case current:
			progress, current = "Current", false
		}
		if progress != "Pending" {
			next = append(next, phaseEnvironments(phase)...)
		}
		phases = append(phases, document{"Id": phase["Id"], "Name": phase.text("Name"), "Blocked": c.unresolvedDefect(release.id()) != nil && progress == "Pending", "Progress": progress,
			"Deployments": deployments, "AutomaticDeploymentTargets": phase.list("AutomaticDeploymentTargets"), "OptionalDeploymentTargets": phase.list("OptionalDeploymentTargets"),
			"MinimumEnvironmentsBeforePromotion": phase.number("MinimumEnvironmentsBeforePromotion"), "IsOptionalPhase": phase.flag("IsOptionalPhase")})
	}
	return ok(document{"Phases": phases, "NextDeployments": next, "NextDeploymentsMinimumRequired": 0,
		"Links": map[string]string{"Self": c.link("/api/{space}/releases/" + release.id() + "/progression")}})
}

// projectProgression is the dashboard of a project.
func projectProgression(c *call, project document) (reply, error) {
	environments := []document{}
	for _, e := range c.documents["environments"].order {
		if c.visible(e) {
			environments = append(environments, document{"Id": e.id(), "Name": e.text("Name")})
		}
	}
	releases := c.documents["releases"].where(func(d document) bool { return d.text("ProjectId") == project.id() })
	slices.Reverse(releases)
	releases = releases[:min(len(releases), c.query.number("releaseHistoryCount", 10))]
	rows := []document{}
	for _, release := range releases {
		rows = append(rows, document{"Release": c.show(c.kinds["releases"], release), "Channel": c.show(c.kinds["channels"], c.documents["channels"].get(release.text("ChannelId"))),
			"Deployments": c.dashboardItems(release), "NextDeployments": []string{}, "HasUnresolvedDefect": c.unresolvedDefect(release.id()) != nil})
	}
	return ok(document{"Environments": environments, "LifecycleEnvironments": document{}, "ChannelEnvironments": document{}, "Releases": rows,
		"Links": map[string]string{"Self": c.link("/api/{space}/projects/" + project.id() + "/progression")}})
}

// dashboardItems are the deployments of a release by environment, newest first.
func (c *call) dashboardItems(release document) document {
	items := map[string][]document{}
	for _, d := range slices.Backward(c.documents["deployments"].order) {
		if d.text("ReleaseId") != release.id() {
			continue
		}
		t := c.show(c.kinds["tasks"], c.documents["tasks"].get(d.text("TaskId")))
		environment := d.text("EnvironmentId")
		items[environment] = append(items[environment], document{"Id": d.id(), "ProjectId": d.text("ProjectId"), "EnvironmentId": environment, "ReleaseId": release.id(), "DeploymentId": d.id(),
			"TaskId": t.id(), "TenantId": d["TenantId"], "ChannelId": d["ChannelId"], "ReleaseVersion": release.text("Version"), "State": t["State"], "Created": d["Created"],
			"QueueTime": t["QueueTime"], "StartTime": t["StartTime"], "CompletedTime": t["CompletedTime"], "HasPendingInterruptions": t["HasPendingInterruptions"],
			"HasWarningsOrErrors": t["HasWarningsOrErrors"], "ErrorMessage": t["ErrorMessage"], "Duration": t["Duration"],
			"IsCurrent": c.lastSuccess[laneOf(d)] == d.id(), "IsPrevious": false, "IsCompleted": t["IsCompleted"]})
	}
	result := document{}
	for environment, list := range items {
		result[environment] = list
	}
	return result
}

func projectSummary(c *call, p document) (reply, error) {
	process := c.documents["deploymentprocesses"].get(p.text("DeploymentProcessId"))
	deployed := c.documents["deployments"].first(func(d document) bool {
		return d.text("ProjectId") == p.id() && c.taskState(d.text("TaskId")) == stateSuccess
	})
	runbook := c.documents["runbooks"].first(func(d document) bool { return d.text("ProjectId") == p.id() })
	return ok(document{"HasBeenSuccessfullyDeployed": deployed != nil, "HasDeploymentProcess": len(process.objects("Steps")) > 0,
		"HasRunbooks": runbook != nil, "IsVersionControlled": inGit(p),
		"Links": map[string]string{"Self": c.link("/api/{space}/projects/" + p.id() + "/summary")}})
}

// projectSettings are the part of a project that newer clients read and write on its own.
func projectSettings(c *call, p document) document {
	return document{"Id": "deploymentsettings-" + p.id(), "SpaceId": p.text("SpaceId"), "ProjectId": p.id(),
		"ConnectivityPolicy": p["ProjectConnectivityPolicy"], "DefaultGuidedFailureMode": p["DefaultGuidedFailureMode"],
		"ForcePackageDownload": p["ForcePackageDownload"], "VersioningStrategy": p["VersioningStrategy"],
		"ReleaseNotesTemplate": p["ReleaseNotesTemplate"], "DeploymentChangesTemplate": p["DeploymentChangesTemplate"],
		"Links": map[string]string{"Self": c.link("/api/{space}/projects/" + p.id() + "/deploymentsettings"), "Project": c.link("/api/{space}/projects/" + p.id())}}
}

func changeProjectSettings(c *call, p document) (reply, error) {
	settings, err := c.body()
	if err != nil {
		return reply{}, err
	}
	for _, key := range []string{"DefaultGuidedFailureMode", "ForcePackageDownload", "VersioningStrategy", "ReleaseNotesTemplate", "DeploymentChangesTemplate"} {
		if value, sent := settings[key]; sent {
			p[key] = value
		}
	}
	if value, sent := settings["ConnectivityPolicy"]; sent {
		p["ProjectConnectivityPolicy"] = value
	}
	c.noteDocument(DocumentUpdated, "Modified", c.kinds["projects"], p)
	return ok(projectSettings(c, p))
}
