package simulator

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// autoDeployState is how far the triggers have read, and what they still want.
type autoDeployState struct {
	position int // AutoId of the last event that was looked at
	pending  map[lane]map[string]wish
}

// wish is a trigger's intention to deploy to a machine.
type wish struct {
	machine  string
	roles    []string
	redeploy bool // even if the release is on the machine already
}

// autoDeployTick is the scheduled task behind deployment target triggers.
func (s *Server) autoDeployTick() {
	s.autoDeployNow()
	s.after(s.switches.AutoDeployTick, s.autoDeployTick)
}

// autoDeployNow reads the events since the last time and does what the triggers want.
func (s *Server) autoDeployNow() {
	s.loseOverrides()
	for _, e := range s.eventsAfter(s.autoDeploy.position) {
		s.autoDeploy.position = e.number("AutoId")
		for _, trigger := range s.documents["projecttriggers"].order {
			s.matchTrigger(trigger, e)
		}
	}
	for _, l := range slices.SortedFunc(maps.Keys(s.autoDeploy.pending), compareLanes) {
		s.autoDeployTo(l)
	}
}

func compareLanes(a, b lane) int {
	return cmp.Or(cmp.Compare(a.project, b.project), cmp.Compare(a.environment, b.environment), cmp.Compare(a.tenant, b.tenant))
}

// matchTrigger notes the machine of an event for every lane that the trigger covers.
func (s *Server) matchTrigger(trigger, e document) {
	filter, action := trigger.object("Filter"), trigger.object("Action")
	project := s.documents["projects"].get(trigger.text("ProjectId"))
	if trigger.flag("IsDisabled") || filter.text("FilterType") != "MachineFilter" || action.text("ActionType") != "AutoDeploy" ||
		project == nil || project.flag("IsDisabled") || project.text("SpaceId") != e.text("SpaceId") || !matchesCategory(filter, e.text("Category")) {
		return
	}
	m := s.documents["machines"].get(machineOf(e))
	if m == nil || len(filter.list("Roles")) > 0 && !overlap(filter.list("Roles"), m.list("Roles")) {
		return
	}
	if s.faults.take(MissMachine, project.id()) {
		s.log.Info().Str("machine", m.id()).Msg("a trigger missed a machine, as asked")
		return
	}
	for _, environment := range m.list("EnvironmentIds") {
		if only := filter.list("EnvironmentIds"); len(only) > 0 && !contains(only, environment) {
			continue
		}
		for _, tenant := range s.tenantsFor(project, m) {
			l := lane{project.id(), environment, tenant}
			if tenant != "" && !s.connected(s.documents["tenants"].get(tenant), l) {
				continue
			}
			if s.autoDeploy.pending[l] == nil {
				s.autoDeploy.pending[l] = map[string]wish{}
			}
			s.autoDeploy.pending[l][m.id()] = wish{machine: m.id(), roles: filter.list("Roles"), redeploy: action.flag("ShouldRedeployWhenMachineHasBeenDeployedTo")}
		}
	}
}

// matchesCategory says whether a filter's groups and categories, taken together, include a category.
func matchesCategory(filter document, category string) bool {
	if contains(filter.list("EventCategories"), category) {
		return true
	}
	return slices.ContainsFunc(filter.list("EventGroups"), func(group string) bool { return contains(groupMembers(group), category) })
}

// machineOf is the machine that an event is about, or "".
func machineOf(e document) string {
	for _, id := range e.list("RelatedDocumentIds") {
		if strings.HasPrefix(id, "Machines-") {
			return id
		}
	}
	return ""
}

// tenantsFor are the tenants for which a machine takes part in a project; "" is "no tenant".
func (s *Server) tenantsFor(project, m document) []string {
	participation := orDefault(m.text("TenantedDeploymentParticipation"), "Untenanted")
	mode := orDefault(project.text("TenantedDeploymentMode"), "Untenanted")
	var tenants []string
	if participation != "Tenanted" && mode != "Tenanted" {
		tenants = append(tenants, "")
	}
	if participation != "Untenanted" && mode != "Untenanted" {
		for _, tenant := range s.documents["tenants"].order {
			if contains(m.list("TenantIds"), tenant.id()) || overlap(m.list("TenantTags"), tenant.list("TenantTags")) {
				tenants = append(tenants, tenant.id())
			}
		}
	}
	return tenants
}

