package jobs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/rs/zerolog"

	"regrow/internal/localpg/pgtest"
	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
	"regrow/migrations"
)

// world is a simulated Octopus Server whose clock stands still until a test
// moves it, a database, and an engine that works on both.
type world struct {
	t      *testing.T
	pool   *pgxpool.Pool
	sim    *simulator.Server
	url    string
	engine *Engine
	scene  simulator.Scene
	// settling is that of the options.
	settling time.Duration
	// ended gets a signal whenever River has finished a job.
	ended <-chan *river.Event
}

type worldOptions struct {
	scene    simulator.HelloWorldOptions
	switches simulator.Switches
	// start is Octopus' time at the beginning; zero for the simulator's own.
	start time.Time
	// settling is how long requests without an answer are given.
	settling time.Duration
	config   func(*Config)
}

const serverName = "main"

func newWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	hash, err := migrations.Hash()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, pool: pgtest.New(t, migrate, hash), settling: o.settling}
	w.sim = simulator.New(simulator.Options{Switches: o.switches, Start: o.start})
	t.Cleanup(w.sim.Close)
	server := httptest.NewServer(w.sim)
	t.Cleanup(server.Close)
	w.url = server.URL
	if w.scene, err = w.sim.HelloWorld(o.scene); err != nil {
		t.Fatal(err)
	}
	w.engine = w.start(o.config)
	return w
}

func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := store.Migrate(ctx, pool)
	return err
}

// start starts an engine on the world's database and server. Tests may start
// several.
func (w *world) start(change func(*Config)) *Engine {
	w.t.Helper()
	client, err := octopus.New(octopus.Config{
		URL: w.url, APIKey: simulator.DefaultAPIKey, Space: "Default", RequestsPerMinute: 1e6,
		Settling: cmp.Or(w.settling, 10*time.Millisecond),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	config := Config{
		Pool: w.pool, Servers: map[string]Server{serverName: {Client: client, URL: w.url, Space: "Default", Settling: w.settling}}, Worker: "test",
		Logger: zerolog.New(testWriter{w.t}), Interval: 200 * time.Millisecond, Lease: 5 * time.Second, Backoff: 10 * time.Millisecond,
	}
	config.Pipelines = map[string]pipeline.Pipeline{"hello-world": w.pipeline()}
	if change != nil {
		change(&config)
	}
	engine, err := New(config)
	if err != nil {
		w.t.Fatal(err)
	}
	ended, unsubscribe := engine.river.Subscribe(river.EventKindJobCompleted, river.EventKindJobSnoozed, river.EventKindJobFailed)
	if err := engine.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := engine.Stop(ctx); err != nil {
			w.t.Errorf("stopping the engine: %v", err)
		}
		unsubscribe()
	})
	w.ended = ended
	return engine
}

// wrap puts something between an engine and its Octopus Server.
func wrap(c *Config, around func(Octopus) Octopus) {
	server := c.Servers[serverName]
	server.Client = around(server.Client)
	c.Servers[serverName] = server
}

// testWriter shows the engine's log when a test fails.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(line []byte) (int, error) {
	w.t.Helper()
	w.t.Log(string(bytes.TrimSpace(line)))
	return len(line), nil
}

