package config

import (
	"fmt"
	"strings"
)

// reader collects what one reading of a file finds.
type reader struct {
	file     string
	opts     Options
	problems Problems
	warnings Problems
	// places says for every key that was read where its value stands, for the
	// checks that come after reading.
	places map[string]place
}

// place is where a value stands and what may be shown of it.
type place struct {
	at    position
	shown string
}

func (r *reader) fail(at position, path, format string, args ...any) {
	r.problems = append(r.problems, r.problem(at, path, format, args...))
}

func (r *reader) warn(at position, path, format string, args ...any) {
	r.warnings = append(r.warnings, r.problem(at, path, format, args...))
}

func (r *reader) problem(at position, path, format string, args ...any) Problem {
	return Problem{File: r.file, Line: at.line, Column: at.column, Path: path, Message: fmt.Sprintf(format, args...)}
}

// failKind reports a node that is of another kind than wanted.
func (r *reader) failKind(n *node, path, want string) {
	switch n.kind {
	case brokenKind:
	case integerKind, otherKind:
		r.fail(n.at, path, "expected %s, got %s (text that looks like one needs quotes)", want, n.kind)
	default:
		r.fail(n.at, path, "expected %s, got %s", want, n.kind)
	}
}

// failAt reports a problem of a key that was read before, at the key itself or
// at the nearest object around it.
func (r *reader) failAt(path, format string, args ...any) {
	r.fail(r.find(path), path, format, args...)
}

func (r *reader) warnAt(path, format string, args ...any) {
	r.warn(r.find(path), path, format, args...)
}

func (r *reader) find(path string) position {
	for near := path; near != ""; near = near[:max(0, strings.LastIndexAny(near, ".["))] {
		if p, ok := r.places[near]; ok {
			return p.at
		}
	}
	return position{1, 1}
}

// shown returns the text at path as the file writes it, in quotes.
func (r *reader) shown(path string) string { return r.places[path].shown }

// maxShown is how much of a wrong value a problem quotes.
const maxShown = 80

// show quotes a text as the file writes it, before variables are filled in. An
// address with a user name is left out, because a password may follow it.
func show(text string) string {
	if strings.Contains(text, "@") && strings.Contains(text, "/") {
		return "an address with a user name (not shown)"
	}
	if runes := []rune(text); len(runes) > maxShown {
		return fmt.Sprintf("%q…", string(runes[:maxShown]))
	}
	return fmt.Sprintf("%q", text)
}
