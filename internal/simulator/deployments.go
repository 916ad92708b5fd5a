package simulator

import (
	"fmt"
	"strings"

	"github.com/go-chi/chi/v5"
)

func deploymentKind() *kind {
	return &kind{
		name: "deployments", prefix: "Deployments", itemType: "Deployment", newestFirst: true,
		template: "{?skip,take,ids,projects,environments,tenants,channels,taskState,partialName}",
		check:    checkDeployment,
		complete: completeDeployment,
		created:  func(c *call, d document) { c.startDeployment(d) },
		guard: func(c *call, before, after document) error {
			if after != nil {
				return methodNotSupported("A deployment cannot be changed.")
			}
			if !terminal(c.taskState(before.text("TaskId"))) {
				return invalid("The deployment cannot be deleted because it is in progress.")
			}
			return nil
		},
		filter: func(c *call, d document) bool {
			return c.query.allows("projects", d.text("ProjectId")) && c.query.allows("environments", d.text("EnvironmentId")) &&
				c.query.allows("tenants", d.text("TenantId")) && c.query.allows("channels", d.text("ChannelId")) &&
				c.query.allows("taskState", c.taskState(d.text("TaskId")))
		},
		links: func(d document) map[string]string {
			return map[string]string{
				"Release": "/api/{space}/releases/" + d.text("ReleaseId"), "Environment": "/api/{space}/environments/" + d.text("EnvironmentId"),
				"Project": "/api/{space}/projects/" + d.text("ProjectId"), "Task": "/api/tasks/" + d.text("TaskId"),
				"Web": "/app#/{space}/deployments/" + d.id(), "Artifacts": "/api/{space}/artifacts?regarding=" + d.id(),
				"Interruptions": "/api/{space}/interruptions?regarding=" + d.id(), "DeploymentProcess": "/api/{space}/deploymentprocesses/" + d.text("DeploymentProcessId"),
			}
		},
	}
}

// lane is what only one deployment may hold at a time.
type lane struct{ project, environment, tenant string }

func laneOf(deployment document) lane {
	return lane{deployment.text("ProjectId"), deployment.text("EnvironmentId"), deployment.text("TenantId")}
}

func checkDeployment(c *call, d, _ document) []string {
	release := c.documents["releases"].get(d.text("ReleaseId"))
	if release == nil || !c.visible(release) {
		return []string{"ReleaseId is required and must name an existing release."}
	}
	environment := c.documents["environments"].get(d.text("EnvironmentId"))
	if environment == nil || !c.visible(environment) {
		return []string{"EnvironmentId is required and must name an existing environment."}
	}
	project := c.documents["projects"].get(release.text("ProjectId"))
	tenant := d.text("TenantId")
	if tenant != "" && c.documents["tenants"].get(tenant) == nil {
		return []string{"TenantId does not name a tenant."}
	}
	var wrong []string
	for _, list := range []string{"SpecificMachineIds", "ExcludedMachineIds"} {
		for _, id := range d.list(list) {
			if c.documents["machines"].get(id) == nil {
				wrong = append(wrong, fmt.Sprintf("%s names '%s', which is not a deployment target.", list, id))
			}
		}
	}
	if project.flag("IsDisabled") {
		wrong = append(wrong, fmt.Sprintf("Project '%s' is disabled.", project.text("Name")))
	}
	switch mode := project.text("TenantedDeploymentMode"); {
	case mode == "Untenanted" && tenant != "":
		wrong = append(wrong, "The project does not allow tenanted deployments.")
	case mode == "Tenanted" && tenant == "":
		wrong = append(wrong, "The project needs a tenant for each deployment.")
	}
	if tenant != "" && !c.connected(c.documents["tenants"].get(tenant), lane{project.id(), environment.id(), tenant}) {
		wrong = append(wrong, fmt.Sprintf("Tenant '%s' is not connected to project '%s' in environment '%s'.",
			c.documents["tenants"].get(tenant).text("Name"), project.text("Name"), environment.text("Name")))
	}
	if c.by.actor == ActorAutoDeploy { // not stopped by lifecycles (observed: Octopus issue 5752) nor by freezes
		return wrong
	}
	if reason := c.mayDeploy(release, environment.id()); reason != "" {
		wrong = append(wrong, reason)
	}
	if c.unresolvedDefect(release.id()) != nil && !c.hasReached(release.id(), environment.id()) {
		wrong = append(wrong, fmt.Sprintf("Release '%s' has been prevented from progressing.", release.text("Version")))
	}
	if freeze := c.frozen(lane{project.id(), environment.id(), tenant}, c.override.names); freeze != "" {
		wrong = append(wrong, frozenMessage(freeze))
	}
	return wrong
}

// connected says whether a tenant takes part in a project in an environment (Octopus docs: tenants).
func (s *Server) connected(tenant document, l lane) bool {
	connections := tenant.object("ProjectEnvironments")
	if len(connections) == 0 {
		return !s.switches.TenantsNeedProjects
	}
	return contains(connections.list(l.project), l.environment)
}

