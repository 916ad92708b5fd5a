package app

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"regrow/internal/config"
	"regrow/internal/jobs"
	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// riverLogLevel hides what River tells of its own working.
const riverLogLevel = zerolog.WarnLevel

// octopusServers makes a client for each configured server.
func (a *App) octopusServers() (map[string]jobs.Server, error) {
	requests := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "regrow_octopus_request_duration_seconds",
		Help:    "Requests to Octopus Servers; status 0 means that none came.",
		Buckets: prometheus.ExponentialBuckets(0.01, 2.5, 10),
	}, []string{"server", "method", "route", "status"})
	a.registry.MustRegister(requests)

	servers := make(map[string]jobs.Server, len(a.Config.Servers))
	for _, server := range a.Config.Servers {
		client, err := OctopusClient(server, a.Version, func(method, route string, status int, took time.Duration) {
			requests.WithLabelValues(server.Name, method, route, strconv.Itoa(status)).Observe(took.Seconds())
		})
		if err != nil {
			return nil, err
		}
		servers[server.Name] = jobs.Server{Client: client, URL: server.URL, Space: server.Space, Settling: server.Timeout}
	}
	return servers, nil
}

// rereads is how often a read is repeated at once; see octopus.Config.
const rereads = 3

// OctopusClient makes the client of a configured server. Observe may be nil.
func OctopusClient(server config.Server, version string, observe func(method, route string, status int, took time.Duration)) (*octopus.Client, error) {
	client, err := octopus.New(octopus.Config{
		URL: server.URL, APIKey: server.APIKey.Reveal(), Space: server.Space,
		RequestsPerMinute: server.RequestsPerMinute, Timeout: server.Timeout, UserAgent: "regrow/" + version, Observe: observe, Rereads: rereads,
	})
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", server.Name, err)
	}
	return client, nil
}

// pipelines are the configured pipelines by their names.
func (a *App) pipelines() map[string]pipeline.Pipeline {
	byName := make(map[string]pipeline.Pipeline, len(a.Config.Pipelines))
	for _, line := range a.Config.Pipelines {
		byName[line.Name] = line
	}
	return byName
}
