package jobs

import (
	"context"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// createRelease creates the application's release, without deploying it.
func createRelease(ctx context.Context, x *execution) (outcome, error) {
	wanted, err := x.applicationWanted(ctx)
	if err != nil {
		return outcome{}, err
	}
	release, err := x.applicationRelease(ctx, wanted)
	if err != nil {
		return outcome{}, err
	}
	r := &x.results.createRelease
	r.ProjectID, r.ReleaseID, r.ReleaseVersion, r.ReleaseURL = wanted.projectID, release.ID, release.Version, release.WebURL
	r.gitState = gitState{release.GitRef, release.GitCommit}
	return done("Release %s of %s stands.", release.Version, wanted.project)
}

// applicationRelease makes sure of the release that the run puts out: its own, or
// of a rollback the one that was good.
func (x *execution) applicationRelease(ctx context.Context, wanted releaseWanted) (octopus.Release, error) {
	if x.run.Restores != nil {
		return x.restored(ctx, wanted)
	}
	return x.ensureRelease(ctx, wanted)
}

// releaseWanted is what a pipeline says of a release.
type releaseWanted struct {
	project, projectID, channel string
	version                     pipeline.Template
	packages                    []pipeline.Package
	git                         gitState
	// key is where the configuration speaks of it.
	key string
}

// ensureRelease makes sure that this run's release stands: it finds the one
// that an earlier try made by the run's marker in the release notes.
func (x *execution) ensureRelease(ctx context.Context, w releaseWanted) (octopus.Release, error) {
	spec, err := x.releaseSpec(w)
	if err != nil {
		return octopus.Release{}, err
	}
	channel, err := x.octopus.Channel(ctx, w.projectID, w.channel)
	if err != nil {
		return octopus.Release{}, err
	}
	spec.ChannelID = channel.ID
	release, _, err := x.octopus.EnsureRelease(ctx, spec)
	return release, w.gitFailure(err)
}

func (x *execution) releaseSpec(w releaseWanted) (octopus.ReleaseSpec, error) {
	version, err := x.version(w)
	if err != nil {
		return octopus.ReleaseSpec{}, &failure{
			message: sentence("the version of the release of " + w.project + ": " + err.Error()),
			remedy:  "correct the version that the commit brings, or the version template of the pipeline, and start a new run",
		}
	}
	packages, err := x.packageVersions(w)
	return octopus.ReleaseSpec{
		ProjectID: w.projectID, ProjectName: w.project, Version: version,
		Notes: x.releaseNotes(), Marker: x.marker(""), Packages: packages,
		GitRef: w.git.Ref, GitCommit: w.git.Commit,
	}, err
}

// version is the version of the release that is wanted.
func (x *execution) version(w releaseWanted) (string, error) {
	if x.run.RollbackOf != nil {
		return w.version.RenderRollback(x.facts())
	}
	return w.version.Render(x.facts())
}

// checkRelease finds out before anything is replaced whether the application's
// release can be made later.
func (x *execution) checkRelease(ctx context.Context, wanted releaseWanted) error {
	if x.run.Restores != nil {
		_, err := x.restored(ctx, wanted)
		return err
	}
	spec, err := x.releaseSpec(wanted)
	if err != nil {
		return err
	}
	channel, err := x.octopus.Channel(ctx, wanted.projectID, wanted.channel)
	if err != nil {
		return err
	}
	spec.ChannelID = channel.ID
	return wanted.gitFailure(x.octopus.CheckRelease(ctx, spec))
}

const applicationKey = "application"

// application is what the pipeline says of the application's release.
func (x *execution) application() releaseWanted {
	application := x.p.Application
	return releaseWanted{
		project: application.Project, channel: application.Channel, version: application.Version, packages: application.Packages,
		key: applicationKey,
	}
}

// applicationWanted is that, and what Octopus says of the project.
func (x *execution) applicationWanted(ctx context.Context) (releaseWanted, error) {
	wanted := x.application()
	project, err := x.project(ctx, wanted.project)
	if err != nil {
		return wanted, err
	}
	wanted.projectID = project.ID
	wanted.git, err = x.gitState(project, x.p.Application.Git, wanted.key)
	return wanted, err
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
