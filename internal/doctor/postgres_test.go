package doctor_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/doctor"
	"regrow/internal/localpg"
	"regrow/internal/localpg/pgtest"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
	"regrow/migrations"
)

// onPostgres has the clinic's regrow keep its state in a real database.
func (c *clinic) onPostgres(migrated bool) *pgxpool.Pool {
	c.t.Helper()
	hash, err := migrations.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	migrate := func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := store.Migrate(ctx, pool)
		return err
	}
	if !migrated {
		hash, migrate = "empty", func(context.Context, *pgxpool.Pool) error { return nil }
	}
	address := pgtest.NewURL(c.t, migrate, hash)
	c.env["DATABASE"] = address
	c.change = append(c.change, func(o *doctor.Options) {
		o.OpenDatabase = func(ctx context.Context, url string) (doctor.Database, error) {
			pool, err := pgxpool.New(ctx, url)
			if err != nil {
				return nil, err
			}
			if err := pool.Ping(ctx); err != nil {
				pool.Close()
				return nil, err
			}
			return doctor.NewDatabase(pool), nil
		}
	})
	pool, err := pgxpool.New(c.t.Context(), address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(pool.Close)
	return pool
}

// deliver stores a delivery, as the running regrow would.
func deliver(t *testing.T, pool *pgxpool.Pool, source string, at time.Time) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := store.New(pool).InsertDelivery(t.Context(), store.InsertDeliveryParams{
		ID: id, Source: source, ExternalID: id.String(), Kind: source, Event: "push", ReceivedAt: at,
		Headers: http.Header{}, Body: []byte("{}"), BodySha256: []byte{}, Outcome: "accepted", Mismatches: []pipeline.Mismatch{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// begin stores an active run of the pipeline that has made a release.
func (c *clinic) begin(pool *pgxpool.Pool, releaseID string) store.Run {
	c.t.Helper()
	loaded, err := c.load()
	if err != nil {
		c.t.Fatal(err)
	}
	line, q, ctx, now := loaded.Pipelines[0], store.New(pool), c.t.Context(), time.Now()
	must := func(err error) {
		c.t.Helper()
		if err != nil {
			c.t.Fatal(err)
		}
	}
	number, err := q.NextRunNumber(ctx, line.Name)
	must(err)
	run, err := q.InsertRun(ctx, store.InsertRunParams{
		ID: uuid.Must(uuid.NewV7()), Pipeline: line.Name, Number: number, DeliveryID: deliver(c.t, pool, "github", now), Server: line.Server.Name, Lane: line.Lane(),
		Config: pipeline.Snapshot{Pipeline: line}, Ref: "refs/heads/main", CommitSha: "abc", Stage: pipeline.Provision, CreatedAt: now,
	})
	must(err)
	must(q.InsertStages(ctx, store.InsertStagesParams{RunID: run.ID, Stages: pipeline.StageNames()}))
	_, err = q.StartRun(ctx, store.StartRunParams{ID: run.ID, Stage: pipeline.Provision, JobID: 1, Now: now, Round: 1})
	must(err)
	result, err := json.Marshal(map[string]string{"release_id": releaseID})
	must(err)
	must(q.SaveStageResult(ctx, store.SaveStageResultParams{RunID: run.ID, Stage: pipeline.CreateRelease, Result: result}))
	return run
}

func TestHealthyDatabase(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	pool := c.onPostgres(true)
	if report := c.examine(); of(t, report, "deliveries").Scope != "source github" || report.Status != doctor.Warnings ||
		!strings.Contains(text(report), "nothing has ever arrived") {
		t.Errorf("before the first delivery:\n%s", text(report))
	}
	deliver(t, pool, "octopus", time.Now())
	for _, check := range c.examine().Checks {
		// The tests' database is made for speed.
		if bad := check.Severity == doctor.Warning || check.Severity == doctor.Error; bad != (check.ID == "durability") {
			t.Errorf("%+v", check)
		}
	}
}

// Each of the settings alone is seen.
func TestDurability(t *testing.T) {
	t.Parallel()
	settings := []string{"fsync", "full_page_writes", "synchronous_commit"}
	on := []string{"fsync=on", "full_page_writes=on", "synchronous_commit=on"}
	for i, name := range append(settings, "") {
		t.Run(cmp.Or(name, "all on"), func(t *testing.T) {
			t.Parallel()
			values := slices.Clone(on)
			if name != "" {
				values[i] = name + "=off"
			}
			server, err := localpg.Start(t.Context(), localpg.Options{Settings: values})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			})
			pool, err := pgxpool.New(t.Context(), server.URL(localpg.DefaultDatabase))
			if err != nil {
				t.Fatal(err)
			}
			database := doctor.NewDatabase(pool)
			defer database.Close()
			off, err := database.SwitchedOff(t.Context())
			if err != nil || strings.Join(off, ",") != name {
				t.Errorf("off: %v, %v", off, err)
			}
		})
	}
}

// Looking at an empty database says what to do, and leaves it empty.
func TestEmptyDatabase(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	pool := c.onPostgres(false)
	report := c.examine()
	schema := of(t, report, "schema")
	if schema.Severity != doctor.Error || !strings.Contains(schema.Remedy, "regrow migrate up") || !strings.Contains(schema.Details[0], "00001_runs.sql") {
		t.Errorf("%+v", schema)
	}
	if of(t, report, "database-clock").Severity != doctor.OK || of(t, report, "override").Severity != doctor.OK {
		t.Errorf("\n%s", text(report))
	}
	var tables int
	if err := pool.QueryRow(t.Context(), "select count(*) from pg_tables where schemaname = 'public'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("there are %d tables now, %v", tables, err)
	}
}

// A database of a later version is refused as regrow itself refuses it.
func TestNewerDatabase(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	pool := c.onPostgres(true)
	if _, err := pool.Exec(t.Context(), "insert into goose_db_version (version_id, is_applied) values (99999, true)"); err != nil {
		t.Fatal(err)
	}
	if schema := of(t, c.examine(), "schema"); schema.Severity != doctor.Error || !strings.Contains(schema.Message, "newer") {
		t.Errorf("%+v", schema)
	}
}

func TestDatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	c.onPostgres(true)
	c.env["DATABASE"] = "postgres://regrow:db-pass-7f2c@127.0.0.1:1/regrow?connect_timeout=2"
	report := c.examine()
	if check := of(t, report, "database"); check.Severity != doctor.Error || strings.Contains(text(report), "db-pass-7f2c") {
		t.Errorf("\n%s", text(report))
	}
}

