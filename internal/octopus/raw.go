package octopus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// A document here is the JSON object that the server sent, byte for byte.
// Decoding it into a struct, or even into a map, and encoding it again would
// lose what the program does not know, the order of the members and the
// spelling of numbers. So an edit replaces the bytes of one value and leaves
// all others where they are.

// jsonSpace is all that JSON takes for white space.
const jsonSpace = " \t\r\n"

// span is where a value lies in a document.
type span struct{ start, end int }

// memberOf returns where the value of a document's member lies. Of several
// members of one name the last counts, as it does for Octopus' own parser.
func memberOf(document []byte, name string) (at span, found bool, err error) {
	end, err := eachMember(document, func(key string, value span) {
		if key == name {
			at, found = value, true
		}
	})
	if err != nil {
		return span{}, false, err
	}
	if rest := bytes.Trim(document[end:], jsonSpace); len(rest) > 0 {
		return span{}, false, fmt.Errorf("the JSON object is followed by %d more bytes", len(rest))
	}
	return at, found, nil
}

// eachMember visits the members of a JSON object in their order and returns
// where the object ends.
func eachMember(document []byte, visit func(key string, value span)) (end int, err error) {
	dec := json.NewDecoder(bytes.NewReader(document))
	if err := expectDelim(dec, '{'); err != nil {
		return 0, err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return 0, fmt.Errorf("reading a member's name: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return 0, fmt.Errorf("reading the value of member %q: %w", key, err)
		}
		to := int(dec.InputOffset())
		visit(key.(string), span{to - len(value), to})
	}
	if err := expectDelim(dec, '}'); err != nil {
		return 0, err
	}
	return int(dec.InputOffset()), nil
}

func expectDelim(dec *json.Decoder, want json.Delim) error {
	got, err := dec.Token()
	if err != nil {
		return fmt.Errorf("expected %q: %w", want, err)
	}
	if got != want {
		return fmt.Errorf("expected %q, got %v", want, got)
	}
	return nil
}

// withMember returns the document with another value for one member. A member
// that was not there comes last.
func withMember(document []byte, name string, value []byte) ([]byte, error) {
	at, found, err := memberOf(document, name)
	if err != nil {
		return nil, err
	}
	if found {
		return splice(document, at, value), nil
	}
	closing := bytes.LastIndexByte(document, '}')
	before := bytes.TrimRight(document[:closing], jsonSpace)
	comma := []byte(",")
	if bytes.HasSuffix(before, []byte("{")) {
		comma = nil
	}
	return slices.Concat(before, comma, quoted(name), []byte(":"), value, document[len(before):]), nil
}

// quoted returns a text as JSON writes it. Ill-formed UTF-8 becomes U+FFFD.
func quoted(text string) []byte {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic("octopus: encoding a string failed, which encoding/json never does: " + err.Error())
	}
	return encoded
}

// elementsOf returns where the elements of a JSON list lie.
func elementsOf(list []byte) ([]span, error) {
	dec := json.NewDecoder(bytes.NewReader(list))
	if err := expectDelim(dec, '['); err != nil {
		return nil, err
	}
	var elements []span
	for dec.More() {
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("reading element %d of a list: %w", len(elements), err)
		}
		to := int(dec.InputOffset())
		elements = append(elements, span{to - len(value), to})
	}
	return elements, expectDelim(dec, ']')
}

// appended returns the list with one more element at its end.
func appended(list, value []byte) ([]byte, error) {
	elements, err := elementsOf(list)
	if err != nil {
		return nil, err
	}
	if len(elements) == 0 {
		opening := bytes.IndexByte(list, '[') + 1
		return splice(list, span{opening, opening}, value), nil
	}
	end := elements[len(elements)-1].end
	return splice(list, span{end, end}, append([]byte{','}, value...)), nil
}

// splice returns a copy with the bytes of a span replaced.
func splice(document []byte, at span, value []byte) []byte {
	return slices.Concat(document[:at.start], value, document[at.end:])
}
