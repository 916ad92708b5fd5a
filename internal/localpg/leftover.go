//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// endLeftover makes sure that no postmaster of an earlier owner stands in the
// way. The caller holds the directory's lock, so whatever is there has lost its
// owner: it is still shutting down, or its watcher was killed as well.
//
// A process id in a file proves little, ids are used again. What proves that
// the postmaster lives is that it listens on its socket, which nobody else can
// do in a directory that only its user may enter.
func endLeftover(ctx context.Context, l layout, logger zerolog.Logger) error {
	left, err := readHolder(l)
	if err != nil || left == nil {
		return err
	}
	if !left.listens(ctx) {
		return left.forget(ctx)
	}
	logger.Warn().Int("pid", left.pid).Str("dir", l.root).
		Msg("stopping a PostgreSQL server that lost its owner")
	return left.end(ctx)
}

// holder is the postmaster that postmaster.pid says has the data.
type holder struct {
	file   string
	pid    int
	socket string
}

// readHolder returns nil if there is no such file. Its lines are: process id,
// data directory, start time, port, socket directory, and more
// (PostgreSQL source: src/include/utils/pidfile.h).
func readHolder(l layout) (*holder, error) {
	path := filepath.Join(l.data(), "postmaster.pid")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what the last PostgreSQL server left: %w", err)
	}
	left := &holder{file: path}
	lines := strings.Split(string(text), "\n")
	left.pid, _ = strconv.Atoi(strings.TrimSpace(lines[0])) // 0 if a crash left nonsense
	if len(lines) > 4 {
		left.socket = socketFile(strings.TrimSpace(lines[4]), strings.TrimSpace(lines[3]))
	}
	return left, nil
}

func (h *holder) listens(ctx context.Context) bool {
	if h.pid <= 1 || h.socket == "" {
		return false
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", h.socket)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// end stops the postmaster in order, and hard if it takes too long.
func (h *holder) end(ctx context.Context) error {
	for _, way := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := syscall.Kill(h.pid, way); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stopping the PostgreSQL server that still runs as process %d: %w", h.pid, err)
		}
		gone, cancel := context.WithTimeout(ctx, stopTimeout)
		err := poll(gone, h.ended)
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("the PostgreSQL server that still runs as process %d does not end: stop it by hand", h.pid)
}

// ended tells if the postmaster has removed its file, which is the last thing it
// does, or its process is gone without.
func (h *holder) ended() bool {
	if _, err := os.Stat(h.file); errors.Is(err, fs.ErrNotExist) {
		return true
	}
	return errors.Is(syscall.Kill(h.pid, 0), syscall.ESRCH)
}

// forget removes the file if its process id now belongs to some other program:
// PostgreSQL sees only that the id is alive, and would refuse to start. In all
// other cases PostgreSQL judges the file itself, and better.
func (h *holder) forget(ctx context.Context) error {
	if h.pid > 1 {
		program := programOf(ctx, h.pid)
		if program == "" || strings.Contains(program, "postgres") {
			return nil // no such process, or perhaps a postmaster
		}
	}
	if err := os.Remove(h.file); err != nil {
		return fmt.Errorf("removing the stale file of an earlier PostgreSQL server: %w", err)
	}
	return nil
}

// programOf returns the name of the program that a process runs, "" if there is
// no such process. Small Linux images have no ps, other systems no /proc.
func programOf(ctx context.Context, pid int) string {
	id := strconv.Itoa(pid)
	if name, err := os.ReadFile("/proc/" + id + "/comm"); err == nil {
		return strings.TrimSpace(string(name))
	}
	name, err := exec.CommandContext(ctx, "ps", "-o", "comm=", "-p", id).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}

// poll asks until the answer is yes or ctx ends. There is nothing to wait on
// for the end of a process that is not our child.
func poll(ctx context.Context, yes func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
