package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/httprate"
	"github.com/rs/zerolog"

	"regrow/internal/handlers/api"
	"regrow/internal/webhook"
)

// source is a Source with its rate.
type source struct {
	Source
	rate *httprate.RateLimiter
}

func newSources(list []Source) (map[string]*source, error) {
	sources := map[string]*source{}
	for _, s := range list {
		name := s.Receiver.Name()
		if _, double := sources[name]; double || name == apiSource {
			return nil, fmt.Errorf("the source name %q is taken; runs that people start have the source %q", name, apiSource)
		}
		if s.Receiver.Kind() == webhook.Octopus && s.Server == "" {
			return nil, fmt.Errorf("the source %q does not say for which Octopus Server it speaks", name)
		}
		sources[name] = &source{Source: s}
		if s.PerMinute > 0 {
			sources[name].rate = httprate.NewRateLimiter(s.PerMinute, time.Minute)
		}
	}
	return sources, nil
}

// exhausted tells whether the source has delivered all that it may for now, and
// notes in the answer's headers when it may again. Only verified deliveries
// count: a stranger cannot use up the rate of the rightful sender.
func (s *source) exhausted(w http.ResponseWriter, r *http.Request) bool {
	return s.rate != nil && s.rate.OnLimit(w, r, s.Receiver.Name())
}

// receiveWebhook takes a delivery in.
func (h *handler) receiveWebhook(w http.ResponseWriter, r *http.Request) {
	name := chi.URLParam(r, "source")
	from, known := h.sources[name]
	if !known {
		h.metrics.delivered("unknown", notFound.name)
		h.fail(w, r, problemf(notFound, "there is no source %q; its name is a key of the configuration", name))
		return
	}
	receipt, status, err := h.receive(w, r, from)
	if err != nil {
		h.metrics.delivered(name, asProblem(err).kind.name)
		h.fail(w, r, err)
		return
	}
	h.metrics.delivered(name, string(receipt.Status))
	zerolog.Ctx(r.Context()).UpdateContext(func(c zerolog.Context) zerolog.Context {
		return c.Stringer("delivery", receipt.Delivery).Str("outcome", string(receipt.Status)).Int("runs", len(receipt.Runs))
	})
	h.writeJSON(w, r, status, receipt)
}

// receive reads, verifies and stores a delivery. Deliveries that nobody vouches
// for are never stored.
func (h *handler) receive(w http.ResponseWriter, r *http.Request, from *source) (api.Receipt, int, error) {
	received := h.Now()
	body, err := h.readBody(w, r, from.Receiver.MaxBody())
	if err != nil {
		return api.Receipt{}, 0, err
	}
	delivery, err := from.Receiver.Receive(webhook.Request{Header: r.Header, Body: body, Received: received})
	if err != nil {
		return api.Receipt{}, 0, webhookProblem(err)
	}
	zerolog.Ctx(r.Context()).UpdateContext(func(c zerolog.Context) zerolog.Context {
		return c.Str("source", from.Receiver.Name()).Str("event", delivery.Event).Str("external_id", delivery.ID)
	})
	if from.exhausted(w, r) {
		return api.Receipt{}, 0, problemf(tooManyRequests, "the source %q may deliver %d webhooks a minute", from.Receiver.Name(), from.PerMinute)
	}
	return h.takeIn(r.Context(), arrival{
		source: from.Source, delivery: delivery, headers: from.Receiver.StoredHeaders(r.Header), received: received,
	})
}

// webhookProblem says over HTTP why the receiver refused a request.
func webhookProblem(err error) error {
	refused, ok := errors.AsType[*webhook.Error](err)
	if !ok {
		return err
	}
	switch refused.Reason {
	case webhook.Unauthorized:
		p := problemf(unauthorized, "%s", refused.Message)
		p.header.Set("WWW-Authenticate", `Webhook realm="regrow"`)
		return p
	case webhook.TooLarge:
		return problemf(tooLarge, "%s", refused.Message)
	case webhook.UnsupportedMedia:
		return problemf(unsupportedMedia, "%s", refused.Message)
	case webhook.MissingID, webhook.Malformed, webhook.WrongSender:
	}
	p := problemf(badRequest, "%s", refused.Message)
	if refused.Pointer != "" {
		p = p.at(refused.Pointer)
	}
	return p
}
