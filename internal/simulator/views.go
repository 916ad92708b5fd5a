package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Machine is a deployment target as a test sees it, with what Octopus does not know.
type Machine struct {
	ID             string
	Name           string
	EnvironmentIDs []string
	Roles          []string
	TenantIDs      []string
	PolicyID       string
	HealthStatus   string
	Disabled       bool
	Answers        bool              // whether a health check would reach it
	Busy           bool              // whether a deployment is using it
	Installed      map[string]string // what runs on it: release id by project id
	ProvisionedBy  string            // id of the infrastructure deployment that made it, if any
	Created        time.Time         // virtual
}

// Release is a release as a test sees it.
type Release struct {
	ID        string
	ProjectID string
	ChannelID string
	Version   string
	Notes     string
	Assembled time.Time // virtual
}

// Deployment is a deployment together with the state of its task.
type Deployment struct {
	ID                   string
	ProjectID            string
	ReleaseID            string
	Version              string
	EnvironmentID        string
	TenantID             string
	TaskID               string
	State                string
	Error                string
	Comments             string
	DeployedBy           string
	SpecificMachineIDs   []string
	ExcludedMachineIDs   []string
	DeployedToMachineIDs []string
	Created              time.Time // virtual
}

// Override is an entry of a project's AutoDeployReleaseOverrides.
type Override struct {
	EnvironmentID string
	TenantID      string
	ReleaseID     string
}

// Project is a project with its raw document.
type Project struct {
	ID        string
	Name      string
	Overrides []Override
	Document  json.RawMessage
}

// Machines are all targets, oldest first.
func (s *Server) Machines() []Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Machine
	for _, d := range s.documents["machines"].order {
		m := s.machines[d.id()]
		list = append(list, Machine{ID: d.id(), Name: d.text("Name"), EnvironmentIDs: slices.Clone(d.list("EnvironmentIds")), Roles: slices.Clone(d.list("Roles")),
			TenantIDs: slices.Clone(d.list("TenantIds")), PolicyID: d.text("MachinePolicyId"), HealthStatus: d.text("HealthStatus"), Disabled: d.flag("IsDisabled"),
			Answers: s.answers(d), Busy: m.users > 0, Installed: maps.Clone(m.installed), ProvisionedBy: m.provisionedBy, Created: m.created})
	}
	return list
}

// Releases are a project's releases, oldest first. The project is named by id or name.
func (s *Server) Releases(project string) []Release {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.projectID(project)
	var list []Release
	for _, d := range s.documents["releases"].where(func(d document) bool { return d.text("ProjectId") == id }) {
		list = append(list, Release{ID: d.id(), ProjectID: id, ChannelID: d.text("ChannelId"), Version: d.text("Version"), Notes: d.text("ReleaseNotes"),
			Assembled: parseTime(d.text("Assembled"))})
	}
	return list
}

// Deployments are a project's deployments, oldest first. The project is named by id or name.
func (s *Server) Deployments(project string) []Deployment {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.projectID(project)
	var list []Deployment
	for _, d := range s.documents["deployments"].where(func(d document) bool { return d.text("ProjectId") == id }) {
		task := s.documents["tasks"].get(d.text("TaskId"))
		list = append(list, Deployment{ID: d.id(), ProjectID: id, ReleaseID: d.text("ReleaseId"), Version: s.versionOf(d.text("ReleaseId")),
			EnvironmentID: d.text("EnvironmentId"), TenantID: d.text("TenantId"), TaskID: task.id(), State: task.text("State"), Error: task.text("ErrorMessage"),
			Comments: d.text("Comments"), DeployedBy: d.text("DeployedBy"), SpecificMachineIDs: slices.Clone(d.list("SpecificMachineIds")),
			ExcludedMachineIDs: slices.Clone(d.list("ExcludedMachineIds")), DeployedToMachineIDs: slices.Clone(d.list("DeployedToMachineIds")), Created: parseTime(d.text("Created"))})
	}
	return list
}

// Project is a project by id or name, and whether there is one.
func (s *Server) Project(project string) (Project, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.documents["projects"].get(s.projectID(project))
	if d == nil {
		return Project{}, false
	}
	raw, err := json.Marshal(d)
	if err != nil {
		panic("simulator: a project that is not JSON: " + err.Error())
	}
	view := Project{ID: d.id(), Name: d.text("Name"), Document: raw}
	for _, entry := range d.objects(overridesKey) {
		view.Overrides = append(view.Overrides, Override{EnvironmentID: entry.text("EnvironmentId"), TenantID: entry.text("TenantId"), ReleaseID: entry.text("ReleaseId")})
	}
	return view, true
}

func (s *Server) projectID(idOrName string) string {
	return s.documents["projects"].first(func(d document) bool {
		return strings.EqualFold(d.id(), idOrName) || strings.EqualFold(d.text("Name"), idOrName)
	}).idOrEmpty()
}

// SetCondition decides what health checks of a machine find from now on: "Healthy", "HasWarnings",
// "Unhealthy", or "Unavailable" for one that does not answer.
func (s *Server) SetCondition(machineID, condition string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changeCondition(machineID, condition)
}

func (s *Server) changeCondition(machineID, condition string) error {
	m := s.machines[machineID]
	if m == nil {
		return fmt.Errorf("changing the condition of a machine: there is no %q", machineID)
	}
	if _, known := healthReports[condition]; !known {
		return fmt.Errorf("changing the condition of %s: expected Healthy, HasWarnings, Unhealthy or Unavailable, got %q", machineID, condition)
	}
	if condition == "Unavailable" {
		m.answers = false
		return nil
	}
	m.answers, m.condition = true, condition
	return nil
}

// summary is an overview for people: what there is, and what runs where.
func (c *call) summary() document {
	counts := document{}
	for name, collection := range c.documents {
		counts[name] = len(collection.order)
	}
	targets := []document{}
	for _, d := range c.documents["machines"].order {
		m := c.machines[d.id()]
		running := document{}
		for project, release := range m.installed {
			running[c.documents["projects"].get(project).text("Name")] = c.versionOf(release)
		}
		targets = append(targets, document{"id": d.id(), "name": d.text("Name"), "health": d.text("HealthStatus"), "answers": c.answers(d), "running": running,
			"environments": d.list("EnvironmentIds"), "roles": d.list("Roles")})
	}
	tasks := []document{}
	for _, t := range c.documents["tasks"].order {
		if !terminal(t.text("State")) {
			tasks = append(tasks, document{"id": t.id(), "state": t.text("State"), "description": t.text("Description")})
		}
	}
	return document{"now": c.stamp(), "speed": c.clock.speed, "documents": counts, "targets": targets, "activeTasks": tasks}
}
