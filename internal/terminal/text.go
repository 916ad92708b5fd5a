package terminal

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// clean makes text from elsewhere fit to be shown on one line: white space
// becomes single spaces, and what steers a terminal or turns the direction of
// reading is left out.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// firstLine returns the first line of a commit message, its title.
func firstLine(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	return clean(line)
}

// sentence makes text one to be read on its own.
func sentence(text string) string {
	runes := []rune(clean(text))
	if len(runes) == 0 {
		return ""
	}
	runes[0] = unicode.ToUpper(runes[0])
	if !strings.ContainsRune(".!?", runes[len(runes)-1]) {
		runes = append(runes, '.')
	}
	return string(runes)
}

// count says a number of things: "1 attempt", "3 attempts".
func count[N int | int32 | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// columnsOf is how many columns of a terminal the text takes.
func columnsOf(text string) int {
	columns := 0
	for _, r := range text {
		columns += columnsOfRune(r)
	}
	return columns
}

func columnsOfRune(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// trim cuts text that takes more columns than there are; a … shows it. With no
// limit (0 or less) it changes nothing.
func trim(text string, columns int) string {
	if columns <= 0 || columnsOf(text) <= columns {
		return text
	}
	used := 0
	for i, r := range text {
		used += columnsOfRune(r)
		if used > columns-1 {
			return text[:i] + "…"
		}
	}
	return text
}

// pad fills text up with spaces.
func pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(0, columns-columnsOf(text)))
}

// wrap breaks text into lines at spaces, none longer than there are columns
// unless a single word is. With no limit it is one line.
func wrap(text string, columns int) []string {
	if columns <= 0 {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && columnsOf(line)+1+columnsOf(word) > columns {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
