package jobs

import (
	"context"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// createRelease creates the application's release, without deploying it.
func createRelease(ctx context.Context, x *execution) (outcome, error) {
	application := x.p.Application
	project, err := x.octopus.Project(ctx, application.Project)
	if err != nil {
		return outcome{}, err
	}
	release, err := x.ensureRelease(ctx, releaseWanted{
		project: application.Project, projectID: project.ID,
		channel: application.Channel, version: application.Version, packages: application.Packages,
	})
	if err != nil {
		return outcome{}, err
	}
	r := &x.results.createRelease
	r.ProjectID, r.ReleaseID, r.ReleaseVersion, r.ReleaseURL = project.ID, release.ID, release.Version, release.WebURL
	return done("Release %s of %s stands.", release.Version, application.Project)
}

// releaseWanted is what a pipeline says of a release.
type releaseWanted struct {
	project, projectID, channel string
	version                     pipeline.Template
	packages                    []pipeline.Package
}

// ensureRelease makes sure that this run's release stands: it finds the one
// that an earlier try made by the run's marker in the release notes.
func (x *execution) ensureRelease(ctx context.Context, w releaseWanted) (octopus.Release, error) {
	version, err := w.version.Render(x.facts())
	if err != nil {
		return octopus.Release{}, &failure{
			message: sentence("the version of the release of " + w.project + ": " + err.Error()),
			remedy:  "correct the version template of the pipeline and start a new run",
		}
	}
	channel, err := x.octopus.Channel(ctx, w.projectID, w.channel)
	if err != nil {
		return octopus.Release{}, err
	}
	packages, err := x.packageVersions(w)
	if err != nil {
		return octopus.Release{}, err
	}
	release, _, err := x.octopus.EnsureRelease(ctx, octopus.ReleaseSpec{
		ProjectID: w.projectID, ProjectName: w.project, ChannelID: channel.ID, Version: version,
		Notes: x.releaseNotes(), Marker: x.marker(""), Packages: packages,
	})
	return release, err
}

func (x *execution) packageVersions(w releaseWanted) ([]octopus.PackageVersion, error) {
	var pinned []octopus.PackageVersion
	for _, pkg := range w.packages {
		version, err := pkg.Version.Render(x.facts())
		if err != nil {
			return nil, &failure{
				message: sentence("the version of package " + pkg.Step + " of " + w.project + ": " + err.Error()),
				remedy:  "correct the package's version template in the pipeline and start a new run",
			}
		}
		pinned = append(pinned, octopus.PackageVersion{Step: pkg.Step, Reference: pkg.Reference, Version: version})
	}
	return pinned, nil
}

func (x *execution) releaseNotes() string {
	notes := x.comment("made this release for")
	if x.run.Message != "" {
		notes += "\n\n" + x.run.Message
	}
	return notes
}