// pipeline is the one of the guide; tests change what they are about.
func (w *world) pipeline(change ...func(*pipeline.Pipeline)) pipeline.Pipeline {
	p := pipeline.Pipeline{
		Name: "hello-world", Source: "github", Repository: "acme/hello-world", Branches: []string{"main"},
		Server:      pipeline.Server{Name: serverName, URL: w.url, Space: "Default"},
		Environment: "Development",
		Infrastructure: pipeline.Infrastructure{
			Project: "Hello World Infrastructure", Version: "0.1.{run}", Roles: []string{"hello-world"}, Targets: 2,
		},
		Application: pipeline.Application{Project: "Hello World", Version: "1.0.{run}"},
		Policy:      pipeline.Latest,
		Verify:      pipeline.Verify{Timeout: time.Minute, Grace: 30 * time.Second, Redeployments: 3},
		Cleanup:     pipeline.Cleanup{Mode: pipeline.CleanupDelete, Minimum: 2, Timeout: time.Minute},
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

// commit has the engine create a run, as intake does.
func (w *world) commit(p pipeline.Pipeline, sha string) store.Run {
	w.t.Helper()
	var run store.Run
	err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		ctx, id := w.t.Context(), uuid.Must(uuid.NewV7())
		_, err := store.New(tx).InsertDelivery(ctx, store.InsertDeliveryParams{
			ID: id, Source: p.Source, ExternalID: id.String(), Kind: "github", Event: "push", ReceivedAt: time.Now(),
			Headers: map[string][]string{}, Body: []byte("{}"), BodySha256: []byte{}, Outcome: "accepted", Mismatches: []pipeline.Mismatch{},
		})
		if err != nil {
			return err
		}
		if err := w.engine.Prepare(ctx, tx, []pipeline.Pipeline{p}); err != nil {
			return err
		}
		run, err = w.engine.Create(ctx, tx, id, p, pipeline.Commit{
			Repository: p.Repository, Ref: "refs/heads/main", SHA: sha, Message: "Change " + sha, Author: "Ada <ada@example.com>",
		})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// until waits for what River does to make the condition true, or for the
// reconciler, whose work shows at the latest with the next look.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-w.ended:
		case <-look.C:
		case <-deadline:
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (w *world) run(id uuid.UUID) store.Run {
	w.t.Helper()
	run, err := store.New(w.pool).GetRun(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

func (w *world) untilStatus(id uuid.UUID, status pipeline.Status) store.Run {
	w.t.Helper()
	w.until(fmt.Sprintf("run %s is %s", id, status), func() bool {
		run := w.run(id)
		if run.Status.Terminal() && run.Status != status {
			w.t.Fatalf("the run is %s (%s; %s), want %s", run.Status, run.Reason, run.Remedy, status)
		}
		return run.Status == status
	})
	return w.run(id)
}

// untilWaiting waits until the run waits in a stage for a reason that holds the
// text.
func (w *world) untilWaiting(id uuid.UUID, stage pipeline.Stage, text string) {
	w.t.Helper()
	w.until(fmt.Sprintf("run %s waits in %s because %q", id, stage, text), func() bool {
		run := w.run(id)
		if run.Status.Terminal() {
			w.t.Fatalf("the run is %s: %s", run.Status, run.Reason)
		}
		return run.Status == pipeline.Waiting && run.Stage == stage && strings.Contains(run.Reason, text)
	})
}

// untilDone moves Octopus' clock while the run waits for it, until it has ended.
func (w *world) untilDone(id uuid.UUID, status pipeline.Status) store.Run {
	w.t.Helper()
	w.until(fmt.Sprintf("run %s is %s", id, status), func() bool {
		run := w.run(id)
		if run.Status == pipeline.Waiting && !run.Paused {
			w.sim.Advance(10 * time.Second)
			w.wake()
		}
		return run.Status.Terminal()
	})
	run := w.run(id)
	if run.Status != status {
		w.t.Fatalf("the run is %s (%s; %s), want %s", run.Status, run.Reason, run.Remedy, status)
	}
	return run
}

// wake does what an event of Octopus does.
func (w *world) wake() {
	w.t.Helper()
	err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := w.engine.Wake(w.t.Context(), tx, serverName)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// expire lets the time of the run's stage be over.
func (w *world) expire(id uuid.UUID) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), "update runs set deadline_at = now() - interval '1 second' where id = $1", id); err != nil {
		w.t.Fatal(err)
	}
	w.wake()
}

// untilEnd waits until the run has ended, without moving Octopus' clock.
func (w *world) untilEnd(id uuid.UUID) store.Run {
	w.t.Helper()
	w.until("run "+id.String()+" has ended", func() bool { return w.run(id).Status.Terminal() })
	return w.run(id)
}

func (w *world) targets(id uuid.UUID) []store.Target {
	w.t.Helper()
	targets, err := store.New(w.pool).ListTargets(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return targets
}

func (w *world) result(id uuid.UUID) results {
	w.t.Helper()
	r, err := loadResults(w.t.Context(), store.New(w.pool), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// effects counts in the simulator's journal what was made through the API.
func (w *world) effects(effect simulator.Effect) int {
	n := 0
	for _, entry := range w.sim.JournalOf(effect) {
		if entry.Actor == simulator.ActorAPI {
			n++
		}
	}
	return n
}

// override returns the release that the scene's override names, or "".
func (w *world) override(project, environment string) string {
	w.t.Helper()
	found, ok := w.sim.Project(project)
	if !ok {
		w.t.Fatalf("there is no project %s", project)
	}
	for _, entry := range found.Overrides {
		if entry.EnvironmentID == environment {
			return entry.ReleaseID
		}
	}
	return ""
}

func (w *world) events(id uuid.UUID) []string {
	w.t.Helper()
	rows, err := store.New(w.pool).ListEvents(w.t.Context(), store.ListEventsParams{RunID: id, Count: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	var kinds []string
	for _, row := range rows {
		kinds = append(kinds, row.Kind)
	}
	return kinds
}

// checkOrder holds a run's history against invariant 4.
func (w *world) checkOrder(id uuid.UUID) {
	w.t.Helper()
	rows, err := store.New(w.pool).ListStages(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	var last time.Time
	for _, row := range rows {
		if row.StartedAt == nil {
			break
		}
		if row.StartedAt.Before(last) {
			w.t.Errorf("stage %s began before the one ahead of it ended", row.Stage)
		}
		if row.EndedAt != nil {
			last = *row.EndedAt
		}
		if !json.Valid(row.Result) {
			w.t.Errorf("the result of %s is no JSON: %s", row.Stage, row.Result)
		}
	}
}

func idsOf(targets []store.Target, generation string) []string {
	var list []string
	for _, target := range targets {
		if target.Generation == generation {
			list = append(list, target.TargetID)
		}
	}
	slices.Sort(list)
	return list
}

func (w *world) arm(fault simulator.BehaviourFault) {
	w.t.Helper()
	if _, err := w.sim.Faults().Arm(fault); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) fault(fault simulator.Fault) {
	w.t.Helper()
	if _, err := w.sim.Faults().Add(fault); err != nil {
		w.t.Fatal(err)
	}
}

// standing lists the ids of the targets of the world's scene in Octopus.
func (w *world) standing() []string {
	var ids []string
	for _, machine := range w.sim.Machines() {
		if slices.Contains(machine.EnvironmentIDs, w.scene.EnvironmentID) {
			ids = append(ids, machine.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// checkRelease asks Octopus, not regrow, which release is on the new targets of
// a succeeded run.
func (w *world) checkRelease(id uuid.UUID) {
	w.t.Helper()
	run, r := w.run(id), w.result(id)
	fresh := idsOf(w.targets(id), generationNew)
	if len(fresh) < run.Config.Infrastructure.Targets {
		w.t.Errorf("run #%d has %d new targets, want %d", run.Number, len(fresh), run.Config.Infrastructure.Targets)
	}
	for _, machine := range w.sim.Machines() {
		if got := machine.Installed[r.createRelease.ProjectID]; slices.Contains(fresh, machine.ID) && got != r.createRelease.ReleaseID {
			w.t.Errorf("release %s runs on target %s, want %s", got, machine.Name, r.createRelease.ReleaseID)
		}
	}
}

func (w *world) retry(id uuid.UUID, from pipeline.Stage) store.Run {
	w.t.Helper()
	var run store.Run
	err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) (err error) {
		run, err = w.engine.Retry(w.t.Context(), tx, id, from, "test")
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// addRunbook gives the infrastructure project a published runbook that deletes
// its targets once they are unavailable.
func (w *world) addRunbook(name string) {
	w.t.Helper()
	project := w.scene.InfrastructureProjectID
	id := w.create("runbooks", fmt.Sprintf(`{"Name":%q,"ProjectId":%q}`, name, project))
	w.create("runbookSnapshots?publish=true", fmt.Sprintf(`{"RunbookId":%q,"ProjectId":%q}`, id, project))
	w.sim.SetCleaner(id, simulator.Cleaner{Roles: []string{"hello-world"}})
}

// create makes a document of the scene's space and returns its id.
func (w *world) create(what, body string) string {
	w.t.Helper()
	id, err := w.post("/api/Spaces-1/"+what, body)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// post makes a document in Octopus and returns its id.
func (w *world) post(path, body string) (id string, err error) {
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var made struct{ ID string }
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil {
		return "", fmt.Errorf("posting to %s: %s, %w", path, answer.Status, err)
	}
	if made.ID == "" {
		return "", fmt.Errorf("posting to %s: %s", path, answer.Status)
	}
	return made.ID, nil
}
