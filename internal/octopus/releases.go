package octopus

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/packages"
)

const releaseRoute = "/api/{spaceId}/projects/{projectId}/releases/{version}"

// ReleaseSpec says which release there should be.
type ReleaseSpec struct {
	ProjectID string
	// ProjectName is for the sentences of errors; may be empty.
	ProjectName string
	// ChannelID is the release's channel; "" is the project's default one.
	ChannelID string
	Version   string
	// Notes are the release notes for people; may be empty.
	Notes string
	// Marker is put under the notes and tells this release from others of the
	// same version. It must not be empty.
	Marker string
	// Packages pins package versions; all other packages get the newest
	// version that the channel allows.
	Packages []PackageVersion
	// GitRef and GitCommit say where a version-controlled project's process is
	// read; both are empty for other projects.
	GitRef, GitCommit string
}

// git is where the process is read, as one word; "" for other projects.
func (s ReleaseSpec) git() string { return cmp.Or(s.GitCommit, s.GitRef) }

func (s ReleaseSpec) project() string {
	if s.ProjectName == "" {
		return s.ProjectID
	}
	return fmt.Sprintf("%q", s.ProjectName)
}

// Release is a release of a project.
type Release struct {
	ID, Version, ProjectID, ChannelID string
	// Notes are the release notes, the marker included.
	Notes string
	// GitRef and GitCommit are where Octopus read the process of a
	// version-controlled project; both are empty for other projects.
	GitRef, GitCommit string
	// WebURL leads to the release for people.
	WebURL string
}

type releaseDocument struct {
	ID           string `json:"Id"`
	Version      string
	ProjectID    string `json:"ProjectId"`
	ChannelID    string `json:"ChannelId"`
	ReleaseNotes string
	// VersionControlReference is null for projects that do not live in Git.
	VersionControlReference gitReference
	Links                   links
}

// newRelease is the body of the classic POST /releases.
type newRelease struct {
	ProjectID               string `json:"ProjectId"`
	ChannelID               string `json:"ChannelId"`
	Version                 string
	ReleaseNotes            string
	SelectedPackages        []packages.SelectedPackage
	SelectedGitResources    []selectedGitResource `json:",omitempty"`
	VersionControlReference *gitReference         `json:",omitempty"`
}

type gitReference struct {
	GitRef    string `json:",omitempty"`
	GitCommit string `json:",omitempty"`
}

// EnsureRelease makes sure that the project has the release, and tells whether
// this call created it. A release of that version without the marker is never
// taken for ours: the error's cause is ErrVersionTaken.
func (c *Client) EnsureRelease(ctx context.Context, spec ReleaseSpec) (release Release, created bool, err error) {
	op := fmt.Sprintf("create release %q of project %s", spec.Version, spec.project())
	if spec.ProjectID == "" || strings.TrimSpace(spec.Version) == "" || spec.Marker == "" {
		return Release{}, false, c.refuse(op, "the project's id, the version or the marker is empty", "")
	}
	release, err = c.ownRelease(ctx, op, spec)
	if err == nil || !IsNotFound(err) {
		return release, false, err
	}
	release, err = c.createRelease(ctx, op, spec)
	if refusedWith(err, "already exists") {
		// Made between our look and our request, perhaps by an earlier request
		// of ours whose answer was lost.
		if again, lookErr := c.ownRelease(ctx, op, spec); !IsNotFound(lookErr) {
			return again, false, lookErr
		}
	}
	return release, err == nil, err
}

// CheckRelease looks whether EnsureRelease could make sure of the release: it
// returns the error of a version that is taken by a release without the marker,
// and of a Git reference or commit that Octopus does not find. It changes
// nothing.
func (c *Client) CheckRelease(ctx context.Context, spec ReleaseSpec) error {
	op := fmt.Sprintf("look for release %q of project %s", spec.Version, spec.project())
	_, err := c.ownRelease(ctx, op, spec)
	if err == nil || !IsNotFound(err) {
		return err
	}
	if spec.git() == "" {
		return nil
	}
	channel, err := c.releaseChannel(ctx, op, spec)
	if err != nil {
		return err
	}
	_, err = c.releaseTemplate(ctx, op, spec, channel.ID)
	return err
}

