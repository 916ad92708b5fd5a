package simulator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// beginDeployment decides which targets take part. The result is fixed then, as it is on a real server.
func (s *Server) beginDeployment(j *job) (time.Duration, bool) {
	d := s.documents["deployments"].get(j.deployment)
	project := s.documents["projects"].get(j.lane.project)
	process := s.processOf(d)
	part := readProcess(process, j.lane.environment)
	s.raiseDeployment(j.by, "DeploymentStarted", d, "started")
	s.say(j, "Deploying release "+s.versionOf(d.text("ReleaseId")))
	j.failing = ""
	if freeze := s.frozen(j.lane, d.list(overriddenKey)); freeze != "" && j.by.actor != ActorAutoDeploy {
		j.failing = frozenMessage(freeze)
		return 0, false
	}
	var targets []string
	if part.onTargets {
		targets, j.failing = s.chooseTargets(j, d, project, part)
	}
	if part.onTargets && len(targets) == 0 && j.failing == "" {
		s.say(j, "No machines were found to deploy to")
		if !project.object("ProjectConnectivityPolicy").flag("AllowDeploymentsToNoTargets") {
			j.failing = "There are no deployment targets for this deployment."
		}
	}
	if j.failing != "" {
		return 0, false
	}
	s.setBusy(j, targets)
	for _, id := range targets {
		s.say(j, "Target: "+s.documents["machines"].get(id).text("Name"))
	}
	if len(part.manual) > 0 {
		s.interrupt(j, d, part.manual[0])
		return 0, true
	}
	return s.deploymentDuration(j), false
}

func (s *Server) deploymentDuration(j *job) time.Duration {
	return s.switches.DeploymentDuration + time.Duration(len(j.busy))*s.switches.DeploymentPerTarget
}

// processOf is the process that the deployment's release froze.
func (s *Server) processOf(deployment document) document {
	return s.snapshots[strings.ToLower(deployment.text("DeploymentProcessId"))]
}

// chooseTargets picks the machines of the environment (and tenant) that have one of the process'
// roles. What happens to those that are known to be unavailable is the project's decision.
func (s *Server) chooseTargets(j *job, d, project document, part processPart) (targets []string, failure string) {
	policy := project.object("ProjectConnectivityPolicy")
	skip := policy.text("SkipMachineBehavior") == "SkipUnavailableMachines"
	for _, m := range s.documents["machines"].order {
		if !s.belongs(m, j.lane) || !overlap(m.list("Roles"), part.roles) || m.flag("IsDisabled") ||
			contains(d.list("ExcludedMachineIds"), m.id()) || len(j.only) > 0 && !contains(j.only, m.id()) {
			continue
		}
		switch health := m.text("HealthStatus"); {
		case health == "Unhealthy" && policy.flag("ExcludeUnhealthyTargets"):
			s.say(j, "Excluded because it is unhealthy: "+m.text("Name"))
		case health == "Unavailable" && skip:
			s.say(j, "Skipped because it is unavailable: "+m.text("Name"))
		case health == "Unavailable":
			return nil, fmt.Sprintf("The deployment target '%s' is unavailable.", m.text("Name"))
		default:
			targets = append(targets, m.id())
		}
	}
	return targets, ""
}

// belongs says whether a machine is in the environment and takes part for the tenant.
func (s *Server) belongs(m document, l lane) bool {
	if !contains(m.list("EnvironmentIds"), l.environment) {
		return false
	}
	participation := orDefault(m.text("TenantedDeploymentParticipation"), "Untenanted")
	if l.tenant == "" {
		return participation != "Tenanted"
	}
	if participation == "Untenanted" {
		return false
	}
	tenant := s.documents["tenants"].get(l.tenant)
	return contains(m.list("TenantIds"), l.tenant) || overlap(m.list("TenantTags"), tenant.list("TenantTags"))
}

