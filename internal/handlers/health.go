package handlers

import (
	"context"
	"net/http"

	"regrow"
	"regrow/internal/handlers/api"
)

// getHealth tells that the process answers.
func (h *handler) getHealth(w http.ResponseWriter, r *http.Request) {
	h.writeJSON(w, r, http.StatusOK, api.Health{Status: api.HealthStatusOk})
}

// getReadiness tells whether the process can work.
func (h *handler) getReadiness(w http.ResponseWriter, r *http.Request) {
	answer, status := api.Readiness{Status: api.ReadinessStatusReady, Checks: []api.Check{}}, http.StatusOK
	// Whoever asks wants to hear that the database is silent, and not share its silence.
	ctx, cancel := context.WithTimeout(r.Context(), h.Timing.Ready)
	defer cancel()
	for _, check := range h.Ready(ctx) {
		answer.Checks = append(answer.Checks, api.Check{Name: check.Name, Ok: check.OK, Detail: check.Detail})
		if !check.OK {
			answer.Status, status = api.ReadinessStatusUnready, http.StatusServiceUnavailable
		}
	}
	if h.Draining() {
		answer.Status, status = api.ReadinessStatusStopping, http.StatusServiceUnavailable
	}
	h.writeJSON(w, r, status, answer)
}

// getOpenAPI serves the description of the API as it was written.
func (h *handler) getOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(regrow.OpenAPI) // the reader has gone when this fails
}
