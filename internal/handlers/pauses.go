package handlers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// ListPauses shows the pauses that stand.
func (h *handler) ListPauses(ctx context.Context, _ api.ListPausesRequestObject) (api.ListPausesResponseObject, error) {
	standing, err := h.pauses(ctx)
	if err != nil {
		return nil, err
	}
	return api.ListPauses200JSONResponse{Pauses: each(standing, showPause)}, nil
}

// GetPause shows a pause, whether it stands or not.
func (h *handler) GetPause(ctx context.Context, request api.GetPauseRequestObject) (api.GetPauseResponseObject, error) {
	found, err := h.store.GetPause(ctx, request.ID)
	if err != nil {
		return nil, missing(fmt.Errorf("reading pause %s: %w", request.ID, err), "pause", request.ID)
	}
	return api.GetPause200JSONResponse(showPause(found.Domain())), nil
}

// CreatePause holds runs back.
func (h *handler) CreatePause(ctx context.Context, request api.CreatePauseRequestObject) (api.CreatePauseResponseObject, error) {
	wanted, err := h.wantedPause(ctx, *request.Body)
	if err != nil {
		return nil, err
	}
	wanted.Reason, wanted.By = strings.TrimSpace(request.Body.Reason), caller(ctx)
	var pause pipeline.Pause
	var created bool
	err = store.InTx(ctx, h.Pool, "pausing", func(tx pgx.Tx) (err error) {
		pause, created, err = h.Runs.Pause(ctx, tx, wanted)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("pausing %s: %w", wanted.What(), err)
	case !created:
		return api.CreatePause200JSONResponse(showPause(pause)), nil
	}
	return api.CreatePause201JSONResponse{
		Body:    showPause(pause),
		Headers: api.CreatePause201ResponseHeaders{Location: "/api/v1/pauses/" + pause.ID.String()},
	}, nil
}

// Resume lifts a pause.
func (h *handler) Resume(ctx context.Context, request api.ResumeRequestObject) (api.ResumeResponseObject, error) {
	var pause pipeline.Pause
	err := store.InTx(ctx, h.Pool, "resuming", func(tx pgx.Tx) (err error) {
		pause, err = h.Runs.Resume(ctx, tx, request.ID, caller(ctx))
		return err
	})
	if err != nil {
		return nil, missing(fmt.Errorf("lifting pause %s: %w", request.ID, err), "standing pause", request.ID)
	}
	if err := h.Runs.Release(ctx); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("the pause is lifted; not all that it held could be started now, which is tried again in a few seconds")
	}
	return api.Resume200JSONResponse(showPause(pause)), nil
}

// wantedPause finds what a caller wants to pause.
func (h *handler) wantedPause(ctx context.Context, asked api.NewPause) (pipeline.Pause, error) {
	type member struct{ name, value string }
	members := []member{{"lane", asked.Lane}, {"pipeline", asked.Pipeline}, {"environment", asked.Environment}, {"server", asked.Server}}
	taken := map[api.PauseScope][]string{api.PauseScopeLane: {"lane", "pipeline"}, api.PauseScopeEnvironment: {"environment", "server"}}
	for _, m := range members {
		if m.value != "" && !slices.Contains(taken[asked.Scope], m.name) {
			return pipeline.Pause{}, problemf(unprocessable, "the scope %q takes no %s", asked.Scope, m.name).at("/" + m.name)
		}
	}
	switch asked.Scope {
	case api.PauseScopeLane:
		return h.laneToPause(ctx, asked)
	case api.PauseScopeEnvironment:
		return h.environmentToPause(ctx, asked)
	default:
		return pipeline.Pause{Scope: pipeline.PauseAll}, nil
	}
}

func (h *handler) laneToPause(ctx context.Context, asked api.NewPause) (pipeline.Pause, error) {
	if (asked.Lane == "") == (asked.Pipeline == "") {
		return pipeline.Pause{}, problemf(unprocessable, "say either the lane or a pipeline whose lane is meant").at("/lane")
	}
	if asked.Pipeline != "" {
		line, known := h.pipelines[asked.Pipeline]
		if !known {
			return pipeline.Pause{}, h.unknownPipeline(asked.Pipeline)
		}
		return pausedLane(line.Lane()), nil
	}
	lines, err := h.lines(ctx)
	if err != nil {
		return pipeline.Pause{}, err
	}
	for _, line := range lines {
		if sameKey(line.Lane(), asked.Lane) {
			return pausedLane(line.Lane()), nil
		}
	}
	return pipeline.Pause{}, problemf(unprocessable, "there is no lane %q; GET /api/v1/lanes lists them", asked.Lane).at("/lane")
}

