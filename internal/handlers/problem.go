package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
)

// kind is a kind of problem: what a program can tell problems apart by.
type kind struct {
	status int
	name   string
	title  string
}

// The kinds of problems, all there are.
var (
	badRequest       = kind{http.StatusBadRequest, "bad-request", "The request is not as described"}
	unauthorized     = kind{http.StatusUnauthorized, "unauthorized", "The caller is not known"}
	forbidden        = kind{http.StatusForbidden, "forbidden", "The caller may not do this"}
	notFound         = kind{http.StatusNotFound, "not-found", "There is no such thing"}
	methodNotAllowed = kind{http.StatusMethodNotAllowed, "method-not-allowed", "The resource has other methods"}
	requestTimeout   = kind{http.StatusRequestTimeout, "request-timeout", "The request did not arrive in time"}
	conflict         = kind{http.StatusConflict, "conflict", "The state of things does not allow it"}
	keyReused        = kind{http.StatusConflict, "idempotency-key-reused", "The Idempotency-Key belongs to another request"}
	tooLarge         = kind{http.StatusRequestEntityTooLarge, "too-large", "The body is too large"}
	unsupportedMedia = kind{http.StatusUnsupportedMediaType, "unsupported-media-type", "The body is of an unexpected type"}
	unprocessable    = kind{http.StatusUnprocessableEntity, "unprocessable", "The request asks for what cannot be"}
	tooManyRequests  = kind{http.StatusTooManyRequests, "too-many-requests", "Too many requests"}
	internal         = kind{http.StatusInternalServerError, "internal", "Something went wrong inside regrow"}
	unavailable      = kind{http.StatusServiceUnavailable, "unavailable", "regrow cannot do this now"}
)

// retryAfter is how many seconds callers are asked to wait when regrow cannot
// work. Senders that retry by themselves wait longer than that.
const retryAfter = "10"

// problem is an error with what may be told about it. The cause is only logged.
type problem struct {
	kind   kind
	detail string
	remedy string
	places []api.ProblemError
	header http.Header
	cause  error
}

func problemf(k kind, format string, args ...any) *problem {
	p := &problem{kind: k, detail: fmt.Sprintf(format, args...), header: http.Header{}}
	if k == unavailable {
		p.header.Set("Retry-After", retryAfter)
	}
	return p
}

// because adds what only the log may know.
func (p *problem) because(cause error) *problem {
	p.cause = cause
	return p
}

// at adds the place in the body that is wrong, as a JSON pointer (RFC 6901).
func (p *problem) at(pointer string) *problem {
	p.places = append(p.places, api.ProblemError{Pointer: inFragment(pointer), Detail: p.detail})
	return p
}

// atParameter adds the parameter that is wrong.
func (p *problem) atParameter(name string) *problem {
	p.places = append(p.places, api.ProblemError{Parameter: name, Detail: p.detail})
	return p
}

func (p *problem) Error() string {
	if p.cause == nil {
		return p.detail
	}
	return p.detail + ": " + p.cause.Error()
}

func (p *problem) Unwrap() error { return p.cause }

// fail answers with the problem that err is. It is the only writer of errors.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	log := zerolog.Ctx(r.Context())
	if unread, ok := errors.AsType[unreadError](err); ok {
		log.Debug().Err(unread.cause).Msg("the answer could not be written") // nor can this one
		return
	}
	p := asProblem(err)
	switch {
	case p.kind == internal:
		log.Error().Err(p.cause).Msg(p.detail)
	case p.cause != nil:
		log.Warn().Err(p.cause).Msg(p.detail)
	}
	log.UpdateContext(func(c zerolog.Context) zerolog.Context {
		return c.Str("problem", p.kind.name).Str("detail", p.detail)
	})
	for name, values := range p.header {
		w.Header().Set(name, strings.Join(values, ", "))
	}
	h.write(w, r, p.kind.status, "application/problem+json", api.Problem{
		Type:      "urn:regrow:problem:" + p.kind.name,
		Title:     p.kind.title,
		Status:    p.kind.status,
		Detail:    p.detail,
		Instance:  r.URL.EscapedPath(),
		RequestID: requestID(r.Context()),
		Remedy:    p.remedy,
		Errors:    p.places,
	})
}

// writeJSON answers with JSON that is not a problem.
func (h *handler) writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	h.write(w, r, status, "application/json", body)
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // people read it, and no browser takes it for a page
	if err := encoder.Encode(body); err != nil {
		zerolog.Ctx(r.Context()).Debug().Err(err).Msg("the answer could not be written")
	}
}

// asProblem sorts errors into kinds.
func asProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if refusal, ok := errors.AsType[*pipeline.Refusal](err); ok {
		p := problemf(conflict, "%s", refusal.Message)
		p.remedy = refusal.Remedy
		return p
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problemf(tooLarge, "the body has more than the %d bytes that are allowed", tooBig.Limit)
	}
	if wrong, ok := errors.AsType[*api.InvalidParamFormatError](err); ok {
		return problemf(badRequest, "the parameter %q does not have the form that openapi.yaml gives it, or is there twice: %v", wrong.ParamName, wrong.Err).atParameter(wrong.ParamName).because(wrong.Err)
	}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return problemf(notFound, "there is no such thing")
	case unstorable(err):
		return problemf(badRequest, "a text in the request holds a character that cannot be stored, such as U+0000").because(err)
	case databaseAway(err):
		return problemf(unavailable, "the database cannot be reached or is too slow; try again").because(err)
	}
	return problemf(internal, "regrow could not answer; its log says why under this request's id").because(err)
}
