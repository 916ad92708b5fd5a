package handlers

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"regrow"
	"regrow/internal/client"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	var broken bool
	s := serve(t, func(d *Deps) {
		d.Ready = func(context.Context) []Check {
			return []Check{{Name: "database", OK: true}, {Name: "workers", OK: !broken, Detail: map[bool]string{true: "none runs"}[broken]}}
		}
	})
	ready := as[client.Readiness](t, s.call("", http.MethodGet, "/readyz", "").want(t, http.StatusOK))
	if ready.Status != client.ReadinessStatusReady || len(ready.Checks) != 2 {
		t.Errorf("got %+v", ready)
	}
	broken = true
	unready := as[client.Readiness](t, s.call("", http.MethodGet, "/readyz", "").want(t, http.StatusServiceUnavailable))
	if unready.Status != client.ReadinessStatusUnready || unready.Checks[1].Detail != "none runs" {
		t.Errorf("got %+v", unready)
	}
	s.draining.Store(true)
	stopping := as[client.Readiness](t, s.call("", http.MethodGet, "/readyz", "").want(t, http.StatusServiceUnavailable))
	if stopping.Status != client.ReadinessStatusStopping {
		t.Errorf("got %+v", stopping)
	}
	s.call("", http.MethodGet, "/healthz", "").want(t, http.StatusOK)
}

func TestOpenAPIIsServedAsWritten(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if got := s.call("", http.MethodGet, "/openapi.yaml", "").want(t, http.StatusOK); !bytes.Equal(got.body, regrow.OpenAPI) {
		t.Error("what is served is not openapi.yaml")
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.send(s.github(push{id: "1"})).want(t, http.StatusAccepted)
	s.send(s.github(push{id: "1"})).want(t, http.StatusOK)
	s.send(s.request(http.MethodPost, "/webhooks/nobody", "{}")).want(t, http.StatusNotFound)
	s.send(s.request(http.MethodPost, "/webhooks/github", "{}")).want(t, http.StatusUnauthorized)
	s.send(s.request("BREW", "/nowhere", "")).problem(t, notFound)
	got := string(s.call("", http.MethodGet, "/metrics", "").want(t, http.StatusOK).body)
	for _, line := range []string{
		`regrow_deliveries_total{outcome="accepted",source="github"} 1`,
		`regrow_deliveries_total{outcome="duplicate",source="github"} 1`,
		`regrow_deliveries_total{outcome="unauthorized",source="github"} 1`,
		`regrow_deliveries_total{outcome="not-found",source="unknown"} 1`,
		`regrow_http_requests_total{method="POST",route="/webhooks/{source}",status="202"} 1`,
		`regrow_http_requests_total{method="other",route="unknown",status="404"} 1`,
		`regrow_http_request_duration_seconds_count{method="POST",route="/webhooks/{source}"} 4`,
		`regrow_runs{pipeline="preview",status="running"} 1`,
		`regrow_runs{pipeline="shop",status="running"} 1`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if strings.Contains(got, "nobody") || strings.Contains(got, "nowhere") {
		t.Error("what strangers send becomes labels")
	}
}

func TestEveryAnswerCarriesItsHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{"/healthz", "/nowhere", "/api/v1/runs", "/webhooks/github"} {
		header := s.call("", http.MethodGet, path, "").header
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY"} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: the header %s is %q, want %q", path, name, got, want)
			}
		}
		if _, err := uuid.Parse(header.Get("X-Request-Id")); err != nil {
			t.Errorf("%s: the request id is %q", path, header.Get("X-Request-Id"))
		}
	}
	mine := uuid.NewString()
	if got := s.call("", http.MethodGet, "/healthz", "", "X-Request-Id", mine).header.Get("X-Request-Id"); got != mine {
		t.Errorf("the caller's request id %s became %s", mine, got)
	}
	if got := s.call("", http.MethodDelete, "/api/v1/runs", "").header.Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow is %q, want GET, POST", got)
	}
	s.call(viewerToken, http.MethodHead, "/healthz", "").want(t, http.StatusOK)
}

// panicking is a life of runs that ends in panic.
type panicking struct{ testRuns }

func (panicking) Create(context.Context, pgx.Tx, uuid.UUID, pipeline.Pipeline, pipeline.Commit) (store.Run, error) {
	panic("the sky is falling")
}

func TestPanicIsAnsweredAndLogged(t *testing.T) {
	t.Parallel()
	s := serve(t, func(d *Deps) { d.Runs = panicking{} })
	got := s.call(operatorToken, http.MethodPost, "/api/v1/runs", newRun("shop", "main", sha('a'))).problem(t, internal)
	if strings.Contains(got.Detail, "sky") {
		t.Errorf("the answer tells the cause: %q", got.Detail)
	}
	if log := s.log.String(); !strings.Contains(log, "the sky is falling") || !strings.Contains(log, got.RequestID) {
		t.Errorf("the log lacks the cause or the request's id: %s", log)
	}
	if n := s.count("deliveries"); n != 0 {
		t.Errorf("%d deliveries are stored", n)
	}
}