// ownRelease returns the release of the spec's version when it has the marker.
func (c *Client) ownRelease(ctx context.Context, op string, spec ReleaseSpec) (Release, error) {
	found, err := get[releaseDocument](ctx, c, op, releaseRoute,
		params{"projectId": spec.ProjectID, "version": strings.TrimSpace(spec.Version)})
	if err != nil {
		return Release{}, err
	}
	if found.ID == "" {
		return Release{}, c.broken(op, "the release in the answer has no Id")
	}
	if !carries(found.ReleaseNotes, spec.Marker) {
		return Release{}, c.fail(Error{
			Op: op, Kind: Permanent, Status: http.StatusConflict, cause: ErrVersionTaken,
			Remedy: "delete that release, or choose a version template that gives every run its own version",
		}, fmt.Sprintf("a release of that version exists and is not of this run: %s", found.ID))
	}
	return c.release(found), nil
}

// Release returns a release by its id; see IsNotFound.
func (c *Client) Release(ctx context.Context, id string) (Release, error) {
	op := "read release " + id
	found, err := get[releaseDocument](ctx, c, op, "/api/{spaceId}/releases/{id}", params{"id": id})
	if err == nil && found.ID == "" {
		err = c.broken(op, "the release in the answer has no Id")
	}
	return c.release(found), err
}

// FindRelease looks for a project's release by its version, whoever made it.
func (c *Client) FindRelease(ctx context.Context, projectID, version string) (release Release, found bool, err error) {
	op := fmt.Sprintf("look for release %q of project %s", version, projectID)
	d, err := get[releaseDocument](ctx, c, op, releaseRoute, params{"projectId": projectID, "version": strings.TrimSpace(version)})
	switch {
	case IsNotFound(err):
		return Release{}, false, nil
	case err == nil && d.ID == "":
		err = c.broken(op, "the release in the answer has no Id")
	}
	return c.release(d), err == nil, err
}

// LatestRelease returns the release of a project that was made last.
func (c *Client) LatestRelease(ctx context.Context, projectID, projectName string) (Release, error) {
	op := fmt.Sprintf("find the newest release of project %q", projectName)
	newest, err := get[page[releaseDocument]](ctx, c, op, "/api/{spaceId}/projects/{projectId}/releases{?take}", params{"projectId": projectID, "take": "1"})
	switch {
	case err != nil:
		return Release{}, err
	case len(newest.Items) == 0:
		return Release{}, c.refuse(op, "it has none", "create a release first")
	}
	return c.release(newest.Items[0]), nil
}

func (c *Client) createRelease(ctx context.Context, op string, spec ReleaseSpec) (Release, error) {
	channel, err := c.releaseChannel(ctx, op, spec)
	if err != nil {
		return Release{}, err
	}
	template, err := c.releaseTemplate(ctx, op, spec, channel.ID)
	if err != nil {
		return Release{}, err
	}
	selected, err := c.selectPackages(ctx, op, template.Packages, channel.Rules, spec.Packages)
	if err != nil {
		return Release{}, err
	}
	body := newRelease{
		ProjectID: spec.ProjectID, ChannelID: channel.ID, Version: strings.TrimSpace(spec.Version),
		ReleaseNotes: mark(spec.Notes, spec.Marker), SelectedPackages: selected,
		SelectedGitResources: defaultBranches(template.GitResources),
	}
	if spec.git() != "" {
		body.VersionControlReference = &gitReference{spec.GitRef, spec.GitCommit}
	}
	made, err := post[releaseDocument](ctx, c, op, "/api/{spaceId}/releases", nil, body)
	if err != nil {
		return Release{}, gitRefusal(err, spec, "git", "commit", "branch", "reference")
	}
	if made.ID == "" {
		return Release{}, c.broken(op, "the release in the answer has no Id")
	}
	return c.release(made), nil
}

// releaseChannel reads the release's channel, whose rules bound the versions
// of packages.
func (c *Client) releaseChannel(ctx context.Context, op string, spec ReleaseSpec) (channelDocument, error) {
	id := spec.ChannelID
	if id == "" {
		channel, err := c.Channel(ctx, spec.ProjectID, "")
		if err != nil {
			return channelDocument{}, err
		}
		id = channel.ID
	}
	channel, err := get[channelDocument](ctx, c, op, "/api/{spaceId}/channels/{id}", params{"id": id})
	if err == nil && channel.ID == "" {
		err = c.broken(op, "the channel in the answer has no Id")
	}
	return channel, err
}

func (c *Client) release(d releaseDocument) Release {
	return Release{
		ID: d.ID, Version: d.Version, ProjectID: d.ProjectID, ChannelID: d.ChannelID,
		Notes: d.ReleaseNotes, GitRef: d.VersionControlReference.GitRef, GitCommit: d.VersionControlReference.GitCommit,
		WebURL: c.webURL(d.Links, "releases/"+d.ID),
	}
}