// sameKey tells whether a lane's key is the one that somebody wrote: screens and
// people make one space of several.
func sameKey(key, written string) bool {
	plain := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	return strings.EqualFold(plain(key), plain(written))
}

func pausedLane(key string) pipeline.Pause {
	return pipeline.Pause{Scope: pipeline.PauseLane, Key: key, Name: key}
}

func (h *handler) environmentToPause(ctx context.Context, asked api.NewPause) (pipeline.Pause, error) {
	var none pipeline.Pause
	if asked.Environment == "" {
		return none, problemf(unprocessable, "say which environment").at("/environment")
	}
	lines, err := h.lines(ctx)
	if err != nil {
		return none, err
	}
	var found, servers []string
	var wanted pipeline.Pause
	for _, line := range lines {
		here := strings.EqualFold(line.Environment, strings.TrimSpace(asked.Environment))
		if !here || asked.Server != "" && line.Server.Name != asked.Server {
			continue
		}
		if key := line.EnvironmentKey(); !slices.Contains(found, key) {
			found, servers = append(found, key), append(servers, line.Server.Name)
			wanted = pipeline.Pause{Scope: pipeline.PauseEnvironment, Key: key, Name: line.Environment}
		}
	}
	switch {
	case len(found) == 0 && asked.Server != "":
		return none, problemf(unprocessable, "no pipeline works in an environment %q on a server %q; GET /api/v1/lanes lists where they work", asked.Environment, asked.Server).at("/environment")
	case len(found) == 0:
		return none, problemf(unprocessable, "no pipeline works in an environment %q; GET /api/v1/lanes lists where they work", asked.Environment).at("/environment")
	case len(found) > 1:
		return none, problemf(unprocessable, "the servers %q all have an environment %q; say which one", servers, asked.Environment).at("/server")
	}
	return wanted, nil
}

// pauses returns those that stand.
func (h *handler) pauses(ctx context.Context) ([]pipeline.Pause, error) {
	standing, err := h.store.StandingPauses(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the pauses: %w", err)
	}
	return store.Pauses(standing), nil
}

func showPause(p pipeline.Pause) api.Pause {
	shown := api.Pause{
		ID: p.ID, Scope: api.PauseScope(p.Scope), Key: p.Key, Name: p.Name, By: p.By, Reason: p.Reason, Since: p.Since.UTC(), LiftedBy: p.LiftedBy,
	}
	if !p.LiftedAt.IsZero() {
		shown.LiftedAt = p.LiftedAt.UTC()
	}
	return shown
}

// showHeld adds to a run what holds it back.
func showHeld(shown api.Run, standing []pipeline.Pause) api.Run {
	if pipeline.Status(shown.Status).Terminal() {
		return shown
	}
	if holding := pipeline.Holding(standing, shown.Lane); len(holding) > 0 {
		shown.HeldBy = each(holding, showPause)
		if shown.Status == api.RunStatusQueued {
			shown.Reason = pipeline.HeldBy(holding)
		}
	}
	return shown
}

// showDone shows a run after something was done to it, with what holds it back
// all the same. That this cannot be read undoes nothing.
func (h *handler) showDone(ctx context.Context, run store.Run) api.Run {
	shown := showRun(run)
	if run.Status.Terminal() {
		return shown
	}
	standing, err := h.pauses(ctx)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("a run is shown without the pauses that hold it")
	}
	return showHeld(shown, standing)
}

// lines are the pipelines of the configuration, and, for each lane that only runs
// of an older configuration are in, the pipeline of one of these.
func (h *handler) lines(ctx context.Context) ([]pipeline.Pipeline, error) {
	lines := slices.Clone(h.Pipelines)
	used, err := h.store.LanesInUse(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the lanes in use: %w", err)
	}
	for _, key := range used {
		if slices.ContainsFunc(h.Pipelines, func(line pipeline.Pipeline) bool { return line.Lane() == key }) {
			continue
		}
		config, err := h.store.ConfigOfLane(ctx, key)
		if errors.Is(err, pgx.ErrNoRows) {
			continue // its last run has ended
		}
		if err != nil {
			return nil, fmt.Errorf("reading who is in lane %q: %w", key, err)
		}
		lines = append(lines, config.Pipeline)
	}
	return lines, nil
}
