//go:build unix

package localpg_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"regrow/internal/localpg"
)

func TestTemporaryServerServesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, localpg.Options{})
	root := filepath.Dir(s.LogFile())
	if got := queryText(t, s.URL(localpg.DefaultDatabase), "select current_database()"); got != localpg.DefaultDatabase {
		t.Errorf("connected to database %q, want %q", got, localpg.DefaultDatabase)
	}
	if info, err := os.Stat(filepath.Join(root, "run")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's directory: %v, %v; want mode 0700, as connections need no password", info, err)
	}

	stop(t, s)
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there after Stop (%v)", root, err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
}

func TestServerDoesNotListenOnTCPUnlessAsked(t *testing.T) {
	t.Parallel()
	s := start(t, localpg.Options{})
	if got := queryText(t, s.URL("postgres"), "show listen_addresses"); got != "" {
		t.Errorf("listen_addresses is %q, want none", got)
	}
}

func TestTCPNeedsTheRandomPassword(t *testing.T) {
	t.Parallel()
	s := start(t, localpg.Options{Port: freePort(t)})
	url := s.URL("postgres")
	if got := queryText(t, url, "select inet_server_addr()::text"); got != "127.0.0.1/32" {
		t.Errorf("connected over %q, want TCP on loopback", got)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "postgres"} {
		config.Password = wrong
		if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
			_ = conn.Close(t.Context())
			t.Errorf("password %q was let in over TCP", wrong)
		}
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	first := start(t, localpg.Options{Dir: dir})
	if got := queryText(t, first.URL("postgres"), "show fsync"); got != "on" {
		t.Errorf("fsync is %q on a durable server", got)
	}
	execute(t, first, "create table arms as select 8 as n")
	stop(t, first)

	second := start(t, localpg.Options{Dir: dir})
	if got := queryText(t, second.URL(localpg.DefaultDatabase), "select n::text from arms"); got != "8" {
		t.Errorf("read back %q, want 8", got)
	}
}

func TestRecoversFromAKilledPostmaster(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	first := start(t, localpg.Options{Dir: dir})
	execute(t, first, "create table arms as select 8 as n")

	if err := syscall.Kill(postmasterPID(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitClosed(t, first.Done(), "Done after the postmaster was killed")
	if _, err := os.Stat(pidFile(dir)); err != nil {
		t.Fatalf("the crash left no pid file, so this test proves nothing: %v", err)
	}
	stop(t, first)

	second := start(t, localpg.Options{Dir: dir})
	if got := queryText(t, second.URL(localpg.DefaultDatabase), "select n::text from arms"); got != "8" {
		t.Errorf("read back %q, want 8", got)
	}
}

// A crash and a restart of the machine leave a pid file whose number some other
// program may have by then. PostgreSQL alone would refuse to start if that
// program runs as the same user.
func TestPIDFileWithTheNumberOfAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	stop(t, start(t, localpg.Options{Dir: dir}))
	other := sleeper(t, filepath.Join(dir, "data"))
	content := strconv.Itoa(other) + "\n" + filepath.Join(dir, "data") + "\n1\n5432\n" + filepath.Join(dir, "run") + "\n\n1 1\nready\n"
	if err := os.WriteFile(pidFile(dir), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}

	start(t, localpg.Options{Dir: dir})
	if err := syscall.Kill(other, 0); err != nil {
		t.Errorf("the other program was harmed: %v", err)
	}
}

func TestEndsAPostmasterThatLostItsOwner(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	owner := startOwner(t, dir)
	orphan := postmasterPID(t, dir)
	// Without its watcher nothing ends the postmaster when the owner dies.
	killWatcher(t, dir)
	owner.kill(t)
	if err := syscall.Kill(orphan, 0); err != nil {
		t.Fatalf("the postmaster ended with its owner, so this test proves nothing: %v", err)
	}

	var log bytes.Buffer
	s := start(t, localpg.Options{Dir: dir, Logger: zerolog.New(&log)})
	if got := queryText(t, s.URL(localpg.DefaultDatabase), "select n::text from arms"); got != "8" {
		t.Errorf("read back %q, want 8", got)
	}
	if !strings.Contains(log.String(), "lost its owner") {
		t.Errorf("the log does not tell of the server that was ended: %s", &log)
	}
}

func TestServerEndsWithItsKilledOwner(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"durable": openDir(t), "temporary": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			owner := startOwner(t, dir)
			pid := postmasterPID(t, owner.root)
			owner.kill(t)
			await(t, "the postmaster's end", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
			if dir == "" {
				await(t, "the removal of "+owner.root, func() bool {
					_, err := os.Stat(owner.root)
					return errors.Is(err, fs.ErrNotExist)
				})
			}
		})
	}
}

