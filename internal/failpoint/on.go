//go:build failpoints && unix

package failpoint

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Enabled tells whether boundaries are watched. Guard with it whatever would
// make the name of one.
const Enabled = true

// watch is what the environment asks for.
type watch struct {
	mu     sync.Mutex
	name   string
	left   int
	action string
	signal syscall.Signal
	log    *os.File
}

var watched = sync.OnceValue(func() *watch {
	w, err := parse(os.Getenv("REGROW_FAILPOINT"))
	if err == nil && os.Getenv("REGROW_FAILPOINT_LOG") != "" {
		w.log, err = os.OpenFile(os.Getenv("REGROW_FAILPOINT_LOG"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failpoint:", err)
		os.Exit(2)
	}
	return w
})

func parse(text string) (*watch, error) {
	if text == "" {
		return &watch{}, nil
	}
	// The name may hold spaces, the rest does not.
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return nil, fmt.Errorf("expected REGROW_FAILPOINT to be <name> <n> <action>, got %q", text)
	}
	end := len(fields) - 2
	n, err := strconv.Atoi(fields[end])
	if err != nil || n < 1 {
		return nil, fmt.Errorf("expected a number from 1 on in REGROW_FAILPOINT, got %q", fields[end])
	}
	signals := map[string]syscall.Signal{"kill": syscall.SIGKILL, "pause": syscall.SIGSTOP}
	sig, ok := signals[fields[end+1]]
	if !ok {
		return nil, fmt.Errorf("expected the action kill or pause in REGROW_FAILPOINT, got %q", fields[end+1])
	}
	return &watch{name: strings.Join(fields[:end], " "), left: n, action: fields[end+1], signal: sig}, nil
}

// Reach tells that a boundary is reached.
func Reach(name string) {
	w := watched()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log != nil {
		fmt.Fprintln(w.log, name)
	}
	if w.left == 0 || w.name != "*" && w.name != name {
		return
	}
	if w.left--; w.left == 0 {
		if w.log != nil {
			fmt.Fprintln(w.log, w.action, "at", name)
		}
		strike(w.signal)
	}
}

// strike ends or stops the process right here. The signal takes a while to reach
// every thread: until it has, this goroutine must not go on.
func strike(sig syscall.Signal) {
	resumed := make(chan os.Signal, 1)
	signal.Notify(resumed, syscall.SIGCONT)
	defer signal.Stop(resumed)
	_ = syscall.Kill(os.Getpid(), sig)
	<-resumed // never, after SIGKILL
}
