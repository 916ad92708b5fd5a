package terminal_test

import (
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/width"
)

var (
	sgr       = regexp.MustCompile("\x1b\\[[0-9;]*m")
	takenAway = regexp.MustCompile("^\x1b\\[([0-9]+)A\r\x1b\\[J")
)

// cursorUp reads the sequence that takes a block away.
func cursorUp(text string) (lines int, rest string, ok bool) {
	match := takenAway.FindStringSubmatch(text)
	if match == nil {
		return 0, "", false
	}
	lines, err := strconv.Atoi(match[1])
	return lines, strings.TrimPrefix(text, match[0]), err == nil
}

func columnsOf(text string) int {
	columns := 0
	for _, r := range text {
		columns++
		if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
			columns++
		}
	}
	return columns
}
