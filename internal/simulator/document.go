package simulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// document is one resource, as JSON sees it. Resources are not Go structs here because the
// server has to give back fields it has never heard of.
type document map[string]any

// parseDocument decodes a JSON object and keeps numbers as they were written.
func parseDocument(data []byte) (document, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var d document
	if err := decoder.Decode(&d); err != nil {
		return nil, err
	}
	if d == nil {
		d = document{}
	}
	return d, nil
}

// id is the document's Id.
func (d document) id() string { return d.text("Id") }

// text is a string field, or "".
func (d document) text(key string) string {
	value, _ := d[key].(string)
	return value
}

// flag is a boolean field, or false.
func (d document) flag(key string) bool {
	value, _ := d[key].(bool)
	return value
}

// number is an integer field, or 0.
func (d document) number(key string) int {
	switch value := d[key].(type) {
	case int:
		return value
	case json.Number:
		n, _ := value.Int64()
		return int(n)
	}
	return 0
}

// list is a field holding strings; other elements are left out.
func (d document) list(key string) []string {
	switch value := d[key].(type) {
	case []string:
		return value
	case []any:
		texts := make([]string, 0, len(value))
		for _, element := range value {
			if text, ok := element.(string); ok {
				texts = append(texts, text)
			}
		}
		return texts
	}
	return nil
}

// object is a nested object, never nil.
func (d document) object(key string) document {
	if nested := asDocument(d[key]); nested != nil {
		return nested
	}
	return document{}
}

// objects is a list of nested objects.
func (d document) objects(key string) []document {
	switch value := d[key].(type) {
	case []document:
		return value
	case []any:
		nested := make([]document, 0, len(value))
		for _, element := range value {
			if object := asDocument(element); object != nil {
				nested = append(nested, object)
			}
		}
		return nested
	}
	return nil
}

// fill sets the fields that are missing or null.
func (d document) fill(defaults document) {
	for key, value := range defaults {
		if d[key] == nil {
			d[key] = value
		}
	}
}

func (d document) clone() document { return maps.Clone(d) }

func asDocument(value any) document {
	switch object := value.(type) {
	case document:
		return object
	case map[string]any:
		return object
	}
	return nil
}

// slugOf turns a name into a slug: "Hello World" into "hello-world".
func slugOf(name string) string {
	fields := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(fields, "-")
}

// overlap says whether two lists share an element, ignoring case.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return contains(b, x) })
}

// contains is a membership test that ignores case, as Octopus does for ids, names and roles.
func contains(list []string, value string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, value) })
}

// neverNil copies a list, so that an empty one becomes [] in JSON and not null.
func neverNil[T any](list []T) []T { return append([]T{}, list...) }

// copyOf is a deep copy of JSON-like data, for frozen snapshots.
func copyOf(d document) document {
	data, err := json.Marshal(d)
	if err != nil {
		panic("simulator: a document that is not JSON: " + err.Error())
	}
	clone, err := parseDocument(data)
	if err != nil {
		panic("simulator: a document that is not JSON: " + err.Error())
	}
	return clone
}
