package simulator

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// The states of a task. Note the spelling: Octopus writes Canceled and Cancelling.
const (
	stateQueued     = "Queued"
	stateExecuting  = "Executing"
	stateSuccess    = "Success"
	stateFailed     = "Failed"
	stateCanceled   = "Canceled"
	stateCancelling = "Cancelling"
	stateTimedOut   = "TimedOut"
)

func terminal(state string) bool {
	return state != stateQueued && state != stateExecuting && state != stateCancelling
}

func taskKind() *kind {
	return &kind{
		name: "tasks", prefix: "ServerTasks", itemType: "Task", global: true, newestFirst: true, readOnly: true,
		template: "{?skip,active,environment,tenant,runbook,project,name,node,running,states,hasPendingInterruptions,hasWarningsOrErrors,take,ids,partialName,spaces,includeSystem}",
		filter:   taskFilter,
		envelope: taskCounts,
		links: func(d document) map[string]string {
			base := "/api/tasks/" + d.id()
			return map[string]string{
				"Web": "/app#/{space}/tasks/" + d.id(), "Raw": base + "/raw", "Rerun": "/api/tasks/rerun/" + d.id(), "Cancel": base + "/cancel",
				"State": base + "/state", "Details": base + "/details{?verbose,tail,ranges}", "QueuedBehind": base + "/queued-behind{?skip,take}",
				"StatusMessages": base + "/status/messages", "Prioritize": base + "/prioritize", "Artifacts": "/api/{space}/artifacts?regarding=" + d.id(),
				"Interruptions": "/api/{space}/interruptions?regarding=" + d.id(),
			}
		},
		present: presentTask,
	}
}

func taskFilter(c *call, d document) bool {
	q := c.query
	for name, field := range map[string]string{"project": "ProjectId", "environment": "EnvironmentId", "tenant": "TenantId", "name": "Name", "node": "ServerNode", "spaces": "SpaceId"} {
		if !q.allows(name, d.text(field)) {
			return false
		}
	}
	if runbook := q.text("runbook"); runbook != "" && c.documents["runbookruns"].get(d.object("Arguments").text("RunbookRunId")).text("RunbookId") != runbook {
		return false
	}
	completed := terminal(d.text("State"))
	for name, holds := range map[string]bool{"active": !completed, "running": d.text("State") == stateExecuting,
		"hasPendingInterruptions": d.flag("HasPendingInterruptions"), "hasWarningsOrErrors": d.flag("HasWarningsOrErrors")} {
		if wanted := q.text(name); wanted != "" && q.flag(name) != holds {
			return false
		}
	}
	return q.allows("states", d.text("State"))
}

// taskCounts adds what only task lists have: how many tasks there are in each state.
func taskCounts(c *call, page document, _ []any) document {
	counts, others := document{}, document{}
	for _, state := range []string{stateCanceled, stateCancelling, stateExecuting, stateFailed, stateQueued, stateSuccess, stateTimedOut, "Interrupted"} {
		counts[state], others[state] = 0, 0
	}
	for _, d := range c.documents["tasks"].order {
		if d.text("SpaceId") == c.space {
			counts[d.text("State")] = counts.number(d.text("State")) + 1
		} else {
			others[d.text("State")] = others.number(d.text("State")) + 1
		}
	}
	page["TotalCounts"], page["TotalCountsInOtherSpaces"] = counts, others
	return page
}

// presentTask derives what follows from the state and the times.
func presentTask(_ *call, d document) {
	state := d.text("State")
	d["IsCompleted"], d["FinishedSuccessfully"] = terminal(state), state == stateSuccess
	d["Completed"] = "Not completed"
	switch state {
	case stateQueued:
		d["Completed"] = "Queued..."
	case stateExecuting:
		d["Completed"] = "Executing..."
	}
	start, end := parseTime(d.text("StartTime")), parseTime(d.text("CompletedTime"))
	if !end.IsZero() {
		d["Completed"] = end.Format("Monday, 02 January 2006 3:04 PM")
	}
	if !start.IsZero() && !end.IsZero() {
		d["Duration"] = fmt.Sprintf("%d seconds", int(end.Sub(start).Round(time.Second).Seconds()))
	}
}

// taskState is the state of a task by id, or "".
func (s *Server) taskState(id string) string { return s.documents["tasks"].get(id).text("State") }

