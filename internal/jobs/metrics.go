package jobs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"regrow/internal/pipeline"
)

// metrics count what the engine does.
type metrics struct {
	attempts *prometheus.CounterVec
	ended    *prometheus.CounterVec
	stages   *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regrow_attempts_total", Help: "Executions of stages by how they ended.",
		}, []string{"stage", "outcome"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regrow_runs_ended_total", Help: "Runs that ended, by pipeline and status.",
		}, []string{"pipeline", "status"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "regrow_stage_duration_seconds",
			Help:    "Time from the start of a stage to its success, waiting included.",
			Buckets: prometheus.ExponentialBuckets(0.5, 2, 14),
		}, []string{"stage"}),
	}
	if registry != nil {
		registry.MustRegister(m.attempts, m.ended, m.stages)
	}
	return m
}

func (m *metrics) stageDone(stage pipeline.Stage, took time.Duration) {
	m.stages.WithLabelValues(string(stage)).Observe(took.Seconds())
}
