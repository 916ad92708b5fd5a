package octopus

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/deployments"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/packages"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/releases"

	"regrow/internal/pipeline"
)

// PackageVersion pins the version of one package in a release.
type PackageVersion struct {
	// Step is the name of the step or of its action, or the id of the package.
	Step string
	// Reference is the name by which a step tells its packages apart; "" is
	// the primary one, or the only one.
	Reference string
	Version   string
}

// templatePackage is one package that a release has to give a version to.
type templatePackage = releases.ReleaseTemplatePackage

// channelRule bounds the versions of some packages of a channel's releases.
type channelRule struct {
	Tag            string
	VersionRange   string
	ActionPackages []packages.DeploymentActionPackage
}

// selectedGitResource is the branch from which a step reads its files.
type selectedGitResource struct {
	ActionName               string
	GitResourceReferenceName string
	GitReferenceResource     gitReference
}

// releaseTemplate reads what a release of the project has to choose.
func (c *Client) releaseTemplate(ctx context.Context, op string, spec ReleaseSpec, channelID string) (deployments.DeploymentProcessTemplate, error) {
	where := params{"projectId": spec.ProjectID, "channel": channelID}
	route, git := "/api/{spaceId}/projects/{projectId}/deploymentprocesses/template{?channel}", spec.git()
	if git != "" {
		route, where = "/api/{spaceId}/projects/{projectId}/{gitRef}/deploymentprocesses/template{?channel}", where.with("gitRef", git)
	}
	template, err := get[deployments.DeploymentProcessTemplate](ctx, c, op, route, where)
	switch {
	case err == nil && template.DeploymentProcessId == "":
		// A release made of it would lack its packages.
		return template, c.broken(op, "the answer is no template of a release: it has no DeploymentProcessId")
	case git != "":
		return template, gitRefusal(err, spec)
	}
	return template, err
}

// selectPackages gives every package of a template a version: the pinned one,
// the one that the step itself fixes, or the newest of its feed.
func (c *Client) selectPackages(ctx context.Context, op string, template []templatePackage, rules []channelRule, pins []PackageVersion) ([]packages.SelectedPackage, error) {
	if err := c.checkPins(op, template, pins); err != nil {
		return nil, err
	}
	selected := make([]packages.SelectedPackage, 0, len(template))
	for _, pkg := range template {
		version, pinned := pinFor(pkg, template, pins)
		if !pinned {
			version = pkg.FixedVersion
		}
		if version == "" {
			newest, err := c.newestVersion(ctx, op, pkg, rules)
			if err != nil {
				return nil, err
			}
			version = newest
		}
		selected = append(selected, packages.SelectedPackage{
			ActionName: pkg.ActionName, StepName: pkg.StepName,
			PackageReferenceName: pkg.PackageReferenceName, Version: version,
		})
	}
	return selected, nil
}

// checkPins refuses a pin that no package takes: a misspelt step would deploy
// the newest version where a certain one was meant.
func (c *Client) checkPins(op string, template []templatePackage, pins []PackageVersion) error {
	for _, pin := range pins {
		if pin.Version == "" {
			return c.refuse(op, fmt.Sprintf("the package of %q is pinned to an empty version", pin.Step), "give the package a version, or leave it out")
		}
		matched := false
		for _, pkg := range template {
			matched = matched || pin.byStep(pkg, template) || pin.byPackage(pkg)
		}
		if !matched {
			return c.refuse(op, fmt.Sprintf("no step of its process has the package %s that is to have version %q", pin, pin.Version),
				fmt.Sprintf("correct the step in the configuration; the process has %s", describe(template)))
		}
	}
	return nil
}

// pinFor returns the pinned version of a package. A pin of the step goes
// before a pin of the package's id, which may be used by many steps.
func pinFor(pkg templatePackage, template []templatePackage, pins []PackageVersion) (version string, ok bool) {
	for _, pin := range pins {
		if pin.byStep(pkg, template) {
			return pin.Version, true
		}
	}
	for _, pin := range pins {
		if pin.byPackage(pkg) {
			return pin.Version, true
		}
	}
	return "", false
}

