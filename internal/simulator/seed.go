package simulator

import (
	"fmt"
	"strings"
	"time"
)

// The builder methods create what a test or a demo needs, through the same checks as requests do.

// build creates a document in the default space on the scene's account.
func (s *Server) build(kindName string, d document) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.internalCall(causedBy(ActorSeed))
	return c.do(kindName, copyOf(d))
}

// idByName finds the id of a document by name, so that scenes can share documents.
func (s *Server) idByName(kindName, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.documents[kindName].first(func(d document) bool { return strings.EqualFold(d.text("Name"), name) }).idOrEmpty()
}

// findOrBuild returns the document of that name, which is created when there is none.
func (s *Server) findOrBuild(kindName, name string, d document) (string, error) {
	if id := s.idByName(kindName, name); id != "" {
		return id, nil
	}
	d["Name"] = name
	return s.build(kindName, d)
}

// AddEnvironment creates an environment, or finds the one of that name, and returns its id.
func (s *Server) AddEnvironment(name string) (string, error) {
	return s.findOrBuild("environments", name, document{"AllowDynamicInfrastructure": true})
}

// AddTenant creates a tenant, or finds the one of that name, and returns its id.
func (s *Server) AddTenant(name string) (string, error) {
	return s.findOrBuild("tenants", name, document{})
}

// ConnectTenant has a tenant take part in a project in some environments, and from then on only in
// what it is connected to.
func (s *Server) ConnectTenant(tenantID, projectID string, environmentIDs ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.internalCall(causedBy(ActorSeed))
	tenant := s.documents["tenants"].get(tenantID)
	if tenant == nil {
		return fmt.Errorf("expected the id of a tenant, got %q", tenantID)
	}
	changed := copyOf(tenant)
	connections := changed.object("ProjectEnvironments")
	connections[projectID], changed["ProjectEnvironments"] = environmentIDs, connections
	if err := c.update(s.kinds["tenants"], tenant, changed); err != nil {
		return fmt.Errorf("connecting %s to %s: %w", tenantID, projectID, err)
	}
	return nil
}

// AddOpenLifecycle creates a lifecycle that lets a new release go to every environment at once, or
// finds the one of that name. The default one wants releases to go to the environments in their order.
func (s *Server) AddOpenLifecycle(name string) (string, error) {
	return s.findOrBuild("lifecycles", name, document{"Phases": []any{document{"Name": name}}})
}

// AddLifecycle creates a lifecycle with one phase for each environment, or finds the one of that
// name, and returns its id.
func (s *Server) AddLifecycle(name string, environmentIDs ...string) (string, error) {
	phases := []document{}
	for i, id := range environmentIDs {
		phases = append(phases, document{"Name": fmt.Sprintf("Phase %d", i+1), "OptionalDeploymentTargets": []string{id}})
	}
	return s.findOrBuild("lifecycles", name, document{"Phases": phases})
}

// AddProjectGroup creates a project group, or finds the one of that name, and returns its id.
func (s *Server) AddProjectGroup(name string) (string, error) {
	return s.findOrBuild("projectgroups", name, document{})
}

// ImmutablePolicyName is the machine policy of the immutable-infrastructure guide.
const ImmutablePolicyName = "Immutable Infrastructure"

// AddImmutablePolicy creates the machine policy of the guide, or finds it, and returns its id:
// checks every 2 minutes, unavailable targets fail nothing and are deleted after 5 minutes
// (Octopus docs: immutable infrastructure).
func (s *Server) AddImmutablePolicy() (string, error) {
	return s.findOrBuild("machinepolicies", ImmutablePolicyName, document{
		"MachineHealthCheckPolicy":  document{"HealthCheckInterval": "00:02:00"},
		"MachineConnectivityPolicy": document{"MachineConnectivityBehavior": mayBeOffline},
		"MachineCleanupPolicy":      document{"DeleteMachinesBehavior": deleteUnavailable, "DeleteMachinesElapsedTimeSpan": "00:05:00"}})
}

// ProjectOptions describe a project with a process of one script step.
type ProjectOptions struct {
	Name           string
	LifecycleID    string
	ProjectGroupID string
	Roles          []string // where the step runs; none means on the server
	Script         string
	TenantMode     string // default Untenanted
	Git            *GitOptions
}

