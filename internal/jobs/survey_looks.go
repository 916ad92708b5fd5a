package jobs

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

func (s *surveyor) applicationRelease(ctx context.Context) {
	s.application = s.x.application()
	if !s.away {
		wanted, err := s.x.applicationWanted(ctx)
		if s.sees(err) {
			s.application = wanted
		}
	}
	s.out.Application = s.release(ctx, s.application)
}

func (s *surveyor) infrastructureRelease(ctx context.Context) {
	s.out.Infrastructure = s.release(ctx, s.x.infrastructureWanted())
}

// release names the release that a run would create and looks whether it could.
func (s *surveyor) release(ctx context.Context, w releaseWanted) pipeline.ReleasePreview {
	spec, err := s.x.releaseSpec(w)
	out := pipeline.ReleasePreview{
		Project: w.project, Version: spec.Version, GitRef: w.git.Ref, GitCommit: w.git.Commit, Existing: pipeline.PresenceUnknown,
	}
	for _, pinned := range spec.Packages {
		out.Packages = append(out.Packages, pipeline.PackageVersion(pinned))
	}
	if !s.sees(err) || s.away || w.projectID == "" {
		return out
	}
	channel, err := s.x.octopus.Channel(ctx, w.projectID, w.channel)
	if !s.sees(err) {
		return out
	}
	spec.ChannelID = channel.ID
	existing, found, err := s.x.octopus.FindRelease(ctx, w.projectID, spec.Version)
	if !s.sees(err) {
		return out
	}
	out.Existing = pipeline.PresenceNone
	if found {
		out.Existing, out.ID, out.URL = pipeline.PresenceExists, existing.ID, existing.WebURL
	}
	if found || w.git != (gitState{}) {
		s.sees(w.gitFailure(s.x.octopus.CheckRelease(ctx, spec)))
	}
	return out
}

// place finds what the pipeline names, all of it: of several mistakes each is
// told.
func (s *surveyor) place(ctx context.Context) {
	for _, locate := range []func(context.Context) error{s.x.locateEnvironment, s.x.locateInfrastructure, s.x.locateTenant} {
		if !s.away {
			s.sees(locate(ctx))
		}
	}
}

// hasPlace tells whether it is known where the run would deploy to.
func (s *surveyor) hasPlace() bool {
	r := s.x.results.provision
	return !s.away && r.EnvironmentID != "" && (s.x.p.Tenant == "" || r.TenantID != "")
}

// freezes looks for the deployment freezes of both projects. A run that starts
// now would wait for those that hold. Runs go on where they may not read them.
func (s *surveyor) freezes(ctx context.Context) {
	var holding []octopus.Freeze
	for _, project := range []struct{ name, id string }{
		{s.x.p.Infrastructure.Project, s.x.results.provision.ProjectID}, {s.application.project, s.application.projectID},
	} {
		if !s.hasPlace() || project.id == "" {
			return
		}
		freezes, err := s.x.octopus.Freezes(ctx, project.id, s.x.results.provision.EnvironmentID, s.x.results.provision.TenantID)
		if !s.glimpses(err) {
			return
		}
		holding = append(holding, s.addFreezes(project.name, freezes)...)
	}
	s.out.Freezes.Existing = presence(len(s.out.Freezes.List) > 0)
	if len(holding) > 0 && s.starts {
		result, _ := s.x.waitFor(s.x.holdOf(holding)) // its error is always nil
		s.find(pipeline.FindingWaits, result.message, "")
	}
}

// addFreezes keeps a project's freezes that are not over and returns those that
// hold now.
func (s *surveyor) addFreezes(project string, freezes []octopus.Freeze) (holding []octopus.Freeze) {
	now := s.x.Now()
	for _, freeze := range freezes {
		if !freeze.End.After(now) && !freeze.Recurring {
			continue
		}
		s.out.Freezes.List = append(s.out.Freezes.List, pipeline.FreezePreview{
			Project: project, ID: freeze.ID, Name: storable(freeze.Name), Start: freeze.Start, End: freeze.End, Active: freeze.Active(now),
		})
		if freeze.Active(now) {
			holding = append(holding, freeze)
		}
	}
	return holding
}

