//go:build unix

package trial

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is one `regrow serve`.
type Process struct {
	// Number counts the processes of the world from 1 on.
	Number int
	// Failpoint is what it was armed with; "" for nothing.
	Failpoint string

	cmd   *exec.Cmd
	log   string // its file
	up    chan struct{}
	done  chan struct{}
	url   string // set before up is closed
	ended error  // set before done is closed
	// reached names the file of the boundaries that it came across.
	reached string
}

// guard runs a program that ends when its parent does. The shell becomes the
// program; a watcher reads descriptor 3, a pipe that only the test can write: a
// line means that the program has ended, end of file that the test has.
const guard = `( if read -r line <&3; then exit 0; fi; kill -9 $$ ) </dev/null >/dev/null 2>&1 & exec 3<&- "$@"`

// Serve starts a process and returns when it serves, or has ended before that,
// which it may with a failpoint. The failpoint is REGROW_FAILPOINT; "" is none.
func (w *World) Serve(failpoint string) *Process {
	w.tb.Helper()
	p, err := w.launch(failpoint)
	if err != nil {
		w.tb.Fatal(err)
	}
	deadline := time.NewTimer(startTime)
	defer deadline.Stop()
	select {
	case <-p.up:
	case <-p.done:
		if failpoint == "" {
			w.tb.Fatalf("process %d ended at once: %v\n%s", p.Number, p.ended, tail(p.log))
		}
	case <-deadline.C:
		w.tb.Fatalf("process %d does not come up:\n%s", p.Number, tail(p.log))
	}
	return p
}

// startTime bounds a process's start, and its orderly end.
const startTime = 60 * time.Second

func (w *World) launch(failpoint string) (*Process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &Process{Number: len(w.processes) + 1, Failpoint: failpoint, up: make(chan struct{}), done: make(chan struct{})}
	p.log = filepath.Join(w.dir, fmt.Sprintf("process-%04d.log", p.Number))
	p.reached = filepath.Join(w.dir, fmt.Sprintf("process-%04d.failpoints", p.Number))
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("making a process's log: %w", err)
	}
	heard, owns, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe to watch over a process: %w", err)
	}
	command := append([]string{"-c", guard, "regrow-trial", w.program, "serve", "--config", w.config}, w.options.Flags...)
	p.cmd = exec.Command("/bin/sh", command...) //nolint:noctx,gosec // Kill and Stop end it
	p.cmd.Env = append(w.environment(), "REGROW_FAILPOINT="+failpoint, "REGROW_FAILPOINT_LOG="+p.reached)
	p.cmd.ExtraFiles = []*os.File{heard}
	output, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	_ = heard.Close() // the child has its own
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting a process: %w", err), owns.Close(), log.Close())
	}
	w.processes = append(w.processes, p)
	w.alive.Go(func() {
		defer close(p.done)
		p.follow(output, log)
		p.ended = p.cmd.Wait()
		_, _ = owns.WriteString("ended\n")
		_ = owns.Close()
		_ = log.Close()
	})
	return p, nil
}

// follow keeps what the process prints until it has ended, and notices when it
// is up.
func (p *Process) follow(output io.Reader, log io.Writer) {
	var once sync.Once
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, _ = fmt.Fprintf(log, "%s\n", lines.Bytes())
		var line struct{ Message, URL string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "regrow is up" {
			once.Do(func() { p.url = line.URL; close(p.up) })
		}
	}
}

// URL is where the process serves; "" before it does.
func (p *Process) URL() string {
	select {
	case <-p.up:
		return p.url
	default:
		return ""
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Alive tells whether the process has not ended.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the process as a power cut does, and returns when it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Stop ends the process in order, as a deployment of a new version does.
func (p *Process) Stop(tb testing.TB) {
	tb.Helper()
	p.signal(syscall.SIGTERM)
	deadline := time.NewTimer(startTime)
	defer deadline.Stop()
	select {
	case <-p.done:
		if p.ended != nil {
			tb.Errorf("process %d was stopped in order and ended with %v:\n%s", p.Number, p.ended, tail(p.log))
		}
	case <-deadline.C:
		tb.Errorf("process %d does not stop:\n%s", p.Number, tail(p.log))
		p.Kill()
	}
}

// Terminate asks the process to end in order, and does not wait for it.
func (p *Process) Terminate() { p.signal(syscall.SIGTERM) }

// Says tells whether the process's log holds a text.
func (p *Process) Says(text string) bool {
	log, err := os.ReadFile(p.log)
	return err == nil && strings.Contains(string(log), text)
}

// Resume has a paused process go on.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

// Pause stops the process where it is, until Resume.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

func (p *Process) signal(signal syscall.Signal) {
	if p.Alive() {
		_ = p.cmd.Process.Signal(signal) // it may end at any moment
	}
}

// Struck returns the boundary at which the failpoint has killed or paused the
// process, "" when it has not.
func (p *Process) Struck() string {
	for _, line := range p.boundaries() {
		for _, action := range []string{"kill at ", "pause at "} {
			if name, struck := strings.CutPrefix(line, action); struck {
				return name
			}
		}
	}
	return ""
}

// boundaries are the lines of what the process came across.
func (p *Process) boundaries() []string {
	text, err := os.ReadFile(p.reached)
	if err != nil {
		return nil // it has not reached any
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// tailLines is how much of a log is shown.
const tailLines = 20

// tail is the end of a text file.
func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-tailLines):], "\n")
}
