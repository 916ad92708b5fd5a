package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// nothingLeftBehind looks for an auto-deploy override that no active run has
// set: new targets would get its release, whatever runs meanwhile. One that a
// rollback has left keeps them from the release that it got away from.
func (x *patient) nothingLeftBehind(ctx context.Context) (finding, error) {
	at, err := x.place(ctx)
	if err != nil {
		return finding{}, err
	}
	releaseID, err := overrideOf(ctx, at)
	if err != nil {
		return finding{}, err
	}
	if releaseID == "" {
		return fine("No auto-deploy override is in place."), nil
	}
	of, err := x.whose(ctx, releaseID)
	if err != nil {
		return finding{}, err
	}
	if of.active != "" {
		return fine("The run %s is active; the auto-deploy override is its own or will be replaced by its own.", of.active), nil
	}
	version, err := releaseVersion(ctx, at.client, releaseID)
	if err != nil {
		return finding{}, err
	}
	what := fmt.Sprintf("An auto-deploy override to %s of %q", version, at.application.Name)
	if of.rollback != "" {
		return noted("%s was left by the rollback of %s: targets that become available in %s get that until the next deployment.",
			what, of.rollback, at.environment.Name), nil
	}
	return warned("%s was left behind: new targets in %s get that.", what, at.environment.Name).
		with("if nobody has set it on purpose: regrow override delete --pipeline %s", x.Name).listing(of.known), nil
}

// overrideOf returns the release of the override at the pipeline's place, ""
// for none.
func overrideOf(ctx context.Context, at where) (string, error) {
	overrides, err := at.client.Overrides(ctx, at.application.ID)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(overrides, func(o octopus.AutoDeployOverride) bool {
		return pipeline.SameName(o.EnvironmentID, at.environment.ID) && pipeline.SameName(o.TenantID, at.tenant.ID)
	})
	if i < 0 {
		return "", nil
	}
	return overrides[i].ReleaseID, nil
}

// origin is where an override is from, as far as the database tells.
type origin struct {
	active   string   // the run that holds the lane
	rollback string   // the run whose rollback has left it
	known    []string // what else there is to say
}

func (x *patient) whose(ctx context.Context, releaseID string) (of origin, err error) {
	database, err := x.database.usable.need(ctx)
	switch {
	case errors.Is(err, errNoDatabase), isGap(err):
		return origin{known: []string{"Whether a run of regrow has set it is not known without the database."}}, nil
	case err != nil:
		return of, err
	}
	if of.active, err = database.ActiveRun(ctx, x.Lane()); err != nil || of.active != "" {
		return of, err
	}
	if of.rollback, err = database.RollbackTo(ctx, x.Lane(), releaseID); err != nil || of.rollback != "" {
		return of, err
	}
	made, err := database.RunOfRelease(ctx, x.Pipeline.Server.Name, releaseID)
	of.known = []string{"No run of regrow has made that release."}
	if made != "" {
		of.known = []string{fmt.Sprintf("The run %s has made that release, and is over.", made)}
	}
	return of, err
}

func releaseVersion(ctx context.Context, client steadfast, id string) (string, error) {
	release, err := client.Release(ctx, id)
	if octopus.IsNotFound(err) {
		return fmt.Sprintf("a release that is gone (%s)", id), nil
	}
	return "release " + release.Version, err
}
