package handlers

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"regrow/internal/handlers/api"
)

// router shows every route and who may call it.
func (h *handler) router() http.Handler {
	r := chi.NewRouter()
	r.Use(h.identify, h.observe, h.patient, h.recover, secure, middleware.GetHead)
	r.NotFound(h.nothingHere)
	r.MethodNotAllowed(h.methodNotAllowed(r))

	// Open to everybody.
	r.Get("/healthz", h.getHealth)
	r.Get("/readyz", h.getReadiness)
	r.Get("/metrics", h.getMetrics().ServeHTTP)
	r.Get("/openapi.yaml", h.getOpenAPI)

	// Each source proves itself by its own secret.
	r.With(h.takingWork).Post("/webhooks/{source}", h.receiveWebhook)

	rest := api.ServerInterfaceWrapper{
		Handler: api.NewStrictHandlerWithOptions(h, nil, api.StrictHTTPServerOptions{
			RequestErrorHandlerFunc:  h.fail,
			ResponseErrorHandlerFunc: h.fail,
		}),
		ErrorHandlerFunc: h.fail,
	}
	r.Group(func(r chi.Router) {
		r.Use(h.allow(Viewer), h.limitBody(restBody), h.validate)
		r.With(noteStreaming).Get("/api/v1/runs/{id}/events", rest.ListRunEvents)

		r = r.With(h.deadline)
		r.Get("/api/v1/pipelines", rest.ListPipelines)
		r.Get("/api/v1/runs", rest.ListRuns)
		r.Get("/api/v1/runs/{id}", rest.GetRun)
		r.Get("/api/v1/lanes", rest.ListLanes)
		r.Get("/api/v1/pauses", rest.ListPauses)
		r.Get("/api/v1/pauses/{id}", rest.GetPause)
		r.Get("/api/v1/jobs", rest.ListJobs)
		r.Get("/api/v1/jobs/{id}", rest.GetJob)
		r.Get("/api/v1/deliveries", rest.ListDeliveries)
		r.Get("/api/v1/deliveries/{id}", rest.GetDelivery)
	})
	// What is foreseen asks Octopus, and changes nothing.
	r.With(h.allow(Viewer), h.pacePlans, h.limitBody(restBody), h.validate, h.deadline).
		Get("/api/v1/runs/{id}/cleanup", rest.PreviewCleanup)
	r.With(h.sameOrigin, h.allow(Viewer), h.pacePlans, h.limitBody(h.planBody()), h.validate, h.deadline).
		Post("/api/v1/plan", rest.PlanWebhook)
	r.Group(func(r chi.Router) {
		r.Use(h.sameOrigin, h.allow(Operator), h.takingWork, h.limitBody(restBody), h.validate, h.deadline)
		r.Post("/api/v1/runs", rest.CreateRun)
		r.Post("/api/v1/runs/{id}/retry", rest.RetryRun)
		r.Post("/api/v1/runs/{id}/cancel", rest.CancelRun)
		r.Post("/api/v1/runs/{id}/rollback", rest.RollbackRun)
		r.Post("/api/v1/runs/{id}/cleanup", rest.CleanUpRun)
		r.Post("/api/v1/runs/{id}/ignore-freeze", rest.IgnoreFreeze)
		r.Post("/api/v1/pauses", rest.CreatePause)
		r.Delete("/api/v1/pauses/{id}", rest.Resume)
		r.Post("/api/v1/deliveries/{id}/redeliver", rest.Redeliver)
	})
	return r
}

// nothingHere answers 404.
func (h *handler) nothingHere(w http.ResponseWriter, r *http.Request) {
	h.fail(w, r, problemf(notFound, "there is nothing at %s; /openapi.yaml lists what there is", r.URL.Path))
}

// methodNotAllowed answers 405 with the methods that the path does have, and
// 404 when it has none: the router calls it for every method that is not HTTP's.
func (h *handler) methodNotAllowed(routes chi.Routes) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			if routes.Match(chi.NewRouteContext(), method, r.URL.Path) {
				allowed = append(allowed, method)
			}
		}
		if allowed == nil {
			h.nothingHere(w, r)
			return
		}
		p := problemf(methodNotAllowed, "%s does not take %s but %s", r.URL.Path, r.Method, strings.Join(allowed, " and "))
		p.header.Set("Allow", strings.Join(allowed, ", "))
		h.fail(w, r, p)
	}
}