// byStep tells whether the pin names the package by its step or action.
func (p PackageVersion) byStep(pkg templatePackage, template []templatePackage) bool {
	if !pipeline.SameName(p.Step, pkg.StepName) && !pipeline.SameName(p.Step, pkg.ActionName) {
		return false
	}
	if pipeline.SameName(p.Reference, pkg.PackageReferenceName) {
		return true
	}
	return p.Reference == "" && packagesOf(pkg.ActionName, template) == 1
}

// byPackage tells whether the pin names the package by its id.
func (p PackageVersion) byPackage(pkg templatePackage) bool {
	return pipeline.SameName(p.Step, pkg.PackageID) &&
		(p.Reference == "" || pipeline.SameName(p.Reference, pkg.PackageReferenceName))
}

// String names the package for people.
func (p PackageVersion) String() string {
	if p.Reference == "" {
		return fmt.Sprintf("%q", p.Step)
	}
	return fmt.Sprintf("%q, reference %q,", p.Step, p.Reference)
}

func packagesOf(action string, template []templatePackage) int {
	count := 0
	for _, pkg := range template {
		if pipeline.SameName(pkg.ActionName, action) {
			count++
		}
	}
	return count
}

// describe lists what can be pinned.
func describe(template []templatePackage) string {
	if len(template) == 0 {
		return "no packages"
	}
	names := make([]string, len(template))
	for i, pkg := range template {
		names[i] = fmt.Sprintf("step %q with package %q", pkg.StepName, pkg.PackageID)
		if pkg.PackageReferenceName != "" {
			names[i] += fmt.Sprintf(" (reference %q)", pkg.PackageReferenceName)
		}
	}
	return strings.Join(names, ", ")
}

// newestVersion asks the package's feed for the newest version that the
// channel's rules allow.
func (c *Client) newestVersion(ctx context.Context, op string, pkg templatePackage, rules []channelRule) (string, error) {
	pin := "pin a version of it in the configuration"
	if !pkg.IsResolvable {
		return "", c.refuse(op, fmt.Sprintf("step %q takes its package %q from a variable, so Octopus cannot tell its versions beforehand", pkg.StepName, pkg.PackageID), pin)
	}
	where := params{"feedId": pkg.FeedID, "packageId": pkg.PackageID, "take": "1"}
	rule := ruleFor(pkg, rules)
	where = where.with("versionRange", rule.VersionRange).with("preReleaseTag", rule.Tag)
	found, err := get[page[struct{ Version string }]](ctx, c, op,
		"/api/{spaceId}/feeds/{feedId}/packages/versions{?packageId,take,versionRange,preReleaseTag}", where)
	if err != nil {
		return "", err
	}
	if found.TotalResults == nil {
		return "", c.broken(op, "the list of the package's versions has no TotalResults")
	}
	if len(found.Items) == 0 || found.Items[0].Version == "" {
		return "", c.refuse(op, fmt.Sprintf("feed %q has no version of package %q of step %q that the channel allows", cmp.Or(pkg.FeedName, pkg.FeedID), pkg.PackageID, pkg.StepName),
			"push the package to the feed, or "+pin)
	}
	return found.Items[0].Version, nil
}

// ruleFor returns the channel's rule for a package, or an empty one. Octopus
// lets at most one rule name a package of a step.
func ruleFor(pkg templatePackage, rules []channelRule) channelRule {
	for _, rule := range rules {
		for _, target := range rule.ActionPackages {
			if pipeline.SameName(target.DeploymentAction, pkg.ActionName) && pipeline.SameName(target.PackageReference, pkg.PackageReferenceName) {
				return rule
			}
		}
	}
	return channelRule{}
}

// defaultBranches chooses the default branch for every step that reads files
// from a Git repository of its own.
func defaultBranches(template []releases.ReleaseTemplateGitResource) []selectedGitResource {
	var selected []selectedGitResource
	for _, resource := range template {
		selected = append(selected, selectedGitResource{
			ActionName: resource.ActionName, GitResourceReferenceName: resource.Name,
			GitReferenceResource: gitReference{GitRef: resource.DefaultBranch},
		})
	}
	return selected
}
