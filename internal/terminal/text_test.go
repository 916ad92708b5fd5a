package terminal

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurations(t *testing.T) {
	t.Parallel()
	tests := map[time.Duration]struct{ took, age string }{
		-time.Second:              {"0ms", "0s"},
		0:                         {"0ms", "0s"},
		99 * time.Millisecond:     {"99ms", "0s"},
		100 * time.Millisecond:    {"0.1s", "0s"},
		340 * time.Millisecond:    {"0.3s", "0s"},
		9949 * time.Millisecond:   {"9.9s", "9s"},
		9950 * time.Millisecond:   {"10s", "9s"},
		59499 * time.Millisecond:  {"59s", "59s"},
		59500 * time.Millisecond:  {"1m 00s", "59s"},
		72 * time.Second:          {"1m 12s", "1m"},
		59*time.Minute + 59*1e9:   {"59m 59s", "59m"},
		time.Hour:                 {"1h 00m", "1h"},
		23*time.Hour + 59*60*1e9:  {"23h 59m", "23h"},
		26 * time.Hour:            {"1d 02h", "26h"},
		(24*9 + 5) * time.Hour:    {"9d 05h", "9d"},
		24*400*time.Hour + 60*1e9: {"400d 00h", "400d"},
	}
	for d, want := range tests {
		if got := duration(d); got != want.took {
			t.Errorf("duration(%d) = %q, want %q", d, got, want.took)
		}
		if got := age(d); got != want.age {
			t.Errorf("age(%s) = %q, want %q", d, got, want.age)
		}
	}
}

func TestTrimAndWrapKeepToTheColumns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := clean(rapid.StringOf(rapid.SampledFrom([]rune("ab é世🙂 \u0301-"))).Draw(t, "text"))
		columns := rapid.IntRange(1, 20).Draw(t, "columns")
		if got := trim(text, columns); columnsOf(got) > columns {
			t.Fatalf("trim(%q, %d) = %q takes %d", text, columns, got, columnsOf(got))
		}
		lines := wrap(text, columns)
		if joined := strings.Join(lines, " "); joined != text {
			t.Fatalf("wrap(%q, %d) = %q loses text", text, columns, lines)
		}
		for _, line := range lines {
			if columnsOf(line) > columns && strings.Contains(line, " ") {
				t.Fatalf("wrap(%q, %d) leaves %q too long", text, columns, line)
			}
		}
	})
}
