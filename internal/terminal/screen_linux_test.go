package terminal_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"regrow/internal/terminal"
)

// newWindow opens a terminal of the given width, as a terminal emulator does.
func newWindow(t *testing.T, columns uint16) *os.File {
	t.Helper()
	emulator, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = emulator.Close() })
	if err := unix.IoctlSetPointerInt(int(emulator.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlocking the terminal: %v", err)
	}
	number, err := unix.IoctlGetInt(int(emulator.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("asking for the terminal's number: %v", err)
	}
	window, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = window.Close() })
	if err := unix.IoctlSetWinsize(int(window.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: columns}); err != nil {
		t.Fatalf("setting the window's size: %v", err)
	}
	return window
}

// Not parallel: the environment is everybody's.
func TestTheStyleFitsTheScreen(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	window := newWindow(t, 97)
	type style struct {
		width            int
		color, overwrite bool
	}
	tests := map[string]struct {
		file          *os.File
		term, noColor string
		want          style
	}{
		"a window":            {window, "xterm", "", style{97, true, true}},
		"one without colours": {window, "xterm", "1", style{97, false, true}},
		"a dumb one":          {window, "dumb", "", style{97, false, false}},
		"a file":              {file, "xterm", "", style{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", test.term)
			t.Setenv("NO_COLOR", test.noColor)
			s := terminal.New(test.file)
			if got := (style{s.Width, s.Color, s.Overwrite}); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}
