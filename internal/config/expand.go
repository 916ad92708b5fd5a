package config

import (
	"fmt"
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expansion is a text with its environment variables filled in.
type expansion struct {
	value string
	// variables are those that the text names, in order.
	variables []string
	// problems name unset variables and ill-formed places, never values.
	problems []string
}

// expand fills in ${NAME}. "$${" stands for a literal "${"; every other "$" is
// itself. What a variable brings is not expanded again.
func expand(text string, lookup func(string) (string, bool)) expansion {
	var e expansion
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		if !found {
			out.WriteString(text)
			e.value = out.String()
			return e
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(escaped + "${")
			text = after
			continue
		}
		out.WriteString(before)
		name, rest, closed := strings.Cut(after, "}")
		if !closed || !variableName.MatchString(name) {
			e.problems = append(e.problems, `expected the name of an environment variable such as ${NAME} after "${" (write "$${" for a literal "${")`)
			return e
		}
		out.WriteString(e.variable(name, lookup))
		text = rest
	}
}

func (e *expansion) variable(name string, lookup func(string) (string, bool)) string {
	e.variables = append(e.variables, name)
	value, ok := lookup(name)
	if !ok {
		e.problems = append(e.problems, fmt.Sprintf("the environment variable %s is not set", name))
	}
	return value
}
