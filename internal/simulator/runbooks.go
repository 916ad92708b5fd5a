package simulator

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

func runbookKind() *kind {
	return &kind{
		name: "runbooks", prefix: "Runbooks", itemType: "Runbook", template: "{?skip,take,ids,partialName,clone,projectIds}", bySlug: true,
		complete: func(c *call, d, before document) {
			d.fill(document{"Description": "", "MultiTenancyMode": "Untenanted", "EnvironmentScope": "All", "Environments": []string{}, "DefaultGuidedFailureMode": "EnvironmentDefault",
				"PublishedRunbookSnapshotId": nil, "RunRetentionPolicy": document{"QuantityToKeep": 100, "ShouldKeepForever": false}, "ForcePackageDownload": false, "RunbookTags": []string{},
				"ConnectivityPolicy": document{"SkipMachineBehavior": "None", "TargetRoles": []string{}, "AllowDeploymentsToNoTargets": false, "ExcludeUnhealthyTargets": false}})
			d["RunbookProcessId"] = "RunbookProcess-" + d.id()
			if before != nil {
				d["ProjectId"] = before["ProjectId"]
			}
		},
		check: func(c *call, d, before document) []string {
			project := d.text("ProjectId")
			if c.documents["projects"].get(project) == nil {
				return []string{"A runbook needs the ProjectId of an existing project."}
			}
			if d.text("Name") == "" {
				return []string{"A runbook needs a name."}
			}
			if c.documents["runbooks"].first(func(o document) bool {
				return o.text("ProjectId") == project && strings.EqualFold(o.text("Name"), d.text("Name")) && o.id() != before.idOrEmpty()
			}) != nil {
				return []string{"A runbook with the name '" + d.text("Name") + "' already exists in this project."}
			}
			return nil
		},
		created: func(c *call, d document) {
			c.documents["runbookprocesses"].add(document{"Id": d.text("RunbookProcessId"), "SpaceId": d.text("SpaceId"), "ProjectId": d.text("ProjectId"), "RunbookId": d.id(),
				"Version": 0, "LastSnapshotId": nil, "Steps": []any{}})
			c.noteDocument(DocumentCreated, "Created", c.kinds["runbooks"], d)
		},
		filter: func(c *call, d document) bool { return c.query.allows("projectIds", d.text("ProjectId")) },
		links: func(d document) map[string]string {
			base := "/api/{space}/runbooks/" + d.id()
			return map[string]string{"Project": "/api/{space}/projects/" + d.text("ProjectId"), "RunbookProcesses": "/api/{space}/runbookProcesses/" + d.text("RunbookProcessId"),
				"RunbookSnapshots": base + "/runbookSnapshots{?skip,take}", "RunbookRunTemplate": base + "/runbookRuns/template"}
		},
	}
}

func runbookSnapshotKind() *kind {
	return &kind{
		name: "runbooksnapshots", prefix: "RunbookSnapshots", itemType: "RunbookSnapshot", template: "{?skip,take,ids,publish}", newestFirst: true,
		complete: func(c *call, d, before document) {
			d.fill(document{"Notes": nil, "LibraryVariableSetSnapshotIds": []string{}, "SelectedPackages": []any{}, "SelectedGitResources": []any{}})
			if before != nil {
				for _, owned := range []string{"FrozenRunbookProcessId", "Assembled", "ProjectId", "RunbookId"} {
					d[owned] = before[owned]
				}
				return
			}
			runbook := c.documents["runbooks"].get(d.text("RunbookId"))
			d["ProjectId"], d["Assembled"] = runbook.text("ProjectId"), c.stamp()
			d["FrozenRunbookProcessId"] = c.freeze(c.documents["runbookprocesses"].get(runbook.text("RunbookProcessId")))
			if d.text("Name") == "" {
				d["Name"] = "Snapshot " + d.id()
			}
		},
		check: func(c *call, d, _ document) []string {
			if c.documents["runbooks"].get(d.text("RunbookId")) == nil {
				return []string{"A snapshot needs the RunbookId of an existing runbook."}
			}
			return nil
		},
		created: func(c *call, d document) {
			c.noteDocument(DocumentCreated, "Created", c.kinds["runbooksnapshots"], d)
			if runbook := c.documents["runbooks"].get(d.text("RunbookId")); c.query.flag("publish") || runbook["PublishedRunbookSnapshotId"] == nil {
				runbook["PublishedRunbookSnapshotId"] = d.id()
			}
		},
		links: func(d document) map[string]string {
			return map[string]string{"Project": "/api/{space}/projects/" + d.text("ProjectId"), "Runbook": "/api/{space}/runbooks/" + d.text("RunbookId")}
		},
	}
}