// An override is told to be somebody's as long as the run is active, and to be
// left behind after that.
func TestWhoseOverrideItIs(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	pool := c.onPostgres(true)
	release, err := c.octopus.AddRelease(c.scene.ProjectID, "7.7.7")
	if err != nil {
		t.Fatal(err)
	}
	c.set("projects/"+c.scene.ProjectID, "AutoDeployReleaseOverrides", []map[string]any{{"EnvironmentId": c.scene.EnvironmentID, "ReleaseId": release}})
	run := c.begin(pool, release)
	if check := of(t, c.examine(), "override"); check.Severity != doctor.OK || !strings.Contains(check.Message, "hello-world#1 is active") {
		t.Errorf("%+v", check)
	}
	if _, err := store.New(pool).EndRun(t.Context(), store.EndRunParams{ID: run.ID, Status: pipeline.Failed, Reason: "x", Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if check := of(t, c.examine(), "override"); check.Severity != doctor.Warning || !strings.Contains(check.Details[0], "hello-world#1 has made that release") {
		t.Errorf("%+v", check)
	}
}

// An override that a rollback has left is told to be right, until a later run
// has set its own.
func TestOverrideOfARollback(t *testing.T) {
	t.Parallel()
	c := newClinic(t, simulator.HelloWorldOptions{}).ready()
	pool := c.onPostgres(true)
	q := store.New(pool)
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	end := func(run store.Run, status pipeline.Status) {
		t.Helper()
		must(q.EndRun(t.Context(), store.EndRunParams{ID: run.ID, Status: status, Reason: "x", Now: time.Now()}))
	}
	good, err := c.octopus.AddRelease(c.scene.ProjectID, "7.7.7")
	if err != nil {
		t.Fatal(err)
	}
	c.set("projects/"+c.scene.ProjectID, "AutoDeployReleaseOverrides", []map[string]any{{"EnvironmentId": c.scene.EnvironmentID, "ReleaseId": good}})
	end(c.begin(pool, good), pipeline.Failed)
	bad := c.begin(pool, "Releases-Bad")
	data, err := json.Marshal(map[string]string{"release_id": good})
	must(data, err)
	must(nil, q.NoteRollback(t.Context(), store.NoteRollbackParams{ID: bad.ID, Delivery: deliver(t, pool, "api", time.Now()), By: "ops", Reason: "the shop is down"}))
	must(nil, q.InsertEvent(t.Context(), store.InsertEventParams{RunID: bad.ID, At: time.Now(), Kind: "override_set", Message: "x", Data: data}))
	end(bad, pipeline.Cancelled)
	if check := of(t, c.examine(), "override"); check.Severity != doctor.Note || check.Remedy != "" || !strings.Contains(check.Message, "left by the rollback of hello-world#2") {
		t.Errorf("after the rollback: %+v", check)
	}

	perform := func(run store.Run, stages ...pipeline.Stage) {
		t.Helper()
		for _, stage := range stages {
			must(q.BeginStage(t.Context(), store.BeginStageParams{RunID: run.ID, Stage: stage, Now: time.Now()}))
			must(nil, q.SetStage(t.Context(), store.SetStageParams{RunID: run.ID, Stage: stage, Status: "succeeded", EndedAt: new(time.Now())}))
		}
		end(run, pipeline.Failed)
	}
	perform(c.begin(pool, "Releases-Later"), pipeline.Provision)
	if check := of(t, c.examine(), "override"); check.Severity != doctor.Note {
		t.Errorf("after a run that has set no override: %+v", check)
	}
	perform(c.begin(pool, "Releases-Latest"), pipeline.Provision, pipeline.CreateRelease, pipeline.Override)
	if check := of(t, c.examine(), "override"); check.Severity != doctor.Warning {
		t.Errorf("after a run that has set its own override: %+v", check)
	}
}