// hasReached says whether the release has been deployed to the environment before.
func (s *Server) hasReached(releaseID, environmentID string) bool {
	return s.documents["deployments"].first(func(d document) bool {
		return d.text("ReleaseId") == releaseID && d.text("EnvironmentId") == environmentID
	}) != nil
}

func completeDeployment(c *call, d, _ document) {
	release := c.documents["releases"].get(d.text("ReleaseId"))
	environment := c.documents["environments"].get(d.text("EnvironmentId"))
	// The client's words for ids may differ in case; the document holds the real ones.
	d["ReleaseId"], d["EnvironmentId"] = release.id(), environment.id()
	for key, value := range (document{"ProjectId": release.text("ProjectId"), "ChannelId": release.text("ChannelId"),
		"DeploymentProcessId": release.text("ProjectDeploymentProcessSnapshotId"), "ManifestVariableSetId": "variableset-" + d.id(),
		"Name": "Deploy to " + environment.text("Name"), "Created": c.stamp(), "DeployedBy": c.by.user.name, "DeployedById": c.by.user.id,
		"DeployedToMachineIds": []string{}, "FailureEncountered": false,
		"Changes":         []document{{"Version": release.text("Version"), "ReleaseNotes": release["ReleaseNotes"], "BuildInformation": []any{}, "WorkItems": []any{}, "Commits": []any{}}},
		"ChangesMarkdown": ""}) {
		d[key] = value
	}
	if d.text("TenantId") == "" {
		d["TenantId"] = nil
	}
	c.noteOverride(d)
	d.fill(document{"Comments": nil, "FormValues": document{}, "Priority": "LifecycleDefault", "QueueTime": nil, "QueueTimeExpiry": nil, "SkipActions": []string{},
		"SpecificMachineIds": []string{}, "ExcludedMachineIds": []string{}, "SpecificTargetTagIds": []string{}, "ExcludedTargetTagIds": []string{},
		"ForcePackageDownload": false, "ForcePackageRedeployment": false, "UseGuidedFailure": environment.flag("UseGuidedFailure"), "DebugMode": "None",
		"FailTargetDiscovery": false, "TentacleRetentionPeriod": nil, "ChangeRequestSettings": nil, "ExecutionPlanLogContext": nil})
}

// startDeployment queues the task of a new deployment, and clears the lane's override.
func (c *call) startDeployment(d document) {
	l := laneOf(d)
	release := c.documents["releases"].get(d.text("ReleaseId"))
	project := c.documents["projects"].get(l.project)
	environment := c.documents["environments"].get(l.environment)
	j := &job{lane: l, deployment: d.id(), only: d.list("SpecificMachineIds"), by: c.by,
		notBefore: parseTime(d.text("QueueTime")), expires: parseTime(d.text("QueueTimeExpiry"))}
	j.begin, j.finish, j.cancelled = c.beginDeployment, c.finishDeployment, c.deploymentCancelled
	if c.options.RunScripts {
		j.steps = c.runSteps
	}
	description := fmt.Sprintf("Deploy %s release %s to %s", project.text("Name"), release.text("Version"), environment.text("Name"))
	if tenant := c.documents["tenants"].get(l.tenant); tenant != nil {
		description += " for " + tenant.text("Name")
	}
	d["TaskId"] = c.documents["tasks"].nextID()
	c.record(c.by, Entry{Effect: DeploymentCreated, ID: d.id(), Name: release.text("Version"), ProjectID: l.project, EnvironmentID: l.environment, TenantID: l.tenant,
		ReleaseID: release.id(), TaskID: d.text("TaskId"), Machines: d.list("SpecificMachineIds"), Detail: d.text("Comments")})
	c.addTask(j, document{"Id": d.text("TaskId"), "SpaceId": d.text("SpaceId"), "Name": "Deploy", "Description": description,
		"Arguments": document{"DeploymentId": d.id()}, "ProjectId": l.project, "EnvironmentId": l.environment, "TenantId": d["TenantId"]})
	c.raiseDeployment(c.by, "DeploymentQueued", d, "queued")
	if !c.switches.ClearOverrideOnSuccess {
		c.clearOverride(c.by, l, "by "+d.id())
	}
}

// deployAutomatically deploys a new release to the automatic environments of its lifecycle's first phase.
func (c *call) deployAutomatically(release document) {
	lifecycle := c.lifecycleOf(release)
	if phases := lifecycle.objects("Phases"); len(phases) > 0 {
		for _, environment := range phases[0].list("AutomaticDeploymentTargets") {
			own := c.internalCall(causedBy(ActorScheduler))
			if _, err := own.do("deployments", document{"SpaceId": release.text("SpaceId"), "ReleaseId": release.id(), "EnvironmentId": environment}); err != nil {
				c.log.Info().Err(err).Msg("automatic deployment refused")
			}
		}
	}
}

