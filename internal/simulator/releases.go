package simulator

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

const maxVersionLength = 349

func releaseKind() *kind {
	return &kind{
		name: "releases", prefix: "Releases", itemType: "Release", template: "{?skip,ignoreChannelRules,take,ids}", newestFirst: true,
		check:    checkRelease,
		complete: completeRelease,
		created: func(c *call, d document) {
			project := c.documents["projects"].get(d.text("ProjectId"))
			c.record(c.by, Entry{Effect: ReleaseCreated, ID: d.id(), Name: d.text("Version"), ProjectID: project.id(), ReleaseID: d.id(),
				Detail: d.text("ReleaseNotes")})
			c.raise(c.by, "Created", d.text("SpaceId"), fmt.Sprintf("Release %s of %s was created", d.text("Version"), project.text("Name")), d.id(), project.id())
			c.deployAutomatically(d)
		},
		guard: func(c *call, before, after document) error {
			if after == nil && c.documents["deployments"].first(func(d document) bool {
				return d.text("ReleaseId") == before.id() && !terminal(c.taskState(d.text("TaskId")))
			}) != nil {
				return invalid("The release cannot be deleted because a deployment of it is in progress.")
			}
			return nil
		},
		links: releaseLinks,
	}
}

func checkRelease(c *call, d, before document) []string {
	project := c.documents["projects"].get(d.text("ProjectId"))
	if project == nil || !c.visible(project) {
		return []string{"A release needs the ProjectId of an existing project."}
	}
	version := strings.TrimSpace(d.text("Version"))
	d["Version"] = version
	var wrong []string
	switch same := c.releaseOf(project.id(), version); {
	case version == "":
		wrong = append(wrong, "The release version is required.")
	case len(version) > maxVersionLength:
		wrong = append(wrong, fmt.Sprintf("The release version must not be longer than %d characters.", maxVersionLength))
	case same != nil && same.id() != before.idOrEmpty():
		wrong = append(wrong, fmt.Sprintf("Release '%s' already exists for this project. Please use a different version, or look at using a mask to auto-increment the number.", version))
	}
	if channel := d.text("ChannelId"); channel != "" && c.documents["channels"].get(channel).text("ProjectId") != project.id() {
		wrong = append(wrong, "ChannelId does not name a channel of the project.")
	}
	if before == nil {
		wrong = append(wrong, c.checkGit(d, project)...)
	}
	process := c.documents["deploymentprocesses"].get(project.text("DeploymentProcessId"))
	for _, p := range readProcess(process, "").packages {
		if !slices.ContainsFunc(d.objects("SelectedPackages"), func(chosen document) bool {
			return (chosen.text("ActionName") == p.action || chosen.text("StepName") == p.step) && chosen.text("PackageReferenceName") == p.reference && chosen.text("Version") != ""
		}) {
			wrong = append(wrong, fmt.Sprintf("No package version was specified for step '%s'.", p.step))
		}
	}
	return wrong
}

func completeRelease(c *call, d, before document) {
	project := c.documents["projects"].get(d.text("ProjectId"))
	d.fill(document{"ChannelId": c.defaultChannel(project.id()).id(), "ReleaseNotes": nil, "LibraryVariableSetSnapshotIds": []string{}, "IgnoreChannelRules": false,
		"BuildInformation": []any{}, "SelectedPackages": []any{}, "SelectedGitResources": []any{}, "VersionControlReference": nil, "CustomFields": document{}})
	if d.text("ChannelId") == "" {
		d["ChannelId"] = c.defaultChannel(project.id()).id()
	}
	if before != nil {
		for _, owned := range []string{"ProjectDeploymentProcessSnapshotId", "ProjectVariableSetSnapshotId", "Assembled", "ProjectId", "VersionControlReference"} {
			d[owned] = before[owned]
		}
		return
	}
	d["Assembled"] = c.stamp()
	d["ProjectDeploymentProcessSnapshotId"] = c.freeze(c.documents["deploymentprocesses"].get(project.text("DeploymentProcessId")))
	d["ProjectVariableSetSnapshotId"] = c.freeze(c.documents["variables"].get(project.text("VariableSetId")))
}

