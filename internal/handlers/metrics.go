package handlers

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"regrow/internal/store"
)

// metrics count what comes in over HTTP.
type metrics struct {
	deliveries *prometheus.CounterVec
	requests   *prometheus.CounterVec
	durations  *prometheus.HistogramVec
}

func newMetrics(registry *prometheus.Registry, queries *store.Queries, log zerolog.Logger, now func() time.Time) (*metrics, error) {
	m := &metrics{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regrow_deliveries_total", Help: "Webhooks received, by source and by what became of them.",
		}, []string{"source", "outcome"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regrow_http_requests_total", Help: "HTTP requests answered.",
		}, []string{"route", "method", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "regrow_http_request_duration_seconds", Help: "How long HTTP requests took.", Buckets: prometheus.DefBuckets,
		}, []string{"route", "method"}),
	}
	runs := &runsCollector{store: queries, log: log, now: now}
	return m, errors.Join(registry.Register(m.deliveries), registry.Register(m.requests),
		registry.Register(m.durations), registry.Register(runs))
}

// observe counts a request. Methods are whatever callers send, so that those
// which no route has share a label.
func (m *metrics) observe(route, method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(route, method).Observe(took.Seconds())
}

// delivered counts a webhook.
func (m *metrics) delivered(source, outcome string) {
	m.deliveries.WithLabelValues(source, outcome).Inc()
}

// getMetrics serves the registry.
func (h *handler) getMetrics() http.Handler {
	return promhttp.HandlerFor(h.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

var runsDesc = prometheus.NewDesc("regrow_runs", "Runs by pipeline and status.", []string{"pipeline", "status"}, nil)

// runsCollector counts the runs in the database, once for all scrapes of a few
// seconds.
type runsCollector struct {
	store *store.Queries
	log   zerolog.Logger
	now   func() time.Time

	mu      sync.Mutex
	counted time.Time
	rows    []store.CountRunsByStatusRow
}

// Describe tells Prometheus what Collect sends.
func (c *runsCollector) Describe(ch chan<- *prometheus.Desc) { ch <- runsDesc }

// Collect sends the numbers of runs, and nothing when they cannot be counted.
func (c *runsCollector) Collect(ch chan<- prometheus.Metric) {
	for _, row := range c.counts() {
		ch <- prometheus.MustNewConstMetric(runsDesc, prometheus.GaugeValue, float64(row.Runs), row.Pipeline, string(row.Status))
	}
}

func (c *runsCollector) counts() []store.CountRunsByStatusRow {
	const (
		keep  = 5 * time.Second
		limit = 2 * time.Second
	)
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.rows == nil || now.Sub(c.counted) >= keep {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		rows, err := c.store.CountRunsByStatus(ctx)
		if err != nil {
			c.log.Warn().Err(err).Msg("the runs could not be counted for the metrics")
			return nil
		}
		c.rows, c.counted = rows, now
	}
	return c.rows
}
