package setup

import (
	"context"

	"regrow/internal/octopus"
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
	if current != nil {
		*keep = project // whatever is wrong with it
	}
	r := resource{collection: octopus.Projects, current: current}
	switch {
	case s.options.Example && project.inGit():
		item.Note = "Its settings live in Git, where setup does not write."
	case s.options.Example:
		if r.settings, err = s.projectSettings(ctx, project); err != nil {
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
func (s *scene) projectSettings(ctx context.Context, project *thing) ([]Setting, error) {
	const connectivity = "/ProjectConnectivityPolicy/"
	lifecycle, err := s.lifecycle(ctx, project)
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