// finishDeployment puts the release on the targets. One that has gone in the meantime fails the
// deployment, unless the project skips what is unavailable.
func (s *Server) finishDeployment(j *job) string {
	d := s.documents["deployments"].get(j.deployment)
	if j.failing != "" {
		return j.failing
	}
	if failure := s.failureAskedFor(j, d); failure != "" {
		return failure
	}
	if p, is := s.provisioners[j.lane.project]; is && p.Fail {
		return "Provisioning failed: the script returned exit code 1. (This failure was asked for.)"
	}
	project := s.documents["projects"].get(j.lane.project)
	skip := project.object("ProjectConnectivityPolicy").text("SkipMachineBehavior") == "SkipUnavailableMachines"
	part := readProcess(s.processOf(d), j.lane.environment)
	var reached []string
	failure := ""
	for _, id := range j.busy {
		switch m := s.documents["machines"].get(id); {
		case m == nil && !skip && len(part.reached) > 0:
			failure = "A deployment target was deleted while the deployment was running: " + id
		case m == nil:
		case s.answers(m) || !overlap(m.list("Roles"), part.reached): // a step on its behalf needs no answer
			reached = append(reached, id)
		case !skip:
			failure = "A deployment target did not answer: " + m.text("Name")
		}
	}
	s.addTargets(d, reached)
	if failure != "" {
		return failure
	}
	for _, id := range reached {
		s.machines[id].installed[j.lane.project] = d.text("ReleaseId")
	}
	s.provision(j, d)
	return ""
}

// failureAskedFor is the failure that a fault has in store for a deployment, or "".
func (s *Server) failureAskedFor(j *job, d document) string {
	if !s.faults.take(FailDeployment, j.lane.project) {
		return ""
	}
	s.addTargets(d, j.busy)
	return "The script returned exit code 1. (This failure was asked for.)"
}

func (s *Server) addTargets(d document, ids []string) {
	all := slices.Clone(d.list("DeployedToMachineIds"))
	for _, id := range ids {
		if !contains(all, id) {
			all = append(all, id)
		}
	}
	d["DeployedToMachineIds"] = neverNil(all)
}

// deploymentEnded records the result and raises its event.
func (s *Server) deploymentEnded(j *job, d document, state string) {
	s.record(j.by, Entry{Effect: DeploymentFinished, ID: d.id(), Name: s.versionOf(d.text("ReleaseId")), ProjectID: j.lane.project, EnvironmentID: j.lane.environment,
		TenantID: j.lane.tenant, ReleaseID: d.text("ReleaseId"), TaskID: j.task.id(), Machines: d.list("DeployedToMachineIds"), Detail: state})
	switch state {
	case stateSuccess:
		s.lastSuccess[j.lane] = d.id()
		s.raiseDeployment(j.by, "DeploymentSucceeded", d, "succeeded")
		if s.switches.ClearOverrideOnSuccess {
			s.clearOverride(j.by, j.lane, "by "+d.id())
		}
	case stateFailed, stateTimedOut:
		d["FailureEncountered"] = true
		s.raiseDeployment(j.by, "DeploymentFailed", d, "failed")
	case stateCanceled:
		s.raiseDeployment(j.by, categoryTaskCanceled, d, "was canceled")
	}
}

// requeue puts a completed deployment back into the queue for some machines, under its own ids.
func (s *Server) requeue(d document, machines []string) {
	j := s.jobs[d.text("TaskId")]
	j.only, j.by = machines, causedBy(ActorAutoDeploy)
	j.notBefore, j.expires = time.Time{}, time.Time{}
	names := make([]string, 0, len(machines))
	for _, id := range machines {
		names = append(names, s.documents["machines"].get(id).text("Name"))
	}
	s.say(j, "Auto-deploy has re-queued this deployment (auto-deploy to "+strings.Join(names, ", ")+")")
	j.task["State"], j.task["QueueTime"], j.task["StartTime"], j.task["CompletedTime"] = stateQueued, s.stamp(), nil, nil
	j.task["HasBeenPickedUpByProcessor"], j.task["Duration"], j.task["LastUpdatedTime"] = false, "", s.stamp()
	s.record(j.by, Entry{Effect: DeploymentRequeued, ID: d.id(), Name: s.versionOf(d.text("ReleaseId")), ProjectID: j.lane.project, EnvironmentID: j.lane.environment,
		TenantID: j.lane.tenant, ReleaseID: d.text("ReleaseId"), TaskID: j.task.id(), Machines: machines})
	s.raiseDeployment(j.by, "DeploymentQueued", d, "queued")
	s.enqueue(j)
}

// deploymentCancelled plays what a cancelled script leaves behind.
func (s *Server) deploymentCancelled(j *job) {
	s.leaveHalfDone(j)
}
