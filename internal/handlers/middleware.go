package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

const requestIDHeader = "X-Request-Id"

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// identify gives each request an id and a logger that carries it. An id of the
// caller's own is taken over when it is a UUID; anything else could be a secret
// in the wrong place, or pretend to be something else in the log.
func (h *handler) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := uuid.Parse(r.Header.Get(requestIDHeader))
		if err != nil {
			id = h.NewID()
		}
		w.Header().Set(requestIDHeader, id.String())
		ctx := context.WithValue(r.Context(), requestIDKey{}, id.String())
		ctx = h.Logger.With().Stringer("request", id).Logger().WithContext(ctx)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// observe logs and counts each request when it is done. Neither the query nor
// any header is logged: both may hold secrets.
func (h *handler) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now() // the monotonic clock, whatever time it is for regrow
		wrapped := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			took := time.Since(started)
			route := chi.RouteContext(r.Context()).RoutePattern()
			if route == "" {
				route = "unknown"
			}
			h.metrics.observe(route, r.Method, wrapped.Status(), took)
			zerolog.Ctx(r.Context()).WithLevel(accessLevel(route, wrapped.Status())).
				Str("method", r.Method).Str("path", r.URL.Path).Str("route", route).Str("remote", r.RemoteAddr).
				Int("status", wrapped.Status()).Int("bytes", wrapped.BytesWritten()).Dur("took", took).
				Msg("request")
		}()
		next.ServeHTTP(wrapped, r)
	})
}

// accessLevel keeps what probes ask every few seconds out of the usual log. Why
// the process is not ready, whoever looks into that tells it.
func accessLevel(route string, status int) zerolog.Level {
	switch {
	case route == "/readyz":
		return zerolog.DebugLevel
	case status >= http.StatusInternalServerError:
		return zerolog.WarnLevel
	case route == "/healthz" || route == "/metrics":
		return zerolog.DebugLevel
	}
	return zerolog.InfoLevel
}

// recover answers 500 when a handler panics, and says where in the log.
func (h *handler) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause) // means: drop the connection
			}
			h.fail(w, r, problemf(internal, "regrow could not answer; its log says why under this request's id").
				because(fmt.Errorf("panic: %v\n%s", cause, debug.Stack())))
		}()
		next.ServeHTTP(w, r)
	})
}

// secure sets the headers that keep browsers from making more of an answer than
// it is.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// takingWork refuses what would start something while the process is stopping.
func (h *handler) takingWork(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Draining() {
			h.fail(w, r, problemf(unavailable, "this process is stopping and takes nothing in; send it again"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// restBody is how many bytes a body of the REST API may have.
const restBody = 1 << 20

// limitBody bounds the bodies of requests in size and in the time that they take
// to arrive.
func (h *handler) limitBody(limit int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength != 0 {
				body, err := h.readBody(w, r, limit)
				if err != nil {
					h.fail(w, r, err)
					return
				}
				setBody(r, body)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// deadline ends the work on a request that takes too long.
func (h *handler) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), h.Timing.Request)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
