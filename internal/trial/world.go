//go:build unix

package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/localpg/pgtest"
	"regrow/internal/simulator"
	"regrow/internal/store"
	"regrow/migrations"
)

// Options vary a World. The zero value is what most trials want.
type Options struct {
	// Lanes default to DefaultLanes.
	Lanes []Lane
	// Speed is how many seconds pass in Octopus in one second. Default 100.
	Speed    float64
	Switches simulator.Switches
	// Interval and Lease are reconcile.interval and reconcile.lease. Default
	// 200 ms and 1 s.
	Interval, Lease time.Duration
	// Database is the address of an empty, migrated database; the world's own
	// when it is "".
	Database string
	// ThroughDatabase and ThroughOctopus return the address by which regrow
	// reaches what is at the given one, for something that stands in between.
	ThroughDatabase, ThroughOctopus func(address string) string
	// Flags are more of the processes' command line.
	Flags []string
	// Edit changes regrow.yaml.
	Edit func(string) string
}

// World is everything around regrow: a database, an Octopus Server whose clock
// runs fast, what sends webhooks to it, and as many processes as are served. All
// of it ends with the test.
type World struct {
	// Pool reaches the database directly.
	Pool *pgxpool.Pool
	// Octopus is the simulator; its journal tells what has happened.
	Octopus *simulator.Server
	// Lanes are those of the configuration.
	Lanes []Lane

	options  Options
	tb       testing.TB
	dir      string
	program  string
	config   string
	database string           // as regrow reaches it
	octopus  string           // the simulator's own address
	places   map[string]place // by pipeline
	balancer *httptest.Server
	clock    clock
	alive    sync.WaitGroup
	turn     atomic.Int64

	mu        sync.Mutex // guards what follows
	processes []*Process
	sent      []*Delivery
	answers   map[int]int // by status
	arrived   map[string]int
}

// The secrets of every world.
const (
	githubSecret  = "github-secret-of-the-trial"
	octopusSecret = "octopus-secret-of-the-trial"
	// OperatorToken is a token for the REST API.
	OperatorToken = "operator-token-of-the-trial"
)

// New makes a world in which no process runs yet.
func New(tb testing.TB, options Options) *World {
	tb.Helper()
	w := &World{tb: tb, options: options.withDefaults(), dir: tb.TempDir(), program: Binary(tb), places: map[string]place{}, arrived: map[string]int{}}
	w.Lanes = w.options.Lanes
	w.connect()
	w.balancer = httptest.NewServer(http.HandlerFunc(w.balance))
	tb.Cleanup(w.balancer.Close)
	w.simulate()
	w.configure()
	tb.Cleanup(w.end)
	return w
}

func (o Options) withDefaults() Options {
	if o.Lanes == nil {
		o.Lanes = DefaultLanes()
	}
	if o.Speed == 0 {
		o.Speed = 100
	}
	if o.Interval == 0 {
		o.Interval = 200 * time.Millisecond
	}
	if o.Lease == 0 {
		o.Lease = time.Second
	}
	return o
}

// connect makes the database, unless there is one, and connects to it.
func (w *World) connect() {
	w.tb.Helper()
	address := w.options.Database
	if address == "" {
		hash, err := migrations.Hash()
		if err != nil {
			w.tb.Fatal(err)
		}
		address = pgtest.NewURL(w.tb, Migrate, hash)
	}
	var err error
	if w.Pool, err = pgxpool.New(w.tb.Context(), address); err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(w.Pool.Close)
	if w.database = address; w.options.ThroughDatabase != nil {
		w.database = w.options.ThroughDatabase(address)
	}
}

// Migrate brings an empty database up to date.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := store.Migrate(ctx, pool)
	return err
}

// simulate starts the Octopus Server, with a scene for each lane.
func (w *World) simulate() {
	w.tb.Helper()
	w.Octopus = simulator.New(simulator.Options{Speed: w.options.Speed, Switches: w.options.Switches, Start: time.Now()})
	w.tb.Cleanup(w.Octopus.Close)
	server := httptest.NewServer(http.HandlerFunc(w.observe))
	w.tb.Cleanup(server.Close)
	w.octopus = server.URL
	for i, lane := range w.Lanes {
		scene := lane.scene()
		if i == 0 { // one subscription hears of all
			scene.SubscriptionURL, scene.SubscriptionHeader, scene.SubscriptionSecret = w.balancer.URL+"/webhooks/octopus", "X-Regrow-Token", octopusSecret
		}
		built, err := w.Octopus.HelloWorld(scene)
		if err != nil {
			w.tb.Fatal(err)
		}
		w.places[lane.Name] = place{lane, built.EnvironmentID, built.ProjectID, built.InfrastructureProjectID}
		if lane.Runbook {
			w.addRunbook(built.InfrastructureProjectID, lane.role())
		}
	}
	w.clock = startClock(w.Octopus, w.options.Speed)
}

