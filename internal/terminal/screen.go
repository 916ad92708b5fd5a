// Package terminal shows runs to people: as a timeline, as a table, and live
// while they happen. It knows what the API tells of a run and nothing else.
//
// What senders wrote (commit messages, names of authors and targets) goes
// through clean before it reaches a terminal, so that it cannot carry escape
// sequences.
package terminal

import (
	"io"
	"os"
	"time"
)

// Screen is where runs are shown and in which style. Make one with New; change
// its fields before the first use.
type Screen struct {
	// Width is how many columns lines are kept to; 0 lets them be as long as
	// they are.
	Width int
	// Color tells whether marks and headings are coloured.
	Color bool
	// Overwrite tells whether lines that were written can be written again, as
	// on a terminal and not in a file.
	Overwrite bool
	// Zone is the time zone that times are shown in.
	Zone *time.Location
	// Now is the clock that "5m ago" is reckoned with.
	Now func() time.Time
	// Flags are what the reader has to add to the commands that hints name, such
	// as "--server http://127.0.0.1:9090".
	Flags string
	// Server is the address of the API, for hints; "" leaves those out.
	Server string
	// NoHints leaves out how to look further, where nothing will be there.
	NoHints bool

	w    io.Writer
	file *os.File // w, when it is a terminal
}

// New returns a screen in the style that fits w: in colour and as wide as the
// window on a terminal, plain and unlimited anywhere else. The environment
// variable NO_COLOR turns colour off (https://no-color.org), and so does
// TERM=dumb, which turns overwriting off too.
func New(w io.Writer) *Screen {
	s := &Screen{Zone: time.Local, Now: time.Now, w: w}
	file, ok := w.(*os.File)
	if !ok {
		return s
	}
	width, isTerminal := windowWidth(file)
	if !isTerminal {
		return s
	}
	s.Width, s.file = width, file
	s.Overwrite = os.Getenv("TERM") != "dumb" && understandsEscapes(file)
	s.Color = s.Overwrite && os.Getenv("NO_COLOR") == ""
	return s
}

// columns is the width to keep to now: windows change theirs.
func (s *Screen) columns() int {
	if s.file != nil {
		if width, ok := windowWidth(s.file); ok {
			return width
		}
	}
	return s.Width
}

// Interactive tells whether somebody sits before what is read from, so that they
// can be asked.
func Interactive(r io.Reader) bool {
	file, ok := r.(*os.File)
	return ok && isTerminal(file)
}
