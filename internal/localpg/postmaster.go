//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// guard starts the postmaster together with a watcher that ends it when the
// owning process is gone. The shell becomes the postmaster (exec keeps the
// process id), so there is no moment in which one runs without the other.
//
// The watcher reads descriptor 3, a pipe that only the owner can write: a line
// means that the postmaster has ended, end of file means that the owner has. It
// is nobody's child, because a postmaster takes the death of an unknown child
// for a crash of its own. Unlike Linux's parent-death signal this works on
// every Unix, does not depend on which thread started the process, and can
// remove a temporary server's files afterwards.
//
// Arguments: the signal for the postmaster, two directories to remove after its
// end ("" = none), and the postmaster's command line.
const guard = `
signal=$1 root=$2 scratch=$3
shift 3
( (
	if read -r line <&3; then exit 0; fi
	kill -s "$signal" $$
	tries=0
	while [ $tries -lt 300 ] && kill -s 0 $$; do
		sleep 0.1 || sleep 1
		tries=$((tries + 1))
	done
	rm -rf -- "$root" "$scratch"
) </dev/null >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
`

// postmaster is the running server process.
type postmaster struct {
	process *os.Process
	logFile string
	done    chan struct{} // closed when the process has ended
}

// startPostmaster runs the postgres program until its end or the owner's,
// writing its log to log.
func startPostmaster(l layout, owner account, log *os.File, command ...string) (*postmaster, error) {
	g := guarded{signal: "INT", scratch: l.scratch, owner: owner, dir: l.root, log: log, command: command}
	if l.temporary {
		g.signal, g.root = "QUIT", l.root
	}
	return startGuarded(g)
}

// guarded is a program that does not outlive its owner.
type guarded struct {
	// signal ends it when the owner is gone; root and scratch are removed then,
	// where they are not "".
	signal, root, scratch string

	owner   account
	dir     string
	log     *os.File
	command []string
}

func startGuarded(g guarded) (*postmaster, error) {
	heard, owns, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe to watch over %s: %w", g.command[0], err)
	}
	script := []string{"-c", guard, "regrow-" + filepath.Base(g.command[0]), g.signal, g.root, g.scratch}
	cmd := exec.Command("/bin/sh", append(script, g.command...)...) //nolint:noctx // it outlives the context of Start
	cmd.Dir, cmd.Env, cmd.SysProcAttr = g.dir, environment(), g.owner.attributes()
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = g.log, g.log, []*os.File{heard}
	err = cmd.Start()
	_ = heard.Close() // the child has its own
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", g.command[0], err), owns.Close())
	}

	p := &postmaster{process: cmd.Process, logFile: g.log.Name(), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended is in its log
		_, _ = owns.WriteString("ended\n")
		_ = owns.Close()
	}()
	return p, nil
}

// stop ends the postmaster and waits for it: in order unless it is to be abrupt,
// and harder each time that patience (or the caller's) runs out.
func (p *postmaster) stop(ctx context.Context, abrupt bool) error {
	ways := []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} // fast, immediate, no other left
	if abrupt {
		ways = ways[1:]
	}
	for _, way := range ways {
		if err := p.process.Signal(way); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("sending %s to PostgreSQL, process %d: %w", way, p.process.Pid, err)
		}
		if p.endsWithin(ctx, stopTimeout) {
			return nil
		}
		ctx = context.WithoutCancel(ctx)
	}
	return fmt.Errorf("PostgreSQL, process %d, does not end; its log: %s", p.process.Pid, p.logFile)
}

func (p *postmaster) endsWithin(ctx context.Context, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-p.done:
		return true
	case <-ctx.Done():
		return false
	}
}
