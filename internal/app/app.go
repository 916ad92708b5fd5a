package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"regrow/internal/config"
	"regrow/internal/jobs"
	"regrow/internal/store"
)

// Options say what the process consists of.
type Options struct {
	Config *config.Config
	Logger zerolog.Logger
	// Version is shown to Octopus and in metrics.
	Version string
	// Migrate brings the database schema up to date at the start. Without it an
	// old schema is an error.
	Migrate bool
	// Development allows a configuration without a database, for which a
	// private Postgres is started.
	Development bool
	// DataDir keeps the private Postgres's data; "" makes it temporary.
	DataDir string
}

// App is a regrow process.
type App struct {
	Options
	cleanups cleanups
	pool     *pgxpool.Pool
	registry *prometheus.Registry
	engine   *jobs.Engine
	listener net.Listener
	server   *http.Server
	draining atomic.Bool
	failed   chan error

	readiness readiness
}

// New opens and checks everything that the process needs, and binds its address.
// Nothing is served or worked on before Start. After an error nothing is left
// open.
func New(ctx context.Context, options Options) (*App, error) {
	a := &App{Options: options, registry: prometheus.NewRegistry(), failed: make(chan error, 2)}
	a.cleanups.log = options.Logger
	a.readiness = readiness{log: options.Logger, told: map[string]time.Time{}}
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.cleanups.unwind(context.WithoutCancel(ctx)))
	}
	return a, nil
}

func (a *App) open(ctx context.Context) error {
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(a.Version))
	if err := a.openDatabase(ctx); err != nil {
		return err
	}
	servers, err := a.octopusServers()
	if err != nil {
		return err
	}
	a.engine, err = jobs.New(jobs.Config{
		Pool: a.pool, Servers: servers, Pipelines: a.pipelines(), Worker: workerName(), Registry: a.registry,
		Logger: a.Logger, Slog: slogOver(a.Logger.With().Str("part", "river").Logger(), riverLogLevel),
		Workers:  workers(a.Config.Database.MaxConnections),
		PollOnly: a.Config.Database.Pooler == config.PoolerTransaction,
		Interval: a.Config.Reconcile.Interval, Lease: a.Config.Reconcile.Lease, NewID: newID,
	})
	if err != nil {
		return err
	}
	return a.openHTTP(ctx)
}

// openDatabase connects, starting a private Postgres where none is configured,
// and makes sure that the schema is the one that this version needs.
func (a *App) openDatabase(ctx context.Context) error {
	url, err := a.databaseURL(ctx)
	if err != nil {
		return err
	}
	if a.Migrate {
		if err := a.migrate(ctx, url); err != nil {
			return err
		}
	}
	wanting := func(c *pgx.ConnConfig) { findWay(c); wantAnswers(c, answerTime) }
	a.pool, err = openPool(ctx, url, a.Config.Database.MaxConnections, a.Config.Database.Pooler, wanting)
	if err != nil {
		return err
	}
	a.cleanups.add("connection pool", a.closePool)
	if a.Migrate {
		return nil
	}
	return store.CheckSchema(ctx, a.pool)
}

// migrate brings the schema up to date, which may take its time.
func (a *App) migrate(ctx context.Context, url string) error {
	pool, err := OpenPool(ctx, url, a.Config.Database.MaxConnections, a.Config.Database.Pooler)
	if err != nil {
		return err
	}
	defer pool.Close()
	applied, err := store.Migrate(ctx, pool)
	for _, migration := range applied {
		a.Logger.Info().Str("migration", migration.Name).Msg("applied")
	}
	return err
}

// Start begins to work and to serve. It returns at once.
func (a *App) Start(ctx context.Context) error {
	if err := a.engine.Start(ctx); err != nil {
		return err
	}
	a.cleanups.add("workers", a.engine.Stop)
	go func() {
		if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("serving HTTP: %w", err)
		}
	}()
	a.cleanups.add("http", a.stopHTTP)
	a.Logger.Info().Str("url", a.URL()).Int("pipelines", len(a.Config.Pipelines)).Str("version", a.Version).Msg("regrow is up")
	return nil
}

// Failed gets an error when a part that the process cannot do without has
// ended by itself.
func (a *App) Failed() <-chan error { return a.failed }

// Stop ends the process in order: it takes no new work, finishes the requests
// under way, lets the workers finish or hand back what they do, and closes the
// database. What is not through when ctx ends is cut off.
func (a *App) Stop(ctx context.Context) error {
	a.draining.Store(true)
	return a.cleanups.unwind(ctx)
}

// URL is where the process listens.
func (a *App) URL() string { return "http://" + a.listener.Addr().String() }

// workers is how many stages may be performed at once. Each needs up to two
// connections and one for its sign of life; River and HTTP need some as well.
func workers(connections int) int { return max(connections/3, 1) }

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// workerName tells in histories which process did something.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d:%s", host, os.Getpid(), newID().String()[24:])
}

func buildInfo(version string) prometheus.Collector {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "regrow_build_info", Help: "Always 1; tells the version."}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	return info
}
