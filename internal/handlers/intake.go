package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
	"regrow/internal/webhook"
)

// arrival is a verified delivery.
type arrival struct {
	source   Source
	delivery webhook.Delivery
	headers  http.Header
	received time.Time
}

// plan is what a delivery asks for, before anything is stored.
type plan struct {
	starts     []pipeline.Start
	mismatches []pipeline.Mismatch
	// wakes names the Octopus Server whose runs are to look again.
	wakes string
	// reason says why the plan does nothing.
	reason string
}

func (p plan) outcome() string {
	if len(p.starts) == 0 && p.wakes == "" {
		return string(api.DeliveryOutcomeIgnored)
	}
	return string(api.DeliveryOutcomeAccepted)
}

// plan decides what becomes of a delivery.
func (h *handler) plan(a arrival) plan {
	switch {
	case a.delivery.Target != nil:
		return plan{wakes: a.source.Server}
	case a.delivery.Ignored != "":
		return plan{reason: a.delivery.Ignored}
	}
	source := a.source.Receiver.Name()
	var p plan
	fed := 0
	for _, line := range h.Pipelines {
		if line.Source != source {
			continue // says nothing about the commit
		}
		fed++
		if commit, mismatch := lastMatch(line, source, a.delivery.Commits); mismatch != nil {
			p.mismatches = append(p.mismatches, *mismatch)
		} else {
			p.starts = append(p.starts, pipeline.Start{Pipeline: line, Commit: commit})
		}
	}
	switch {
	case len(p.starts) > 0:
	case fed == 0:
		p.reason = fmt.Sprintf("no pipeline takes commits from the source %q", source)
	default:
		p.reason = p.mismatches[0].Reason
	}
	return p
}

// lastMatch finds the commit that a pipeline runs: of several refs in one push
// the last one counts.
func lastMatch(line pipeline.Pipeline, source string, commits []pipeline.Commit) (pipeline.Commit, *pipeline.Mismatch) {
	var found pipeline.Commit
	none := &pipeline.Mismatch{Pipeline: line.Name, Rule: "branch", Reason: "the delivery holds no commit"}
	mismatch := none
	for _, commit := range commits {
		if m := line.Match(source, commit); m == nil {
			found, mismatch = commit, nil
		} else if mismatch != nil {
			mismatch = m
		}
	}
	return found, mismatch
}

// takeIn stores a verified delivery with all that follows from it.
func (h *handler) takeIn(ctx context.Context, a arrival) (api.Receipt, int, error) {
	receipt, _, err := h.intake(ctx, store.InsertDeliveryParams{
		ID: h.NewID(), Source: a.source.Receiver.Name(), ExternalID: a.delivery.ID, Kind: string(a.source.Receiver.Kind()),
		Event: a.delivery.Event, ReceivedAt: a.received,
		Headers: a.headers, Body: a.delivery.Body, BodySha256: sum(a.delivery.Body),
	}, h.plan(a))
	switch {
	case err != nil:
		return api.Receipt{}, 0, problemf(unavailable, "the delivery could not be stored; send it again").because(err)
	case receipt.Status == api.ReceiptStatusAccepted:
		return receipt, http.StatusAccepted, nil
	}
	return receipt, http.StatusOK, nil
}

// intake stores a delivery with all that follows from it in one transaction:
// what is answered with 2xx is committed. After an error nobody knows whether the
// commit went through, so that it is to be answered with 503, whatever it is: the
// sender comes again, and the delivery's id tells (repeated).
func (h *handler) intake(ctx context.Context, row store.InsertDeliveryParams, todo plan) (receipt api.Receipt, repeated bool, err error) {
	// The sender may hang up; the delivery has arrived all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Timing.Intake)
	defer cancel()
	row.Outcome, row.Reason, row.Mismatches = todo.outcome(), todo.reason, noNil(todo.mismatches)
	done, err := h.turns.take(ctx, linesOf(todo))
	if err != nil {
		return api.Receipt{}, false, fmt.Errorf("waiting for deliveries that came before: %w", err)
	}
	defer done()
	err = store.InTx(ctx, h.Pool, "intake", func(tx pgx.Tx) (err error) {
		receipt, repeated, err = h.storeDelivery(ctx, tx, row, todo)
		return err
	})
	return receipt, repeated, err
}

