package simulator

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

// targetRolesKey is the property of a step that names the roles it runs on.
const targetRolesKey = "Octopus.Action.TargetRoles"

// processKind keeps deployment processes. They are created with their project, and a PUT has to
// name the version that it is based on.
func processKind() *kind {
	return &kind{
		name: "deploymentprocesses", prefix: "deploymentprocess", itemType: "DeploymentProcess", template: "{?skip,take,ids}",
		guard:    processGuard,
		complete: completeProcess,
		elsewhere: func(c *call, d document) bool { // observed: Octopus issue 7746
			return inGit(c.documents["projects"].get(d.text("ProjectId")))
		},
		links: func(d document) map[string]string {
			project := "/api/{space}/projects/" + d.text("ProjectId")
			return map[string]string{"Project": project, "Template": project + "/deploymentprocesses/template{?channel,releaseId}"}
		},
	}
}

func runbookProcessKind() *kind {
	return &kind{
		name: "runbookprocesses", prefix: "RunbookProcess", itemType: "RunbookProcess", template: "{?skip,take,ids}",
		guard: processGuard, complete: completeProcess,
		links: func(d document) map[string]string {
			return map[string]string{"Project": "/api/{space}/projects/" + d.text("ProjectId"), "Runbook": "/api/{space}/runbooks/" + d.text("RunbookId")}
		},
	}
}

func processGuard(_ *call, before, after document) error {
	if after == nil {
		return methodNotSupported("A process is deleted with its owner.")
	}
	if after.number("Version") != before.number("Version") {
		return outOfDate("the process of " + before.text("ProjectId"))
	}
	return nil
}

// completeProcess gives steps and actions their ids and moves the version on.
func completeProcess(c *call, d, before document) {
	if before != nil {
		d["Version"] = before.number("Version") + 1
		for _, owned := range []string{"ProjectId", "RunbookId", "LastSnapshotId"} {
			if value, has := before[owned]; has {
				d[owned] = value
			}
		}
	}
	steps := []document{}
	for _, step := range d.objects("Steps") {
		actions := []document{}
		for _, action := range step.objects("Actions") {
			identify(c, action)
			action.fill(document{"IsDisabled": false, "IsRequired": false, "CanBeUsedForProjectVersioning": false, "Environments": []string{},
				"ExcludedEnvironments": []string{}, "Channels": []string{}, "TenantTags": []string{}, "Packages": []any{}, "GitDependencies": []any{},
				"Condition": "Success", "Properties": document{}, "Links": document{}})
			actions = append(actions, action)
		}
		identify(c, step)
		step.fill(document{"PackageRequirement": "LetOctopusDecide", "Condition": "Success", "StartTrigger": "StartAfterPrevious", "Properties": document{}})
		step["Actions"] = actions
		steps = append(steps, step)
	}
	d["Steps"] = steps
}

func identify(c *call, part document) {
	if part.id() == "" {
		part["Id"] = c.guid()
	}
	if part.text("Slug") == "" {
		part["Slug"] = slugOf(part.text("Name"))
	}
}

// processPart is what a deployment needs to know of a process.
type processPart struct {
	roles       []string // of all steps that have to do with targets
	reached     []string // those of steps that run on the targets themselves, not on their behalf
	manual      []string // names of the manual interventions
	packages    []packageReference
	hasSteps    bool
	onTargets   bool
	stepActions []string
}

type packageReference struct {
	step, action, reference, packageID, feedID string
}

// readProcess collects it from the steps that are enabled in the environment.
func readProcess(process document, environmentID string) processPart {
	var part processPart
	for _, step := range process.objects("Steps") {
		for _, action := range step.objects("Actions") {
			if !actionApplies(action, environmentID) {
				continue
			}
			part.hasSteps = true
			part.stepActions = append(part.stepActions, action.text("Name"))
			if action.text("ActionType") == "Octopus.Manual" {
				part.manual = append(part.manual, action.text("Name"))
			}
			if roles := splitRoles(step.object("Properties").text(targetRolesKey)); len(roles) > 0 {
				part.onTargets = true
				part.roles = append(part.roles, roles...)
				if !onServer(action) && action.text("ActionType") != healthCheckAction {
					part.reached = append(part.reached, roles...)
				}
			}
			part.packages = append(part.packages, packagesOf(step, action)...)
		}
	}
	return part
}

// packagesOf are the packages that an action refers to; the one without a reference name is its own.
func packagesOf(step, action document) []packageReference {
	var references []packageReference
	for _, p := range action.objects("Packages") {
		references = append(references, packageReference{step: step.text("Name"), action: action.text("Name"),
			reference: p.text("Name"), packageID: p.text("PackageId"), feedID: p.text("FeedId")})
	}
	return references
}