func (s *Server) deploymentRoutes(r chi.Router) {
	s.post(r, "/deployments/override", overrideFreeze)
	s.post(r, "/deployments/create/untenanted/v1", func(c *call) (reply, error) {
		request, err := c.body()
		if err != nil {
			return reply{}, err
		}
		return c.deployV1(request, request.list("environmentNames"), nil)
	})
	s.post(r, "/deployments/create/tenanted/v1", func(c *call) (reply, error) {
		request, err := c.body()
		if err != nil {
			return reply{}, err
		}
		tenants, err := c.tenantsOf(request)
		if err != nil {
			return reply{}, err
		}
		return c.deployV1(request, []string{request.text("environmentName")}, tenants)
	})
}

// tenantsOf finds the tenants that an executions request means, by name and by tag.
func (c *call) tenantsOf(request document) ([]string, error) {
	var ids []string
	for _, name := range request.list("tenants") {
		tenant := c.named("tenants", name, nil)
		if tenant == nil {
			return nil, invalid(fmt.Sprintf("Tenant '%s' was not found.", name))
		}
		ids = append(ids, tenant.id())
	}
	if tags := request.list("tenantTags"); len(tags) > 0 {
		for _, tenant := range c.documents["tenants"].order {
			if c.visible(tenant) && overlap(tags, tenant.list("TenantTags")) && !contains(ids, tenant.id()) {
				ids = append(ids, tenant.id())
			}
		}
	}
	if len(ids) == 0 {
		return nil, invalid("No tenant matches the request.")
	}
	return ids, nil
}

// deployV1 is the executions API: one deployment for each environment and tenant.
func (c *call) deployV1(request document, environments, tenants []string) (reply, error) {
	project := c.named("projects", request.text("projectName"), nil)
	if project == nil {
		return reply{}, notFound(request.text("projectName"))
	}
	release := c.releaseOf(project.id(), request.text("releaseVersion"))
	if release == nil {
		return reply{}, invalid(fmt.Sprintf("Release '%s' was not found in project '%s'.", request.text("releaseVersion"), project.text("Name")))
	}
	if len(environments) == 0 {
		return reply{}, invalid("At least one environment is needed.")
	}
	if len(tenants) == 0 {
		tenants = []string{""}
	}
	template, err := c.executionSettings(request)
	if err != nil {
		return reply{}, err
	}
	tasks := []document{}
	for _, name := range environments {
		environment := c.named("environments", name, nil)
		if environment == nil {
			return reply{}, invalid(fmt.Sprintf("Environment '%s' was not found.", name))
		}
		for _, tenant := range tenants {
			d := template.clone()
			d["ReleaseId"], d["EnvironmentId"], d["TenantId"] = release.id(), environment.id(), tenant
			if err := c.overrideByName(lane{project.id(), environment.id(), tenant}, request); err != nil {
				return reply{}, err
			}
			if _, err := c.do("deployments", d); err != nil {
				return reply{}, err
			}
			tasks = append(tasks, document{"DeploymentId": d.id(), "ServerTaskId": d.text("TaskId")})
		}
	}
	return created(document{"DeploymentServerTasks": tasks})
}

// executionSettings turns the camelCase settings of an executions request into those of a document.
func (c *call) executionSettings(request document) (document, error) {
	d := document{"SkipActions": request.list("skipStepNames"), "ForcePackageDownload": request.flag("forcePackageDownload"),
		"ForcePackageRedeployment": request.flag("forcePackageRedeployment")}
	for from, to := range map[string]string{"runAt": "QueueTime", "noRunAfter": "QueueTimeExpiry", "useGuidedFailure": "UseGuidedFailure",
		"variables": "FormValues"} {
		if value := request[from]; value != nil && value != "" {
			d[to] = value
		}
	}
	for from, to := range map[string]string{"specificMachineNames": "SpecificMachineIds", "excludedMachineNames": "ExcludedMachineIds"} {
		ids := []string{}
		for _, name := range request.list(from) {
			machine := c.named("machines", name, nil)
			if machine == nil {
				return nil, invalid(fmt.Sprintf("Deployment target '%s' was not found.", name))
			}
			ids = append(ids, machine.id())
		}
		d[to] = ids
	}
	return d, nil
}

// versionOf is the version of a release by id, for texts.
func (s *Server) versionOf(releaseID string) string {
	return orDefault(s.documents["releases"].get(releaseID).text("Version"), releaseID)
}

// raiseDeployment raises an event about a deployment, with the documents a real server relates to it.
func (s *Server) raiseDeployment(by cause, category string, d document, what string) {
	related := []string{d.id(), d.text("ProjectId"), d.text("ReleaseId"), d.text("EnvironmentId"), d.text("TaskId"), d.text("ChannelId")}
	if tenant := d.text("TenantId"); tenant != "" {
		related = append(related, tenant)
	}
	project, environment := s.documents["projects"].get(d.text("ProjectId")), s.documents["environments"].get(d.text("EnvironmentId"))
	if category == "DeploymentQueued" {
		related = append(related, project.text("ProjectGroupId"))
	}
	message := strings.Join([]string{d.text("Name"), what, "for", project.text("Name"), "release", s.versionOf(d.text("ReleaseId")), "to", environment.text("Name")}, " ")
	s.raise(by, category, d.text("SpaceId"), message, related...)
}
