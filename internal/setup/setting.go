package setup

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// Setting is one value that setup keeps in a resource: where it is, what it has
// to be, and when what is there is as good.
type Setting struct {
	// Field names the setting for people.
	Field string
	// Pointer is its place: a JSON pointer into the resource. Of a Part it is the
	// list that the part belongs to.
	Pointer string
	// Shape says what kind of value it is.
	Shape Shape

	to    string
	from  func(octopus.Document) string
	holds func(values) (bool, error)
	set   func(octopus.Document) (octopus.Document, error)
}

// Shape says how a setting is compared and written.
type Shape string

// The shapes of settings.
const (
	// Text is a text, compared as it is.
	Text Shape = "text"
	// Flag is true or false; what is absent is false.
	Flag Shape = "flag"
	// Span is a time span, compared by its length.
	Span Shape = "time span"
	// Nothing is null, empty or absent.
	Nothing Shape = "nothing"
	// Set is a list of which neither order nor capitals matter.
	Set Shape = "set"
	// Names is a Set in one text, with commas between.
	Names Shape = "names"
	// OneOf is a text of which several are good.
	OneOf Shape = "one of"
	// Member is a list that has to hold one value, besides others.
	Member Shape = "member"
	// Secret is written and never shown again, so that only its absence shows.
	Secret Shape = "secret"
	// Part is an element of a list, with settings of its own.
	Part Shape = "part"
	// Order is the order of such elements.
	Order Shape = "order"
)

// valueAt is a setting whose value stands at its pointer.
func valueAt(field, pointer string, shape Shape, wanted any, same func(json.RawMessage) bool) Setting {
	return Setting{
		Field: field, Pointer: pointer, Shape: shape,
		to: shown(encoded(wanted)),
		from: func(d octopus.Document) string {
			raw, _, _ := d.Value(pointer)
			return shown(raw)
		},
		holds: func(d values) (bool, error) {
			raw, _, err := d.Value(pointer)
			return err == nil && same(raw), err
		},
		set: func(d octopus.Document) (octopus.Document, error) { return d.With(pointer, wanted) },
	}
}

func text(field, pointer, wanted string) Setting {
	return valueAt(field, pointer, Text, wanted, func(raw json.RawMessage) bool {
		got, ok := textOf(raw)
		return ok && got == wanted
	})
}

func flag(field, pointer string, wanted bool) Setting {
	return valueAt(field, pointer, Flag, wanted, func(raw json.RawMessage) bool {
		var got bool
		return isNothing(raw) && !wanted || json.Unmarshal(raw, &got) == nil && got == wanted
	})
}

func nothing(field, pointer string) Setting {
	return valueAt(field, pointer, Nothing, nil, isNothing)
}

func set(field, pointer string, wanted ...string) Setting {
	return valueAt(field, pointer, Set, append([]string{}, wanted...), func(raw json.RawMessage) bool {
		got, ok := listOf(raw)
		return ok && sameSet(got, wanted)
	})
}

func names(field, pointer string, wanted ...string) Setting {
	return valueAt(field, pointer, Names, strings.Join(wanted, ","), func(raw json.RawMessage) bool {
		got, ok := textOf(raw)
		return (ok || isNothing(raw)) && sameSet(splitNames(got), wanted)
	})
}

// oneOf is a setting for which what comes first in good is written.
func oneOf(field, pointer string, good ...string) Setting {
	return valueAt(field, pointer, OneOf, good[0], func(raw json.RawMessage) bool {
		got, ok := textOf(raw)
		return ok && pipeline.HasName(good, got)
	})
}

// member is a list that has to hold a value; the others in it stay.
func member(field, pointer, wanted string) Setting {
	s := valueAt(field, pointer, Member, []string{wanted}, func(raw json.RawMessage) bool {
		got, ok := listOf(raw)
		return ok && pipeline.HasName(got, wanted)
	})
	s.set = func(d octopus.Document) (octopus.Document, error) {
		if raw, _, err := d.Value(pointer); err == nil && isNothing(raw) {
			return d.With(pointer, []string{wanted})
		}
		return d.With(pointer+"/-", wanted)
	}
	return s
}

// shownAs returns the setting with other words for its values, such as names in
// place of ids.
func (s Setting) shownAs(words func(json.RawMessage) string, to string) Setting {
	s.to = to
	s.from = func(d octopus.Document) string {
		raw, _, _ := d.Value(s.Pointer)
		return words(raw)
	}
	return s
}

// differing returns the settings that a document does not have.
func differing(d octopus.Document, settings []Setting) ([]Setting, error) {
	var wrong []Setting
	read := view{d, map[string]json.RawMessage{}}
	for _, setting := range settings {
		holds, err := setting.holds(read)
		if err != nil {
			return nil, fmt.Errorf("reading the %s at %s: %w", setting.Field, setting.Pointer, err)
		}
		if !holds {
			wrong = append(wrong, setting)
		}
	}
	return wrong, nil
}

// edited returns the document with settings written, and all else as it is.
func edited(d octopus.Document, settings []Setting) (octopus.Document, error) {
	var err error
	for _, setting := range settings {
		if d, err = setting.set(d); err != nil {
			return nil, fmt.Errorf("writing the %s: %w", setting.Field, err)
		}
	}
	return d, nil
}

// isNothing tells whether a value says nothing: absent, null, or an empty text or list.
func isNothing(raw json.RawMessage) bool {
	switch strings.Join(strings.Fields(string(raw)), "") {
	case "", "null", `""`, "[]":
		return true
	}
	return false
}

func textOf(raw json.RawMessage) (string, bool) {
	var got *string
	if json.Unmarshal(raw, &got) != nil || got == nil {
		return "", false
	}
	return *got, true
}

// listOf reads a list of texts. What says nothing is an empty one.
func listOf(raw json.RawMessage) ([]string, bool) {
	if isNothing(raw) {
		return nil, true
	}
	var got []string
	return got, json.Unmarshal(raw, &got) == nil
}

func splitNames(text string) []string {
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// sameSet compares lists as Octopus does ids and roles: without regard to
// order, repetition and capitals.
func sameSet(a, b []string) bool { return pipeline.HasNames(a, b) && pipeline.HasNames(b, a) }

func firstOf(documents []octopus.Document, is func(octopus.Document) bool) octopus.Document {
	if i := slices.IndexFunc(documents, is); i >= 0 {
		return documents[i]
	}
	return nil
}
