//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"regrow/internal/client"
)

// asRegrow makes this test binary be regrow.
const asRegrow = "REGROW_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asRegrow) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a regrow in a process of its own.
func process(t *testing.T, args ...string) (cmd *exec.Cmd, out, err *bytes.Buffer) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asRegrow+"=1")
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, err
	return cmd, out, err
}

func TestProcessExitsWithTheCode(t *testing.T) {
	t.Parallel()
	cmd, out, stderr := process(t, "version")
	if err := cmd.Run(); err != nil || !strings.HasPrefix(out.String(), "regrow dev (go") {
		t.Errorf("%v: %q %q", err, out, stderr)
	}
	cmd, _, stderr = process(t, "nonsense")
	if code := exitOf(cmd.Run()); code != exitUsage || !strings.Contains(stderr.String(), `no command "nonsense"`) {
		t.Errorf("exit %d: %q", code, stderr)
	}
}

func TestASignalEndsTheWaiting(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
			watched := make(chan struct{})
			f.streaming(hang(func() { close(watched) }))
			cmd, _, stderr := process(t, "runs", "watch", runID.String(), "--server", f.url)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-watched
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if code := exitOf(cmd.Wait()); code != exitInterrupted || !strings.Contains(stderr.String(), "hello-world#12 goes on") {
				t.Errorf("exit %d: %q", code, stderr)
			}
		})
	}
}

func exitOf(err error) int {
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return failed.ExitCode()
	}
	return 0
}
