package app_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// manyLanes is how many lanes a storm strikes at once.
func manyLanes() int {
	if testing.Short() {
		return 20
	}
	return 200
}

// Commits to two hundred lanes at once: every lane's first run comes through, the
// database is asked over no more connections than are allowed, and nobody waits
// for a worker while others are served again and again.
func TestStormOnManyLanes(t *testing.T) {
	t.Parallel()
	lanes := manyLanes()
	s := newStorm(t, lanes, "latest", time.Second)
	var all sync.WaitGroup
	for lane := range lanes {
		for n := range 2 {
			all.Go(func() { s.push(lane, sha(n, lane)) })
		}
	}
	all.Wait()
	if n := s.count("runs"); n != 2*lanes {
		t.Fatalf("%d runs of %d commits", n, 2*lanes)
	}
	if n := s.count("runs where status = 'queued'"); n > lanes {
		t.Errorf("%d runs are queued in %d lanes", n, lanes)
	}
	most := 0
	s.until("every lane's first run is through", func() bool {
		most = max(most, s.connections())
		if n := s.count("runs where status in ('failed', 'cancelled')"); n > 0 {
			t.Fatalf("%d runs have failed", n)
		}
		return s.count("runs where number = 1 and status = 'succeeded'") == lanes
	})
	const listening = 1 // to River's notifications, beside the pool
	if most > stormConnections+listening {
		t.Errorf("regrow had %d connections, and is allowed %d", most, stormConnections+listening)
	}
	s.checkFairness()
	if n := s.turnovers(); n < lanes {
		t.Errorf("%d turnovers of %d lanes", n, lanes)
	}
}

// connections counts those that regrow has to its database.
func (s *storm) connections() (n int) {
	s.t.Helper()
	// Those of the test itself name themselves.
	err := s.pool.QueryRow(s.t.Context(), "select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and application_name <> $1", stormWitness).Scan(&n)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// checkFairness wants the first executions of runs to have begun in the order in
// which they took their lanes, but for what goes on side by side.
func (s *storm) checkFairness() {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `select r.id::text from runs r join jobs j on j.run_id = r.id join attempts a on a.job_id = j.id
		where r.number = 1 and j.stage = 'provision' and a.number = 1 order by r.lane_turn`)
	if err != nil {
		s.t.Fatal(err)
	}
	turns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	rows, err = s.pool.Query(s.t.Context(), `select r.id::text from attempts a join jobs j on j.id = a.job_id join runs r on r.id = j.run_id order by a.id`)
	if err != nil {
		s.t.Fatal(err)
	}
	executed, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	// What others get between a run's turn and its first execution: their own
	// first ones, of those that came before it, and little more.
	firsts := map[string]int{}
	others := 0
	for _, id := range executed {
		if _, seen := firsts[id]; seen {
			others++
			continue
		}
		firsts[id] = len(firsts)
	}
	const slack = 40 // twice the workers there could be
	for turn, id := range turns {
		begun, ever := firsts[id]
		if !ever || begun-turn > slack || turn-begun > slack {
			s.t.Errorf("the run that took its lane as number %d was executed first as number %d", turn+1, begun+1)
		}
	}
	if len(turns) == 0 || others == 0 || !slices.Contains(executed, turns[0]) {
		s.t.Errorf("%d turns, %d later executions: the test proves nothing", len(turns), others)
	}
	s.t.Logf("%d executions for %d first runs", len(executed), len(turns))
}
