package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"regrow/internal/app"
	"regrow/internal/config"
	"regrow/internal/localpg/pgtest"
	"regrow/internal/simulator"
	"regrow/internal/store"
	"regrow/internal/webhook"
)

const (
	githubSecret = "github-secret-of-the-test"
	viewerToken  = "viewer-token-of-the-test"
)

const settings = `
listen: %s
database: {url: "${DATABASE}"}
api: {tokens: [{name: viewer, role: viewer, token: "${TOKEN}"}]}
servers: [{name: main, url: "%s", api_key: "${API_KEY}", space: Default}]
sources: [{name: github, kind: github, secret: "${GITHUB}"}]
pipelines:
  - name: hello-world
    source: github
    repository: acme/hello-world
    branches: [main]
    server: main
    environment: Development
    infrastructure: {project: Hello World Infrastructure, version: "1.0.{run}", roles: [hello-world], targets: 2}
    application: {project: Hello World, version: "2.0.{run}"}
`

func configure(t testing.TB, listen, database string) *config.Config {
	t.Helper()
	octopus := simulator.New(simulator.Options{})
	t.Cleanup(octopus.Close)
	server := httptest.NewServer(octopus)
	t.Cleanup(server.Close)
	variables := map[string]string{
		"DATABASE": database, "TOKEN": viewerToken, "GITHUB": githubSecret, "API_KEY": simulator.DefaultAPIKey,
	}
	lookup := func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
	c, err := config.Parse("regrow.yaml", fmt.Appendf(nil, settings, listen, server.URL), config.Options{LookupEnv: lookup})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func emptyDatabase(t testing.TB) string {
	t.Helper()
	return pgtest.NewURL(t, func(context.Context, *pgxpool.Pool) error { return nil }, "empty")
}

func options(c *config.Config) app.Options {
	return app.Options{Config: c, Logger: zerolog.Nop(), Version: "test", Migrate: true}
}

func TestStartServeStop(t *testing.T) {
	t.Parallel()
	regrow, err := app.New(t.Context(), options(configure(t, "127.0.0.1:0", emptyDatabase(t))))
	if err != nil {
		t.Fatal(err)
	}
	if err := regrow.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/healthz":         "ok",
		"/metrics":         `regrow_build_info{version="test"} 1`,
		"/openapi.yaml":    "openapi: 3",
		"/api/v1/runs":     "401",
		"/webhooks/nobody": "405",
	} {
		if got := get(t, regrow.URL()+path); !strings.Contains(got, want) {
			t.Errorf("%s answers %.200q, want it to hold %q", path, got, want)
		}
	}
	if err := regrow.Stop(t.Context()); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(regrow.URL(), "http://"), time.Second); err == nil {
		t.Error("it still listens")
	}
	if err := regrow.Stop(t.Context()); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status + "\n" + string(body)
}

// A webhook whose body is still arriving when the stop begins is answered, not
// cut off: its sender is told whether it was stored.
func TestStopFinishesRequestsUnderWay(t *testing.T) {
	t.Parallel()
	database := emptyDatabase(t)
	regrow, err := app.New(t.Context(), options(configure(t, "127.0.0.1:0", database)))
	if err != nil {
		t.Fatal(err)
	}
	if err := regrow.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	body := `{"ref":"refs/heads/main","after":"` + strings.Repeat("a", 40) + `","repository":{"full_name":"acme/hello-world"}}`
	reading, writing := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, regrow.URL()+"/webhooks/github", reading)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-GitHub-Delivery", "delivery-1")
	request.Header.Set("X-Hub-Signature-256", webhook.SignGitHub(githubSecret, []byte(body)))
	// The body is only sent when regrow has begun to read it.
	request.Header.Set("Expect", "100-continue")
	sender := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	t.Cleanup(sender.CloseIdleConnections)
	answered := make(chan int, 1)
	go func() {
		answer, err := sender.Do(request)
		if err != nil {
			t.Errorf("the webhook was cut off: %v", err)
			answered <- 0
			return
		}
		defer answer.Body.Close()
		answered <- answer.StatusCode
	}()
	if _, err := writing.Write([]byte(body[:20])); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- regrow.Stop(t.Context()) }()
	if _, err := writing.Write([]byte(body[20:])); err != nil {
		t.Fatal(err)
	}
	_ = writing.Close()
	status := <-answered
	if err := <-stopped; err != nil {
		t.Errorf("stopping: %v", err)
	}
	stored := countDeliveries(t, database)
	if status != http.StatusAccepted && status != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want 202 or 503", status)
	}
	if (status == http.StatusAccepted) != (stored == 1) {
		t.Errorf("answered %d with %d deliveries stored", status, stored)
	}
}

func countDeliveries(t *testing.T, database string) (n int) {
	t.Helper()
	pool, err := app.OpenPool(t.Context(), database, 0, config.PoolerNone)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := pool.QueryRow(t.Context(), "select count(*) from deliveries").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	t.Run("an old schema", func(t *testing.T) {
		t.Parallel()
		o := options(configure(t, "127.0.0.1:0", emptyDatabase(t)))
		o.Migrate = false
		if _, err := app.New(t.Context(), o); !errors.Is(err, store.ErrOldSchema) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a taken address", func(t *testing.T) {
		t.Parallel()
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		_, err = app.New(t.Context(), options(configure(t, taken.Addr().String(), emptyDatabase(t))))
		if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
			t.Errorf("got %v, want an error that names the address", err)
		}
	})
	t.Run("a database that is away, without its password", func(t *testing.T) {
		t.Parallel()
		_, err := app.New(t.Context(), options(configure(t, "127.0.0.1:0", "postgres://regrow:p4ssw0rd-of-the-test@127.0.0.1:1/regrow")))
		if err == nil || !strings.Contains(err.Error(), "database.url") || strings.Contains(err.Error(), "p4ssw0rd") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no database outside of development", func(t *testing.T) {
		t.Parallel()
		c := configure(t, "127.0.0.1:0", "postgres://unused")
		c.Database.URL = config.Secret{}
		if _, err := app.New(t.Context(), options(c)); err == nil || !strings.Contains(err.Error(), "--dev") {
			t.Errorf("got %v", err)
		}
	})
}

// In development the process brings its own Postgres, and takes it away again.
func TestDevelopmentBringsItsOwnPostgres(t *testing.T) {
	t.Parallel()
	c := configure(t, "127.0.0.1:0", "postgres://unused")
	c.Database.URL = config.Secret{}
	o := options(c)
	o.Development = true
	regrow, err := app.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := regrow.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := get(t, regrow.URL()+"/readyz"); !strings.Contains(got, `"database","ok":true`) {
		t.Errorf("readiness: %s", got)
	}
	if err := regrow.Stop(t.Context()); err != nil {
		t.Errorf("stopping: %v", err)
	}
}