func (h *handler) storeDelivery(ctx context.Context, tx pgx.Tx, row store.InsertDeliveryParams, todo plan) (_ api.Receipt, repeated bool, _ error) {
	queries := h.store.WithTx(tx)
	inserted, err := queries.InsertDelivery(ctx, row)
	switch {
	case err != nil:
		return api.Receipt{}, false, fmt.Errorf("inserting the delivery: %w", err)
	case inserted == 0 && row.RedeliveryOf != nil:
		receipt, err := repeatedRedelivery(ctx, queries, row)
		return receipt, true, err
	case inserted == 0:
		receipt, err := duplicateReceipt(ctx, queries, row)
		return receipt, true, err
	}
	receipt := api.Receipt{
		Status: api.ReceiptStatus(row.Outcome), Delivery: row.ID, Runs: []api.RunRef{},
		Mismatches: mismatches(todo.mismatches), Reason: todo.reason,
	}
	if todo.wakes != "" {
		if receipt.Woken, err = h.Runs.Wake(ctx, tx, todo.wakes); err != nil {
			return api.Receipt{}, false, fmt.Errorf("waking runs: %w", err)
		}
	}
	runs, err := h.create(ctx, tx, row.ID, todo.starts)
	if err != nil {
		return api.Receipt{}, false, err
	}
	receipt.Runs = runRefs(runs)
	return receipt, false, nil
}

// create makes the runs of a delivery.
func (h *handler) create(ctx context.Context, tx pgx.Tx, delivery uuid.UUID, starts []pipeline.Start) ([]store.Run, error) {
	if len(starts) == 0 {
		return nil, nil
	}
	var lines []pipeline.Pipeline
	for _, s := range starts {
		lines = append(lines, s.Pipeline)
	}
	if err := h.Runs.Prepare(ctx, tx, lines); err != nil {
		return nil, fmt.Errorf("preparing runs: %w", err)
	}
	var runs []store.Run
	for _, s := range starts {
		run, err := h.Runs.Create(ctx, tx, delivery, s.Pipeline, s.Commit)
		if err != nil {
			return nil, fmt.Errorf("creating a run of pipeline %q: %w", s.Pipeline.Name, err)
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// firstDelivery finds the delivery that came before under the same id, counts
// the repetition on it, and finds the runs that it started.
func firstDelivery(ctx context.Context, queries *store.Queries, again store.InsertDeliveryParams) (store.Delivery, []store.Run, error) {
	first, err := queries.CountDuplicate(ctx, store.CountDuplicateParams{Source: again.Source, ExternalID: again.ExternalID})
	if err != nil {
		return first, nil, fmt.Errorf("noting the repeated delivery: %w", err)
	}
	runs, err := queries.RunsOfDelivery(ctx, first.ID)
	if err != nil {
		return first, nil, fmt.Errorf("finding the first delivery's runs: %w", err)
	}
	return first, runs, nil
}

const otherBody = "another body came under this id before; only the first one counts"

// duplicateReceipt answers for a delivery that came before with what became of
// it then.
func duplicateReceipt(ctx context.Context, queries *store.Queries, again store.InsertDeliveryParams) (api.Receipt, error) {
	first, runs, err := firstDelivery(ctx, queries, again)
	if err != nil {
		return api.Receipt{}, err
	}
	receipt := api.Receipt{
		Status: api.ReceiptStatusDuplicate, Delivery: first.ID, Runs: runRefs(runs),
		Mismatches: mismatches(first.Mismatches), Reason: first.Reason,
	}
	if !bytes.Equal(first.BodySha256, again.BodySha256) {
		receipt.Reason = otherBody
	}
	return receipt, nil
}

func sum(body []byte) []byte {
	s := sha256.Sum256(body)
	return s[:]
}

// noNil makes an empty list of none, for a column or a member that is a list.
func noNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
