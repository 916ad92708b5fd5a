package simulator

import (
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

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
		d["IsVersionControlled"] = inGit(before) || inGit(d) // the way into Git is one without return
		if _, sent := d[overridesKey]; !sent && c.switches.MissingOverrides == OverridePutKeep {
			d[overridesKey] = before[overridesKey]
		}
	} else {
		d["VariableSetId"] = "variableset-" + d.id()
		d["DeploymentProcessId"] = "deploymentprocess-" + d.id()
	}
	d[overridesKey] = distinctOverrides(d)
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
	delete(c.repositories, project.id())
	delete(c.sensitive, strings.ToLower(project.text("VariableSetId")))
	for _, j := range slices.Clone(c.queue) {
		if j.lane.project == project.id() {
			c.cancelJob(j)
		}
	}
	c.noteDocument(DocumentDeleted, "Deleted", c.kinds["projects"], project)
}

func projectPath(d document) string { return "/api/{space}/projects/" + d.id() }

func projectLinks(d document) map[string]string {
	base := projectPath(d)
	links := map[string]string{
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
	}
	if inGit(d) {
		links["DeploymentProcess"] = base + "/{gitRef}/deploymentprocesses"
		links["Branches"] = base + "/git/branches{/name}{?skip,take,searchByName,refresh}"
	} else {
		links["ConvertToGit"], links["ConvertToVcs"] = base+"/git/convert", base+"/git/convert"
	}
	return links
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
	s.projectChildren(r, "triggers", "projecttriggers")
	for _, name := range []string{"channels", "runbooks", "runbooksnapshots", "runbookprocesses"} {
		s.projectChildren(r, name, name)
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
