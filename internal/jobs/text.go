package jobs

import (
	"fmt"
	"strings"
	"unicode"
)

// storable takes out of a foreign text what Postgres cannot store.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}

// sentence makes an error's text one for people to read on its own.
func sentence(text string) string {
	runes := []rune(strings.TrimSpace(text))
	if len(runes) == 0 {
		return ""
	}
	runes[0] = unicode.ToUpper(runes[0])
	if last := runes[len(runes)-1]; !strings.ContainsRune(".!?", last) {
		runes = append(runes, '.')
	}
	return string(runes)
}

// count says a number of things: "1 target", "3 targets".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
