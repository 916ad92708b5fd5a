//go:build unix

package trial

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"regrow/internal/localpg"
)

var away = flag.Duration("away", 3*time.Second, "how long Postgres is away, silent or otherwise in trouble")

// chance is a test's own, from the seed of all.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	t.Logf("seed %d", chosenSeed())
	return rand.New(rand.NewPCG(chosenSeed(), 2<<32))
}

// Postgres is restarted again and again, in order and not: regrow's processes stay,
// what was acknowledged is there, and all runs end.
func TestPostgresRestarts(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]way{"fast": fast, "immediate": immediate} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := chance(t)
			server, address := newDatabase(t, localpg.Options{})
			w := New(t, Options{Database: address, Lanes: stormLanes()})
			w.Serve("")
			w.Serve("")
			end := w.storm(t, random, 6)
			for range 2 + int(*away/time.Second) {
				rest(t.Context(), time.Duration(300+random.IntN(1500))*time.Millisecond)
				server.away(how, func() {})
			}
			rest(t.Context(), time.Second)
			end()
			w.endsWell(t, fmt.Sprintf("seed %d, %s restarts", chosenSeed(), name))
		})
	}
}

// Connections break all the time, as with an operator or a proxy that kills them.
func TestPostgresConnectionsKilled(t *testing.T) {
	t.Parallel()
	random := chance(t)
	server, address := newDatabase(t, localpg.Options{})
	w := New(t, Options{Database: address, Lanes: stormLanes()})
	w.Serve("")
	w.Serve("")
	end := w.storm(t, random, 6)
	killing, stop := context.WithTimeout(t.Context(), *away)
	defer stop()
	for killing.Err() == nil {
		server.execute("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() and random() < 0.5")
		rest(killing, time.Duration(random.IntN(300))*time.Millisecond)
	}
	end()
	w.endsWell(t, fmt.Sprintf("seed %d, connections killed", chosenSeed()))
}

// Postgres is away in the middle of a storm of webhooks: senders are told to come
// again, and when they do, all is taken in, once.
func TestPostgresAwayDuringAStorm(t *testing.T) {
	t.Parallel()
	random := chance(t)
	server, address := newDatabase(t, localpg.Options{})
	w := New(t, Options{Database: address, Lanes: stormLanes()})
	w.Serve("")
	w.Serve("")
	end := w.storm(t, random, 20)
	rest(t.Context(), time.Second)
	before := w.Answers()[http.StatusServiceUnavailable]
	server.away(immediate, func() { rest(t.Context(), *away) })
	refused := w.Answers()[http.StatusServiceUnavailable] - before
	rest(t.Context(), time.Second)
	end()
	if refused == 0 {
		t.Error("no sender was told to come again while Postgres was away")
	}
	w.endsWell(t, fmt.Sprintf("seed %d, Postgres away for %s", chosenSeed(), *away))
}

// The network to Postgres loses its way: connections are open, and nobody answers.
// Then they break.
func TestPostgresSilent(t *testing.T) {
	t.Parallel()
	random := chance(t)
	server, _ := newDatabase(t, localpg.Options{Port: quietPort(t)})
	var network *wire
	through := func(address string) string {
		network = newWire(t, hostOf(t, address))
		return withHost(t, address, network.address)
	}
	w := New(t, Options{Database: server.URL(localpg.DefaultDatabase), ThroughDatabase: through, Lanes: stormLanes()})
	w.Serve("")
	w.Serve("")
	end := w.storm(t, random, 10)
	for range 2 {
		rest(t.Context(), time.Second)
		network.quiet()
		rest(t.Context(), *away)
		network.mend()
	}
	rest(t.Context(), time.Second)
	end()
	w.endsWell(t, fmt.Sprintf("seed %d, Postgres silent for %s, twice", chosenSeed(), *away))
}

// The primary is gone for good, and its standby takes over. As the primary has
// waited for it with each commit, nothing is lost that was acknowledged; regrow
// finds it by itself, because database.url names both.
func TestPostgresFailover(t *testing.T) {
	t.Parallel()
	random := chance(t)
	primary, address := newDatabase(t, localpg.Options{})
	standby := newPostgres(t, localpg.Options{Follow: primary.Server})
	primary.execute("alter system set synchronous_standby_names = '" + localpg.Standby + "'")
	primary.execute("select pg_reload_conf()")
	w := New(t, Options{Database: either(t, address, standby.URL(localpg.DefaultDatabase)), Lanes: stormLanes()})
	w.Serve("")
	w.Serve("")
	end := w.storm(t, random, 10)
	rest(t.Context(), 2*time.Second)
	if err := primary.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	rest(t.Context(), time.Duration(random.IntN(3000))*time.Millisecond)
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	rest(t.Context(), 2*time.Second)
	end()
	w.endsWell(t, fmt.Sprintf("seed %d, failover", chosenSeed()))
}

// either is the address of whichever of two servers takes writes. Both listen on
// Unix sockets only.
func either(tb testing.TB, one, other string) string {
	tb.Helper()
	u, second := parse(tb, one), parse(tb, other)
	query := u.Query()
	for _, key := range []string{"host", "port"} {
		query.Set(key, query.Get(key)+","+second.Query().Get(key))
	}
	query.Set("target_session_attrs", "read-write")
	u.RawQuery = query.Encode()
	return u.String()
}