func runbookRunKind() *kind {
	return &kind{
		name: "runbookruns", prefix: "RunbookRuns", itemType: "RunbookRun", newestFirst: true,
		template: "{?skip,take,ids,projects,environments,tenants,runbooks,taskState,partialName}",
		check: func(c *call, d, _ document) []string {
			var wrong []string
			for kindName, field := range map[string]string{"runbooks": "RunbookId", "environments": "EnvironmentId"} {
				if c.documents[kindName].get(d.text(field)) == nil {
					wrong = append(wrong, field+" is required and must name an existing document.")
				}
			}
			return wrong
		},
		complete: func(c *call, d, _ document) {
			runbook := c.documents["runbooks"].get(d.text("RunbookId"))
			d["ProjectId"], d["Created"], d["DeployedBy"], d["DeployedById"] = runbook.text("ProjectId"), c.stamp(), c.by.user.name, c.by.user.id
			d.fill(document{"Name": runbook.text("Name"), "RunbookSnapshotId": runbook["PublishedRunbookSnapshotId"], "TenantId": nil, "Comments": nil, "SkipActions": []string{},
				"SpecificMachineIds": []string{}, "ExcludedMachineIds": []string{}, "FormValues": document{}, "FailureEncountered": false, "UseGuidedFailure": false, "ForcePackageDownload": false})
		},
		created: func(c *call, d document) { c.startRunbookRun(d) },
		guard:   func(*call, document, document) error { return methodNotSupported("A runbook run cannot be changed.") },
		filter: func(c *call, d document) bool {
			return c.query.allows("projects", d.text("ProjectId")) && c.query.allows("environments", d.text("EnvironmentId")) && c.query.allows("tenants", d.text("TenantId")) &&
				c.query.allows("runbooks", d.text("RunbookId")) && c.query.allows("taskState", c.taskState(d.text("TaskId")))
		},
		links: func(d document) map[string]string {
			return map[string]string{"Project": "/api/{space}/projects/" + d.text("ProjectId"), "Runbook": "/api/{space}/runbooks/" + d.text("RunbookId"),
				"Environment": "/api/{space}/environments/" + d.text("EnvironmentId"), "Task": "/api/tasks/" + d.text("TaskId")}
		},
	}
}

// Cleaner describes a runbook that deletes targets of its environment which do not answer.
type Cleaner struct {
	Roles []string `json:"roles"` // only targets with one of these; empty means all
	Fail  bool     `json:"fail"`  // the runbook fails and deletes nothing
}

// SetCleaner makes runs of a runbook delete unavailable targets.
func (s *Server) SetCleaner(runbookID string, cleaner Cleaner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleaners[runbookID] = cleaner
}

// startRunbookRun queues the task of a run. Runs do not wait for each other.
func (c *call) startRunbookRun(d document) {
	s := c.Server // the job outlives the call
	j := &job{by: c.by}
	j.begin = func(*job) (time.Duration, bool) { return s.switches.RunbookDuration, false }
	j.finish = func(*job) string { return s.finishRunbookRun(d) }
	d["TaskId"] = c.documents["tasks"].nextID()
	environment := c.documents["environments"].get(d.text("EnvironmentId"))
	c.record(c.by, Entry{Effect: RunbookRunCreated, ID: d.id(), Name: d.text("Name"), ProjectID: d.text("ProjectId"), EnvironmentID: d.text("EnvironmentId"),
		TenantID: d.text("TenantId"), TaskID: d.text("TaskId"), Detail: d.text("Comments")})
	c.addTask(j, document{"Id": d.text("TaskId"), "SpaceId": d.text("SpaceId"), "Name": "RunbookRun", "Description": fmt.Sprintf("Run %s on %s", d.text("Name"), environment.text("Name")),
		"Arguments": document{"RunbookRunId": d.id()}, "ProjectId": d.text("ProjectId"), "EnvironmentId": d.text("EnvironmentId"), "TenantId": d["TenantId"]})
}

