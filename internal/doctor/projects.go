package doctor

import (
	"context"
	"fmt"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// The values of a project that matter here (Octopus' enumerations).
const (
	untenanted      = "Untenanted"
	tenanted        = "Tenanted"
	skipUnavailable = "SkipUnavailableMachines"
	guidedOn        = "On"
	guidedOff       = "Off"
)

func (x *patient) infrastructureFits(ctx context.Context) (finding, error) {
	return x.projectFits(ctx, x.infrastructure, "infrastructure", x.Infrastructure.Project, x.Infrastructure.Git)
}

func (x *patient) applicationFits(ctx context.Context) (finding, error) {
	return x.projectFits(ctx, x.application, "application", x.Application.Project, x.Application.Git)
}

func (x *patient) projectFits(ctx context.Context, wanted *fact[project], key, name string, git pipeline.GitSource) (finding, error) {
	found, err := wanted.get(ctx)
	if err != nil {
		return missed(err, fmt.Sprintf("create the project %q in Octopus, correct %s.project of the pipeline, or begin with the guide's example: %s --example hello-world", name, key, x.setup()))
	}
	switch {
	case found.IsDisabled:
		return wrong("The project %q is disabled: Octopus makes no releases and deployments of it.", found.Name).
			with("enable it in Octopus under Projects, %s, Settings", found.Name), nil
	case x.Tenant == "" && found.TenantedDeploymentMode == tenanted:
		return wrong("The project %q may be deployed for tenants only, and the pipeline names none.", found.Name).
			with("set tenant of the pipeline, or allow untenanted deployments under Projects, %s, Settings, Multi-tenant deployments", found.Name), nil
	case x.Tenant != "" && found.TenantedDeploymentMode == untenanted:
		return wrong("The project %q cannot be deployed for tenants, and the pipeline names %q.", found.Name, x.Tenant).
			with("allow tenanted deployments under Projects, %s, Settings, Multi-tenant deployments", found.Name), nil
	case found.IsVersionControlled && git == pipeline.GitDefault && found.PersistenceSettings.DefaultBranch == "":
		return wrong("The process of the project %q lives in Git, and Octopus names no default branch of it.", found.Name).
			with("set a default branch under Projects, %s, Settings, Version control, or set %s.git of the pipeline to commit or ref", found.Name, key), nil
	case found.IsVersionControlled:
		return fine("The project %q is there; its process is read from Git, at %s.", found.Name, gitState(git, found)), nil
	default:
		return fine("The project %q is there.", found.Name), nil
	}
}

func gitState(git pipeline.GitSource, p project) string {
	switch git {
	case pipeline.GitDefault:
		return "its default branch " + p.PersistenceSettings.DefaultBranch
	case pipeline.GitRef:
		return "the head of the webhook's branch"
	default:
		return "the webhook's commit"
	}
}

// channelsExist looks for the channels that releases are made in.
func (x *patient) channelsExist(ctx context.Context) (finding, error) {
	at, err := x.place(ctx)
	if err != nil {
		return finding{}, err
	}
	names := []string{x.Infrastructure.Channel, x.Application.Channel}
	var found []string
	for i, p := range at.projects() {
		channel, err := at.client.Channel(ctx, p.ID, names[i])
		if permanent(err) {
			return failed(err), nil
		}
		if err != nil {
			return finding{}, err
		}
		found = append(found, fmt.Sprintf("%q of %s", channel.Name, p.Name))
	}
	return fine("Releases are made in the channels %s.", strings.Join(found, " and ")), nil
}

// permanent tells whether Octopus has said no, and not just nothing.
func permanent(err error) bool {
	return err != nil && octopus.Missing(err) == "" && !octopus.IsTransient(err) && isOctopus(err)
}

// skipsUnavailable looks whether the targets that Terminate stopped fail the
// application's deployments.
func (x *patient) skipsUnavailable(ctx context.Context) (finding, error) {
	app, err := x.application.need(ctx)
	switch {
	case err != nil:
		return finding{}, err
	case app.IsVersionControlled:
		return none("The deployment settings of %q live in Git.", app.Name), nil
	case app.ProjectConnectivityPolicy.SkipMachineBehavior == skipUnavailable:
		return fine("Deployments of %q skip unavailable targets.", app.Name), nil
	default:
		return warned("Deployments of %q fail on unavailable targets, which the old generation becomes.", app.Name).
			with("choose Exclude in Octopus under Projects, %s, Deployments, Settings, Unavailable deployment targets", app.Name), nil
	}
}

// failsByItself looks whether a failing deployment would wait for a person.
func (x *patient) failsByItself(ctx context.Context) (finding, error) {
	at, err := x.place(ctx)
	if err != nil {
		return finding{}, err
	}
	var waits []string
	for _, p := range at.projects() {
		switch {
		case p.DefaultGuidedFailureMode == guidedOn:
			waits = append(waits, fmt.Sprintf("The project %q has guided failure on: Projects, %s, Deployments, Settings.", p.Name, p.Name))
		case p.DefaultGuidedFailureMode != guidedOff && at.environment.UseGuidedFailure:
			waits = append(waits, fmt.Sprintf("The project %q takes guided failure from the environment %q, where it is on.", p.Name, at.environment.Name))
		}
	}
	if len(waits) > 0 {
		return warned("Guided failure is on: a deployment that fails waits for a person instead of failing.").
			with("turn it off in Octopus for the project or the environment, unless somebody is there day and night").listing(waits), nil
	}
	return fine("A deployment that fails does so without waiting for a person."), nil
}
