package setup

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"regrow/internal/octopus"
)

func TestSpans(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]time.Duration{
		"00:02:00": 2 * time.Minute, "0:02:00": 2 * time.Minute, "0:2:0": 2 * time.Minute, "00:02": 2 * time.Minute,
		"1.00:00:00": 24 * time.Hour, "01.00:00:00": 24 * time.Hour, "30.01:02:03": 30*24*time.Hour + time.Hour + 2*time.Minute + 3*time.Second,
		"00:00:00.5": 500 * time.Millisecond, "00:00:00.0000001": 100 * time.Nanosecond, "00:00:00": 0,
	} {
		if got, ok := parseSpan(written); !ok || got != want {
			t.Errorf("%q: %v %v, want %v", written, got, ok, want)
		}
	}
	for _, written := range []string{"", "2m", "24:00:00", "00:60:00", "00:00:60", "1.5", "-00:02:00", "00:02:00 ", "123456.00:00:00", "00:00:00.00000001"} {
		if got, ok := parseSpan(written); ok {
			t.Errorf("%q was taken for %v", written, got)
		}
	}
}

// TestPartsKeepTheirOrder takes any of the wanted elements out of a list and puts
// them back, among others that are somebody else's.
func TestPartsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	wanted := []string{"A", "B", "C", "D"}
	rank := func(d octopus.Document) int { return slices.Index(wanted, d.Name()) }
	element := func(name string) octopus.Document { return octopus.Document(`{"Name": "` + name + `" }`) }
	rapid.Check(t, func(t *rapid.T) {
		var list []octopus.Document
		for _, name := range wanted {
			if rapid.Bool().Draw(t, "there") {
				list = append(list, element(name))
			}
			if rapid.Bool().Draw(t, "another") {
				list = append(list, element("other "+name))
			}
		}
		list = rapid.Permutation(list).Draw(t, "order")
		document, err := withElements(octopus.Document(`{ "L" : null }`), "/L", list)
		if err != nil {
			t.Fatal(err)
		}
		var settings []Setting
		for i, name := range wanted {
			settings = append(settings, part(name, "/L", rank, i, element(name), ""))
		}
		settings = append(settings, inOrder("order", "/L", rank, ""))
		if document, err = edited(document, mustDiffer(t, document, settings[:4])); err != nil {
			t.Fatal(err)
		}
		if document, err = edited(document, mustDiffer(t, document, settings)); err != nil {
			t.Fatal(err)
		}
		if wrong := mustDiffer(t, document, settings); len(wrong) > 0 {
			t.Fatalf("%s is not right after all: %s", document, wrong[0].Field)
		}
		after, err := elements(document, "/L")
		if err != nil {
			t.Fatal(err)
		}
		others := func(list []octopus.Document) (names []string) {
			for _, d := range list {
				if rank(d) < 0 {
					names = append(names, string(d))
				}
			}
			return names
		}
		if !slices.Equal(others(after), others(list)) || len(after) != len(wanted)+len(others(list)) {
			t.Fatalf("%s lost or moved what is somebody else's", document)
		}
	})
}

func mustDiffer(t *rapid.T, d octopus.Document, settings []Setting) []Setting {
	t.Helper()
	wrong, err := differing(d, settings)
	if err != nil {
		t.Fatal(err)
	}
	return wrong
}

func TestValuesInAFewWords(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"": "nothing", "null": "nothing", `""`: "nothing", "[ ]": "nothing", "true": "true", "12": "12", `"x y"`: "x y", `["a","b"]`: "a, b",
		`{ "a" : 1 }`: `{"a":1}`, `"one\ntwo\nthree"`: "one … (3 lines)", `"` + strings.Repeat("a", 100) + `"`: strings.Repeat("a", 80) + " …",
	} {
		if got := shown([]byte(raw)); got != want {
			t.Errorf("%s is shown as %q, want %q", raw, got, want)
		}
	}
}
