package simulator

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// scheduleChecks starts a policy's rounds of health checks, and ends an older schedule.
func (s *Server) scheduleChecks(policy document) {
	id := policy.id()
	s.checkRounds[id]++
	s.planRound(id, s.checkRounds[id])
}

func (s *Server) planRound(policyID string, schedule int) {
	interval := checkInterval(s.documents["machinepolicies"].get(policyID))
	if interval <= 0 {
		return
	}
	s.after(interval, func() {
		policy := s.documents["machinepolicies"].get(policyID)
		if policy == nil || s.checkRounds[policyID] != schedule {
			return
		}
		ids := []string{}
		for _, m := range s.documents["machines"].order {
			if m.text("MachinePolicyId") == policyID && !m.flag("IsDisabled") {
				ids = append(ids, m.id())
			}
		}
		if len(ids) > 0 {
			s.queueHealthCheck(causedBy(ActorScheduler), policy.text("SpaceId"), "Check deployment target health for machine policy "+policy.text("Name"), ids)
		}
		s.planRound(policyID, schedule)
	})
}

// machinesToCheck reads a health task's arguments.
func (s *Server) machinesToCheck(space string, arguments document) []string {
	if ids := arguments.list("MachineIds"); len(ids) > 0 {
		return ids
	}
	environment, policy := arguments.text("EnvironmentId"), arguments.text("MachinePolicyId")
	ids := []string{}
	for _, m := range s.documents["machines"].order {
		if m.text("SpaceId") == space && (environment == "" || contains(m.list("EnvironmentIds"), environment)) && (policy == "" || m.text("MachinePolicyId") == policy) {
			ids = append(ids, m.id())
		}
	}
	return ids
}

// queueHealthCheck creates a Health task for some machines.
func (s *Server) queueHealthCheck(by cause, space, description string, machineIDs []string) document {
	j := &job{by: by, only: machineIDs}
	j.begin = func(*job) (time.Duration, bool) { return s.switches.HealthCheckDuration, false }
	j.finish = s.finishHealthCheck
	return s.addTask(j, document{"Id": s.documents["tasks"].nextID(), "SpaceId": space, "Name": "Health", "Description": description,
		"Arguments": document{"Timeout": "00:05:00", "MachineTimeout": "00:01:00", "EnvironmentId": nil, "RestrictedTo": "DeploymentTargets", "MachineIds": slices.Clone(machineIDs)}})
}

// finishHealthCheck reports on each machine, then lets the policies delete what has been gone for
// too long. It fails when a machine is unavailable that its policy expects to be online.
func (s *Server) finishHealthCheck(j *job) (failure string) {
	for _, id := range j.only {
		d := s.documents["machines"].get(id)
		switch {
		case d == nil || d.flag("IsDisabled"):
			continue
		case s.machines[id].users > 0 && !s.switches.HealthChecksBusyTargets:
			s.say(j, "Skipped because a deployment is using it: "+d.text("Name"))
			continue
		}
		s.checkMachine(d, j.by)
		s.say(j, d.text("Name")+": "+d.text("HealthStatus"))
		policy := s.documents["machinepolicies"].get(d.text("MachinePolicyId"))
		if d.text("HealthStatus") == "Unavailable" && policy.object("MachineConnectivityPolicy").text("MachineConnectivityBehavior") != mayBeOffline {
			failure = fmt.Sprintf("The deployment target '%s' is unavailable.", d.text("Name"))
		}
	}
	for _, id := range j.only {
		if d := s.documents["machines"].get(id); d != nil {
			s.cleanUp(d)
		}
	}
	return failure
}

// What a check reports, by status: the event's category, its words, the legacy status.
var healthReports = map[string][3]string{
	"Healthy":     {"MachineHealthy", "was found to be healthy", "Online"},
	"HasWarnings": {"MachineHasWarnings", "was found to have warnings", "Online"},
	"Unhealthy":   {"MachineUnhealthy", "was found to be unhealthy", "NeedsUpgrade"},
	"Unavailable": {"MachineUnavailable", "was found to be unavailable", "Offline"},
}

// checkMachine finds a machine's status and raises an event when it has changed or is the first.
func (s *Server) checkMachine(d document, by cause) {
	m := s.machines[d.id()]
	status := "Unavailable"
	if s.answers(d) {
		status, m.lastReached = m.condition, s.clock.now
	}
	before := d.text("HealthStatus")
	report := healthReports[status]
	if status == "Unavailable" && before != status {
		m.unavailableSince = s.clock.now
	}
	d["HealthStatus"], d["Status"], d["StatusSummary"] = status, report[2], "The machine "+report[1]+"."
	if before == status && m.checked && !s.switches.RepeatHealthEvents {
		return
	}
	m.checked = true
	if before != status {
		s.record(by, Entry{Effect: MachineHealthChanged, ID: d.id(), Name: d.text("Name"), EnvironmentID: strings.Join(d.list("EnvironmentIds"), ","),
			Machines: []string{d.id()}, Detail: status})
	}
	s.raiseMachine(causedBy(ActorScheduler), report[0], d, report[1])
}

// answers says whether a connection to a machine would succeed. A host below .invalid has no
// address anywhere (RFC 2606), so a client can stop a machine here by changing where it is.
func (s *Server) answers(d document) bool {
	if address, err := url.Parse(d.text("Uri")); err == nil && strings.HasSuffix(strings.TrimSuffix(strings.ToLower(address.Hostname()), "."), ".invalid") {
		return false
	}
	m := s.machines[d.id()]
	return m != nil && m.answers
}

// cleanUp deletes a machine that has been unavailable for longer than its policy allows.
func (s *Server) cleanUp(d document) {
	policy := s.documents["machinepolicies"].get(d.text("MachinePolicyId")).object("MachineCleanupPolicy")
	allowed, err := parseSpan(policy.text("DeleteMachinesElapsedTimeSpan"))
	if err != nil || policy.text("DeleteMachinesBehavior") != deleteUnavailable || d.text("HealthStatus") != "Unavailable" || d.flag("IsDisabled") {
		return
	}
	m := s.machines[d.id()]
	since := m.unavailableSince
	if s.switches.CleanupFromLastHealthy {
		since = m.lastReached
	}
	if s.clock.now.Sub(since) < allowed {
		return
	}
	by := causedBy(ActorPolicy)
	if m.users > 0 {
		s.raiseMachine(by, "MachineCleanupFailed", d, "could not be deleted because a deployment is using it")
		return
	}
	s.documents["machines"].remove(d.id())
	s.machineDeleted(by, d)
}
