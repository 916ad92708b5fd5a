package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"regrow/internal/octopus"
)

// nothingLeftBehind looks for an auto-deploy override that no active run has
// set: new targets would get its release, whatever runs meanwhile.
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
	held, details, err := x.whose(ctx, releaseID)
	if err != nil {
		return finding{}, err
	}
	if held != "" {
		return fine("The run %s is active; the auto-deploy override is its own or will be replaced by its own.", held), nil
	}
	version, err := releaseVersion(ctx, at.client, releaseID)
	if err != nil {
		return finding{}, err
	}
	return warned("An auto-deploy override to %s of %q was left behind: new targets in %s get that.", version, at.application.Name, at.environment.Name).
		with("if nobody has set it on purpose: regrow override delete --pipeline %s", x.Name).listing(details), nil
}

// overrideOf returns the release of the override at the pipeline's place, ""
// for none.
func overrideOf(ctx context.Context, at where) (string, error) {
	overrides, err := at.client.Overrides(ctx, at.application.ID)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(overrides, func(o octopus.AutoDeployOverride) bool {
		return strings.EqualFold(o.EnvironmentID, at.environment.ID) && strings.EqualFold(o.TenantID, at.tenant.ID)
	})
	if i < 0 {
		return "", nil
	}
	return overrides[i].ReleaseID, nil
}

// whose returns the active run of the lane, and else what the database knows of
// the override's release.
func (x *patient) whose(ctx context.Context, releaseID string) (held string, details []string, err error) {
	database, err := x.database.usable.need(ctx)
	switch {
	case errors.Is(err, errNoDatabase), isGap(err):
		return "", []string{"Whether a run of regrow has set it is not known without the database."}, nil
	case err != nil:
		return "", nil, err
	}
	if held, err = database.ActiveRun(ctx, x.Lane()); err != nil || held != "" {
		return held, nil, err
	}
	made, err := database.RunOfRelease(ctx, x.Pipeline.Server.Name, releaseID)
	switch {
	case err != nil:
		return "", nil, err
	case made == "":
		return "", []string{"No run of regrow has made that release."}, nil
	default:
		return "", []string{fmt.Sprintf("The run %s has made that release, and is over.", made)}, nil
	}
}

func releaseVersion(ctx context.Context, client steadfast, id string) (string, error) {
	release, err := client.Release(ctx, id)
	if octopus.IsNotFound(err) {
		return fmt.Sprintf("a release that is gone (%s)", id), nil
	}
	return "release " + release.Version, err
}
