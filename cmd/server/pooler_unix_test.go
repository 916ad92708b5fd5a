//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"regrow/internal/client"
	"regrow/internal/localpg/pgtest"
)

var pooledConfig = strings.Replace(flowConfig, `database: {url: "${DATABASE}"}`, `database: {url: "${DATABASE}", pooler: transaction}`, 1)

// bouncerConnections are fewer than the processes of the test would use.
const bouncerConnections = 5

// behindBouncer puts a pooler before the installation's database, of which
// nothing runs yet, and returns the database's own address.
func (i *installation) behindBouncer() (direct string) {
	i.t.Helper()
	direct = strings.TrimPrefix(i.database, "DATABASE=")
	i.database = "DATABASE=" + pgtest.Bouncer(i.t, direct, bouncerConnections)
	return direct
}

// replica is another process of the installation, at another address.
func (i *installation) replica(config string) *installation {
	i.t.Helper()
	other, listen := *i, freePort(i.t)
	other.url, other.config = "http://"+listen, filepath.Join(i.t.TempDir(), "replica.yaml")
	if err := os.WriteFile(other.config, fmt.Appendf(nil, config, listen, i.octopus), 0o600); err != nil {
		i.t.Fatal(err)
	}
	var err error
	if other.api, err = client.New(other.url, operatorToken, nil); err != nil {
		i.t.Fatal(err)
	}
	return &other
}

// The whole flow behind PgBouncer in transaction mode: migrations, two replicas of
// which one is killed, duplicates, the lock of a command, and a redelivery.
func TestFlowBehindPgBouncer(t *testing.T) {
	t.Parallel()
	i := prepare(t, pooledConfig)
	direct := i.behindBouncer()
	cmd, out, stderr := i.command("migrate", "up", "--config", i.config)
	if err := cmd.Run(); err != nil || !strings.Contains(out.String(), "applied 00001_runs.sql") {
		t.Fatalf("%v: %s%s", err, out, stderr)
	}
	i.simulate("--speed", "40", "--webhook-url", i.url+"/webhooks/octopus", "--webhook-secret", octopusSecret)
	i.serve()
	other := i.replica(pooledConfig)
	other.serve()

	status, first := i.push("delivery-1", strings.Repeat("a", 40))
	if status != http.StatusAccepted || len(first.Runs) != 1 {
		t.Fatalf("answered %d %+v", status, first)
	}
	status, again := other.push("delivery-1", strings.Repeat("a", 40))
	if status != http.StatusOK || again.Delivery != first.Delivery {
		t.Errorf("the other replica answers a duplicate with %d %+v", status, again)
	}
	_, second := other.push("delivery-2", strings.Repeat("b", 40))
	kills := map[string]bool{"baseline_recorded": true, "stage_succeeded": true}
	killed := 0
	for _, run := range []client.RunRef{first.Runs[0], second.Runs[0]} {
		ended := other.watch(run.ID, func(event client.Event) error {
			if kills[event.Kind] && killed < 3 {
				killed++
				i.kill()
				i.serve()
			}
			return nil
		})
		if ended.Status != client.RunStatusSucceeded {
			t.Fatalf("run #%d is %s: %s", ended.Number, ended.Status, ended.Reason)
		}
		checkTargets(t, ended)
	}
	if killed < 3 {
		t.Errorf("killed only %d times", killed)
	}

	cmd, _, stderr = i.command("override", "delete", "--config", i.config, "--pipeline", "hello-world")
	if err := cmd.Run(); err != nil {
		t.Errorf("taking the lock of a project: %v: %s", err, stderr)
	}
	cmd, out, stderr = i.command("deliveries", "redeliver", "delivery-1", "--wait", "--output", "json", "--server", i.url)
	var third replayed
	if err := cmd.Run(); err != nil || json.Unmarshal(out.Bytes(), &third) != nil || len(third.Runs) != 1 {
		t.Fatalf("%v: %s%s", err, out, stderr)
	}
	checkTargets(t, third.Runs[0])
	if third.Runs[0].Commit.SHA != strings.Repeat("a", 40) || third.Runs[0].Number != 3 {
		t.Errorf("played again it is %+v", third.Runs[0].Run)
	}
	i.checkEffects(3)
	checkFewSessions(t, direct)
}

// checkFewSessions makes sure that everything went through the pooler.
func checkFewSessions(t *testing.T, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var sessions int
	err = conn.QueryRow(t.Context(), `select count(*) from pg_stat_activity where datname = current_database()
		and backend_type = 'client backend' and pid <> pg_backend_pid()`).Scan(&sessions)
	if err != nil || sessions == 0 || sessions > bouncerConnections {
		t.Errorf("there are %d sessions (%v), want at most %d", sessions, err, bouncerConnections)
	}
}

// Without the setting regrow does not start behind a pooler, and says which one
// it is.
func TestServeNamesTheSettingOfThePooler(t *testing.T) {
	t.Parallel()
	i := prepare(t, flowConfig)
	i.behindBouncer()
	cmd, _, stderr := i.command("serve", "--migrate", "--config", i.config)
	if code := exitOf(cmd.Run()); code != exitFailed || !strings.Contains(stderr.String(), "set database.pooler to transaction") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