func (s *Server) taskRoutes(r chi.Router) {
	s.get(r, "/tasks/tasktypes", func(*call) (reply, error) {
		types := []document{}
		for _, name := range []string{"AdHocScript", "AutoDeploy", "Backup", "Delete", "Deploy", "Health", "Retention", "RunbookRun", "UpdateCalamari", "Upgrade"} {
			types = append(types, document{"Id": name, "Name": name})
		}
		return ok(types)
	})
	s.post(r, "/tasks", createTask)
	s.post(r, "/tasks/rerun/{task}", s.ofTask(rerunTask))
	s.post(r, "/tasks/{task}/cancel", s.ofTask(cancelTask))
	s.post(r, "/tasks/{task}/prioritize", s.ofTask(func(c *call, t document) (reply, error) { return c.showTask(t) }))
	s.post(r, "/tasks/{task}/state", s.ofTask(setTaskState))
	s.get(r, "/tasks/{task}/details", s.ofTask(taskDetails))
	s.get(r, "/tasks/{task}/raw", s.ofTask(func(c *call, t document) (reply, error) {
		return reply{status: http.StatusOK, text: strings.Join(c.taskLog(t.id()), "\n") + "\n"}, nil
	}))
	s.get(r, "/tasks/{task}/queued-behind", s.ofTask(func(c *call, t document) (reply, error) {
		k := c.kinds["tasks"]
		mine := c.jobs[t.id()]
		ahead := c.documents["tasks"].where(func(other document) bool {
			j := c.jobs[other.id()]
			return mine != nil && j != nil && j != mine && t.text("State") == stateQueued && !terminal(other.text("State")) &&
				j.lane == mine.lane && mine.lane != lane{} && j.order < mine.order
		})
		return ok(c.listPage(k, c.showAll(k, ahead)))
	}))
}

func (s *Server) ofTask(h func(*call, document) (reply, error)) handler {
	return func(c *call) (reply, error) {
		task, err := c.find("tasks", "task")
		if err != nil {
			return reply{}, err
		}
		return h(c, task)
	}
}

func (c *call) showTask(t document) (reply, error) { return ok(c.show(c.kinds["tasks"], t)) }

// createTask queues a health check, the only kind of task that clients start by hand here.
func createTask(c *call) (reply, error) {
	request, err := c.body()
	if err != nil {
		return reply{}, err
	}
	if request.text("Name") != "Health" {
		return reply{}, invalid(fmt.Sprintf("Tasks of the kind '%s' cannot be created here; Health can.", request.text("Name")))
	}
	space := orDefault(request.text("SpaceId"), c.space)
	arguments := request.object("Arguments")
	machines := c.machinesToCheck(space, arguments)
	task := c.queueHealthCheck(c.by, space, orDefault(request.text("Description"), "Check deployment target health"), machines)
	return created(c.show(c.kinds["tasks"], task))
}

func cancelTask(c *call, t document) (reply, error) {
	if terminal(t.text("State")) {
		return reply{}, invalid(fmt.Sprintf("The task cannot be cancelled because it is already %s.", t.text("State")))
	}
	c.cancelJob(c.jobs[t.id()])
	c.record(c.by, Entry{Effect: TaskCancelled, ID: t.id(), TaskID: t.id(), ProjectID: t.text("ProjectId"), EnvironmentID: t.text("EnvironmentId")})
	return c.showTask(t)
}

// rerunTask repeats a completed task that is not a deployment, as a new one.
func rerunTask(c *call, t document) (reply, error) {
	if t.text("Name") != "Health" || !terminal(t.text("State")) {
		return reply{}, invalid("The task cannot be run again.")
	}
	again := c.queueHealthCheck(c.by, t.text("SpaceId"), t.text("Description"), t.object("Arguments").list("MachineIds"))
	return c.showTask(again)
}

// setTaskState is the manual correction of a completed task's state.
func setTaskState(c *call, t document) (reply, error) {
	request, err := c.body()
	if err != nil {
		return reply{}, err
	}
	state := request.text("state") + request.text("State")
	if !terminal(t.text("State")) || state != stateSuccess && state != stateFailed {
		return reply{}, invalid("Only a completed task can be set to Success or Failed.")
	}
	t["State"] = state
	return c.showTask(t)
}

// taskDetails is the activity log as a tree: one entry for the task, one for each section.
func taskDetails(c *call, t document) (reply, error) {
	lines := c.taskLog(t.id())
	elements := make([]document, 0, len(lines))
	size := 0
	for i, line := range lines {
		at, text, _ := strings.Cut(line, " | ")
		size += len(line)
		elements = append(elements, document{"OccurredAt": at, "Category": "Info", "MessageText": text, "Detail": nil, "Number": i})
	}
	status := map[string]string{stateQueued: "Pending", stateExecuting: "Running", stateCancelling: "Running", stateSuccess: "Success",
		stateCanceled: "Canceled", stateFailed: "Failed", stateTimedOut: "Failed"}[t.text("State")]
	progress := 0
	if terminal(t.text("State")) {
		progress = 100
	}
	root := document{"Id": t.id() + "_LOG", "Name": t.text("Description"), "Status": status, "Started": t["StartTime"], "Ended": t["CompletedTime"],
		"ShowAtSummaryLevel": true, "ProgressPercentage": progress, "ProgressMessage": "", "Children": []document{}, "LogElements": elements}
	return ok(document{"Task": c.show(c.kinds["tasks"], t), "ActivityLogs": []document{root}, "PhysicalLogSize": size,
		"Progress": document{"ProgressPercentage": progress, "EstimatedTimeRemaining": ""}, "Links": document{"Self": c.link("/api/tasks/" + t.id() + "/details")}})
}

func (s *Server) taskLog(id string) []string {
	if j := s.jobs[id]; j != nil {
		return j.log
	}
	return nil
}
