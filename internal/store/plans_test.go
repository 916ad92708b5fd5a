package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/localpg/pgtest"
	"regrow/migrations"
)

// What intake, the reconciler and the handing on of lanes ask all the time finds
// its rows by an index, with a long history and long queues.
func TestQueriesOfEveryMomentUseIndexes(t *testing.T) {
	t.Parallel()
	hash, err := migrations.Hash()
	if err != nil {
		t.Fatal(err)
	}
	pool := pgtest.New(t, func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := Migrate(ctx, pool)
		return err
	}, hash)
	fillLanes(t, pool)
	connection, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Release()
	for name, query := range map[string]string{
		"LaneIsTaken": laneIsTaken, "LaneToEnter": laneToEnter, "LockNextInLane": lockNextInLane, "StrandedLanes": strandedLanes,
		"NewestQueued": newestQueued, "LastProvisionInLane": lastProvisionInLane, "NewerInLane": newerInLane,
		"DueWaiting": dueWaiting, "ExpiredLeases": expiredLeases, "UnleasedRunning": unleasedRunning, "FreeOfPauses": freeOfPauses,
		"LockActiveOnServer": lockActiveOnServer, "RightToAct": rightToAct, "LatestRunPerPipeline": latestRunPerPipeline,
		"LanesInUse": lanesInUse, "ConfigOfLane": configOfLane,
		"GoodRuns": goodRuns, "SucceededSince": succeededSince, "OpenRollbackOf": openRollbackOf, "GoFirst": goFirst,
	} {
		plan := explain(t, connection.Conn(), name, query)
		// Of a lane's history, those that were rolled back are few.
		if name == "GoodRuns" && !strings.Contains(plan, "runs_rolled_back") {
			t.Errorf("%s reads all of a lane's history again for each run:\n%s", name, plan)
		}
		if strings.Contains(plan, "Seq Scan on runs") {
			t.Errorf("%s reads all runs:\n%s", name, plan)
		}
	}
}

// fillLanes makes 200 lanes with a history, each with an active run and a queue.
func fillLanes(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for _, statement := range []string{
		`insert into pipelines select 'line ' || i, 1000 from generate_series(0, 199) i`,
		`alter table runs disable trigger user`,
		`insert into deliveries (id, source, external_id, kind, event, received_at, headers, body, body_sha256, outcome)
		 select gen_random_uuid(), 'github', i, 'github', 'push', now(), '{}', '', '', 'accepted' from generate_series(1, 15000) i`,
		`insert into runs (id, pipeline, number, delivery_id, server, lane, config, repository, ref, commit_sha, status, stage, created_at, started_at, ended_at, lane_turn, next_check_at)
		 select gen_random_uuid(), 'line ' || i % 200, i, d.id, 'main', 'https://octopus.example | default | environment ' || i % 200 || ' |  | web', config, 'acme/shop', 'refs/heads/main', md5(d.external_id),
		    case when i > 14800 then 'waiting' when i > 12000 then 'queued' when i % 3 = 0 then 'superseded' else 'succeeded' end, 'verify', now(),
		    case when i > 14800 or i <= 12000 and i % 3 > 0 then now() end, case when i <= 12000 then now() end, i, case when i > 14800 then now() end
		 from (select *, external_id::int as i from deliveries) d, (select jsonb_build_object('like', string_agg(md5(i::text), '')) as config from generate_series(1, 25) i) c`,
		`insert into stages (run_id, stage, position, result) select id, 'provision', 1, '{"release_id": "Releases-1"}' from runs where status = 'succeeded'`,
		`insert into stages (run_id, stage, position, result) select id, 'create_release', 2, '{"release_id": "Releases-2"}' from runs where status = 'succeeded'`,
		`alter table runs enable trigger user`,
		`vacuum analyze runs, stages`, // as autovacuum does
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// explain returns the plan that holds for whatever a query's parameters are.
func explain(t *testing.T, connection *pgx.Conn, name, query string) string {
	t.Helper()
	var nulls []string
	for i := 1; strings.Contains(query, fmt.Sprintf("$%d", i)); i++ {
		nulls = append(nulls, "null")
	}
	parameters := ""
	if len(nulls) > 0 {
		parameters = "(" + strings.Join(nulls, ", ") + ")"
	}
	for _, statement := range []string{"set plan_cache_mode = force_generic_plan", "prepare " + name + " as " + query} {
		if _, err := connection.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	rows, err := connection.Query(t.Context(), "explain execute "+name+parameters, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.Join(lines, "\n")
}
