package jobs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// provision finds out whether the run's releases can be made, records the
// targets that stand, then creates the infrastructure release and deploys it. It
// does not wait for the machines to boot.
func provision(ctx context.Context, x *execution) (outcome, error) {
	r := &x.results.provision
	if r.EnvironmentID == "" || r.ProjectID == "" {
		if err := x.locate(ctx); err != nil {
			return outcome{}, err
		}
	}
	application, err := x.applicationWanted(ctx)
	if err != nil {
		return outcome{}, err
	}
	held, err := x.heldBeforeProvision(ctx, application.projectID)
	if err != nil {
		return outcome{}, err
	}
	// What a freeze holds should not fail for another reason when it is over; to
	// find that out once is enough.
	if !r.Baseline && x.run.FreezeName == nil {
		if err := x.checkRelease(ctx, application); err != nil {
			return outcome{}, err
		}
	}
	if held != nil {
		return x.waitFor(held)
	}
	return x.provisionTargets(ctx)
}

// heldBeforeProvision tells which freeze keeps the run from provisioning: of the
// infrastructure project or of the application, because new targets without the
// release would not help anybody. One that began after the deployment was made,
// in a try whose answer was lost, does not.
func (x *execution) heldBeforeProvision(ctx context.Context, applicationID string) (*hold, error) {
	r := &x.results.provision
	held, err := x.held(ctx, r.ProjectID, applicationID)
	if held == nil || err != nil || r.Began.IsZero() {
		return held, err
	}
	_, found, err := x.octopus.FindDeployment(ctx, x.infrastructureDeployment())
	if found || err != nil {
		return nil, err
	}
	r.forgetBaseline()
	return held, nil
}

// forgetBaseline has the targets that stand recorded anew: until the freeze is
// over, others may come.
func (r *provisionResult) forgetBaseline() { r.Baseline, r.Began = false, time.Time{} }

// provisionTargets records what stands and deploys the infrastructure release.
func (x *execution) provisionTargets(ctx context.Context) (outcome, error) {
	r := &x.results.provision
	if err := x.settleDoubt(ctx); err != nil {
		return outcome{}, err
	}
	if !r.Baseline {
		busy, err := x.recordBaseline(ctx)
		if busy != "" || err != nil {
			return outcome{message: busy}, err
		}
	}
	release, err := x.infrastructureRelease(ctx)
	if err != nil {
		return outcome{}, err
	}
	r.Marker = x.provisionMarker()
	if r.Began.IsZero() {
		r.Began = x.Now()
	}
	// From here on targets may come, whatever becomes of this run; who comes
	// next has to know.
	if err := x.save(ctx, x.saveProvision); err != nil {
		return outcome{}, err
	}
	deployment, held, err := x.deploy(ctx, x.infrastructureDeployment())
	if err != nil {
		return outcome{}, err
	}
	if held != nil {
		r.forgetBaseline()
		return x.waitFor(held)
	}
	r.DeploymentID, r.DeploymentURL, r.Deployed = deployment.ID, deployment.WebURL, deployment.Created
	r.TaskID, r.TaskURL = deployment.TaskID, deployment.Task.WebURL
	return done("Release %s of %s is being deployed to %s.", release.Version, x.p.Infrastructure.Project, x.place())
}

func (x *execution) provisionMarker() string {
	what := fmt.Sprintf("provision %d", x.run.Round)
	if tries := x.results.provision.Tries; tries > 0 {
		what = fmt.Sprintf("%s try %d", what, tries+1)
	}
	return x.marker(what)
}

func (x *execution) infrastructureDeployment() octopus.DeploymentSpec {
	spec := x.results.provision.deployment()
	spec.Comment = x.comment("provisions new targets for")
	return spec
}

// deployment is by what the infrastructure deployment is found again.
func (r provisionResult) deployment() octopus.DeploymentSpec {
	return octopus.DeploymentSpec{
		ReleaseID: r.ReleaseID, ProjectID: r.ProjectID, EnvironmentID: r.EnvironmentID, TenantID: r.TenantID, Marker: r.Marker,
	}
}

// saveProvision writes what provision has made, in whatever stage the run is.
func (x *execution) saveProvision(ctx context.Context, q *store.Queries) error {
	return x.saveResultOf(ctx, q, pipeline.Provision)
}

