package setup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// longest bounds how much of a text goes into a plan.
const longest = 80

// nothingShown stands for what is null, empty or absent.
const nothingShown = "nothing"

// encoded returns a value of this package as JSON.
func encoded(value any) json.RawMessage {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("setup: " + err.Error()) // texts, flags and lists of texts always have a JSON form
	}
	return raw
}

// shown returns a value in a few words on one line.
func shown(raw json.RawMessage) string {
	if isNothing(raw) {
		return nothingShown
	}
	if text, ok := textOf(raw); ok {
		return brief(text)
	}
	if list, ok := listOf(raw); ok {
		return brief(strings.Join(list, ", "))
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return brief(string(raw))
	}
	return brief(compact.String())
}

// brief is the first line of a text, as much as fits.
func brief(text string) string {
	first, rest, several := strings.Cut(strings.TrimSpace(text), "\n")
	first = strings.Join(strings.Fields(first), " ")
	if runes := []rune(first); len(runes) > longest {
		first, several, rest = string(runes[:longest]), true, ""
	}
	switch more := strings.Count(rest, "\n") + 1; {
	case several && rest != "":
		return fmt.Sprintf("%s … (%d lines)", first, more+1)
	case several:
		return first + " …"
	}
	return first
}
