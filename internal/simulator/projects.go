package simulator

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

const overridesKey = "AutoDeployReleaseOverrides"

// projectKind keeps projects as the raw documents that clients send: a PUT replaces, so that a
// client which loses fields can be caught.
func projectKind() *kind {
	return &kind{
		name: "projects", prefix: "Projects", itemType: "Project", template: "{?name,skip,ids,clone,take,partialName,clonedFromProjectId}",
		bySlug: true, uniqueName: true,
		complete: completeProject,
		check:    checkProject,
		guard: func(c *call, before, after document) error {
			if after == nil {
				return c.mayDeleteProject(before)
			}
			if c.faults.take(ConflictPut, before.id()) || c.random.Float64() < c.switches.PutConflictProbability {
				p := outOfDate("Project '" + before.text("Name") + "'")
				p.status = c.switches.PutConflictStatus
				return p
			}
			return nil
		},
		created: createdProject,
		updated: updatedProject,
		deleted: deletedProject,
		links:   projectLinks,
		filter: func(c *call, d document) bool {
			return c.query.allows("clonedFromProjectId", d.text("ClonedFromProjectId"))
		},
	}
}

func completeProject(c *call, d, before document) {
	d.fill(document{
		"ClonedFromProjectId": nil, "DiscreteChannelRelease": false, "IncludedLibraryVariableSetIds": []string{}, "DefaultToSkipIfAlreadyInstalled": false,
		"TenantedDeploymentMode": "Untenanted", "DefaultGuidedFailureMode": "EnvironmentDefault",
		"ReleaseCreationStrategy": document{"ChannelId": nil, "ReleaseCreationPackage": nil, "ReleaseCreationPackageStepId": nil},
		"Templates":               []any{}, "ReleaseNotesTemplate": nil, "DeploymentChangesTemplate": nil, "ForcePackageDownload": false, "Icon": nil,
		"ExtensionSettings": []any{}, "Description": "", "IsDisabled": false, "AutoCreateRelease": false, "IsVersionControlled": false,
		"PersistenceSettings":       document{"Type": "Database"},
		"ProjectConnectivityPolicy": document{},
	})
	if _, present := d["VersioningStrategy"]; !present {
		d["VersioningStrategy"] = document{"Template": "#{Octopus.Version.LastMajor}.#{Octopus.Version.LastMinor}.#{Octopus.Version.NextPatch}",
			"DonorPackage": nil, "DonorPackageStepId": nil}
	}
	policy := d.object("ProjectConnectivityPolicy")
	policy.fill(document{"SkipMachineBehavior": "None", "TargetRoles": []string{}, "AllowDeploymentsToNoTargets": false, "ExcludeUnhealthyTargets": false})
	d["ProjectConnectivityPolicy"] = policy
	if before != nil {
		for _, owned := range []string{"VariableSetId", "DeploymentProcessId", "ClonedFromProjectId"} {
			d[owned] = before[owned]
		}
		if _, sent := d[overridesKey]; !sent && c.switches.MissingOverrides == OverridePutKeep {
			d[overridesKey] = before[overridesKey]
		}
	} else {
		d["VariableSetId"] = "variableset-" + d.id()
		d["DeploymentProcessId"] = "deploymentprocess-" + d.id()
	}
	d[overridesKey] = distinctOverrides(d)
}

// distinctOverrides keeps one entry for each environment and tenant: the last.
func distinctOverrides(project document) []document {
	kept := []document{}
	for _, entry := range project.objects(overridesKey) {
		kept = slices.DeleteFunc(kept, func(other document) bool {
			return other.text("EnvironmentId") == entry.text("EnvironmentId") && other.text("TenantId") == entry.text("TenantId")
		})
		var tenant any
		if id := entry.text("TenantId"); id != "" {
			tenant = id
		}
		kept = append(kept, document{"EnvironmentId": entry.text("EnvironmentId"), "TenantId": tenant, "ReleaseId": entry.text("ReleaseId")})
	}
	return kept
}

func checkProject(c *call, d, _ document) []string {
	var wrong []string
	if c.documents["projectgroups"].get(d.text("ProjectGroupId")) == nil {
		wrong = append(wrong, "A project group is required: ProjectGroupId must name one.")
	}
	if c.documents["lifecycles"].get(d.text("LifecycleId")) == nil {
		wrong = append(wrong, "A lifecycle is required: LifecycleId must name one.")
	}
	for _, entry := range d.objects(overridesKey) {
		if c.documents["environments"].get(entry.text("EnvironmentId")) == nil || c.documents["releases"].get(entry.text("ReleaseId")) == nil {
			wrong = append(wrong, "An auto-deploy release override names an environment or a release that does not exist.")
		}
	}
	return wrong
}

