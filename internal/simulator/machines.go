package simulator

import (
	"crypto/sha256"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// machine is what is true of a deployment target besides its document.
type machine struct {
	answers          bool              // whether a health check would reach it
	condition        string            // the status that a check finds when it is reached: Healthy, HasWarnings or Unhealthy
	checked          bool              // whether a check has ever reported
	unavailableSince time.Time         // of the status Unavailable
	lastReached      time.Time         // by a check
	users            int               // deployments that use it now
	installed        map[string]string // release id by project id
	provisionedBy    string            // id of the infrastructure deployment that made it
	created          time.Time
}

func machineKind() *kind {
	return &kind{
		name: "machines", prefix: "Machines", itemType: "DeploymentTarget", bySlug: true, uniqueName: true,
		template: "{?skip,take,name,ids,partialName,roles,isDisabled,healthStatuses,commStyles,tenantIds,tenantTags,environmentIds,thumbprint,deploymentId,shellNames,deploymentTargetTypes}",
		check:    checkMachineDocument,
		complete: completeMachine,
		created:  createdMachine,
		updated:  updatedMachine,
		deleted:  func(c *call, d document) { c.machineDeleted(c.by, d) },
		filter:   machineFilter,
		links: func(d document) map[string]string {
			base := "/api/{space}/machines/" + d.id()
			return map[string]string{"Connection": base + "/connection", "TasksTemplate": base + "/tasks{?skip,take,type}",
				"SinglyScopedVariableDetails": base + "/singlyScopedVariableDetails"}
		},
		present: func(c *call, d document) {
			m := c.machines[d.id()]
			d["IsInProcess"] = m != nil && m.users > 0
		},
	}
}

func checkMachineDocument(c *call, d, _ document) []string {
	var wrong []string
	if len(d.list("EnvironmentIds")) == 0 {
		wrong = append(wrong, "Please select at least one environment for this deployment target.")
	}
	if len(d.list("Roles")) == 0 {
		wrong = append(wrong, "Please provide at least one target tag (role) for this deployment target.")
	}
	for _, id := range d.list("EnvironmentIds") {
		if c.documents["environments"].get(id) == nil {
			wrong = append(wrong, fmt.Sprintf("The environment '%s' does not exist.", id))
		}
	}
	for _, id := range d.list("TenantIds") {
		if c.documents["tenants"].get(id) == nil {
			wrong = append(wrong, fmt.Sprintf("The tenant '%s' does not exist.", id))
		}
	}
	if policy := d.text("MachinePolicyId"); policy != "" && c.documents["machinepolicies"].get(policy) == nil {
		wrong = append(wrong, fmt.Sprintf("The machine policy '%s' does not exist.", policy))
	}
	if len(d.object("Endpoint")) == 0 {
		wrong = append(wrong, "A deployment target needs an Endpoint.")
	}
	return wrong
}

func completeMachine(c *call, d, before document) {
	endpoint := d.object("Endpoint")
	endpoint.fill(document{"Links": document{}})
	for _, key := range []string{"Thumbprint", "Uri"} { // the endpoint's own, repeated for older clients
		if endpoint.text(key) != "" {
			d[key] = endpoint[key]
		}
	}
	d.fill(document{"TenantedDeploymentParticipation": "Untenanted", "TenantIds": []string{}, "TenantTags": []string{}, "IsDisabled": false, "HasLatestCalamari": true, "OperatingSystem": "Ubuntu 24.04",
		"ShellName": "Bash", "ShellVersion": "5.2", "Architecture": "X64", "SkipInitialHealthCheck": false})
	if d.text("MachinePolicyId") == "" {
		d["MachinePolicyId"] = c.defaultPolicy(d.text("SpaceId"))
	}
	if d.text("Uri") == "" {
		delete(d, "Uri") // the official client refuses an ill-formed Uri
	}
	d["IsInProcess"] = false
	if before != nil {
		for _, owned := range []string{"HealthStatus", "StatusSummary", "Status"} {
			d[owned] = before[owned]
		}
		return
	}
	d["HealthStatus"], d["Status"], d["StatusSummary"] = "Unknown", "Unknown", "This machine has not been checked yet."
}

func createdMachine(c *call, d document) {
	m := &machine{answers: true, condition: "Healthy", installed: map[string]string{}, created: c.clock.now, lastReached: c.clock.now}
	c.machines[d.id()] = m
	c.record(c.by, Entry{Effect: MachineCreated, ID: d.id(), Name: d.text("Name"), EnvironmentID: strings.Join(d.list("EnvironmentIds"), ","), Machines: []string{d.id()}})
	c.raiseMachine(c.by, "MachineAdded", d, "was created")
	if style := d.object("Endpoint").text("CommunicationStyle"); style == "None" || style == "OfflineDrop" {
		c.checkMachine(d, causedBy(ActorScheduler)) // nothing to connect to
		return
	}
	if c.switches.SkipInitialHealthCheck || d.flag("SkipInitialHealthCheck") {
		return
	}
	s, id, space := c.Server, d.id(), d.text("SpaceId") // the check outlives the call
	s.after(s.switches.InitialHealthCheckDelay, func() {
		if current := s.documents["machines"].get(id); current != nil {
			s.queueHealthCheck(causedBy(ActorScheduler), space, "Check "+current.text("Name")+" health", []string{id})
		}
	})
}

func updatedMachine(c *call, d, before document) {
	c.record(c.by, Entry{Effect: MachineUpdated, ID: d.id(), Name: d.text("Name"), Machines: []string{d.id()}})
	switch {
	case d.flag("IsDisabled") && !before.flag("IsDisabled"):
		c.raiseMachine(c.by, "MachineDisabled", d, "was disabled")
	case !d.flag("IsDisabled") && before.flag("IsDisabled"):
		c.raiseMachine(c.by, "MachineEnabled", d, "was enabled")
	}
	if strings.Join(d.list("Roles"), ",") != strings.Join(before.list("Roles"), ",") ||
		strings.Join(d.list("EnvironmentIds"), ",") != strings.Join(before.list("EnvironmentIds"), ",") {
		c.raiseMachine(c.by, "MachineDeploymentRelatedPropertyWasUpdated", d, "had a deployment-related property changed")
	}
}

// machineDeleted records a deletion, whoever did it. The document has left the collection already.
func (s *Server) machineDeleted(by cause, d document) {
	delete(s.machines, d.id())
	s.record(by, Entry{Effect: MachineDeleted, ID: d.id(), Name: d.text("Name"), EnvironmentID: strings.Join(d.list("EnvironmentIds"), ","), Machines: []string{d.id()}})
	s.raiseMachine(by, "MachineDeleted", d, "was deleted")
}

// raiseMachine raises an event about a machine. Which documents a real server relates to it is
// not known; here the machine comes first, then its environments and its policy.
func (s *Server) raiseMachine(by cause, category string, d document, what string) {
	related := append([]string{d.id()}, d.list("EnvironmentIds")...)
	s.raise(by, category, d.text("SpaceId"), "Machine "+d.text("Name")+" "+what, append(related, d.text("MachinePolicyId"))...)
}

func machineFilter(c *call, d document) bool {
	q := c.query
	if deployment := q.text("deploymentId"); deployment != "" && !contains(c.documents["deployments"].get(deployment).list("DeployedToMachineIds"), d.id()) {
		return false
	}
	if disabled := q.text("isDisabled"); disabled != "" && q.flag("isDisabled") != d.flag("IsDisabled") {
		return false
	}
	return q.allowsAny("roles", d.list("Roles")) && q.allowsAny("environmentIds", d.list("EnvironmentIds")) && q.allowsAny("tenantIds", d.list("TenantIds")) &&
		q.allowsAny("tenantTags", d.list("TenantTags")) && q.allows("healthStatuses", d.text("HealthStatus")) && q.allows("thumbprint", d.text("Thumbprint")) &&
		q.allows("shellNames", d.text("ShellName")) && q.allows("commStyles", d.object("Endpoint").text("CommunicationStyle"))
}

func (s *Server) machineRoutes(r chi.Router) {
	s.post(r, "/machines/v1", func(c *call) (reply, error) { return c.createFrom(c.kinds["machines"], nil) })
	s.get(r, "/machines/discover", func(c *call) (reply, error) {
		if c.query.text("host") == "" {
			return reply{}, invalid("The parameter host is required.")
		}
		d := targetDocument(c.query.text("host"), nil, nil, c.defaultPolicy(c.space), 1)
		address := net.JoinHostPort(c.query.text("host"), strconv.Itoa(c.query.number("port", 10933)))
		thumbprint := strings.ToUpper(fmt.Sprintf("%x", sha256.Sum256([]byte(address))))[:40] // of a certificate that it would show each time
		d["Uri"], d["Thumbprint"] = "https://"+address+"/", thumbprint
		d.object("Endpoint")["Uri"], d.object("Endpoint")["Thumbprint"] = d["Uri"], thumbprint
		return ok(d)
	})
	s.get(r, "/machines/operatingsystem/names/all", func(c *call) (reply, error) { return ok(c.distinct("OperatingSystem")) })
	s.get(r, "/machines/operatingsystem/shells/all", func(c *call) (reply, error) { return ok(c.distinct("ShellName")) })
	s.get(r, "/machineroles/all", func(c *call) (reply, error) { return ok(c.distinct("Roles")) })
	s.get(r, "/machines/{machine}/connection", s.ofMachine(func(c *call, d document) (reply, error) {
		return ok(document{"Id": d.id(), "MachineId": d.id(), "Status": d["Status"], "Logs": []any{}, "CurrentTentacleVersion": "9.0.0", "LastChecked": formatTime(c.machines[d.id()].lastReached),
			"Links": map[string]string{"Self": c.link("/api/{space}/machines/" + d.id() + "/connection")}})
	}))
	s.get(r, "/machines/{machine}/tasks", s.ofMachine(func(c *call, d document) (reply, error) {
		k := c.kinds["tasks"]
		found := c.documents["tasks"].where(func(t document) bool { return c.query.allows("type", t.text("Name")) && c.concerns(t, d.id()) })
		return ok(c.listPage(k, c.showAll(k, found)))
	}))
	s.get(r, "/environments/{environment}/machines", func(c *call) (reply, error) {
		environment, err := c.find("environments", "environment")
		if err != nil {
			return reply{}, err
		}
		c.query["environmentids"] = []string{environment.id()}
		return ok(c.listPage(c.kinds["machines"], c.collect(c.kinds["machines"])))
	})
	s.get(r, "/machinepolicies/template", func(c *call) (reply, error) {
		d := document{"Name": "", "SpaceId": c.space}
		completePolicy(c, d, nil)
		d["Links"] = document{}
		return ok(d)
	})
}

func (s *Server) ofMachine(h func(*call, document) (reply, error)) handler {
	return func(c *call) (reply, error) {
		d, err := c.find("machines", "machine")
		if err != nil {
			return reply{}, err
		}
		return h(c, d)
	}
}

// concerns says whether a task deals with a machine.
func (s *Server) concerns(task document, machineID string) bool {
	arguments := task.object("Arguments")
	if contains(arguments.list("MachineIds"), machineID) {
		return true
	}
	d := s.documents["deployments"].get(arguments.text("DeploymentId"))
	j := s.jobs[task.id()]
	return d != nil && (contains(d.list("DeployedToMachineIds"), machineID) || contains(d.list("SpecificMachineIds"), machineID) ||
		j != nil && contains(j.busy, machineID))
}

// distinct collects the values of a field over all machines of the space.
func (c *call) distinct(field string) []string {
	values := []string{}
	for _, d := range c.documents["machines"].order {
		if !c.visible(d) {
			continue
		}
		candidates := d.list(field)
		if one := d.text(field); one != "" {
			candidates = []string{one}
		}
		for _, value := range candidates {
			if !contains(values, value) {
				values = append(values, value)
			}
		}
	}
	return values
}

// targetDocument is a listening Tentacle as it registers itself.
func targetDocument(name string, environments, roles []string, policy string, number int) document {
	thumbprint := fmt.Sprintf("%040X", number)
	uri := fmt.Sprintf("https://10.0.%d.%d:10933/", number/250, number%250+1)
	return document{"Name": name, "EnvironmentIds": environments, "Roles": roles, "MachinePolicyId": policy, "Thumbprint": thumbprint, "Uri": uri,
		"Endpoint": document{"CommunicationStyle": "TentaclePassive", "Uri": uri, "Thumbprint": thumbprint, "ProxyId": nil,
			"CertificateSignatureAlgorithm": "sha256RSA",
			"TentacleVersionDetails":        document{"UpgradeLocked": false, "Version": "9.0.0", "UpgradeSuggested": false, "UpgradeRequired": false, "UpgradeAvailable": false}}}
}

func lowerID(id string) string { return strings.ToLower(id) }
