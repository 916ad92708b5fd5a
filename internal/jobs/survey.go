package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// Survey looks in Octopus for what a run would meet, by the looks that its stages
// take, and changes nothing. What cannot be seen before ctx ends is unknown, and
// a finding says why.
func (e *Engine) Survey(ctx context.Context, preview pipeline.Preview) pipeline.Survey {
	p := preview.Pipeline
	s := surveyor{x: &execution{Engine: e, run: runOf(preview), p: p}, starts: preview.Entry.Starts}
	s.out.Infrastructure.Existing, s.out.Application.Existing = pipeline.PresenceUnknown, pipeline.PresenceUnknown
	s.out.Override.Existing, s.out.Targets.Existing = pipeline.PresenceUnknown, pipeline.PresenceUnknown
	s.out.Freezes.Existing = pipeline.PresenceUnknown
	s.rehearse(ctx, preview)
	return s.out
}

// surveyor is an execution that only looks.
type surveyor struct {
	x *execution
	// starts tells that the run would not wait for its lane.
	starts bool
	// away: Octopus does not answer, or not to us; it is not asked again.
	away bool
	// application is what is wanted of the application's release; its projectID
	// is "" while the project is not found.
	application releaseWanted
	out         pipeline.Survey
}

// rehearse goes through what the stages of a run look at, in their order.
func (s *surveyor) rehearse(ctx context.Context, preview pipeline.Preview) {
	client, err := s.x.Engine.octopus(s.x.p)
	s.x.octopus = client
	s.away = !s.sees(err)
	for _, look := range []func(context.Context){
		s.place, s.applicationRelease, s.freezes, s.delays, s.targets, s.infrastructureRelease, s.override, s.runbook,
	} {
		look(ctx)
	}
	if len(preview.Lane.Pauses) > 0 {
		s.find(pipeline.FindingWaits, pipeline.HeldBy(preview.Lane.Pauses), "lift the pause with regrow resume when its reason is gone")
	}
	if preview.Lane.Holder != nil || len(preview.Entry.Ahead) > 0 {
		s.find(pipeline.FindingNotice, "The run waits for its lane: what is said of Octopus is how it stands now, before the runs ahead change it.", "")
	}
	if holder := preview.Lane.Holder; holder != nil && holder.GivesWay(preview.Pipeline) {
		until := "waits for the end of a deployment freeze; at its next look"
		if holder.Held {
			until = "is held by a pause; when that is lifted"
		}
		s.find(pipeline.FindingNotice, fmt.Sprintf("Run #%d, which holds the lane, %s it gives way to the newer run.", holder.Number, until), "")
	}
}

func (s *surveyor) find(kind pipeline.FindingKind, message, remedy string) {
	finding := pipeline.Finding{Kind: kind, Message: message, Remedy: remedy}
	if !slices.Contains(s.out.Findings, finding) {
		s.out.Findings = append(s.out.Findings, finding)
	}
}

// sees notes what the error of a look that runs take as well means for a run,
// and tells whether there was none.
func (s *surveyor) sees(err error) bool {
	failed := asFailure(err)
	if failed == nil {
		return s.glimpses(err)
	}
	s.away = s.away || refusesUs(err)
	s.find(pipeline.FindingFails, failed.message, failed.remedy)
	return false
}

// glimpses notes the error of a look that no run depends on, and tells whether
// there was none.
func (s *surveyor) glimpses(err error) bool {
	if err == nil {
		return true
	}
	seen, fromOctopus := errors.AsType[*octopus.Error](err)
	switch {
	case fromOctopus:
		s.away = s.away || refusesUs(err) || octopus.IsTransient(err) && seen.Status == 0
		s.find(pipeline.FindingUnknown, sentence(seen.Message), seen.Remedy)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		s.away = true
		s.find(pipeline.FindingUnknown, "Octopus did not answer in the time that a plan has.", "")
	default:
		s.x.Logger.Warn().Err(err).Str("pipeline", s.x.p.Name).Msg("a plan could not look at something")
		s.find(pipeline.FindingUnknown, "regrow could not look at something; its log says why.", "")
	}
	return false
}

// refusesUs tells whether Octopus does not take our key, so that asking on is of
// no use.
func refusesUs(err error) bool {
	refused, ok := errors.AsType[*octopus.Error](err)
	return ok && refused.Status == http.StatusUnauthorized
}
