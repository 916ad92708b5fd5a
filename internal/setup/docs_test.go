package setup_test

import (
	"os"
	"strings"
	"testing"

	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// TestDocumentNamesEverySetting that setup manages, each in a row of a table.
func TestDocumentNamesEverySetting(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/setup.md")
	if err != nil {
		t.Fatal(err)
	}
	document := string(text)
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(tenanted, withChannels)
	w.apply(t, options)
	checked := 0
	for _, item := range w.inspect(t, options).Items {
		for _, setting := range item.Settings {
			checked++
			if row := "\n| " + rowOf(setting.Field) + " |"; !strings.Contains(document, row) {
				t.Errorf("docs/setup.md has no row that begins with %q, for %q of the %s", row, setting.Field, item.Kind)
			}
		}
	}
	if checked < 70 {
		t.Errorf("only %d settings were looked for", checked)
	}
	for _, kind := range setup.Kinds() {
		if !strings.Contains(strings.ToLower(document), string(kind)) {
			t.Errorf("docs/setup.md does not mention a %s", kind)
		}
	}
}

// rowOf is a setting's field without the name of what it belongs to.
func rowOf(field string) string {
	for prefix, row := range map[string]string{"step ": "step", "variable ": "", "environments of project ": "environments of project"} {
		rest, is := strings.CutPrefix(field, prefix)
		if !is {
			continue
		}
		name, of, inside := strings.Cut(rest, ": ")
		switch {
		case row == "": // of a variable, one row for all
			return name
		case inside:
			return of
		default:
			return row
		}
	}
	return field
}
