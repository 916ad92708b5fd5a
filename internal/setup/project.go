package setup

import (
	"context"
	"encoding/json"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

func (s *scene) lookAtApplication(ctx context.Context, item Item) (finding, error) {
	return s.lookAtProject(ctx, item, "application.project", &s.application)
}

func (s *scene) lookAtInfrastructure(ctx context.Context, item Item) (finding, error) {
	return s.lookAtProject(ctx, item, "infrastructure.project", &s.infrastructure)
}

// lookAtProject finds a project and keeps it for what refers to it.
func (s *scene) lookAtProject(ctx context.Context, item Item, key string, keep **thing) (finding, error) {
	*keep = nil
	current, err := s.named(ctx, octopus.Projects, item.Name)
	if err != nil {
		return finding{}, err
	}
	project := found(KindProject, item.Name, current)
	r := resource{collection: octopus.Projects, current: current}
	switch {
	case s.options.Example && project.inGit():
		item.Note = "Its settings live in Git, where setup does not write."
	case s.options.Example:
		if r.settings, err = s.projectSettings(ctx); err != nil {
			return finding{}, err
		}
		r.note = sentences(project.foreignNote(), s.unguardedNote())
		if current == nil {
			if r.draft, err = s.projectDraft(item.Name); err != nil {
				return finding{}, err
			}
		}
	case current == nil:
		return finding{}, absent(KindProject, key)
	}
	*keep = project
	return s.judge(item, r)
}

// projectSettings are those by which targets may come and go at any time
// (Octopus docs: elastic and transient environments).
func (s *scene) projectSettings(ctx context.Context) ([]Setting, error) {
	const connectivity = "/ProjectConnectivityPolicy/"
	lifecycle, err := s.lifecycle(ctx)
	if err != nil {
		return nil, err
	}
	// Pipelines with and without a tenant may share a project.
	modes := []string{"Untenanted", "TenantedOrUntenanted"}
	if s.options.Pipeline.Tenant != "" {
		modes = []string{"TenantedOrUntenanted", "Tenanted"}
	}
	return []Setting{
		flag("disabled", "/IsDisabled", false),
		text("unavailable targets", connectivity+"SkipMachineBehavior", "SkipUnavailableMachines"),
		flag("deployments without targets", connectivity+"AllowDeploymentsToNoTargets", true),
		oneOf("tenanted deployments", "/TenantedDeploymentMode", modes...),
		lifecycle,
	}, nil
}

func (s *scene) projectDraft(name string) (draft, error) {
	group, err := s.need(s.group, KindProjectGroup, s.options.Pipeline.Application.Project)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (octopus.Document, error) {
		d, err := described(octopus.Document("{}"), name, "The example of the immutable-infrastructure guide.")
		if err != nil {
			return nil, err
		}
		return d.With("/ProjectGroupId", group.id)
	}, nil
}

// lifecycle wants a lifecycle that lets releases go to the environment. Of
// several, the space's default one is as good as any for a new project.
func (s *scene) lifecycle(ctx context.Context) (Setting, error) {
	environment, err := s.needEnvironment()
	if err != nil {
		return Setting{}, err
	}
	lifecycles, err := s.all(ctx, octopus.Lifecycles)
	if err != nil {
		return Setting{}, err
	}
	var good []string
	var things []*thing
	for _, d := range lifecycles {
		things = append(things, found("", "", d))
		reaches, err := reaches(d, environment.id)
		switch {
		case err != nil:
			return Setting{}, err
		case reaches && pipeline.SameName(d.Name(), "Default Lifecycle"):
			good = slices.Insert(good, 0, d.ID())
		case reaches:
			good = append(good, d.ID())
		}
	}
	if len(good) == 0 {
		return Setting{}, &obstacle{"No lifecycle of the space lets releases go to the environment " + quoted(environment.name) +
			". Add the environment to a phase of one, under Library → Lifecycles."}
	}
	names := byName(things...)
	return oneOf("lifecycle", "/LifecycleId", good...).shownAs(names, names(encoded(good[0]))), nil
}

// reaches tells whether a lifecycle lets releases go to an environment sooner or
// later. Octopus docs: a lifecycle without phases lets them go to every one, and
// so does a phase without environments.
func reaches(lifecycle octopus.Document, environmentID string) (bool, error) {
	raw, _, err := lifecycle.Value("/Phases")
	if err != nil || isNothing(raw) {
		return err == nil, err
	}
	var phases []struct{ AutomaticDeploymentTargets, OptionalDeploymentTargets []string }
	if err := json.Unmarshal(raw, &phases); err != nil {
		return false, err
	}
	for _, phase := range phases {
		named := slices.Concat(phase.AutomaticDeploymentTargets, phase.OptionalDeploymentTargets)
		if len(named) == 0 || pipeline.HasName(named, environmentID) {
			return true, nil
		}
	}
	return false, nil
}

// unguardedNote is the note on a change of a project that nothing keeps from
// crossing with another one.
func (s *scene) unguardedNote() string {
	if s.options.Exclusively != nil {
		return ""
	}
	return "It is changed without the lock that runs take: see that none is under way, or it may lose its override."
}

// inGit tells whether a project's process lives in a Git repository, which setup
// does not write to.
func (t *thing) inGit() bool {
	raw, _, _ := t.document.Value("/IsVersionControlled")
	return string(raw) == "true"
}

// foreignNote is the note on a change of the thing, if setup did not make it.
func (t *thing) foreignNote() string {
	if t.own {
		return ""
	}
	return foreign(t.kind)
}
