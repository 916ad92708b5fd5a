package setup

import (
	"context"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// lookAtEnvironment finds the environment. Only an example has one made: an
// environment says where things run, which is for people to decide.
func (s *scene) lookAtEnvironment(ctx context.Context, item Item) (finding, error) {
	current, err := s.named(ctx, octopus.Environments, item.Name)
	if err != nil {
		return finding{}, err
	}
	if current == nil && !s.options.Example {
		return finding{}, absent(KindEnvironment, "environment")
	}
	s.environment = found(KindEnvironment, item.Name, current)
	r := resource{collection: octopus.Environments, current: current}
	if s.options.Example {
		r.settings = []Setting{flag("targets may be made by deployments", "/AllowDynamicInfrastructure", true)}
		r.note = s.environment.foreignNote()
		r.draft = func(context.Context) (octopus.Document, error) {
			return described(octopus.Document("{}"), item.Name, "")
		}
	}
	return s.judge(item, r)
}

// absent is what stands in the way when people have to create something. key is
// where the configuration names it.
func absent(kind Kind, key string) error {
	return &obstacle{"There is no such " + string(kind) + " that the API key's user may see. Create it in Octopus, correct " +
		key + " in regrow.yaml, or add --example hello-world to have it made."}
}

// lookAtGroup finds the project group of the example's projects, which nothing
// is needed of when both projects are there.
func (s *scene) lookAtGroup(ctx context.Context, item Item) (finding, error) {
	current, err := s.named(ctx, octopus.ProjectGroups, item.Name)
	if err != nil {
		return finding{}, err
	}
	if current == nil {
		projects, err := s.all(ctx, octopus.Projects)
		if err != nil {
			return finding{}, err
		}
		p := s.options.Pipeline
		if hasNamed(projects, p.Application.Project) && hasNamed(projects, p.Infrastructure.Project) {
			item.Action, item.Note = ActionLeave, "None is needed: both projects are there."
			return finding{item: item}, nil
		}
	}
	s.group = found(KindProjectGroup, item.Name, current)
	return s.judge(item, resource{collection: octopus.ProjectGroups, current: current, draft: func(context.Context) (octopus.Document, error) {
		return described(octopus.Document("{}"), item.Name, "")
	}})
}

func hasNamed(documents []octopus.Document, name string) bool {
	return firstOf(documents, func(d octopus.Document) bool { return pipeline.SameName(d.Name(), name) }) != nil
}
