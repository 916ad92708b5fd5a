package jobs

import (
	"context"
	"fmt"

	"regrow/internal/octopus"
	"regrow/internal/store"
)

// restored finds the very release that the restored run put out. Another of the
// same version would be something else.
func (x *execution) restored(ctx context.Context, wanted releaseWanted) (octopus.Release, error) {
	q := store.New(x.Pool)
	source, err := q.GetRun(ctx, *x.run.Restores)
	if err != nil {
		return octopus.Release{}, fmt.Errorf("reading the run whose release is restored: %w", err)
	}
	made, err := loadResults(ctx, q, source.ID)
	if err != nil {
		return octopus.Release{}, err
	}
	r := made.createRelease
	release, err := x.octopus.Release(ctx, r.ReleaseID)
	switch {
	case octopus.IsNotFound(err):
		return release, &failure{
			message: sentence(releaseGone(wanted.project, r.ReleaseVersion, source.Number)), remedy: releaseGoneRemedy,
		}
	case err == nil && release.ProjectID != wanted.projectID:
		err = &failure{
			message: fmt.Sprintf("Release %s, which run #%d put out, is of another project than %s.", release.Version, source.Number, wanted.project),
			remedy:  "name the project in the pipeline that it had then, or start a run of the commit that is wanted",
		}
	}
	return release, err
}

func releaseGone(project, version string, number int64) string {
	return fmt.Sprintf("release %s of %s, which run #%d put out, is not in Octopus any more", version, project, number)
}

const releaseGoneRemedy = "start a run of that commit with regrow trigger, which makes a new release; a longer retention policy keeps releases to go back to"