func createdProject(c *call, d document) {
	c.documents["deploymentprocesses"].add(document{"Id": d.text("DeploymentProcessId"), "SpaceId": d.text("SpaceId"), "ProjectId": d.id(),
		"Version": 0, "LastSnapshotId": nil, "Steps": []any{}})
	c.documents["variables"].add(document{"Id": d.text("VariableSetId"), "SpaceId": d.text("SpaceId"), "OwnerId": d.id(),
		"Version": 0, "Variables": []any{}, "ScopeValues": document{}})
	c.noteDocument(DocumentCreated, "Created", c.kinds["projects"], d)
	own := *c
	own.space = d.text("SpaceId")
	own.must("channels", document{"ProjectId": d.id(), "Name": "Default", "IsDefault": true})
}

func updatedProject(c *call, d, before document) {
	c.noteDocument(DocumentUpdated, "Modified", c.kinds["projects"], d)
	for _, entry := range before.objects(overridesKey) {
		if overrideFor(d, entry.text("EnvironmentId"), entry.text("TenantId")) == "" {
			c.recordOverride(OverrideCleared, d, entry, "by a PUT of the project")
		}
	}
	set := false
	for _, entry := range d.objects(overridesKey) {
		if overrideFor(before, entry.text("EnvironmentId"), entry.text("TenantId")) != entry.text("ReleaseId") {
			c.recordOverride(OverrideSet, d, entry, "")
			set = true
		}
	}
	if set {
		c.overrideFaults(d, before)
	}
}

func (c *call) mayDeleteProject(project document) error {
	for j := range c.running {
		if j.lane.project == project.id() {
			return invalid("The project cannot be deleted because a deployment of it is in progress.")
		}
	}
	return nil
}

// deletedProject takes with it what belongs to the project.
func deletedProject(c *call, project document) {
	for _, name := range []string{"deploymentprocesses", "channels", "releases", "deployments", "projecttriggers", "runbooks", "runbookprocesses", "runbooksnapshots", "runbookruns"} {
		for _, d := range c.documents[name].where(func(d document) bool { return d.text("ProjectId") == project.id() }) {
			c.documents[name].remove(d.id())
		}
	}
	c.documents["variables"].remove(project.text("VariableSetId"))
	for _, j := range slices.Clone(c.queue) {
		if j.lane.project == project.id() {
			c.cancelJob(j)
		}
	}
	c.noteDocument(DocumentDeleted, "Deleted", c.kinds["projects"], project)
}

// overrideFaults plays the misfortunes that may befall an override that was just set.
func (c *call) overrideFaults(project, before document) {
	if c.faults.take(TickBeforeOverride, project.id()) {
		wanted := project[overridesKey]
		project[overridesKey] = before[overridesKey]
		c.hurryMachines()
		c.autoDeployNow()
		project[overridesKey] = wanted
	}
	if c.faults.take(DropOverride, project.id()) {
		for _, entry := range project.objects(overridesKey) {
			c.recordOverride(OverrideCleared, project, entry, "by a fault, nothing was deployed")
		}
		project[overridesKey] = []document{}
	}
}

func (c *call) recordOverride(effect Effect, project, entry document, detail string) {
	c.Server.recordOverride(c.by, effect, project, entry, detail)
}

func (s *Server) recordOverride(by cause, effect Effect, project, entry document, detail string) {
	s.record(by, Entry{Effect: effect, ID: project.id(), Name: project.text("Name"), ProjectID: project.id(), EnvironmentID: entry.text("EnvironmentId"),
		TenantID: entry.text("TenantId"), ReleaseID: entry.text("ReleaseId"), Detail: detail})
}

// overrideFor is the release that an override names for the environment and tenant, or "".
func overrideFor(project document, environmentID, tenantID string) string {
	for _, entry := range project.objects(overridesKey) {
		if entry.text("EnvironmentId") == environmentID && entry.text("TenantId") == tenantID {
			return entry.text("ReleaseId")
		}
	}
	return ""
}

// clearOverride removes the override of a lane, as any deployment to it does.
func (s *Server) clearOverride(by cause, l lane, why string) {
	project := s.documents["projects"].get(l.project)
	if project == nil || overrideFor(project, l.environment, l.tenant) == "" {
		return
	}
	entries := []document{}
	for _, entry := range project.objects(overridesKey) {
		if entry.text("EnvironmentId") == l.environment && entry.text("TenantId") == l.tenant {
			s.recordOverride(by, OverrideCleared, project, entry, why)
			continue
		}
		entries = append(entries, entry)
	}
	project[overridesKey] = entries
}

