package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"regrow/internal/config"
	"regrow/internal/octopus"
	"regrow/internal/simulator"
)

// shared is an example that regrow setup and regrow override change at once, with
// a database between them.
type shared struct {
	setups
	overrides
	locks   *pgxpool.Pool
	client  *octopus.Client
	project string // the application project's id
	// crossing, where it is not nil, is called before the next change of the
	// project goes on to Octopus.
	mu       sync.Mutex
	crossing func()
}

func newShared(t *testing.T, environments ...string) *shared {
	t.Helper()
	s := &shared{setups: setups{Server: simulator.New(simulator.Options{})}}
	t.Cleanup(s.Close)
	server := httptest.NewServer(http.HandlerFunc(s.pass))
	t.Cleanup(server.Close)
	database := emptyDatabase(t)
	s.setups.config = filepath.Join(t.TempDir(), "regrow.yaml")
	text := strings.Replace(fmt.Sprintf(setupConfig, server.URL), "${THIS_IS_NOT_SET}", database, 1)
	if err := os.WriteFile(s.setups.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.overrides = overrides{s.setups.config}
	var err error
	if s.locks, err = openPool(t.Context(), database, 1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.locks.Close)
	if s.client, err = octopus.New(octopus.Config{URL: server.URL, APIKey: simulator.DefaultAPIKey, Space: "Default", RequestsPerMinute: 60_000}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)

	s.setUp(t).want(t, exitOK, "", "")
	found, err := s.client.Project(t.Context(), "Hello World")
	if err != nil {
		t.Fatal(err)
	}
	s.project = found.ID
	if _, err := s.AddRelease(s.project, "1.0.0"); err != nil {
		t.Fatal(err)
	}
	for _, name := range environments {
		if _, err := s.AddEnvironment(name); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// pass hands requests on to Octopus.
func (s *shared) pass(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/projects/") {
		s.mu.Lock()
		crossing := s.crossing
		s.crossing = nil
		s.mu.Unlock()
		if crossing != nil {
			crossing()
		}
	}
	s.ServeHTTP(w, r)
}

func (s *shared) setUp(t *testing.T, flags ...string) result {
	t.Helper()
	return s.setups.run(t, strings.NewReader(""), append(flags, "--example", "hello-world", "--yes")...)
}

func (s *shared) setOverride(t *testing.T, environment string, flags ...string) {
	t.Helper()
	args := append([]string{"set", "--project", "Hello World", "--environment", environment, "--release", "1.0.0"}, flags...)
	if code, _, problems := s.overrides.run(t.Context(), args...); code != exitOK {
		t.Errorf("override set in %s: exit %d: %s", environment, code, problems)
	}
}

const skipping = "/ProjectConnectivityPolicy/SkipMachineBehavior"

func (s *shared) document(t *testing.T) octopus.Document {
	t.Helper()
	d, err := s.client.Document(t.Context(), octopus.Projects, s.project)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// spoil changes by hand what setup is to repair.
func (s *shared) spoil(t *testing.T) {
	t.Helper()
	changed, err := s.document(t).With(skipping, "None")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Update(t.Context(), octopus.Projects, changed); err != nil {
		t.Fatal(err)
	}
}

// state is whether the project is repaired, and how many overrides it has.
func (s *shared) state(t *testing.T) (repaired bool, overrides int) {
	t.Helper()
	all, err := s.client.Overrides(t.Context(), s.project)
	if err != nil {
		t.Fatal(err)
	}
	return s.document(t).Text(skipping) == "SkipUnavailableMachines", len(all)
}

// untilBlocked returns when something waits for a lock in the database, or done
// is closed.
func (s *shared) untilBlocked(t *testing.T, done <-chan struct{}) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-done:
			return
		case <-look.C:
		}
		var waiting bool
		err := s.locks.QueryRow(t.Context(), `select exists (select from pg_locks join pg_database on pg_database.oid = pg_locks.database
			where datname = current_database() and locktype = 'advisory' and not granted)`).Scan(&waiting)
		if err != nil {
			t.Error(err)
			return
		}
		if waiting {
			return
		}
	}
}

// cross has the second command begin when the first one has read the project and
// is about to write it, and lets the first one go on when the second is done, or
// waits for it.
func (s *shared) cross(t *testing.T, first, second func()) {
	t.Helper()
	done := make(chan struct{})
	s.mu.Lock()
	s.crossing = func() {
		go func() {
			defer close(done)
			second()
		}()
		s.untilBlocked(t, done)
	}
	s.mu.Unlock()
	first()
	<-done
}

// Whoever comes second, setup and override lose nothing of each other. Without
// the lock they would: a project has no version by which Octopus could tell.
func TestSetupAndOverrideKeepEachOthersChanges(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		setupFirst bool
		flags      []string
		repaired   bool
		overrides  int
	}{
		"setup first":                      {true, nil, true, 1},
		"override first":                   {false, nil, true, 1},
		"setup first, without the lock":    {true, []string{"--no-lock"}, true, 0},
		"override first, without the lock": {false, []string{"--no-lock"}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t)
			s.spoil(t)
			setUp := func() { s.setUp(t, test.flags...).want(t, exitOK, "1 changed, 10 left as they were.", "") }
			override := func() { s.setOverride(t, "Development", test.flags...) }
			if test.setupFirst {
				s.cross(t, setUp, override)
			} else {
				s.cross(t, override, setUp)
			}
			if repaired, overrides := s.state(t); repaired != test.repaired || overrides != test.overrides {
				t.Errorf("repaired: %t, want %t; %d overrides, want %d", repaired, test.repaired, overrides, test.overrides)
			}
		})
	}
}