// observe counts the requests that arrive at Octopus, by method and path.
func (w *World) observe(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.arrived[r.Method+" "+r.URL.Path]++
	w.mu.Unlock()
	w.Octopus.ServeHTTP(rw, r)
}

// Arrived counts the requests with a method and a path of that kind that have
// arrived at Octopus so far, whatever became of them.
func (w *World) Arrived(request *regexp.Regexp) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for line, count := range w.arrived {
		if request.MatchString(line) {
			n += count
		}
	}
	return n
}

// addRunbook gives a project a published runbook that deletes its targets once
// they are unavailable.
func (w *World) addRunbook(project, role string) {
	w.tb.Helper()
	id := w.create("runbooks", fmt.Sprintf(`{"Name":%q,"ProjectId":%q}`, runbook, project))
	w.create("runbookSnapshots?publish=true", fmt.Sprintf(`{"RunbookId":%q,"ProjectId":%q}`, id, project))
	w.Octopus.SetCleaner(id, simulator.Cleaner{Roles: []string{role}})
}

// create makes a document in Octopus and returns its id.
func (w *World) create(what, body string) string {
	w.tb.Helper()
	request := httptest.NewRequestWithContext(w.tb.Context(), http.MethodPost, "/api/Spaces-1/"+what, strings.NewReader(body))
	request.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	answer := httptest.NewRecorder()
	w.Octopus.ServeHTTP(answer, request)
	var made struct{ ID string }
	if err := json.Unmarshal(answer.Body.Bytes(), &made); err != nil || made.ID == "" {
		w.tb.Fatalf("making %s: %d %s", what, answer.Code, answer.Body)
	}
	return made.ID
}

const head = `
listen: 127.0.0.1:0
log: {level: info, format: json}
database: {url: "${DATABASE}", max_connections: 12}
api: {tokens: [{name: ops, role: operator, token: "${TOKEN}"}]}
servers:
  - {name: main, url: %[1]q, api_key: "${API_KEY}", space: Default, timeout: 2s, requests_per_minute: 100000}
sources:
  - {name: github, kind: github, secret: "${GITHUB}", requests_per_minute: 100000}
  - {name: octopus, kind: octopus, server: main, secret: "${OCTOPUS}", requests_per_minute: 100000}
reconcile: {interval: %[2]s, lease: %[3]s}
pipelines:
`

// configure writes regrow.yaml.
func (w *World) configure() {
	w.tb.Helper()
	address := w.octopus
	if w.options.ThroughOctopus != nil {
		address = w.options.ThroughOctopus(address)
	}
	text := fmt.Sprintf(head, address, w.options.Interval, w.options.Lease)
	for _, lane := range w.Lanes {
		text += lane.config()
	}
	if w.options.Edit != nil {
		text = w.options.Edit(text)
	}
	w.config = filepath.Join(w.dir, "regrow.yaml")
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.tb.Fatal(err)
	}
}

// environment holds what the configuration's variables stand for.
func (w *World) environment() []string {
	return append(os.Environ(), "DATABASE="+w.database, "TOKEN="+OperatorToken, "API_KEY="+simulator.DefaultAPIKey,
		"GITHUB="+githubSecret, "OCTOPUS="+octopusSecret)
}

// end kills what still runs and lets go of the database.
func (w *World) end() {
	for _, p := range w.Processes() {
		p.Kill()
	}
	w.alive.Wait()
	// The database's own processes for those that are gone may not know yet.
	const others = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user and pid <> pg_backend_pid()`
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if w.options.Database != "" {
		return // not ours
	}
	if _, err := w.Pool.Exec(ctx, others); err != nil {
		w.tb.Errorf("letting go of the database: %v", err)
	}
}

// Processes are all that were ever served.
func (w *World) Processes() []*Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*Process(nil), w.processes...)
}

// balance hands a request on to a process that serves, as a load balancer does:
// it tries another one only when it could not connect.
func (w *World) balance(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	for _, address := range w.serving() {
		request, err := http.NewRequestWithContext(r.Context(), r.Method, address+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		request.Header = r.Header.Clone()
		answer, err := sending.Do(request)
		if refused(err) {
			continue
		}
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		relay(rw, answer)
		return
	}
	http.Error(rw, "no process serves", http.StatusBadGateway)
}

func relay(rw http.ResponseWriter, answer *http.Response) {
	defer answer.Body.Close()
	for name, values := range answer.Header {
		rw.Header()[name] = values
	}
	rw.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(rw, answer.Body) // whoever asked sees that it broke off
}
