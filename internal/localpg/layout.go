//go:build unix

package localpg

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// longestSocketPath is what the smallest sockaddr_un of the supported systems
// (macOS, 104 bytes with its closing zero) holds.
const longestSocketPath = 103

// layout is where a server keeps its things:
//
//	root/data          the cluster
//	root/run           the socket, unless root is too deep for a socket's name
//	root/postgres.log  PostgreSQL's log of this start, and .old of the last
//	root/lock          held by the process that owns the server (durable only)
type layout struct {
	root      string
	socket    string // directory of the socket
	temporary bool
	scratch   string // a directory of our own for the socket alone; usually none
}

func (l layout) data() string     { return filepath.Join(l.root, "data") }
func (l layout) logFile() string  { return filepath.Join(l.root, "postgres.log") }
func (l layout) lockFile() string { return filepath.Join(l.root, "lock") }

// prepareLayout chooses the paths and makes the root.
func prepareLayout(dir string, owner account) (layout, error) {
	l := layout{temporary: dir == ""}
	var err error
	if l.temporary {
		l.root, err = os.MkdirTemp("", "regrow-pg-")
	} else {
		l.root, err = filepath.Abs(dir)
	}
	if err != nil {
		return layout{}, fmt.Errorf("choosing a directory for the private PostgreSQL server: %w", err)
	}
	if err := l.makeRoot(owner); err != nil {
		return layout{}, errors.Join(err, l.removeTemporary())
	}
	l.socket = filepath.Join(l.root, "run")
	if len(socketFile(l.socket, "65535")) <= longestSocketPath {
		return l, nil
	}
	if l.scratch, err = os.MkdirTemp("/tmp", "regrow-pg-"); err != nil {
		return layout{}, errors.Join(fmt.Errorf("making a directory for the socket: %w", err), l.removeTemporary())
	}
	l.socket = filepath.Join(l.scratch, "run")
	return l, owner.own(l.scratch)
}

// makeRoot makes root if it is missing. One that was there keeps its owner and
// mode: only what is inside belongs to the server.
func (l layout) makeRoot(owner account) error {
	_, err := os.Stat(l.root)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return fmt.Errorf("looking at the directory for PostgreSQL: %w", err)
	}
	if err := os.MkdirAll(l.root, 0o700); err != nil {
		return fmt.Errorf("making the directory for PostgreSQL: %w", err)
	}
	if missing || l.temporary {
		if err := owner.own(l.root); err != nil {
			return err
		}
	}
	return owner.canReach(l.root)
}

// openDirs makes the directory of the socket and clears away a cluster that was
// never finished.
func (l layout) openDirs(owner account) error {
	if err := os.MkdirAll(l.socket, 0o700); err != nil {
		return fmt.Errorf("making the directory for the socket: %w", err)
	}
	if err := owner.own(l.socket); err != nil {
		return err
	}
	if err := os.RemoveAll(l.data() + ".new"); err != nil {
		return fmt.Errorf("removing an unfinished cluster: %w", err)
	}
	return nil
}

// dataVersion is the major version of the existing data, 0 without data.
func (l layout) dataVersion() int {
	text, err := os.ReadFile(filepath.Join(l.data(), "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return major
}

// fill makes the cluster unless it is there, with a program that makes one in a
// given directory. The cluster takes its name only when it is whole, so that a
// process killed half-way leaves nothing to trip over.
func (l layout) fill(owner account, program func(dir string) *exec.Cmd) error {
	if l.dataVersion() != 0 {
		return nil
	}
	fresh := l.data() + ".new"
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("making the directory for the cluster: %w", err)
	}
	if err := owner.own(fresh); err != nil {
		return err
	}
	cmd := program(fresh)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = fresh, environment(), owner.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making a PostgreSQL cluster with %s: %w: %s", cmd.Path, err, bytes.TrimSpace(out))
	}
	if err := os.Rename(fresh, l.data()); err != nil {
		return fmt.Errorf("giving the new cluster its name: %w", err)
	}
	return nil
}

// openLog starts a new log and keeps the one of the start before.
func (l layout) openLog() (*os.File, error) {
	if err := os.Rename(l.logFile(), l.logFile()+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("putting the last PostgreSQL log aside: %w", err)
	}
	f, err := os.OpenFile(l.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening PostgreSQL's log: %w", err)
	}
	return f, nil
}

// logTail returns the last lines of the log, for error messages.
func (l layout) logTail() string {
	const lines = 12
	text, err := os.ReadFile(l.logFile())
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// removeTemporary removes what nobody needs after the server's end.
func (l layout) removeTemporary() error {
	var err error
	if l.temporary && l.root != "" {
		err = os.RemoveAll(l.root)
	}
	if l.scratch != "" {
		err = errors.Join(err, os.RemoveAll(l.scratch))
	}
	return err
}

func socketFile(dir, port string) string { return filepath.Join(dir, ".s.PGSQL."+port) }