// A setup in the middle of many overrides: all of them stand, and it has repaired
// the project.
func TestSetupAmidRacingOverrides(t *testing.T) {
	t.Parallel()
	environments := []string{"E0", "E1", "E2", "E3", "E4"}
	s := newShared(t, environments...)
	for range 3 {
		for _, environment := range environments {
			if code, _, problems := s.overrides.run(t.Context(), "delete", "--project", "Hello World", "--environment", environment); code != exitOK {
				t.Fatalf("override delete: exit %d: %s", code, problems)
			}
		}
		s.spoil(t)
		var racing sync.WaitGroup
		racing.Go(func() { s.setUp(t).want(t, exitOK, "1 changed", "") })
		for _, environment := range environments {
			racing.Go(func() { s.setOverride(t, environment) })
		}
		racing.Wait()
		if repaired, overrides := s.state(t); !repaired || overrides != len(environments) {
			t.Errorf("repaired: %t, %d overrides", repaired, overrides)
		}
	}
}

// Where there is no lock to take, the plan says so, and goes on only if nothing
// else was asked for.
func TestSetupWithoutTheLock(t *testing.T) {
	t.Parallel()
	const relied = "changed without the lock that runs take"
	s := newShared(t)
	s.spoil(t)
	if got := s.setUp(t, "--no-lock"); got.code != exitOK || !strings.Contains(got.out, relied) {
		t.Errorf("--no-lock: %+v", got)
	}

	s.spoil(t)
	text, err := os.ReadFile(s.setups.config)
	if err != nil {
		t.Fatal(err)
	}
	away := strings.Replace(string(text), s.locks.Config().ConnString(), "postgres://regrow:not-to-be-shown@127.0.0.1:1/none", 1)
	if err := os.WriteFile(s.setups.config, []byte(away), 0o600); err != nil {
		t.Fatal(err)
	}
	got := s.setUp(t)
	got.want(t, exitUnreachable, "! blocked  project", "add --no-lock")
	if strings.Contains(got.out, relied) || strings.Contains(got.out+got.err, "not-to-be-shown") {
		t.Errorf("with a database that is away: %+v", got)
	}
	if repaired, _ := s.state(t); repaired {
		t.Error("the project was changed without the lock")
	}

	none := strings.Replace(string(text), s.locks.Config().ConnString(), "${THIS_IS_NOT_SET}", 1)
	if err := os.WriteFile(s.setups.config, []byte(none), 0o600); err != nil {
		t.Fatal(err)
	}
	const unset = "THIS_IS_NOT_SET is not set or empty"
	got = s.setUp(t)
	got.want(t, exitUsage, "1 to change, 10 to leave as they are.", unset)
	got.want(t, exitUsage, "", "if none runs, add --no-lock")
	s.setups.run(t, strings.NewReader(""), "--example", "hello-world", "--dry-run").want(t, exitUsage, "~ change   project", unset)
	if repaired, _ := s.state(t); repaired || strings.Contains(got.out, relied) {
		t.Errorf("without a database the project was changed, or that was planned:\n%s", got.out)
	}
	code, _, problems := s.overrides.run(t.Context(), "delete", "--project", "Hello World", "--environment", "Development")
	if code != exitUsage || !strings.Contains(problems, unset) {
		t.Errorf("override: exit %d: %s", code, problems)
	}
	s.setUp(t, "--no-lock").want(t, exitOK, relied, "")
	if repaired, _ := s.state(t); !repaired {
		t.Error("with --no-lock the project was not repaired")
	}
}

// A lock that is not to be had and a database that is away are told alike by their
// code: nothing was changed, and the command can be repeated.
func TestLockThatIsNotToBeHad(t *testing.T) {
	t.Parallel()
	url := emptyDatabase(t)
	database := config.Database{URL: config.NewSecret(url)}
	held, release := make(chan struct{}), make(chan struct{})
	var holder sync.WaitGroup
	holder.Go(func() {
		err := changeLocked(t.Context(), database, "https://octopus.example", "Projects-1", func(context.Context) error {
			close(held)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	never := func(context.Context) error { t.Error("changed without the lock"); return nil }
	err := changeLocked(soon, database, "https://octopus.example", "Projects-1", never)
	if code := exitCode(&ranError{err}); code != exitUnreachable || !strings.Contains(err.Error(), "repeat it later") {
		t.Errorf("exit %d: %v", code, err)
	}
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	if code := exitCode(&ranError{changeLocked(interrupted, database, "https://octopus.example", "Projects-1", never)}); code != exitInterrupted {
		t.Errorf("interrupted: exit %d", code)
	}
	close(release)
	holder.Wait()
}
