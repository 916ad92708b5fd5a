package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// newKeyboard opens a terminal: what is written to the one end is typed at the
// other.
func newKeyboard(t *testing.T) (typed, in *os.File) {
	t.Helper()
	typed, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = typed.Close() })
	if err := unix.IoctlSetPointerInt(int(typed.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlocking the terminal: %v", err)
	}
	number, err := unix.IoctlGetInt(int(typed.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("asking for the terminal's number: %v", err)
	}
	in, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	return typed, in
}

func TestSetupAsksOnATerminal(t *testing.T) {
	t.Parallel()
	for answer, code := range map[string]int{"\n": exitRefused, "n\n": exitRefused, "maybe\n": exitRefused, "y\n": exitOK, " YES \n": exitOK} {
		t.Run(strings.TrimSpace(answer), func(t *testing.T) {
			t.Parallel()
			s := newSetups(t)
			typed, in := newKeyboard(t)
			if _, err := typed.WriteString(answer); err != nil {
				t.Fatal(err)
			}
			got := s.run(t, in, "--example", "hello-world")
			got.want(t, code, "+ create   trigger", "Go on? [y/N] ")
			if s.changed() != (code == exitOK) {
				t.Errorf("after %q something was changed: %v", answer, s.changed())
			}
			if code == exitRefused && !strings.Contains(got.err, "declined; nothing was changed") {
				t.Errorf("told: %q", got.err)
			}
		})
	}
}

func TestSetupIsInterruptedWhileItAsks(t *testing.T) {
	t.Parallel()
	s := newSetups(t)
	_, in := newKeyboard(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	code := execute(ctx, "1.2.3", []string{"setup", "-c", s.config, "-p", "hello-world", "--example", "hello-world"}, in, &out, cancelling{&out, cancel})
	if code != exitInterrupted || s.changed() {
		t.Errorf("exit %d, changed %v: %s", code, s.changed(), out.String())
	}
}

// cancelling is an error stream on which the question ends the patience.
type cancelling struct {
	*bytes.Buffer
	cancel context.CancelFunc
}

func (c cancelling) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte("Go on?")) {
		c.cancel()
	}
	return c.Buffer.Write(text)
}