func TestSecondStartOnTheSameDirIsRefused(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	first := start(t, localpg.Options{Dir: dir})
	_, err := localpg.Start(t.Context(), localpg.Options{Dir: dir})
	if !errors.Is(err, localpg.ErrInUse) {
		t.Fatalf("the second start: %v, want ErrInUse", err)
	}
	for _, want := range []string{dir, strconv.Itoa(os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if got := queryText(t, first.URL("postgres"), "select '1'"); got != "1" {
		t.Errorf("the first server suffered: %q", got)
	}
}

func TestRootStartsItAsSomebodyElse(t *testing.T) {
	t.Parallel()
	s := start(t, localpg.Options{})
	pid := postmasterPID(t, filepath.Dir(s.LogFile()))
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(pidFile(filepath.Dir(s.LogFile()))) // no /proc here: its files belong to whom it runs as
	}
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; (uid == uint32(os.Geteuid())) == (os.Geteuid() == 0) {
		t.Errorf("the server runs as user %d, its owner as %d", uid, os.Geteuid())
	}
}

func TestCrashLosesNothingThatWasCommitted(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	first := start(t, localpg.Options{Dir: dir})
	execute(t, first, "create table arms as select 8 as n")
	if err := first.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := start(t, localpg.Options{Dir: dir})
	if log, err := os.ReadFile(second.LogFile()); err != nil || !bytes.Contains(log, []byte("not properly shut down")) {
		t.Errorf("it was no crash, says PostgreSQL's log (%v): %s", err, log)
	}
	if got := queryText(t, second.URL(localpg.DefaultDatabase), "select n::text from arms"); got != "8" {
		t.Errorf("read back %q, want 8", got)
	}
}

func TestSettingsAreStrongerThanTheServersOwn(t *testing.T) {
	t.Parallel()
	s := start(t, localpg.Options{Settings: []string{"work_mem=5MB", "synchronous_commit=on"}})
	for setting, want := range map[string]string{"work_mem": "5MB", "synchronous_commit": "on", "fsync": "off"} {
		if got := queryText(t, s.URL("postgres"), "show "+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
}

func TestStandbyFollowsAndTakesOver(t *testing.T) {
	t.Parallel()
	primary := start(t, localpg.Options{Port: freePort(t)})
	execute(t, primary, "create table arms as select 7 as n")
	dir := openDir(t)
	standby := start(t, localpg.Options{Dir: dir, Port: freePort(t), Follow: primary})
	execute(t, primary, "alter system set synchronous_standby_names = '"+localpg.Standby+"'")
	execute(t, primary, "select pg_reload_conf()")
	execute(t, primary, "set synchronous_commit = remote_apply; update arms set n = 8") // returns when the standby shows it

	url := standby.URL(localpg.DefaultDatabase)
	if got := queryText(t, url, "select n::text from arms"); got != "8" {
		t.Errorf("the standby shows %q, want 8", got)
	}
	if _, err := connect(t, url).Exec(t.Context(), "update arms set n = 9"); err == nil {
		t.Error("the standby took a write before it was promoted")
	}
	if err := primary.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, standby, "update arms set n = 9")
	stop(t, standby)
	again := start(t, localpg.Options{Dir: dir})
	if got := queryText(t, again.URL(localpg.DefaultDatabase), "select n::text from arms"); got != "9" {
		t.Errorf("read back %q, want 9", got)
	}
}

func TestStartErrorShowsPostgresLog(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	stop(t, start(t, localpg.Options{Dir: dir}))
	if err := os.WriteFile(filepath.Join(dir, "data", "pg_hba.conf"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := localpg.Start(t.Context(), localpg.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "pg_hba.conf") {
		t.Errorf("the error does not say what PostgreSQL logged: %v", err)
	}
}

func TestDeepDirGetsItsSocketElsewhere(t *testing.T) {
	t.Parallel()
	deep := filepath.Join(openDir(t), strings.Repeat("d", 60), strings.Repeat("e", 60))
	makeOpen(t, deep)
	s := start(t, localpg.Options{Dir: deep})
	if got := queryText(t, s.URL("postgres"), "select '1'"); got != "1" {
		t.Errorf("got %q", got)
	}
	config, err := pgx.ParseConfig(s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	if _, err := os.Stat(filepath.Dir(config.Host)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there after Stop (%v)", filepath.Dir(config.Host), err)
	}
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := localpg.Start(ctx, localpg.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start with an ended context: %v", err)
	}
}

// start starts a server that ends with the test.
func start(t *testing.T, opts localpg.Options) *localpg.Server {
	t.Helper()
	s, err := localpg.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func stop(t *testing.T, s *localpg.Server) {
	t.Helper()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitClosed(t, s.Done(), "Done after Stop")
}

func execute(t *testing.T, s *localpg.Server, statement string) {
	t.Helper()
	conn := connect(t, s.URL(localpg.DefaultDatabase))
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func queryText(t *testing.T, url, query string) (answer string) {
	t.Helper()
	if err := connect(t, url).QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// openDir is t.TempDir for a directory that other users may enter: run by root,
// the server is somebody else.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "regrow-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	makeOpen(t, dir)
	return dir
}

func makeOpen(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func pidFile(root string) string { return filepath.Join(root, "data", "postmaster.pid") }

func postmasterPID(t *testing.T, root string) int {
	t.Helper()
	text, err := os.ReadFile(pidFile(root))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func awaitClosed(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for %s", what)
	}
}

// await asks until the answer is yes: other processes send no signal.
func await(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited a minute for %s", what)
		}
	}
}