func actionApplies(action document, environmentID string) bool {
	only, never := action.list("Environments"), action.list("ExcludedEnvironments")
	return !action.flag("IsDisabled") && !contains(never, environmentID) &&
		(len(only) == 0 || environmentID == "" || contains(only, environmentID))
}

func splitRoles(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// freeze keeps a copy of a process or variable set as it is now and returns the copy's id.
func (s *Server) freeze(d document) string {
	id := fmt.Sprintf("%s-s-%d-%05X", d.id(), d.number("Version"), s.random.IntN(1<<20))
	snapshot := copyOf(d)
	snapshot["Id"] = id
	if values := s.sensitive[strings.ToLower(d.id())]; len(values) > 0 {
		s.sensitive[strings.ToLower(id)] = maps.Clone(values)
	}
	s.snapshots[strings.ToLower(id)] = snapshot
	return id
}

func (s *Server) processRoutes(r chi.Router) {
	s.get(r, "/projects/{project}/deploymentprocesses", s.ofDatabaseProject(func(c *call, p document) (reply, error) {
		return ok(c.show(c.kinds["deploymentprocesses"], c.documents["deploymentprocesses"].get(p.text("DeploymentProcessId"))))
	}))
	s.put(r, "/projects/{project}/deploymentprocesses", s.ofDatabaseProject(func(c *call, p document) (reply, error) {
		d, err := c.body()
		if err != nil {
			return reply{}, err
		}
		if err := c.update(c.kinds["deploymentprocesses"], c.documents["deploymentprocesses"].get(p.text("DeploymentProcessId")), d); err != nil {
			return reply{}, err
		}
		return ok(c.show(c.kinds["deploymentprocesses"], d))
	}))
	s.get(r, "/projects/{project}/deploymentprocesses/template", s.ofDatabaseProject(releaseTemplate))
	s.get(r, "/deploymentprocesses/{id}/template", func(c *call) (reply, error) {
		process, err := c.find("deploymentprocesses", "id")
		if err != nil {
			return reply{}, err
		}
		return releaseTemplate(c, c.documents["projects"].get(process.text("ProjectId")))
	})
}

// ofDatabaseProject is ofProject for projects whose process is not in Git, where it would have to
// be asked for at a reference.
func (s *Server) ofDatabaseProject(h func(*call, document) (reply, error)) handler {
	return s.ofProject(func(c *call, p document) (reply, error) {
		if inGit(p) {
			return reply{}, notFound(p.text("DeploymentProcessId"))
		}
		return h(c, p)
	})
}

// releaseTemplate is what a client needs to know to create the next release.
func releaseTemplate(c *call, project document) (reply, error) {
	process := c.documents["deploymentprocesses"].get(project.text("DeploymentProcessId"))
	last := c.latestRelease(project.id())
	packages := []document{}
	for _, p := range readProcess(process, "").packages {
		selected := any(nil)
		for _, chosen := range last.objects("SelectedPackages") {
			if chosen.text("ActionName") == p.action && chosen.text("PackageReferenceName") == p.reference {
				selected = chosen.text("Version")
			}
		}
		packages = append(packages, document{"ActionName": p.action, "StepName": p.step, "PackageId": p.packageID, "PackageReferenceName": p.reference,
			"FeedId": p.feedID, "FeedName": c.documents["feeds"].get(p.feedID).text("Name"), "IsResolvable": true, "ProjectName": nil,
			"VersionSelectedLastRelease": selected, "FixedVersion": nil, "NuGetPackageId": p.packageID, "NuGetFeedId": p.feedID, "NuGetFeedName": nil})
	}
	var lastVersion any
	if last != nil {
		lastVersion = last.text("Version")
	}
	return ok(document{"DeploymentProcessId": process.id(), "LastReleaseVersion": lastVersion, "NextVersionIncrement": c.nextVersion(project.id()),
		"VersioningPackageStepName": nil, "VersioningPackageReferenceName": nil, "Packages": packages, "GitResources": []any{}, "Links": document{}})
}

// latestRelease is the project's newest release, or nil.
func (s *Server) latestRelease(projectID string) document {
	releases := s.documents["releases"].where(func(d document) bool { return d.text("ProjectId") == projectID })
	if len(releases) == 0 {
		return nil
	}
	return releases[len(releases)-1]
}

// nextVersion follows the default versioning template: the last version with its patch increased.
func (s *Server) nextVersion(projectID string) string {
	last := s.latestRelease(projectID)
	if last == nil {
		return "0.0.1"
	}
	version, _, _ := strings.Cut(last.text("Version"), "-")
	version, _, _ = strings.Cut(version, "+")
	parts := strings.Split(version, ".")
	for len(parts) < 3 {
		parts = append(parts, "0")
	}
	patch, err := strconv.Atoi(parts[2])
	if err != nil {
		return "0.0.1"
	}
	return fmt.Sprintf("%s.%s.%d", parts[0], parts[1], patch+1)
}