// AddProject creates a project, or finds the one of that name, and returns its id.
func (s *Server) AddProject(o ProjectOptions) (string, error) {
	if id := s.idByName("projects", o.Name); id != "" {
		return id, s.widenProject(id, o)
	}
	id, err := s.build("projects", document{"Name": o.Name, "LifecycleId": o.LifecycleID, "ProjectGroupId": o.ProjectGroupID,
		"TenantedDeploymentMode":    orDefault(o.TenantMode, "Untenanted"),
		"ProjectConnectivityPolicy": document{"SkipMachineBehavior": "SkipUnavailableMachines", "AllowDeploymentsToNoTargets": true}})
	if err != nil {
		return "", err
	}
	stepProperties, onServer := document{}, "True"
	if len(o.Roles) > 0 {
		stepProperties[targetRolesKey], onServer = strings.Join(o.Roles, ","), "False"
	}
	step := document{"Name": "Run script", "Properties": stepProperties, "Actions": []document{{"Name": "Run script", "ActionType": "Octopus.Script",
		"Properties": document{"Octopus.Action.RunOnServer": onServer, "Octopus.Action.Script.ScriptSource": "Inline",
			"Octopus.Action.Script.Syntax": "Bash", "Octopus.Action.Script.ScriptBody": orDefault(o.Script, "echo hello")}}}}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.internalCall(causedBy(ActorSeed))
	process := s.documents["deploymentprocesses"].get("deploymentprocess-" + id)
	changed := copyOf(process)
	changed["Steps"] = []document{step}
	if err := c.update(s.kinds["deploymentprocesses"], process, changed); err != nil {
		return "", fmt.Errorf("describing the process of %s: %w", o.Name, err)
	}
	if o.Git != nil {
		s.keepInGit(s.documents["projects"].get(id), *o.Git)
	}
	return id, nil
}

// widenProject makes an existing project fit another scene: its steps also run on the scene's
// roles, and it takes tenants if the scene has one.
func (s *Server) widenProject(id string, o ProjectOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.internalCall(causedBy(ActorSeed))
	if o.TenantMode != "" && o.TenantMode != "Untenanted" {
		s.documents["projects"].get(id)["TenantedDeploymentMode"] = o.TenantMode
	}
	process := s.documents["deploymentprocesses"].get("deploymentprocess-" + id)
	changed, missing := copyOf(process), false
	for _, step := range changed.objects("Steps") {
		roles := splitRoles(step.object("Properties").text(targetRolesKey))
		for _, role := range o.Roles {
			if len(roles) > 0 && !contains(roles, role) {
				roles, missing = append(roles, role), true
			}
		}
		if len(roles) > 0 {
			step.object("Properties")[targetRolesKey] = strings.Join(roles, ",")
		}
	}
	if !missing {
		return nil
	}
	if err := c.update(s.kinds["deploymentprocesses"], process, changed); err != nil {
		return fmt.Errorf("widening the process of %s: %w", o.Name, err)
	}
	return nil
}

// AddTrigger creates a deployment target trigger that auto-deploys a project to machines of a role
// in an environment as they become available, and returns its id.
func (s *Server) AddTrigger(projectID, environmentID, role string) (string, error) {
	return s.build("projecttriggers", document{"ProjectId": projectID, "Name": "Auto deploy to " + role + " in " + environmentID,
		"Filter": document{"FilterType": "MachineFilter", "EnvironmentIds": []string{environmentID}, "Roles": []string{role},
			"EventGroups": []string{"MachineAvailableForDeployment"}, "EventCategories": []string{}},
		"Action": document{"ActionType": "AutoDeploy", "ShouldRedeployWhenMachineHasBeenDeployedTo": false}})
}

// SubscriptionOptions describe a subscription with a webhook.
type SubscriptionOptions struct {
	Name        string
	URL         string
	HeaderKey   string
	HeaderValue string
	Categories  []string // of events; none, and no Groups either, means all
	Groups      []string
	Timeout     time.Duration // default 10 s, whole seconds
}

