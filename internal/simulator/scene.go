package simulator

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

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
	Git                   *GitOptions // keeps the process of the application project in Git
	InfrastructureGit     *GitOptions // keeps that of the infrastructure project in Git
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
	scene.LifecycleID = b.add(s.AddOpenLifecycle("Any environment"))
	scene.ProjectGroupID = b.add(s.AddProjectGroup("Hello World"))
	scene.PolicyID = b.add(s.AddImmutablePolicy())
	scene.ProjectID = b.add(s.AddProject(ProjectOptions{Name: o.Project, LifecycleID: scene.LifecycleID, ProjectGroupID: scene.ProjectGroupID,
		Roles: []string{o.Role}, Script: "echo 'Hello, world!'", TenantMode: mode, Git: o.Git}))
	scene.InfrastructureProjectID = b.add(s.AddProject(ProjectOptions{Name: o.InfrastructureProject, LifecycleID: scene.LifecycleID,
		ProjectGroupID: scene.ProjectGroupID, Script: "./provision.sh", TenantMode: mode, Git: o.InfrastructureGit}))
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