// recordBaseline notes which targets stood before this run. It waits while
// another deployment of the infrastructure project is under way, because the
// targets which that one brings could not be told from this run's.
func (x *execution) recordBaseline(ctx context.Context) (busy string, err error) {
	if busy, err = x.busy(ctx); busy != "" || err != nil {
		return busy, err
	}
	targets, err := x.targets(ctx)
	if err != nil {
		return "", err
	}
	x.results.provision.Baseline = true
	return "", x.save(ctx, func(ctx context.Context, q *store.Queries) error {
		if err := q.ForgetTargets(ctx, x.run.ID); err != nil {
			return fmt.Errorf("forgetting the targets of an earlier round: %w", err)
		}
		for _, target := range targets {
			if err := x.saveTarget(ctx, q, target, generationBaseline); err != nil {
				return err
			}
		}
		message := fmt.Sprintf("%s stood before: %s.", count(len(targets), "target"), names(targets))
		if err := record(ctx, q, x.run, x.Now(), eventBaseline, message, nil); err != nil {
			return err
		}
		return x.saveProvision(ctx, q)
	})
}

// busy tells what has to end before the baseline can be told from new targets.
func (x *execution) busy(ctx context.Context) (string, error) {
	r := x.results.provision
	tasks, err := x.octopus.ActiveTasks(ctx, r.ProjectID, r.EnvironmentID, r.TenantID)
	if err != nil {
		return "", err
	}
	if len(tasks) > 0 {
		return fmt.Sprintf("Another deployment of %s to %s is under way (%s); it has to end first.",
			x.p.Infrastructure.Project, x.place(), tasks[0].ID), nil
	}
	return x.stragglers(ctx)
}

// locate looks up the ids of what the pipeline names.
func (x *execution) locate(ctx context.Context) error {
	if err := x.locateEnvironment(ctx); err != nil {
		return err
	}
	if err := x.locateInfrastructure(ctx); err != nil {
		return err
	}
	return x.locateTenant(ctx)
}

func (x *execution) locateEnvironment(ctx context.Context) error {
	environment, err := x.octopus.Environment(ctx, x.p.Environment)
	x.results.provision.EnvironmentID = environment.ID
	return err
}

func (x *execution) locateInfrastructure(ctx context.Context) (err error) {
	project, err := x.project(ctx, x.p.Infrastructure.Project)
	if err != nil {
		return err
	}
	r := &x.results.provision
	r.ProjectID = project.ID
	r.gitState, err = x.gitState(project, x.p.Infrastructure.Git, infrastructureKey)
	return err
}

func (x *execution) locateTenant(ctx context.Context) error {
	if x.p.Tenant == "" {
		return nil
	}
	tenant, err := x.octopus.Tenant(ctx, x.p.Tenant)
	x.results.provision.TenantID = tenant.ID
	return err
}

// project finds a project in which something can be made.
func (x *execution) project(ctx context.Context, name string) (octopus.Project, error) {
	project, err := x.octopus.Project(ctx, name)
	if err == nil && project.IsDisabled {
		err = &failure{
			message: fmt.Sprintf("Project %s is disabled: Octopus makes no releases and no deployments of it.", project.Name),
			remedy:  "enable the project in its settings in Octopus, then retry the run",
		}
	}
	return project, err
}

const infrastructureKey = "infrastructure"

func (x *execution) infrastructureWanted() releaseWanted {
	infrastructure, r := x.p.Infrastructure, x.results.provision
	return releaseWanted{
		project: infrastructure.Project, projectID: r.ProjectID,
		channel: infrastructure.Channel, version: infrastructure.Version, packages: infrastructure.Packages,
		git: r.gitState, key: infrastructureKey,
	}
}

func (x *execution) infrastructureRelease(ctx context.Context) (octopus.Release, error) {
	r := &x.results.provision
	release, err := x.ensureRelease(ctx, x.infrastructureWanted())
	if err != nil {
		return release, err
	}
	r.ReleaseID, r.ReleaseVersion, r.ReleaseURL = release.ID, release.Version, release.WebURL
	r.gitState = gitState{release.GitRef, release.GitCommit}
	return release, nil
}

// place names where the run deploys to.
func (x *execution) place() string {
	if x.p.Tenant == "" {
		return x.p.Environment
	}
	return fmt.Sprintf("%s for tenant %s", x.p.Environment, x.p.Tenant)
}

// comment says in Octopus why regrow made something.
func (x *execution) comment(what string) string {
	return fmt.Sprintf("regrow %s run #%d of pipeline %s, commit %s on %s.",
		what, x.run.Number, x.run.Pipeline, x.run.CommitSha, x.run.Ref)
}

func names(targets []pipeline.Target) string {
	if len(targets) == 0 {
		return "none"
	}
	list := make([]string, len(targets))
	for i, target := range targets {
		list[i] = target.Name
	}
	return strings.Join(list, ", ")
}
