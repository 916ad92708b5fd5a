package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may nest. What senders send is less
// than ten deep.
const maxDepth = 64

// reader reads a JSON text into values and copies it without the secrets. It is
// stricter than encoding/json, which lets a second member of the same name win,
// takes "REF" for "ref" and replaces bytes that are not UTF-8.
type reader struct {
	text   []byte
	tokens *json.Decoder
	scrub  scrubber
	// hidden names members whose values are secrets, or is "".
	hidden string
	// path leads to the value that is being read. It becomes a pointer only in
	// an error: a long name must not be copied for each of its members.
	path []string

	// clean is the copy of text[:copied] without secrets.
	clean  bytes.Buffer
	copied int
}

// readDocument reads a JSON text that has to be one object.
func readDocument(text []byte, scrub scrubber, hidden string) (*document, error) {
	// .NET programs like to send a byte order mark.
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	if err := checkSyntax(text); err != nil {
		return nil, err
	}
	r := &reader{text: text, tokens: json.NewDecoder(bytes.NewReader(text)), scrub: scrub, hidden: hidden}
	r.tokens.UseNumber()
	value, err := r.value()
	if err != nil {
		return nil, err
	}
	root, ok := value.(map[string]any)
	if !ok {
		return nil, malformed("", "expected a JSON object, found %s", found(value))
	}
	r.clean.Write(text[r.copied:])
	return &document{root: root, stored: r.clean.Bytes()}, nil
}

// CheckJSON returns an *Error unless the text is one JSON object in UTF-8, in
// which no member stands twice and which is not nested too deeply. The REST API
// reads its bodies as strictly as webhooks are read.
func CheckJSON(text []byte) error {
	_, err := readDocument(text, newScrubber(nil), "")
	return err
}

// checkSyntax returns an error unless the text is one JSON value in UTF-8.
func checkSyntax(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return malformed("", "expected a JSON object, found an empty body")
	}
	if !utf8.Valid(text) {
		return malformed("", "expected JSON in UTF-8, found bytes that are not UTF-8")
	}
	var whole json.RawMessage
	err := json.Unmarshal(text, &whole)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return malformed("", "expected one JSON object, found after %d bytes: %s", syntax.Offset, syntax)
	}
	return err
}

// value reads the next value.
func (r *reader) value() (any, error) {
	token, start, err := r.next()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if len(r.path) == maxDepth {
			return nil, r.malformed("objects and arrays nest deeper than %d", maxDepth)
		}
		if token == '{' {
			return r.object()
		}
		return r.array()
	case json.Number:
		if text := r.scrub.text(token.String()); text != token.String() {
			r.replace(r.copyTo(start), text)
			return text, nil
		}
		return token, nil
	case string:
		return r.string(start, token)
	default:
		return token, nil
	}
}

func (r *reader) object() (any, error) {
	members := map[string]any{}
	for r.tokens.More() {
		token, start, err := r.next()
		if err != nil {
			return nil, err
		}
		name, err := r.string(start, token.(string))
		if err != nil {
			return nil, err
		}
		r.path = append(r.path, name)
		if _, twice := members[name]; twice {
			return nil, r.malformed("the member is there twice; which one counts is not defined")
		}
		if members[name], err = r.member(name); err != nil {
			return nil, err
		}
		r.path = r.path[:len(r.path)-1]
	}
	_, _, err := r.next()
	return members, err
}

// member reads a member's value and hides it when its name says so. A null is
// no secret.
func (r *reader) member(name string) (any, error) {
	if r.hidden == "" || !strings.EqualFold(name, r.hidden) {
		return r.value()
	}
	start := r.copyTo(r.skip(int(r.tokens.InputOffset())))
	value, err := r.value()
	if err != nil || value == nil {
		return nil, err
	}
	r.replace(start, redacted)
	return redacted, nil
}

func (r *reader) array() (any, error) {
	items := []any{}
	for r.tokens.More() {
		r.path = append(r.path, strconv.Itoa(len(items)))
		item, err := r.value()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		r.path = r.path[:len(r.path)-1]
	}
	_, _, err := r.next()
	return items, err
}

// string checks and cleans a string that begins at the offset.
func (r *reader) string(start int, text string) (string, error) {
	if strings.ContainsRune(text, 0) {
		return "", r.malformed("a string holds the character U+0000, which a database cannot store as text")
	}
	clean := r.scrub.text(text)
	// Half a surrogate pair is read as U+FFFD and has to be stored so too.
	if clean != text || strings.ContainsRune(text, utf8.RuneError) {
		r.replace(r.copyTo(start), clean)
	}
	return clean, nil
}

// next returns the next token and the offset at which it begins.
func (r *reader) next() (json.Token, int, error) {
	start := r.skip(int(r.tokens.InputOffset()))
	token, err := r.tokens.Token()
	if err != nil {
		return nil, 0, r.malformed("expected JSON: %s", err)
	}
	return token, start, nil
}

// skip returns the offset of the next token's first byte.
func (r *reader) skip(offset int) int {
	return len(r.text) - len(bytes.TrimLeft(r.text[offset:], " \t\r\n,:"))
}

// copyTo copies the text up to the offset and returns where in the copy it ends.
func (r *reader) copyTo(offset int) int {
	r.clean.Write(r.text[r.copied:offset])
	r.copied = offset
	return r.clean.Len()
}

// replace puts a string in the place of everything that was read since the copy
// was as long as start.
func (r *reader) replace(start int, with string) {
	quoted, _ := json.Marshal(with) //nolint:errchkjson // cannot fail: it is a string
	r.clean.Truncate(start)
	r.clean.Write(quoted)
	r.copied = int(r.tokens.InputOffset())
}

// malformed returns an error about the value that is being read.
func (r *reader) malformed(format string, args ...any) error {
	return malformed(pointerTo(r.path...), format, args...)
}

// pointerTo returns the JSON pointer to the member at the path. Very long names
// are cut: the pointer goes into an answer.
func pointerTo(path ...string) string {
	const limit = 200
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var pointer strings.Builder
	for _, name := range path {
		if len(name) > limit {
			name = strings.ToValidUTF8(name[:limit], "") + "…"
		}
		pointer.WriteString("/" + escape.Replace(name))
	}
	return pointer.String()
}
