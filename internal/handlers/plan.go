package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/net/http/httpguts"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
	"regrow/internal/webhook"
)

const defaultPlansPerMinute = 30

// pacePlans bounds how often a caller has Octopus looked at.
func (h *handler) pacePlans(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.planRate.OnLimit(w, r, caller(r.Context())) {
			h.fail(w, r, problemf(tooManyRequests, "%q has asked for too many plans in this minute; each asks Octopus a dozen questions", caller(r.Context())))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// planBody is how many bytes a plan's request may have: the largest webhook that
// any source takes, as base64 or with as much escaping as JSON usually needs.
func (h *handler) planBody() int64 {
	limit := int64(restBody)
	for _, s := range h.sources {
		limit = max(limit, 2*s.Receiver.MaxBody()+restBody)
	}
	return limit
}

// PlanWebhook says what a webhook would do. It goes the way that webhooks go, up
// to where something would be stored, and asks Octopus what the runs would find.
func (h *handler) PlanWebhook(ctx context.Context, request api.PlanWebhookRequestObject) (api.PlanWebhookResponseObject, error) {
	from, asked, assumed, err := h.plannedRequest(*request.Body)
	if err != nil {
		return nil, err
	}
	examined := from.Receiver.Examine(asked)
	var f foresight
	if examined.Refused == nil {
		if f, err = h.foresee(ctx, arrival{source: from.Source, delivery: examined.Delivery}); err != nil {
			return nil, err
		}
	}
	return api.PlanWebhook200JSONResponse(h.showPlan(from.Source, examined, f, assumed)), nil
}

// plannedRequest is the webhook that a plan is asked for, as it would arrive now.
func (h *handler) plannedRequest(asked api.PlanRequest) (*source, webhook.Request, []api.PlanAssumption, error) {
	var none webhook.Request
	from, known := h.sources[asked.Source]
	switch {
	case !known:
		names := slices.Sorted(maps.Keys(h.sources))
		return nil, none, nil, problemf(unprocessable, "there is no source %q; there are %q", asked.Source, names).at("/source")
	case asked.Body != "" && asked.BodyBase64 != nil:
		return nil, none, nil, problemf(unprocessable, "say the body either as text or in base64").at("/body_base64")
	case asked.Event != "" && !from.Receiver.NamesEvent():
		return nil, none, nil, problemf(unprocessable, "the body says what happened in a source of kind %q", from.Receiver.Kind()).at("/event")
	}
	given, err := headerOf(asked.Headers)
	if err != nil {
		return nil, none, nil, err
	}
	body := asked.BodyBase64
	if body == nil {
		body = []byte(asked.Body)
	}
	complete, names := from.Receiver.Complete(given, asked.Event, h.NewID().String())
	assumed := each(names, func(name string) api.PlanAssumption {
		return api.PlanAssumption{Header: name, Value: complete.Get(name)}
	})
	return from, webhook.Request{Header: complete, Body: body, Received: h.Now()}, assumed, nil
}

func headerOf(asked map[string]api.PlanHeader) (http.Header, error) {
	header := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		values, err := asked[name].AsPlanHeader1()
		if err != nil {
			value, err := asked[name].AsPlanHeader0()
			if err != nil {
				return nil, fmt.Errorf("reading the header %q: %w", name, err)
			}
			values = []string{value}
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
				return nil, problemf(unprocessable, "no request can have the header %q with the value that it is to have here", name).at("/headers/" + escapeStep(name))
			}
			header.Add(name, value)
		}
	}
	return header, nil
}

// foresight is what would become of a delivery.
type foresight struct {
	todo plan
	// first is the delivery that came before under the same id, nil for a new one.
	first *repeated
	woken int
	runs  []foreseenRun
}

// repeated is a delivery that came before.
type repeated struct {
	store.FindDeliveryRow
	sameBody bool
	runs     []store.Run
}

// foreseenRun is a run that would be created, and what it would find.
type foreseenRun struct {
	pipeline.Preview
	survey pipeline.Survey
}

// foresee tells what would become of a delivery, in the order in which takeIn
// finds out, and then looks in Octopus.
func (h *handler) foresee(ctx context.Context, a arrival) (foresight, error) {
	f := foresight{todo: h.plan(a)}
	// The database itself sees to it that nothing is written.
	reading := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, h.Pool, reading, func(tx pgx.Tx) error { return h.read(ctx, tx, a, &f) })
	if err != nil {
		return f, fmt.Errorf("planning a delivery: %w", err)
	}
	h.survey(ctx, f.runs)
	return f, nil
}

// read completes a foresight with what the database knows.
func (h *handler) read(ctx context.Context, tx pgx.Tx, a arrival, f *foresight) error {
	var err error
	f.first, err = h.before(ctx, tx, a)
	if err != nil || f.first != nil {
		return err
	}
	if f.todo.wakes != "" {
		if f.woken, err = h.Runs.PreviewWake(ctx, tx, f.todo.wakes); err != nil {
			return err
		}
	}
	previews, err := h.Runs.Preview(ctx, tx, f.todo.starts)
	for _, preview := range previews {
		f.runs = append(f.runs, foreseenRun{Preview: preview})
	}
	return err
}

// before finds the delivery that came before under the same id, nil for none.
func (h *handler) before(ctx context.Context, tx pgx.Tx, a arrival) (*repeated, error) {
	queries := h.store.WithTx(tx)
	first, err := queries.FindDelivery(ctx, store.FindDeliveryParams{Source: a.source.Receiver.Name(), ExternalID: a.delivery.ID})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the delivery before: %w", err)
	}
	runs, err := queries.RunsOfDelivery(ctx, first.ID)
	if err != nil {
		return nil, fmt.Errorf("finding the first delivery's runs: %w", err)
	}
	return &repeated{first, bytes.Equal(first.BodySha256, sum(a.delivery.Body)), runs}, nil
}

// survey looks in Octopus for what each run would find, one after the other so
// that runs under way are not kept from it, each in its share of the time.
func (h *handler) survey(ctx context.Context, runs []foreseenRun) {
	end := time.Now().Add(h.Timing.Survey)
	for i := range runs {
		share := time.Until(end) / time.Duration(len(runs)-i)
		looking, cancel := context.WithTimeout(ctx, share)
		runs[i].survey = h.Runs.Survey(looking, runs[i].Preview)
		cancel()
	}
}

// verdict is how a webhook would be answered.
type verdict struct {
	outcome api.PlanOutcome
	status  int
	reason  string
}

// judgePlan says how the webhook would be answered if it were trusted.
func judgePlan(examined webhook.Examination, f foresight) verdict {
	switch {
	case examined.Refused != nil:
		return refusal(examined.Refused)
	case f.first != nil && !f.first.sameBody:
		return verdict{api.PlanOutcomeDuplicate, http.StatusOK, otherBody}
	case f.first != nil:
		return verdict{api.PlanOutcomeDuplicate, http.StatusOK, f.first.Reason}
	case f.todo.outcome() == string(api.DeliveryOutcomeAccepted):
		return verdict{api.PlanOutcomeAccepted, http.StatusAccepted, ""}
	}
	return verdict{api.PlanOutcomeIgnored, http.StatusOK, f.todo.reason}
}

func refusal(err error) verdict {
	p := asProblem(webhookProblem(err))
	return verdict{api.PlanOutcomeRefused, p.kind.status, err.Error()}
}

// newcomers are the ids of the runs that are not there yet.
func (f foresight) newcomers() map[uuid.UUID]bool {
	ids := map[uuid.UUID]bool{}
	for _, run := range f.runs {
		ids[run.ID] = true
	}
	return ids
}