func projectLinks(d document) map[string]string {
	base := "/api/{space}/projects/" + d.id()
	return map[string]string{
		"Variables":          "/api/{space}/variables/" + d.text("VariableSetId"),
		"Releases":           base + "/releases{/version}{?skip,take,searchByVersion}",
		"Channels":           base + "/channels{/id}{?skip,take,partialName}",
		"Triggers":           base + "/triggers{/id}{?skip,take,partialName,triggerActionType,triggerActionCategory,runbooks}",
		"ScheduledTriggers":  base + "/triggers/scheduled{?skip,take}",
		"OrderChannels":      base + "/channels/order",
		"Progression":        base + "/progression{?releaseHistoryCount}",
		"DeploymentProcess":  base + "/deploymentprocesses",
		"DeploymentSettings": base + "/deploymentsettings",
		"Web":                "/app#/{space}/projects/" + d.id(),
		"Logo":               base + "/logo{?cb}",
		"Metadata":           base + "/metadata",
		"Runbooks":           base + "/runbooks{/id}{?skip,take,partialName}",
		"RunbookSnapshots":   base + "/runbookSnapshots{/name}{?skip,take,searchByName}",
		"Summary":            base + "/summary",
		"ConvertToGit":       base + "/git/convert",
	}
}

// projectRoutes are the lists and views under a project, a project group or a lifecycle.
func (s *Server) projectRoutes(r chi.Router) {
	for name, field := range map[string]string{"projectgroups": "ProjectGroupId", "lifecycles": "LifecycleId"} {
		s.get(r, "/"+name+"/{id}/projects", func(c *call) (reply, error) {
			owner, err := c.find(name, "id")
			if err != nil {
				return reply{}, err
			}
			k := c.kinds["projects"]
			found := c.showAll(k, c.documents["projects"].where(func(p document) bool { return p.text(field) == owner.id() }))
			if name == "lifecycles" { // a bare array, unlike the others
				return ok(found)
			}
			return ok(c.listPage(k, found))
		})
	}
	s.get(r, "/lifecycles/{id}/preview", func(c *call) (reply, error) {
		d, err := c.find("lifecycles", "id")
		if err != nil {
			return reply{}, err
		}
		return ok(c.show(c.kinds["lifecycles"], d))
	})
	for name, kindName := range map[string]string{"channels": "channels", "triggers": "projecttriggers", "runbooks": "runbooks", "runbooksnapshots": "runbooksnapshots", "runbookprocesses": "runbookprocesses"} {
		s.projectChildren(r, name, kindName)
	}
	s.get(r, "/projects/{project}/summary", s.ofProject(projectSummary))
	s.get(r, "/projects/{project}/deploymentsettings", s.ofProject(func(c *call, p document) (reply, error) { return ok(projectSettings(c, p)) }))
	s.put(r, "/projects/{project}/deploymentsettings", s.ofProject(changeProjectSettings))
	s.get(r, "/projects/{project}/progression", s.ofProject(projectProgression))
}

// ofProject finds the project of the path for a handler.
func (s *Server) ofProject(h func(*call, document) (reply, error)) handler {
	return func(c *call) (reply, error) {
		project, err := c.find("projects", "project")
		if err != nil {
			return reply{}, err
		}
		return h(c, project)
	}
}

// projectChildren serves a kind's documents below their project.
func (s *Server) projectChildren(r chi.Router, segment, kindName string) {
	base := "/projects/{project}/" + segment
	s.get(r, base, s.ofProject(func(c *call, p document) (reply, error) {
		k := c.kinds[kindName]
		partial := strings.ToLower(c.query.text("partialName"))
		found := c.documents[kindName].where(func(d document) bool {
			return d.text("ProjectId") == p.id() && strings.Contains(strings.ToLower(d.text("Name")), partial)
		})
		return ok(c.listPage(k, c.showAll(k, found)))
	}))
	s.post(r, base, s.ofProject(func(c *call, p document) (reply, error) {
		return c.createFrom(c.kinds[kindName], document{"ProjectId": p.id()})
	}))
	k := s.kinds[kindName]
	s.get(r, base+"/{id}", func(c *call) (reply, error) {
		d, err := c.find(kindName, "id")
		if err != nil {
			return reply{}, err
		}
		return ok(c.show(k, d))
	})
	s.put(r, base+"/{id}", func(c *call) (reply, error) { return c.replaceFrom(k) })
	s.remove(r, base+"/{id}", func(c *call) (reply, error) { return c.removeFrom(k) })
}

func projectSummary(c *call, p document) (reply, error) {
	process := c.documents["deploymentprocesses"].get(p.text("DeploymentProcessId"))
	deployed := c.documents["deployments"].first(func(d document) bool {
		return d.text("ProjectId") == p.id() && c.taskState(d.text("TaskId")) == stateSuccess
	})
	runbook := c.documents["runbooks"].first(func(d document) bool { return d.text("ProjectId") == p.id() })
	return ok(document{"HasBeenSuccessfullyDeployed": deployed != nil, "HasDeploymentProcess": len(process.objects("Steps")) > 0,
		"HasRunbooks": runbook != nil, "IsVersionControlled": false,
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

// copyOf is a deep copy of JSON-like data, for frozen snapshots.
func copyOf(d document) document {
	data, err := json.Marshal(d)
	if err != nil {
		panic("simulator: a document that is not JSON: " + err.Error())
	}
	clone, err := parseDocument(data)
	if err != nil {
		panic("simulator: a document that is not JSON: " + err.Error())
	}
	return clone
}
