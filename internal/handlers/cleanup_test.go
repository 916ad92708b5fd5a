package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/client"
	"regrow/internal/pipeline"
)

// foreseeingRuns see what a test tells them of a clean-up.
type foreseeingRuns struct {
	testRuns
	foresee func(context.Context, uuid.UUID) (pipeline.CleanupPreview, error)
}

func (f foreseeingRuns) PreviewCleanup(ctx context.Context, id uuid.UUID) (pipeline.CleanupPreview, error) {
	return f.foresee(ctx, id)
}

func TestPreviewCleanup(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	preview := pipeline.CleanupPreview{
		Cleanup: pipeline.Cleanup{Mode: pipeline.CleanupDelete, Grace: time.Hour, Minimum: 2, MaxRemovals: 3, Timeout: time.Minute},
		At:      at, Begins: at.Add(time.Minute), Available: 0,
		Targets: []pipeline.OldTarget{
			{Target: pipeline.Target{ID: "Machines-1", Name: "old", Health: "Unavailable", Disabled: true, InUse: true}, URL: "https://o", Fate: pipeline.FateHeld, Reason: "so"},
			{Target: pipeline.Target{ID: "Machines-2", Name: "older"}, Fate: pipeline.FateUnknown, Reason: "so"},
		},
		Findings: []pipeline.Finding{{Kind: pipeline.FindingFails, Message: "No.", Remedy: "look"}},
	}
	id := uuid.New()
	s := serve(t, func(d *Deps) {
		d.Runs = foreseeingRuns{foresee: func(_ context.Context, asked uuid.UUID) (pipeline.CleanupPreview, error) {
			if asked != id {
				t.Errorf("asked for %s, want %s", asked, id)
			}
			return preview, nil
		}}
	})
	path := "/api/v1/runs/" + id.String() + "/cleanup"
	got := as[client.CleanupPreview](t, s.call(viewerToken, http.MethodGet, path, "").want(t, http.StatusOK))
	if got.Available == nil || *got.Available != 0 || !got.BeginsAt.Equal(preview.Begins) || !got.WouldFail || got.Cleanup.GraceSeconds != 3600 || got.Cleanup.MaxRemovals != 3 {
		t.Errorf("got %+v", got)
	}
	want := client.CleanupTarget{ID: "Machines-1", Name: "old", Health: "Unavailable", Disabled: true, InUse: true, URL: "https://o", Fate: client.CleanupTargetFateHeld, Reason: "so"}
	if len(got.Targets) != 2 || got.Targets[0] != want || len(got.Findings) != 1 || got.Findings[0].Remedy != "look" {
		t.Errorf("got %+v", got)
	}

	preview = pipeline.CleanupPreview{Available: -1, At: at, Cleanup: pipeline.Cleanup{Mode: pipeline.CleanupPolicy}}
	answer := s.call(viewerToken, http.MethodGet, path, "").want(t, http.StatusOK)
	var members map[string]any
	if err := json.Unmarshal(answer.body, &members); err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"available", "begins_at"} {
		if _, there := members[absent]; there {
			t.Errorf("%s is there: %s", absent, answer.body)
		}
	}
}

// A preview ends in its time, is paced as plans are, and knows its callers.
func TestPreviewCleanupIsBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) {
		d.PlansPerMinute, d.Timing.Survey = 2, 50*time.Millisecond
		d.Runs = foreseeingRuns{foresee: func(ctx context.Context, _ uuid.UUID) (pipeline.CleanupPreview, error) {
			<-ctx.Done()
			return pipeline.CleanupPreview{Available: -1, Cleanup: pipeline.Cleanup{Mode: pipeline.CleanupDelete}}, nil
		}}
	})
	path := "/api/v1/runs/" + uuid.NewString() + "/cleanup"
	for range 2 {
		s.call(viewerToken, http.MethodGet, path, "").want(t, http.StatusOK)
	}
	s.call(viewerToken, http.MethodGet, path, "").problem(t, tooManyRequests)
	s.wantUnknownCaller(http.MethodGet, path)
}

func TestPreviewCleanupOfNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) {
		d.Runs = foreseeingRuns{foresee: func(context.Context, uuid.UUID) (pipeline.CleanupPreview, error) {
			return pipeline.CleanupPreview{}, pgx.ErrNoRows
		}}
	})
	s.call(viewerToken, http.MethodGet, "/api/v1/runs/"+uuid.NewString()+"/cleanup", "").problem(t, notFound)
	s.call(viewerToken, http.MethodGet, "/api/v1/runs/one/cleanup", "").problem(t, badRequest)
}

func TestCleanUpRun(t *testing.T) {
	t.Parallel()
	s := serve(t)
	run := s.start("shop")
	path := "/api/v1/runs/" + run.ID.String() + "/cleanup"
	refused := s.call(operatorToken, http.MethodPost, path, "").problem(t, conflict)
	if !strings.Contains(refused.Detail, "running, by ann") || refused.Remedy == "" {
		t.Errorf("the refusal is %+v", refused)
	}
	s.end(run.ID, pipeline.Failed)
	for body, pointer := range map[string]string{`{"max_removals":0}`: "#/max_removals", `{"max_removals":10001}`: "#/max_removals", `{"most":3}`: "#"} {
		p := s.call(operatorToken, http.MethodPost, path, body).problem(t, badRequest)
		if len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Pointer, pointer) {
			t.Errorf("%s: %+v", body, p)
		}
	}
	s.call(viewerToken, http.MethodPost, path, "").problem(t, forbidden)
	again := as[client.Run](t, s.call(operatorToken, http.MethodPost, path, `{"max_removals":4}`).want(t, http.StatusAccepted))
	if again.Round != 2 || again.Stage != client.StageCleanup || again.Reason != "4 may go" {
		t.Errorf("got %+v", again)
	}
	s.end(run.ID, pipeline.Failed)
	again = as[client.Run](t, s.call(operatorToken, http.MethodPost, path, "").want(t, http.StatusAccepted))
	if again.Round != 3 || again.Reason != "0 may go" {
		t.Errorf("without an allowance: %+v", again)
	}
	s.call(operatorToken, http.MethodPost, "/api/v1/runs/"+uuid.NewString()+"/cleanup", "").problem(t, notFound)
}