func (s *Server) finishRunbookRun(d document) string {
	cleaner, is := s.cleaners[d.text("RunbookId")]
	switch {
	case !is:
		return ""
	case cleaner.Fail:
		return "The script returned exit code 1. (This failure was asked for.)"
	}
	l := lane{d.text("ProjectId"), d.text("EnvironmentId"), d.text("TenantId")}
	for _, m := range s.documents["machines"].where(func(m document) bool {
		return s.belongs(m, l) && (len(cleaner.Roles) == 0 || overlap(cleaner.Roles, m.list("Roles"))) &&
			(m.text("HealthStatus") == "Unavailable" || !s.answers(m))
	}) {
		s.documents["machines"].remove(m.id())
		s.machineDeleted(causedBy(ActorScript), m)
	}
	return ""
}

func (s *Server) runbookRoutes(r chi.Router) {
	s.post(r, "/runbook-runs/create/v1", runRunbookV1)
	s.get(r, "/runbooks/{runbook}/runbooksnapshots", func(c *call) (reply, error) {
		runbook, err := c.find("runbooks", "runbook")
		if err != nil {
			return reply{}, err
		}
		k := c.kinds["runbooksnapshots"]
		return ok(c.listPage(k, c.showAll(k, c.documents[k.name].where(func(d document) bool { return d.text("RunbookId") == runbook.id() }))))
	})
}

// runRunbookV1 is the executions API: one run for each environment and tenant.
func runRunbookV1(c *call) (reply, error) {
	request, err := c.body()
	if err != nil {
		return reply{}, err
	}
	project := c.named("projects", request.text("projectName"), nil)
	if project == nil {
		return reply{}, notFound(request.text("projectName"))
	}
	runbook := c.named("runbooks", request.text("runbookName"), func(d document) bool { return d.text("ProjectId") == project.id() })
	if runbook == nil {
		return reply{}, notFound(request.text("runbookName"))
	}
	snapshotID := runbook.text("PublishedRunbookSnapshotId")
	if wanted := request.text("snapshot"); wanted != "" {
		snapshotID = c.named("runbooksnapshots", wanted, func(d document) bool { return d.text("RunbookId") == runbook.id() }).id()
	}
	if snapshotID == "" {
		return reply{}, invalid(fmt.Sprintf("Runbook '%s' has no published snapshot.", runbook.text("Name")))
	}
	tenants := []string{""}
	if len(request.list("tenants"))+len(request.list("tenantTags")) > 0 {
		if tenants, err = c.tenantsOf(request); err != nil {
			return reply{}, err
		}
	}
	settings, err := c.executionSettings(request)
	if err != nil {
		return reply{}, err
	}
	tasks := []document{}
	for _, name := range request.list("environmentNames") {
		environment := c.named("environments", name, nil)
		if environment == nil {
			return reply{}, invalid(fmt.Sprintf("Environment '%s' was not found.", name))
		}
		for _, tenant := range tenants {
			d := settings.clone()
			d["RunbookId"], d["RunbookSnapshotId"], d["EnvironmentId"] = runbook.id(), snapshotID, environment.id()
			if tenant != "" {
				d["TenantId"] = tenant
			}
			if _, err := c.do("runbookruns", d); err != nil {
				return reply{}, err
			}
			tasks = append(tasks, document{"RunbookRunId": d.id(), "ServerTaskId": d.text("TaskId")})
		}
	}
	if len(tasks) == 0 {
		return reply{}, invalid("At least one environment is needed.")
	}
	return created(document{"RunbookRunServerTasks": tasks})
}
