package setup

import (
	"encoding/json"
	"regexp"
	"strconv"
	"time"
)

// spanPattern is how .NET reads time spans: [d.]h:mm[:ss[.fffffff]]. Octopus
// writes all digits, as in "00:02:00" and "1.00:00:00"; other programs do not.
var spanPattern = regexp.MustCompile(`^(?:(\d{1,5})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$`)

// parseSpan reads a time span, and tells whether it is one.
func parseSpan(text string) (time.Duration, bool) {
	parts := spanPattern.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	var total time.Duration
	for i, unit := range []struct {
		length time.Duration
		most   int
	}{{24 * time.Hour, 99_999}, {time.Hour, 23}, {time.Minute, 59}, {time.Second, 59}} {
		n, err := strconv.Atoi("0" + parts[i+1])
		if err != nil || n > unit.most {
			return 0, false
		}
		total += time.Duration(n) * unit.length
	}
	nanoseconds, err := strconv.Atoi((parts[5] + "000000000")[:9])
	return total + time.Duration(nanoseconds), err == nil
}

// span is a time span, compared by its length.
func span(field, pointer, wanted string) Setting {
	length, ok := parseSpan(wanted)
	if !ok {
		panic("setup: " + wanted + " is no time span")
	}
	return valueAt(field, pointer, Span, wanted, func(raw json.RawMessage) bool {
		written, ok := textOf(raw)
		got, valid := parseSpan(written)
		return ok && valid && got == length
	})
}