// delays tells what a run that starts now would wait for. What one that is
// queued finds, when its turn comes, cannot be known.
func (s *surveyor) delays(ctx context.Context) {
	if !s.starts || !s.hasPlace() || s.x.results.provision.ProjectID == "" {
		return
	}
	busy, err := s.x.busy(ctx)
	if s.sees(err) && busy != "" {
		s.find(pipeline.FindingWaits, busy, "")
	}
}

func (s *surveyor) targets(ctx context.Context) {
	if !s.hasPlace() {
		return
	}
	found, err := s.x.inOctopus(ctx, s.x.p.Infrastructure.Roles)
	if !s.sees(err) {
		return
	}
	s.out.Targets.Existing = presence(len(found) > 0)
	baseline := make([]pipeline.Target, len(found))
	for i, target := range found {
		baseline[i] = s.x.asTarget(target)
	}
	if excess := s.x.p.Cleanup.ForeseeExcess(baseline); excess != "" {
		s.find(pipeline.FindingNotice, fmt.Sprintf("If they all stand until clean-up, that ends the run and removes none of them: %s.", excess),
			"look whether they are all of the old generation, and raise cleanup.max_removals of the pipeline if so")
	}
	for i, fate := range s.x.p.Cleanup.Foresee(baseline) {
		s.out.Targets.List = append(s.out.Targets.List, pipeline.TargetPreview{
			Target: baseline[i], Roles: found[i].Roles, URL: found[i].WebURL, Fate: fate.Fate, Reason: fate.Reason,
		})
	}
}

// override looks for the override that the run's own would replace.
func (s *surveyor) override(ctx context.Context) {
	if !s.hasPlace() || s.application.projectID == "" {
		return
	}
	place, out := s.x.results.provision, &s.out.Override
	id, err := s.x.octopus.Override(ctx, s.application.projectID, place.EnvironmentID, place.TenantID)
	if !s.sees(err) {
		return
	}
	out.Existing, out.ReleaseID = presence(id != ""), id
	if id == "" {
		return
	}
	release, err := s.x.octopus.Release(ctx, id)
	if !s.glimpses(err) {
		return
	}
	out.ReleaseVersion = release.Version
	out.Run, err = s.runThatMade(ctx, release)
	if s.glimpses(err) && out.Run == nil {
		s.find(pipeline.FindingNotice, fmt.Sprintf("The override of %s in %s names release %s, which no run of this regrow made; the run replaces it.",
			s.x.p.Application.Project, s.x.place(), release.Version), "")
	}
}

var markerPattern = regexp.MustCompile(`\[regrow run ([0-9a-f-]{36})\]`)

// runThatMade finds the run whose marker a release carries, or none.
func (s *surveyor) runThatMade(ctx context.Context, release octopus.Release) (*pipeline.LaneRun, error) {
	marked := markerPattern.FindStringSubmatch(release.Notes)
	if marked == nil {
		return nil, nil
	}
	id, err := uuid.Parse(marked[1])
	if err != nil {
		return nil, nil //nolint:nilerr // somebody else's text
	}
	run, err := store.New(s.x.Pool).GetRun(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the run that made release %s: %w", release.Version, err)
	}
	return new(asLaneRun(run)), nil
}

// runbook looks for the runbook that would clean up.
func (s *surveyor) runbook(ctx context.Context) {
	project := s.x.results.provision.ProjectID
	if s.away || s.x.p.Cleanup.Mode != pipeline.CleanupRunbook || project == "" {
		return
	}
	runbook, err := s.x.octopus.Runbook(ctx, project, s.x.p.Cleanup.Runbook)
	if s.sees(err) && runbook.PublishedSnapshotID == "" {
		s.find(pipeline.FindingFails, fmt.Sprintf("Runbook %s of %s has no published snapshot.", runbook.Name, s.x.p.Infrastructure.Project),
			"publish the runbook in Octopus")
	}
}

func presence(there bool) pipeline.Presence {
	if there {
		return pipeline.PresenceExists
	}
	return pipeline.PresenceNone
}