// autoDeployTo deploys to the pending machines of a lane. While a deployment of the lane is in
// progress nothing happens, and the machines stay pending for a later tick.
func (s *Server) autoDeployTo(l lane) {
	if s.laneBusy(l) {
		return
	}
	wishes := s.autoDeploy.pending[l]
	delete(s.autoDeploy.pending, l)
	project := s.documents["projects"].get(l.project)
	if project == nil {
		return
	}
	override := overrideFor(project, l.environment, l.tenant)
	current := s.currentDeployment(l)
	releaseID := orDefault(override, current.text("ReleaseId"))
	if s.documents["releases"].get(releaseID) == nil {
		s.log.Info().Str("project", l.project).Str("environment", l.environment).Msg("no release to deploy")
		return
	}
	machines, decisions := s.machinesInNeed(l, releaseID, wishes)
	s.addDecisionTask(project, decisions, machines)
	if len(machines) == 0 {
		return
	}
	if override == "" {
		s.requeue(current, machines)
		return
	}
	s.deployOverride(l, releaseID, machines)
}

// currentDeployment is the deployment that succeeded last in a lane, or nil.
func (s *Server) currentDeployment(l lane) document {
	if d := s.documents["deployments"].get(s.lastSuccess[l]); d != nil {
		return d
	}
	// It has been deleted, so an older one counts.
	for _, d := range slices.Backward(s.documents["deployments"].order) {
		if laneOf(d) == l && s.taskState(d.text("TaskId")) == stateSuccess {
			return d
		}
	}
	return nil
}

// laneBusy says whether a deployment of the lane is queued or executing.
func (s *Server) laneBusy(l lane) bool {
	return s.documents["deployments"].first(func(d document) bool {
		return laneOf(d) == l && !terminal(s.taskState(d.text("TaskId")))
	}) != nil
}

// machinesInNeed leaves out the machines that are gone, not available, or have the release already.
func (s *Server) machinesInNeed(l lane, releaseID string, wishes map[string]wish) (machines, decisions []string) {
	for _, id := range slices.SortedFunc(maps.Keys(wishes), compareIDs) {
		d := s.documents["machines"].get(id)
		switch {
		case d == nil:
			decisions = append(decisions, id+" does not exist any more.")
		case d.flag("IsDisabled") || d.text("HealthStatus") != "Healthy" && d.text("HealthStatus") != "HasWarnings":
			decisions = append(decisions, d.text("Name")+" is not available for deployment.")
		case !s.belongs(d, l):
			decisions = append(decisions, d.text("Name")+" does not belong to the environment any more.")
		case s.hasRelease(l, releaseID, id) && !wishes[id].redeploy:
			decisions = append(decisions, d.text("Name")+" does not need the release because it is already there.")
		default:
			decisions = append(decisions, d.text("Name")+" needs release "+s.versionOf(releaseID)+".")
			machines = append(machines, id)
		}
	}
	return machines, decisions
}

// compareIDs orders ids by their number: Machines-9 before Machines-10.
func compareIDs(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

// hasRelease says whether the release is what a successful deployment last put on the machine.
func (s *Server) hasRelease(l lane, releaseID, machineID string) bool {
	return s.machines[machineID].installed[l.project] == releaseID
}

// addDecisionTask leaves a trace of what a tick decided: a completed AutoDeploy task.
func (s *Server) addDecisionTask(project document, decisions, machines []string) {
	j := &job{by: causedBy(ActorAutoDeploy)}
	j.log = []string{}
	for _, line := range decisions {
		s.say(j, line)
	}
	if len(machines) == 0 {
		s.say(j, "No machines were found to deploy to.")
	}
	task := document{"Id": s.documents["tasks"].nextID(), "SpaceId": project.text("SpaceId"), "Name": "AutoDeploy", "Description": "Auto-deploy " + project.text("Name"),
		"Arguments": document{"MachineIds": neverNil(machines)}, "State": stateSuccess, "Completed": "", "QueueTime": s.stamp(), "QueueTimeExpiry": nil,
		"StartTime": s.stamp(), "LastUpdatedTime": s.stamp(), "CompletedTime": s.stamp(), "ServerNode": "OctopusServerNodes-simulator", "ErrorMessage": "",
		"HasBeenPickedUpByProcessor": true, "HasPendingInterruptions": false, "CanRerun": false, "HasWarningsOrErrors": false, "UnmetPreconditions": nil, "ProjectId": project.id()}
	j.task = task
	s.documents["tasks"].add(task)
	s.jobs[task.id()] = j
}

// deployOverride creates a new deployment of the override's release, for just these machines.
func (s *Server) deployOverride(l lane, releaseID string, machines []string) {
	c := s.internalCall(causedBy(ActorAutoDeploy))
	c.space = s.documents["projects"].get(l.project).text("SpaceId")
	d := document{"ReleaseId": releaseID, "EnvironmentId": l.environment, "SpecificMachineIds": machines}
	if l.tenant != "" {
		d["TenantId"] = l.tenant
	}
	if _, err := c.do("deployments", d); err != nil {
		s.raise(c.by, categoryAutoDeployBlocked, c.space, fmt.Sprintf("Auto-deploy was blocked: %v", err), l.project, l.environment, releaseID)
	}
}
