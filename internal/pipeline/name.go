package pipeline

import (
	"slices"
	"strings"
)

// Fold makes equal what Octopus takes for the same name or id: it regards
// neither capitals nor white space around.
func Fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// SameName tells whether Octopus takes two names, or two ids, for the same.
func SameName(a, b string) bool { return Fold(a) == Fold(b) }

// HasName tells whether a name is among others.
func HasName(names []string, name string) bool {
	return slices.ContainsFunc(names, func(other string) bool { return SameName(other, name) })
}

// HasNames tells whether all of some names are among others.
func HasNames(names, some []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !HasName(names, name) })
}

// ShareName tells whether a name is in both of two lists.
func ShareName(a, b []string) bool {
	return slices.ContainsFunc(a, func(name string) bool { return HasName(b, name) })
}
