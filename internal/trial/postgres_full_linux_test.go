package trial

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regrow/internal/localpg"
)

// There is no room left for deliveries: what cannot be stored is not taken in, all
// else goes on, and once there is room everything comes in that was refused.
func TestPostgresFull(t *testing.T) {
	t.Parallel()
	random := chance(t)
	server, address := newDatabase(t, localpg.Options{})
	// The table of deliveries gets larger than any other file, PostgreSQL's log of
	// what it writes ahead included, so that a limit strikes only there. Its blocks
	// are full.
	server.execute(`insert into deliveries (id, source, external_id, kind, event, received_at, headers, body, body_sha256, outcome, reason, mismatches)
		select gen_random_uuid(), 'filler', n::text, 'github', 'push', now(), '{}', convert_to(repeat(md5(n::text), 58), 'UTF8'), '', 'ignored', '', '[]'
		from generate_series(1, 12000) n`)
	server.execute("checkpoint")
	w := New(t, Options{Database: address, Lanes: stormLanes()})
	w.Serve("")
	w.Serve("")
	end := w.storm(t, random, 6)
	rest(t.Context(), time.Second)

	server.limitFiles(t, server.size(t, "deliveries")+1000) // half a block more: the rest of one is written, as on a full disk
	until(t, "senders are told that there is no room", func() bool { return server.logs(t, "could not extend file") > 10 })
	before := w.Answers()
	rest(t.Context(), 2*time.Second)
	if refused := w.Answers()[http.StatusServiceUnavailable] - before[http.StatusServiceUnavailable]; refused == 0 {
		t.Errorf("nobody was refused: %v, then %v", before, w.Answers())
	}
	server.limitFiles(t, unix.RLIM_INFINITY)
	rest(t.Context(), time.Second)
	end()
	w.endsWell(t, fmt.Sprintf("seed %d, no room for deliveries", chosenSeed()))
}

// size is how large the file of a table is, in bytes.
func (p *postgres) size(t *testing.T, table string) (bytes uint64) {
	t.Helper()
	p.query(t, "select pg_relation_size('"+table+"')", &bytes)
	return bytes
}

// limitFiles has the system refuse every process of the server to write beyond a
// number of bytes in any file.
func (p *postgres) limitFiles(t *testing.T, bytes uint64) {
	t.Helper()
	limit := &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}
	postmaster := p.postmaster(t)
	err := asOwner(postmaster, func() error {
		for _, pid := range append(children(t, postmaster), postmaster) { // new ones inherit it
			if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, limit, nil); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("process %d: %w", pid, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("limiting the files of PostgreSQL: %v", err)
	}
}

// asOwner does something with the rights of the user that a process belongs to:
// root alone need not be allowed to limit others' processes.
func asOwner(pid int, do func() error) error {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	done := make(chan error)
	go func() {
		// The thread belongs to this goroutine and ends with it, so that nothing
		// else runs with these rights.
		runtime.LockOSThread()
		for _, set := range []struct{ call, id uintptr }{{unix.SYS_SETRESGID, uintptr(owner.Gid)}, {unix.SYS_SETRESUID, uintptr(owner.Uid)}} {
			if _, _, errno := unix.RawSyscall(set.call, set.id, set.id, set.id); errno != 0 {
				done <- fmt.Errorf("becoming user %d: %w", owner.Uid, errno)
				return
			}
		}
		done <- do()
	}()
	return <-done
}

func (p *postgres) postmaster(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.options.Dir, "data", "postmaster.pid"))
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

// children lists the processes that a process has started.
func children(t *testing.T, parent int) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name in parentheses may hold anything; state and parent follow it.
		_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// logs counts the lines of PostgreSQL's log that hold a text.
func (p *postgres) logs(t *testing.T, text string) int {
	t.Helper()
	log, err := os.ReadFile(p.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(log), text)
}
