package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// apiSource is the source, and the kind, of the deliveries that POST /runs
// makes. No configured source may have the name.
const apiSource = "api"

// CreateRun starts a run by hand. The request is stored as a delivery, so that
// the history shows where the run came from and a repeated key is found.
func (h *handler) CreateRun(ctx context.Context, request api.CreateRunRequestObject) (api.CreateRunResponseObject, error) {
	delivery, err := h.apiDelivery(ctx, request)
	if err != nil {
		return nil, err
	}
	run, repeated, err := h.start(ctx, delivery, *request.Body)
	if err != nil {
		return nil, fmt.Errorf("starting a run by hand: %w", err)
	}
	shown := h.showDone(ctx, run)
	if repeated {
		return api.CreateRun200JSONResponse(shown), nil
	}
	return api.CreateRun201JSONResponse{
		Body:    shown,
		Headers: api.CreateRun201ResponseHeaders{Location: "/api/v1/runs/" + run.ID.String()},
	}, nil
}

func (h *handler) start(ctx context.Context, delivery store.InsertDeliveryParams, asked api.NewRun) (run store.Run, repeated bool, err error) {
	// What was asked for before is not to be refused for what has come since.
	if run, repeated, err = h.startedBefore(ctx, delivery); err != nil || repeated {
		return run, repeated, err
	}
	line, commit, err := h.byHand(asked)
	if err != nil {
		return run, false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Timing.Intake)
	defer cancel()
	start := pipeline.Start{Pipeline: line, Commit: commit}
	done, err := h.turns.take(ctx, lanesOf([]pipeline.Start{start}))
	if err != nil {
		return run, false, fmt.Errorf("waiting for runs that come before: %w", err)
	}
	defer done()
	err = store.InTx(ctx, h.Pool, "start by hand", func(tx pgx.Tx) (err error) {
		run, repeated, err = h.startByHand(ctx, tx, delivery, start)
		return err
	})
	return run, repeated, err
}

// startedBefore finds the run that the same key made before.
func (h *handler) startedBefore(ctx context.Context, delivery store.InsertDeliveryParams) (run store.Run, repeated bool, err error) {
	err = store.InTx(ctx, h.Pool, "look for a start", func(tx pgx.Tx) (err error) {
		run, err = repeatedStart(ctx, h.store.WithTx(tx), delivery)
		return err
	})
	if notThere(err) {
		return run, false, nil
	}
	return run, true, err
}

// byHand finds the pipeline and the commit that a person asks for. The rules of
// the pipeline hold for people as well.
func (h *handler) byHand(asked api.NewRun) (pipeline.Pipeline, pipeline.Commit, error) {
	line, known := h.pipelines[asked.Pipeline]
	if !known {
		return line, pipeline.Commit{}, h.unknownPipeline(asked.Pipeline)
	}
	if (asked.Branch == "") == (asked.Ref == "") {
		return line, pipeline.Commit{}, problemf(unprocessable, "say either the branch or the full ref").at("/branch")
	}
	commit := pipeline.Commit{
		Repository: asked.Repository, Ref: asked.Ref, SHA: strings.ToLower(asked.Commit),
		Message: asked.Message, Author: asked.Author, Version: asked.Version, URL: asked.URL,
	}
	places := map[string]string{"repository": "/repository", "branch": "/ref", "version": "/version"}
	if asked.Branch != "" {
		commit.Ref, places["branch"] = pipeline.BranchRef(asked.Branch), "/branch"
	}
	if commit.Repository == "" {
		commit.Repository = line.Repository
		if strings.ContainsAny(line.Repository, `*?[\`) {
			return line, commit, problemf(unprocessable, "the pipeline takes the repositories %q; say which one", line.Repository).at("/repository")
		}
	}
	if mismatch := line.Match(line.Source, commit); mismatch != nil {
		return line, commit, problemf(unprocessable, "%s", mismatch.Reason).at(places[mismatch.Rule])
	}
	return line, commit, nil
}

func (h *handler) unknownPipeline(name string) error {
	names := slices.Sorted(maps.Keys(h.pipelines))
	return problemf(unprocessable, "there is no pipeline %q; there are %q", name, names).at("/pipeline")
}

// apiDelivery makes a delivery of a request. The body is written anew, so that
// white space and the order of members make no difference between two.
func (h *handler) apiDelivery(ctx context.Context, request api.CreateRunRequestObject) (store.InsertDeliveryParams, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(request.Body); err != nil {
		return store.InsertDeliveryParams{}, fmt.Errorf("writing the request down: %w", err)
	}
	id := h.NewID()
	key := id.String()
	if request.Params.IdempotencyKey != nil {
		key = *request.Params.IdempotencyKey
	}
	return store.InsertDeliveryParams{
		ID: id, Source: apiSource, ExternalID: key, Kind: apiSource, Event: "run", ReceivedAt: h.Now(),
		Headers: http.Header{"X-Regrow-Caller": {caller(ctx)}, requestIDHeader: {requestID(ctx)}},
		Body:    body.Bytes(), BodySha256: sum(body.Bytes()),
		Outcome: string(api.DeliveryOutcomeAccepted), Mismatches: []pipeline.Mismatch{},
	}, nil
}

// startByHand makes the run, or finds the one that the same key made before.
func (h *handler) startByHand(ctx context.Context, tx pgx.Tx, delivery store.InsertDeliveryParams, s pipeline.Start) (_ store.Run, repeated bool, _ error) {
	queries := h.store.WithTx(tx)
	inserted, err := queries.InsertDelivery(ctx, delivery)
	if err != nil {
		return store.Run{}, false, fmt.Errorf("inserting the delivery: %w", err)
	}
	if inserted == 0 {
		run, err := repeatedStart(ctx, queries, delivery)
		return run, true, err
	}
	runs, err := h.create(ctx, tx, delivery.ID, []pipeline.Start{s})
	if err != nil {
		return store.Run{}, false, err
	}
	return runs[0], false, nil
}

func repeatedStart(ctx context.Context, queries *store.Queries, again store.InsertDeliveryParams) (store.Run, error) {
	first, runs, err := firstDelivery(ctx, queries, again)
	if err != nil {
		return store.Run{}, err
	}
	if len(runs) == 0 || !bytes.Equal(first.BodySha256, again.BodySha256) {
		return store.Run{}, otherRequest(again.ExternalID, first.ReceivedAt)
	}
	return runs[0], nil
}

// otherRequest says that a key came before with something else.
func otherRequest(key string, at time.Time) *problem {
	p := problemf(keyReused, "the Idempotency-Key %q came with another body at %s", key, at.UTC().Format("2006-01-02 15:04:05Z"))
	p.remedy = "use a new key for a new run"
	return p
}
