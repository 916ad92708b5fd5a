package octopus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Document is a resource of Octopus as the JSON it came in. Changing it changes
// nothing but what is asked for, byte for byte, so that members that regrow does
// not know survive a read, a change and a write.
type Document []byte

// NewDocument returns the document of a resource that is to be created.
func NewDocument(members any) (Document, error) {
	encoded, err := encode(members)
	return Document(encoded), err
}

// id implements identified.
func (d Document) id() string { return d.ID() }

// name implements hasName.
func (d Document) name() string { return d.Name() }

// ID returns the resource's id, "" when it has none yet.
func (d Document) ID() string { return d.Text("/Id") }

// Name returns the resource's name.
func (d Document) Name() string { return d.Text("/Name") }

// Text returns the string at a JSON pointer, "" when there is none.
func (d Document) Text(pointer string) string {
	var text string
	raw, found, err := d.Value(pointer)
	if err != nil || !found || json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// Value returns the JSON at a JSON pointer (RFC 6901), and false when it is
// absent. It fails when the document is no JSON on the way there.
func (d Document) Value(pointer string) (value json.RawMessage, found bool, err error) {
	names, err := pointerNames(pointer)
	if err != nil {
		return nil, false, err
	}
	current := []byte(d)
	for _, name := range names {
		at, found, err := childOf(current, name)
		if err != nil || !found {
			return nil, false, err
		}
		current = current[at.start:at.end]
	}
	return current, true, nil
}

// With returns a copy with the value at a JSON pointer set. Members of objects
// that are missing on the way are added, elements of lists are not; the name "-"
// appends to a list. The value nil is JSON's null; a json.RawMessage is written
// as it is.
func (d Document) With(pointer string, value any) (Document, error) {
	names, err := pointerNames(pointer)
	if err != nil {
		return nil, err
	}
	encoded, err := encode(value)
	if err != nil {
		return nil, err
	}
	changed, err := withValue(d, names, encoded)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", pointer, err)
	}
	return changed, nil
}

// MarshalJSON implements json.Marshaler: a document is the JSON that it holds.
func (d Document) MarshalJSON() ([]byte, error) { return d, nil }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Document) UnmarshalJSON(data []byte) error {
	*d = bytes.Clone(data)
	return nil
}

// pointerNames takes a JSON pointer apart.
func pointerNames(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return nil, fmt.Errorf("%q is no JSON pointer: it does not begin with a slash", pointer)
	}
	names := strings.Split(rest, "/")
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i, name := range names {
		names[i] = unescape.Replace(name)
	}
	return names, nil
}

// childOf returns where a member of an object, or an element of a list, lies.
// Any other value has no children.
func childOf(value []byte, name string) (at span, found bool, err error) {
	switch kindOf(value) {
	case '{':
		return memberOf(value, name)
	case '[':
		elements, err := elementsOf(value)
		wanted, noNumber := strconv.Atoi(name)
		if err != nil || noNumber != nil || wanted < 0 || wanted >= len(elements) {
			return span{}, false, err
		}
		return elements[wanted], true, nil
	default:
		return span{}, false, nil
	}
}

// kindOf returns the first character of a value, which tells its kind.
func kindOf(value []byte) byte {
	trimmed := bytes.TrimLeft(value, jsonSpace)
	if len(trimmed) == 0 {
		return 0
	}
	return trimmed[0]
}

// withValue returns the container with the value set that the names lead to.
func withValue(container []byte, names []string, value []byte) ([]byte, error) {
	if len(names) == 0 {
		return value, nil
	}
	name := names[0]
	if kindOf(container) == '[' {
		return withElement(container, names, value)
	}
	at, found, err := childOf(container, name)
	if err != nil {
		return nil, err
	}
	child := []byte("{}")
	if found {
		child = container[at.start:at.end]
	}
	if len(names) > 1 && string(child) == "null" {
		child = []byte("{}")
	}
	changed, err := withValue(child, names[1:], value)
	if err != nil {
		return nil, err
	}
	return withMember(container, name, changed)
}

// withElement is withValue for a list.
func withElement(list []byte, names []string, value []byte) ([]byte, error) {
	if names[0] == "-" && len(names) == 1 {
		return appended(list, value)
	}
	at, found, err := childOf(list, names[0])
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("the list has no element %q", names[0])
	}
	changed, err := withValue(list[at.start:at.end], names[1:], value)
	if err != nil {
		return nil, err
	}
	return splice(list, at, changed), nil
}

// encode returns a value as JSON on one line, without the escapes that only
// HTML needs.
func encode(value any) ([]byte, error) {
	if raw, ok := value.(json.RawMessage); ok {
		return raw, nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("the value has no JSON form: %w", err)
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}
