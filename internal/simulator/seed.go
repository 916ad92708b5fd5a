package simulator

import (
	"cmp"
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

// AddRelease creates a release of a project and returns its id.
func (s *Server) AddRelease(projectID, version string) (string, error) {
	return s.build("releases", document{"ProjectId": projectID, "Version": version})
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

// HelloWorldOptions vary the scene of the immutable-infrastructure guide. Scenes with different
// names fit side by side into one space; what has the same name is shared.
type HelloWorldOptions struct {
	Environment           string // default "Development"
	Project               string // default "Hello World"
	InfrastructureProject string // default Project + " Infrastructure"
	Role                  string // default "hello-world"
	Version               string // the release that runs at the beginning; default "0.0.1"
	Tenant                string // when set, both projects are tenanted and the targets belong to this tenant
	Targets               int    // how many targets there are, and are made by a deployment; default 2
	NoInitialTargets      bool   // an empty environment: nothing runs and nothing has been deployed
	NoTrigger             bool
	// Provisioner sets what the infrastructure project does. Targets, Roles, NamePrefix and
	// PolicyID are filled in where they are empty. Default: a boot delay of 20 s.
	Provisioner Provisioner
	// SubscriptionURL, when set, receives the scene's events, with Header and Secret.
	SubscriptionURL    string
	SubscriptionHeader string // default "X-Octopus-Secret"
	SubscriptionSecret string
	Categories         []string // default: machine and deployment events
}

// Scene holds the ids of what HelloWorld has built.
type Scene struct {
	SpaceID                 string
	EnvironmentID           string
	TenantID                string
	LifecycleID             string
	ProjectGroupID          string
	PolicyID                string
	ProjectID               string
	InfrastructureProjectID string
	TriggerID               string
	SubscriptionID          string
	ReleaseID               string // the initial release
	DeploymentID            string // of the initial release
	TargetIDs               []string
}

func (o HelloWorldOptions) withDefaults() HelloWorldOptions {
	o.Environment = orDefault(o.Environment, "Development")
	o.Project = orDefault(o.Project, "Hello World")
	o.InfrastructureProject = orDefault(o.InfrastructureProject, o.Project+" Infrastructure")
	o.Role = orDefault(o.Role, "hello-world")
	o.Version = orDefault(o.Version, "0.0.1")
	o.Targets = orDefault(o.Targets, 2)
	o.SubscriptionHeader = orDefault(o.SubscriptionHeader, "X-Octopus-Secret")
	if o.Provisioner.BootDelay == 0 {
		o.Provisioner.BootDelay = 20 * time.Second
	}
	o.Provisioner.Targets = orDefault(o.Provisioner.Targets, o.Targets)
	if len(o.Provisioner.Roles) == 0 {
		o.Provisioner.Roles = []string{o.Role}
	}
	if len(o.Categories) == 0 {
		o.Categories = []string{"MachineAdded", "MachineHealthy", "MachineHasWarnings", "MachineUnavailable", "MachineUnhealthy", "MachineDeleted",
			"DeploymentQueued", "DeploymentStarted", "DeploymentSucceeded", "DeploymentFailed"}
	}
	return o
}

// scenery collects the first error of a row of building steps.
type scenery struct {
	*Server
	err error
}

func (b *scenery) add(id string, err error) string {
	b.err = cmp.Or(b.err, err)
	return id
}

// HelloWorld builds the whole scene of the immutable-infrastructure guide.
func (s *Server) HelloWorld(options HelloWorldOptions) (Scene, error) {
	o := options.withDefaults()
	b := &scenery{Server: s}
	scene := Scene{SpaceID: "Spaces-1"}
	mode := "Untenanted"
	if o.Tenant != "" {
		mode = "TenantedOrUntenanted"
		scene.TenantID = b.add(s.AddTenant(o.Tenant))
	}
	scene.EnvironmentID = b.add(s.AddEnvironment(o.Environment))
	scene.LifecycleID = s.idByName("lifecycles", "Default Lifecycle")
	scene.ProjectGroupID = b.add(s.AddProjectGroup("Hello World"))
	scene.PolicyID = b.add(s.AddImmutablePolicy())
	scene.ProjectID = b.add(s.AddProject(ProjectOptions{Name: o.Project, LifecycleID: scene.LifecycleID, ProjectGroupID: scene.ProjectGroupID,
		Roles: []string{o.Role}, Script: "echo 'Hello, world!'", TenantMode: mode}))
	scene.InfrastructureProjectID = b.add(s.AddProject(ProjectOptions{Name: o.InfrastructureProject, LifecycleID: scene.LifecycleID,
		ProjectGroupID: scene.ProjectGroupID, Script: "./provision.sh", TenantMode: mode}))
	if b.err != nil {
		return scene, fmt.Errorf("building the scene: %w", b.err)
	}
	o.Provisioner.PolicyID = orDefault(o.Provisioner.PolicyID, scene.PolicyID)
	s.SetProvisioner(scene.InfrastructureProjectID, o.Provisioner)
	if !o.NoInitialTargets {
		b.initialTargets(&scene, o)
	}
	if !o.NoTrigger {
		scene.TriggerID = b.add(s.AddTrigger(scene.ProjectID, scene.EnvironmentID, o.Role))
	}
	if o.SubscriptionURL != "" {
		scene.SubscriptionID = b.add(s.AddSubscription(SubscriptionOptions{Name: o.Project + " events in " + o.Environment, URL: o.SubscriptionURL,
			HeaderKey: o.SubscriptionHeader, HeaderValue: o.SubscriptionSecret, Categories: o.Categories}))
	}
	if b.err != nil {
		return scene, fmt.Errorf("building the scene: %w", b.err)
	}
	return scene, nil
}

// initialTargets puts the old generation in place, with the initial release on it.
func (b *scenery) initialTargets(scene *Scene, o HelloWorldOptions) {
	for i := range o.Targets {
		name := fmt.Sprintf("%s-%s-old-%d", o.Role, slugOf(strings.Join([]string{o.Environment, o.Tenant}, " ")), i+1)
		scene.TargetIDs = append(scene.TargetIDs, b.add(b.AddTarget(TargetOptions{Name: name, EnvironmentID: scene.EnvironmentID, TenantID: scene.TenantID,
			Roles: []string{o.Role}, PolicyID: scene.PolicyID, Healthy: true})))
	}
	if b.err != nil {
		return
	}
	if scene.ReleaseID = b.refreshRelease(scene.ProjectID, o.Version); scene.ReleaseID == "" {
		scene.ReleaseID = b.add(b.AddRelease(scene.ProjectID, o.Version))
	}
	if b.err == nil {
		scene.DeploymentID = b.add(b.AddDeployed(scene.ReleaseID, scene.EnvironmentID, scene.TenantID))
	}
}

// refreshRelease finds a release that an earlier scene made and gives it the project's process of
// now, which may run on more roles. It returns "" when there is no such release.
func (s *Server) refreshRelease(projectID, version string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	release := s.releaseOf(projectID, version)
	if release == nil {
		return ""
	}
	release["ProjectDeploymentProcessSnapshotId"] = s.freeze(s.documents["deploymentprocesses"].get("deploymentprocess-" + projectID))
	return release.id()
}
