package config

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) {
		value, ok := map[string]string{"A": "1", "B_2": "${A}", "EMPTY": ""}[name]
		return value, ok
	}
	for text, want := range map[string]struct {
		value     string
		variables []string
		problem   string
	}{
		"":                {},
		"plain $ $A {A}":  {value: "plain $ $A {A}"},
		"${A}":            {value: "1", variables: []string{"A"}},
		"x${A}y${B_2}":    {value: "x1y${A}", variables: []string{"A", "B_2"}},
		"$${A}":           {value: "${A}"},
		"$$${A}":          {value: "$${A}"},
		"${EMPTY}":        {variables: []string{"EMPTY"}},
		"${GONE} ${A}":    {value: " 1", variables: []string{"GONE", "A"}, problem: "GONE is not set"},
		"${":              {problem: "expected the name"},
		"${A":             {problem: "expected the name"},
		"${}":             {problem: "expected the name"},
		"${1}":            {problem: "expected the name"},
		"${A:-fallback}":  {problem: "expected the name"},
		"0.1.{run}-${A}.": {value: "0.1.{run}-1.", variables: []string{"A"}},
	} {
		got := expand(text, lookup)
		if got.value != want.value && want.problem == "" || !slices.Equal(got.variables, want.variables) {
			t.Errorf("%q: got %q of %v, want %q of %v", text, got.value, got.variables, want.value, want.variables)
		}
		if problems := strings.Join(got.problems, "; "); !strings.Contains(problems, want.problem) || want.problem == "" && problems != "" {
			t.Errorf("%q: got the problems %q, want %q", text, problems, want.problem)
		}
	}
}

// TestExpandEscapes: a text whose "${" are all escaped comes out as it was.
func TestExpandEscapes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a$\{\}]{0,20}`).Draw(t, "text")
		got := expand(strings.ReplaceAll(text, "${", "$${"), func(string) (string, bool) { return "", false })
		if got.value != text || len(got.problems) > 0 {
			t.Fatalf("%q became %q with problems %v", text, got.value, got.problems)
		}
	})
}

func TestSuggestion(t *testing.T) {
	t.Parallel()
	known := []string{"latest", "fifo", "listen", "log"}
	for word, want := range map[string]string{
		"lates": "latest", "Latest": "latest", "fifi": "fifo", "ltaest": "latest", "lisen": "listen",
		"": "", "newest": "", "x": "", "zzzzzzzz": "", strings.Repeat("l", 100): "",
	} {
		got := suggestion(word, known)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[abc]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := editDistance(a, b)
		if d != editDistance(b, a) {
			t.Fatalf("%q and %q: not the same both ways", a, b)
		}
		if (d == 0) != (a == b) || d > max(len(a), len(b)) || d < max(len(a)-len(b), len(b)-len(a)) {
			t.Fatalf("%q and %q: %d", a, b, d)
		}
	})
}
