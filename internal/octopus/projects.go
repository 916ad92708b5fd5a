package octopus

import "context"

// Project is the part of a project that regrow looks at.
type Project struct {
	ID, Name, Slug string
	// IsDisabled: Octopus creates no releases and deployments for it.
	IsDisabled bool
	// VersionControlled: the process lives in Git, so a release needs a Git
	// reference.
	VersionControlled bool
	// DefaultBranch is the branch of a version-controlled project's settings;
	// may be empty.
	DefaultBranch string
	// TenantedDeploymentMode is Untenanted, TenantedOrUntenanted or Tenanted.
	TenantedDeploymentMode string
	// WebURL leads to the project for people.
	WebURL string
}

type projectDocument struct {
	named
	Slug                   string
	IsDisabled             bool
	IsVersionControlled    bool
	TenantedDeploymentMode string
	PersistenceSettings    struct{ DefaultBranch string }
	Links                  links
}

// Project finds a project by its name.
func (c *Client) Project(ctx context.Context, name string) (Project, error) {
	p, err := find[projectDocument](ctx, c, "project", name, "/api/{spaceId}/projects{?partialName,skip,take}", nil)
	if err != nil {
		return Project{}, err
	}
	return Project{
		ID: p.ID, Name: p.Name, Slug: p.Slug, IsDisabled: p.IsDisabled,
		VersionControlled: p.IsVersionControlled, DefaultBranch: p.PersistenceSettings.DefaultBranch,
		TenantedDeploymentMode: p.TenantedDeploymentMode,
		WebURL:                 c.webURL(p.Links, "projects/"+p.ID),
	}, nil
}
