package octopus

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// written is a JSON text and the pointers to all values in it.
type written struct {
	text     string
	pointers []string
}

// rawTree generates JSON of some depth in spellings that decoding and encoding
// again would change.
func rawTree(depth int) *rapid.Generator[written] {
	return rapid.Custom(func(t *rapid.T) written {
		if depth == 0 || rapid.Bool().Draw(t, "leaf") {
			return written{text: rapid.SampledFrom([]string{`1.0`, `1e400`, `"a\/b"`, `"\u0041"`, `null`, `"} , ]"`, `false`, `{}`, `[ ]`}).Draw(t, "scalar")}
		}
		object := rapid.Bool().Draw(t, "object")
		open, closing := "[", "]"
		if object {
			open, closing = "{", "}"
		}
		var parts []string
		var all written
		for i := range rapid.IntRange(0, 4).Draw(t, "children") {
			child := rawTree(depth-1).Draw(t, "child")
			name, prefix := fmt.Sprint(i), ""
			if object {
				name = fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"Id", "a/b", "m~n", "ключ", ""}).Draw(t, "name"), i)
				key, _ := json.Marshal(name)
				prefix = string(key) + rawSpace().Draw(t, "space") + ":"
			}
			parts = append(parts, rawSpace().Draw(t, "before")+prefix+rawSpace().Draw(t, "within")+child.text+rawSpace().Draw(t, "after"))
			here := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
			all.pointers = append(all.pointers, here)
			for _, deeper := range child.pointers {
				all.pointers = append(all.pointers, here+deeper)
			}
		}
		all.text = open + strings.Join(parts, ",") + closing
		return all
	})
}

func TestWithChangesNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tree := rawTree(3).Filter(func(w written) bool { return len(w.pointers) > 0 }).Draw(t, "document")
		pointer := rapid.SampledFrom(tree.pointers).Draw(t, "pointer")
		before := Document(tree.text)
		old, found, err := before.Value(pointer)
		if err != nil || !found {
			t.Fatalf("Value(%s) of %s: found %v, error %v", pointer, before, found, err)
		}
		changed, err := before.With(pointer, "set by hand <&>")
		if err != nil {
			t.Fatalf("With(%s) of %s: %v", pointer, before, err)
		}
		if got := changed.Text(pointer); got != "set by hand <&>" {
			t.Fatalf("after With(%s): %q in %s", pointer, got, changed)
		}
		back, err := changed.With(pointer, old)
		if err != nil || string(back) != string(before) {
			t.Fatalf("there and back: error %v\nbefore %s\nafter  %s", err, before, back)
		}
	})
}

func TestWithAddsWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		before, pointer string
		value           any
		want            string
	}{
		{`{}`, "/Name", "x", `{"Name":"x"}`},
		{`{"A":1}`, "/Policy/Interval", "00:02:00", `{"A":1,"Policy":{"Interval":"00:02:00"}}`},
		{`{"Policy":null}`, "/Policy/Interval", nil, `{"Policy":{"Interval":null}}`},
		{`{"L":[]}`, "/L/-", 1, `{"L":[1]}`},
		{`{"L":[ 1 , 2 ]}`, "/L/-", []string{"a"}, `{"L":[ 1 , 2,["a"] ]}`},
		{`{"L":[ {"a":1} ]}`, "/L/0/b", true, `{"L":[ {"a":1,"b":true} ]}`},
		{`{"a":1}`, "", json.RawMessage(`[ ]`), `[ ]`},
	} {
		got, err := Document(test.before).With(test.pointer, test.value)
		if err != nil || string(got) != test.want {
			t.Errorf("With(%q) of %s: got %s, error %v, want %s", test.pointer, test.before, got, err, test.want)
		}
	}
}

func TestWithRefusesWhatHasNoPlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ before, pointer string }{
		{`{"L":[1]}`, "/L/1"},
		{`{"L":[1]}`, "/L/x/y"},
		{`{"L":"text"}`, "/L/x"},
		{`{"a":1`, "/a"},
		{`{}`, "Name"},
	} {
		if got, err := Document(test.before).With(test.pointer, 1); err == nil {
			t.Errorf("With(%q) of %s gave %s, want an error", test.pointer, test.before, got)
		}
	}
}
