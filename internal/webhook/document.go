package webhook

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// document is a JSON object that was read strictly. Its methods take the
// pointer of a member; the first one that is not as expected sets err, and from
// then on what they return means nothing.
type document struct {
	root map[string]any
	// stored is the text of the document without secrets.
	stored []byte
	err    error
}

// missing stands for a member that is not there, to tell it from null.
type missing struct{}

// find returns the value at the pointer. Where the way to it ends early, it
// returns the pointer of the value at which it ended, and that value.
func (d *document) find(pointer string) (value any, at string) {
	value = d.root
	for name := range strings.SplitSeq(pointer[1:], "/") {
		members, ok := value.(map[string]any)
		if !ok {
			return value, at
		}
		at += "/" + name
		if value, ok = members[name]; !ok {
			value = missing{}
		}
	}
	return value, at
}

// text returns a string that has to be there and not to be empty.
func (d *document) text(pointer string) string {
	value, at := d.find(pointer)
	text, ok := value.(string)
	if at != pointer || !ok || text == "" {
		d.unexpected(pointer, "a string that is not empty")
	}
	return text
}

// optionalText returns a string, or "" where there is none or null.
func (d *document) optionalText(pointer string) string {
	value, at := d.find(pointer)
	if absent(value) {
		return ""
	}
	text, ok := value.(string)
	if at != pointer || !ok {
		d.unexpected(pointer, "a string")
	}
	return text
}

// flag returns a boolean, or false where there is none or null.
func (d *document) flag(pointer string) bool {
	value, at := d.find(pointer)
	if absent(value) {
		return false
	}
	flag, ok := value.(bool)
	if at != pointer || !ok {
		d.unexpected(pointer, "true or false")
	}
	return flag
}

// count returns a whole number, also one written as a string, or 0 where there
// is none or null.
func (d *document) count(pointer string) int {
	value, at := d.find(pointer)
	if absent(value) {
		return 0
	}
	var digits string
	switch value := value.(type) {
	case json.Number:
		digits = value.String()
	case string:
		digits = value
	}
	count, err := strconv.Atoi(digits)
	if at != pointer || err != nil || count < 0 {
		d.unexpected(pointer, "a whole number")
	}
	return count
}

// time returns a time with its zone, as RFC 3339 writes it.
func (d *document) time(pointer string) time.Time {
	value, at := d.find(pointer)
	text, _ := value.(string)
	t, err := time.Parse(time.RFC3339, text)
	if at != pointer || err != nil {
		d.unexpected(pointer, "a time such as \"2025-03-09T14:18:02.551+00:00\"")
	}
	return t
}

// optionalTexts returns an array of strings, or none where there is none or null.
func (d *document) optionalTexts(pointer string) []string {
	value, at := d.find(pointer)
	if absent(value) {
		return nil
	}
	items, ok := value.([]any)
	if at != pointer || !ok {
		d.unexpected(pointer, "an array of strings")
		return nil
	}
	texts := make([]string, len(items))
	for i, item := range items {
		if texts[i], ok = item.(string); !ok {
			d.fail(malformed(fmt.Sprintf("%s/%d", pointer, i), "expected a string, found %s", found(item)))
		}
	}
	return texts
}

// unexpected records that the value at the pointer is not what was expected, or
// that the way to it ended early.
func (d *document) unexpected(pointer, expected string) {
	value, at := d.find(pointer)
	if at != pointer {
		expected = "an object"
	}
	d.fail(malformed(at, "expected %s, found %s", expected, found(value)))
}

// fail records the first error.
func (d *document) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func absent(value any) bool { return value == nil || value == missing{} }

// found describes a value of a document in an error.
func found(value any) string {
	switch value := value.(type) {
	case missing:
		return "nothing"
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(value)
	case json.Number:
		return "the number " + value.String()
	case string:
		return "the string " + shown(value)
	case []any:
		return "an array"
	default:
		return "an object"
	}
}
