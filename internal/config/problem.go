package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong, or odd, at one place of the file.
type Problem struct {
	File string
	// Line and Column count from 1.
	Line, Column int
	// Path leads to the key, for instance "pipelines[0].lane"; empty for the
	// file as a whole.
	Path string
	// Message says what was expected, what came and what to do. It holds no
	// secrets.
	Message string
}

// String returns the problem as compilers write theirs, so that editors and
// terminals make a link of it.
func (p Problem) String() string {
	where := fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Path != "" {
		where += p.Path + ": "
	}
	return where + p.Message
}

// Problems are all problems of a file, in the file's order.
type Problems []Problem

// Error returns one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
}

// position is a place in the file; both count from 1.
type position struct{ line, column int }