func releaseLinks(d document) map[string]string {
	base := "/api/{space}/releases/" + d.id()
	project := "/api/{space}/projects/" + d.text("ProjectId")
	return map[string]string{
		"Self": base + "{?force}", "Project": project, "Channel": "/api/{space}/channels/" + d.text("ChannelId"),
		"Progression": base + "/progression", "Deployments": base + "/deployments{?skip,take}",
		"DeploymentTemplate": base + "/deployments/template", "DeploymentPreviews": base + "/deployments/previews",
		"Artifacts": "/api/{space}/artifacts?regarding=" + d.id(), "Variables": base + "/variables", "SnapshotVariables": base + "/snapshot-variables",
		"ProjectVariableSnapshot":          "/api/{space}/variables/" + d.text("ProjectVariableSetSnapshotId"),
		"ProjectDeploymentProcessSnapshot": "/api/{space}/deploymentprocesses/" + d.text("ProjectDeploymentProcessSnapshotId"),
		"Web":                              "/app#/{space}/releases/" + d.id(),
		"Defects":                          base + "/defects", "ReportDefect": base + "/defects", "ResolveDefect": base + "/defects/resolve",
	}
}

// releaseOf is a project's release with the given version, or nil.
func (s *Server) releaseOf(projectID, version string) document {
	return s.documents["releases"].first(func(d document) bool {
		return d.text("ProjectId") == projectID && strings.EqualFold(d.text("Version"), version)
	})
}

func (c *call) releasePage(of func(document) bool) document {
	k := c.kinds["releases"]
	search := strings.ToLower(c.query.text("searchByVersion"))
	found := c.documents["releases"].where(func(d document) bool {
		return of(d) && c.visible(d) && strings.Contains(strings.ToLower(d.text("Version")), search)
	})
	return c.listPage(k, c.showAll(k, found))
}

func (s *Server) releaseRoutes(r chi.Router) {
	s.get(r, "/projects/{project}/releases", s.ofProject(func(c *call, p document) (reply, error) {
		return ok(c.releasePage(func(d document) bool { return d.text("ProjectId") == p.id() }))
	}))
	s.get(r, "/projects/{project}/releases/{version}", s.ofProject(func(c *call, p document) (reply, error) {
		if d := c.releaseOf(p.id(), c.param("version")); d != nil {
			return ok(c.show(c.kinds["releases"], d))
		}
		return reply{}, c.missing("version")
	}))
	s.post(r, "/releases/create/v1", createReleaseV1)
	s.get(r, "/releases/{release}/deployments", s.ofRelease(func(c *call, release document) (reply, error) {
		k := c.kinds["deployments"]
		return ok(c.listPage(k, c.showAll(k, c.documents["deployments"].where(func(d document) bool { return d.text("ReleaseId") == release.id() }))))
	}))
	s.get(r, "/releases/{release}/deployments/template", s.ofRelease(deploymentTemplate))
	s.get(r, "/releases/{release}/deployments/preview/{environment}", s.ofRelease(deploymentPreview))
	s.get(r, "/releases/{release}/progression", s.ofRelease(releaseProgression))
	s.get(r, "/releases/{release}/defects", s.ofRelease(func(c *call, release document) (reply, error) {
		k := c.kinds["defects"]
		return ok(c.listPage(k, c.showAll(k, c.documents["defects"].where(func(d document) bool { return d.text("ReleaseId") == release.id() }))))
	}))
	s.post(r, "/releases/{release}/defects", s.ofRelease(func(c *call, release document) (reply, error) {
		return c.createFrom(c.kinds["defects"], document{"ReleaseId": release.id(), "Status": "Unresolved"})
	}))
	s.post(r, "/releases/{release}/defects/resolve", s.ofRelease(func(c *call, release document) (reply, error) {
		d := c.unresolvedDefect(release.id())
		if d == nil {
			return reply{}, invalid("The release has no unresolved defect.")
		}
		d["Status"] = "Resolved"
		return ok(c.show(c.kinds["defects"], d))
	}))
}

