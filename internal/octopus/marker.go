package octopus

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// mark puts a marker under a text.
func mark(text, marker string) string {
	if carries(text, marker) {
		return text
	}
	if text = strings.TrimSpace(text); text == "" {
		return marker
	}
	return text + "\n\n" + marker
}

// carries tells whether a text holds the marker as a whole: "run 1" is not in
// "run 12".
func carries(text, marker string) bool {
	if marker == "" {
		return false
	}
	for from := 0; ; {
		i := strings.Index(text[from:], marker)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(marker)
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if !partOfWord(before) && !partOfWord(after) {
			return true
		}
		from = start + 1
	}
}

func partOfWord(r rune) bool {
	// Past either end of a text the rune is utf8.RuneError, which is neither.
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_'
}
