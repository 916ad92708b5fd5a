//go:build unix

package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

// windowWidth returns the columns of the terminal that file is, and false when
// it is something else. Some terminals do not know theirs: 0.
func windowWidth(file *os.File) (int, bool) {
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(size.Col), true
}

// understandsEscapes tells whether the terminal moves its cursor when told to.
func understandsEscapes(*os.File) bool { return true }

// isTerminal tells whether file is a terminal.
func isTerminal(file *os.File) bool {
	_, is := windowWidth(file)
	return is
}
