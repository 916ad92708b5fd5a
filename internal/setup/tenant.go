package setup

import (
	"context"

	"regrow/internal/octopus"
)

// lookAtTenant finds the tenant and whether both projects may be deployed for it
// in the environment. An example connects it; otherwise that is for people to do.
func (s *scene) lookAtTenant(ctx context.Context, item Item) (finding, error) {
	environment, err := s.needEnvironment()
	if err != nil {
		return finding{}, err
	}
	application, err := s.needApplication()
	if err != nil {
		return finding{}, err
	}
	infrastructure, err := s.needInfrastructure()
	if err != nil {
		return finding{}, err
	}
	current, err := s.named(ctx, octopus.Tenants, item.Name)
	if err != nil {
		return finding{}, err
	}
	if current == nil && !s.options.Example {
		return finding{}, absent(KindTenant, "tenant")
	}
	r := resource{collection: octopus.Tenants, current: current, settings: []Setting{
		connected(application, environment), connected(infrastructure, environment),
	}}
	r.note = found(KindTenant, item.Name, current).foreignNote()
	r.draft = func(context.Context) (octopus.Document, error) {
		d, err := described(octopus.Document("{}"), item.Name, "")
		if err != nil {
			return nil, err
		}
		return d.With("/TenantTags", []string{})
	}
	f, err := s.judge(item, r)
	if err == nil && f.write != nil && !s.options.Example {
		f.write = nil
		f.item.Action, f.item.Note = ActionBlocked, "The tenant is not connected to what is shown. Connect it in Octopus, or add --example hello-world to have it done."
	}
	return f, err
}

// connected wants a project to be deployable for a tenant in an environment.
func connected(project, environment *thing) Setting {
	return member("environments of project "+quoted(project.name), "/ProjectEnvironments/"+project.id, environment.id).
		shownAs(byName(environment), environment.name)
}