// AddSubscription creates a subscription and returns its id.
func (s *Server) AddSubscription(o SubscriptionOptions) (string, error) {
	timeout := orDefault(o.Timeout, 10*time.Second)
	return s.build("subscriptions", document{"Name": o.Name, subscriptionKey: document{
		"Filter":     document{"EventCategories": o.Categories, "EventGroups": o.Groups},
		"WebhookURI": o.URL, "WebhookHeaderKey": o.HeaderKey, "WebhookHeaderValue": o.HeaderValue,
		"WebhookTimeout": fmt.Sprintf("%02d:%02d:%02d", int(timeout.Hours()), int(timeout.Minutes())%60, int(timeout.Seconds())%60)}})
}

// FreezeOptions describe a deployment freeze of one project in one environment.
type FreezeOptions struct {
	Name          string
	ProjectID     string
	EnvironmentID string
	TenantID      string    // none: the freeze holds for all tenants, and without one
	Start         time.Time // default now
	End           time.Time // default an hour after Start
}

// AddFreeze creates a deployment freeze and returns its id.
func (s *Server) AddFreeze(o FreezeOptions) (string, error) {
	if o.Start.IsZero() {
		o.Start = s.Now()
	}
	if o.End.IsZero() {
		o.End = o.Start.Add(time.Hour)
	}
	d := document{"Name": o.Name, "Start": formatTime(o.Start), "End": formatTime(o.End)}
	if o.TenantID == "" {
		d["ProjectEnvironmentScope"] = document{o.ProjectID: []string{o.EnvironmentID}}
	} else {
		d["TenantProjectEnvironmentScope"] = []document{{"TenantId": o.TenantID, "ProjectId": o.ProjectID, "EnvironmentId": o.EnvironmentID}}
	}
	return s.build("deploymentfreezes", d)
}

// TargetOptions describe a deployment target that exists from the beginning.
type TargetOptions struct {
	Name          string
	EnvironmentID string
	TenantID      string
	Roles         []string
	PolicyID      string
	// Healthy skips the wait for the first health check. No event is raised, so no trigger reacts.
	Healthy bool
}

// AddTarget registers a deployment target and returns its id.
func (s *Server) AddTarget(o TargetOptions) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := targetDocument(o.Name, []string{o.EnvironmentID}, o.Roles, o.PolicyID, s.documents["machines"].last+1)
	d["SkipInitialHealthCheck"] = o.Healthy
	if o.TenantID != "" {
		d["TenantedDeploymentParticipation"], d["TenantIds"] = "Tenanted", []string{o.TenantID}
	}
	c := s.internalCall(causedBy(ActorSeed))
	id, err := c.do("machines", d)
	if err != nil {
		return "", err
	}
	if o.Healthy {
		d["HealthStatus"], d["Status"] = "Healthy", "Online"
		s.machines[id].checked = true
	}
	return id, nil
}

// AddRelease creates a release of a project and returns its id. A process that is in Git is read
// from the default branch.
func (s *Server) AddRelease(projectID, version string) (string, error) {
	return s.build("releases", document{"ProjectId": projectID, "Version": version, "VersionControlReference": s.defaultReference(projectID)})
}

// defaultReference is the default branch of a project that is in Git, or nil.
func (s *Server) defaultReference(projectID string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if project := s.documents["projects"].get(projectID); inGit(project) {
		return document{"GitRef": fullReference(project.object("PersistenceSettings").text("DefaultBranch"))}
	}
	return nil
}

// AddDeployed deploys a release at once, without taking any virtual time: the result is what a
// successful deployment would have left.
func (s *Server) AddDeployed(releaseID, environmentID, tenantID string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.internalCall(causedBy(ActorSeed))
	d := document{"ReleaseId": releaseID, "EnvironmentId": environmentID}
	if tenantID != "" {
		d["TenantId"] = tenantID
	}
	id, err := c.do("deployments", d)
	if err != nil {
		return "", err
	}
	j := s.jobs[d.text("TaskId")]
	provisioner, is := s.provisioners[j.lane.project]
	delete(s.provisioners, j.lane.project) // what was deployed before the scene begins made no machines
	s.unqueue(j)
	s.startJob(j)
	if failure := j.finish(j); failure != "" {
		s.endJob(j, stateFailed, failure)
		return "", fmt.Errorf("deploying %s at once: %s", releaseID, failure)
	}
	s.endJob(j, stateSuccess, "")
	if is {
		s.provisioners[j.lane.project] = provisioner
	}
	return id, nil
}