func (s *Server) ofRelease(h func(*call, document) (reply, error)) handler {
	return func(c *call) (reply, error) {
		release, err := c.find("releases", "release")
		if err != nil {
			return reply{}, err
		}
		return h(c, release)
	}
}

// unresolvedDefect blocks the promotion of a release to later phases.
func (s *Server) unresolvedDefect(releaseID string) document {
	return s.documents["defects"].first(func(d document) bool {
		return d.text("ReleaseId") == releaseID && d.text("Status") == "Unresolved"
	})
}

// createReleaseV1 is the executions API: camelCase in, names or ids, version optional.
func createReleaseV1(c *call) (reply, error) {
	request, err := c.body()
	if err != nil {
		return reply{}, err
	}
	project := c.named("projects", request.text("projectName"), nil)
	if project == nil {
		return reply{}, notFound(request.text("projectName"))
	}
	channel := c.defaultChannel(project.id())
	if name := request.text("channelName"); name != "" {
		channel = c.named("channels", name, func(d document) bool { return d.text("ProjectId") == project.id() })
		if channel == nil {
			return reply{}, invalid(fmt.Sprintf("Channel '%s' was not found in project '%s'.", name, project.text("Name")))
		}
	}
	version := strings.TrimSpace(request.text("releaseVersion"))
	if version == "" {
		version = c.nextVersion(project.id())
	}
	if existing := c.releaseOf(project.id(), version); existing != nil && request.flag("ignoreIfAlreadyExists") {
		return ok(releaseCreated(existing))
	}
	release := document{"SpaceId": project.text("SpaceId"), "ProjectId": project.id(), "ChannelId": channel.id(), "Version": version,
		"ReleaseNotes": request["releaseNotes"], "IgnoreChannelRules": request.flag("ignoreChannelRules"),
		"SelectedPackages": c.choosePackages(project, request), "CustomFields": request["customFields"]}
	if ref, commit := request.text("gitRef"), request.text("gitCommit"); ref+commit != "" {
		release["VersionControlReference"] = document{"GitRef": ref, "GitCommit": commit}
	}
	if err := c.insert(c.kinds["releases"], release); err != nil {
		return reply{}, err
	}
	return created(releaseCreated(release))
}

func releaseCreated(release document) document {
	return document{"ReleaseId": release.id(), "ReleaseVersion": release.text("Version"), "AutomaticallyDeployedEnvironments": nil}
}

// choosePackages picks a version for each package of the process: as requested
// ("Step:Version", "PackageId:Version" or "Step:Reference:Version"), or the general version, or
// the newest of the built-in feed.
func (c *call) choosePackages(project, request document) []document {
	chosen := []document{}
	process := c.documents["deploymentprocesses"].get(project.text("DeploymentProcessId"))
	for _, p := range readProcess(process, "").packages {
		version := request.text("packageVersion")
		if version == "" {
			version = c.newestPackage(p.packageID)
		}
		for _, wish := range request.list("packages") {
			parts := strings.Split(wish, ":")
			subject := parts[0]
			matches := contains([]string{p.step, p.action, p.packageID, "*"}, subject)
			if len(parts) == 3 && !strings.EqualFold(parts[1], p.reference) && !strings.EqualFold(parts[1], p.packageID) {
				matches = false
			}
			if matches {
				version = parts[len(parts)-1]
			}
		}
		chosen = append(chosen, document{"ActionName": p.action, "StepName": p.step, "PackageReferenceName": p.reference, "Version": version})
	}
	return chosen
}
