package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"regrow/internal/config"
)

const (
	schemaFile = "../../regrow.schema.json"
	docFile    = "../../docs/configuration.md"
)

// TestSchemaAgreesOnSamples holds the JSON Schema, which editors use, against
// the samples of the reader.
func TestSchemaAgreesOnSamples(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for _, s := range samples(t, "valid") {
		t.Run("valid/"+s.name, func(t *testing.T) {
			t.Parallel()
			if err := schema.Validate(asJSON(t, s.data)); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
		})
	}
	for _, s := range samples(t, "invalid") {
		t.Run("invalid/"+s.name, func(t *testing.T) {
			t.Parallel()
			var value any
			if s.says("schema: unreadable") {
				if yaml.Unmarshal(s.data, &value) == nil && s.name != "tags" && s.name != "two_documents" {
					t.Error("it can be read; say whether the schema sees what is wrong")
				}
				return
			}
			err := schema.Validate(asJSON(t, s.data))
			switch {
			case s.says("schema: sees") && err == nil:
				t.Error("the schema takes it")
			case s.says("schema: cannot see") && err != nil:
				t.Errorf("the schema sees it after all: %v", err)
			case !s.says("schema: sees") && !s.says("schema: cannot see"):
				t.Error("say at the top whether the schema sees what is wrong")
			}
		})
	}
}

func TestExampleMeetsSchema(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../regrow.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := compileSchema(t).Validate(asJSON(t, data)); err != nil {
		t.Error(err)
	}
	if !bytes.HasPrefix(data, []byte("# yaml-language-server: $schema=./regrow.schema.json\n")) {
		t.Error("the example does not tell editors its schema")
	}
}

// TestSchemaAndReaderKnowTheSameKeys puts an unknown key into every object of a
// file that has all of them, and compares what the reader says it knows there.
func TestSchemaAndReaderKnowTheSameKeys(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/valid/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string][]string{}
	walkSchema(t, readSchema(t), "", func(path string, node map[string]any) {
		if properties, ok := node["properties"].(map[string]any); ok && node["type"] == "object" {
			for key := range properties {
				objects[path] = append(objects[path], key)
			}
		}
	})
	if len(objects) < 12 {
		t.Fatalf("found only %d objects in the schema", len(objects))
	}
	var file any
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	addUnknownKey(file)
	changed, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for _, p := range problemsOf(t, changed) {
		if _, list, ok := strings.Cut(p.Message, "known here: "); ok {
			path := listIndex.ReplaceAllString(strings.TrimSuffix(strings.TrimSuffix(p.Path, "qqqqqqqq"), "."), "[]")
			known[path] = strings.Split(list, ", ")
		}
	}
	for path, keys := range objects {
		slices.Sort(keys)
		slices.Sort(known[path])
		if !slices.Equal(keys, known[path]) {
			t.Errorf("%q: the schema has the keys %v, the reader %v", path, keys, known[path])
		}
	}
}

// TestSchemaDefaults writes every default of the schema into a file, which then
// has to mean the same as without it.
func TestSchemaDefaults(t *testing.T) {
	t.Parallel()
	without := map[string]any{}
	data, err := os.ReadFile("testdata/valid/octopus_source.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &without); err != nil {
		t.Fatal(err)
	}
	want := describe(t, parseJSON(t, without))
	checked := 0
	walkSchema(t, readSchema(t), "", func(path string, node map[string]any) {
		fallback, ok := node["default"]
		if !ok {
			return
		}
		var with map[string]any
		if err := yaml.Unmarshal(data, &with); err != nil {
			t.Fatal(err)
		}
		if setEverywhere(with, strings.Split(path, "."), fallback) == 0 {
			t.Errorf("%s: no place to set it", path)
		}
		checked++
		if got := describe(t, parseJSON(t, with)); got != want {
			t.Errorf("%s: %v written out is not the default:\n%s\n%s", path, fallback, got, want)
		}
	})
	if checked < 15 {
		t.Errorf("found only %d defaults in the schema", checked)
	}
}

// setEverywhere sets the value at the path in every list entry that can have it,
// and returns how many those were.
func setEverywhere(in map[string]any, path []string, value any) int {
	key, isList := strings.CutSuffix(path[0], "[]")
	if len(path) == 1 {
		kind := in["kind"]
		if key == "tolerance" && kind != "generic" || key == "header" && kind != "octopus" || in[key] != nil {
			return 0
		}
		in[key] = value
		return 1
	}
	if !isList {
		child, ok := in[key].(map[string]any)
		if !ok {
			child = map[string]any{}
			in[key] = child
		}
		return setEverywhere(child, path[1:], value)
	}
	count := 0
	items, _ := in[key].([]any)
	for _, item := range items {
		count += setEverywhere(item.(map[string]any), path[1:], value)
	}
	return count
}

// TestDocumentationNamesEveryKey wants every key, by its full path, in the
// documentation, and no key there that does not exist.
func TestDocumentationNamesEveryKey(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		if cell, ok := strings.CutPrefix(line, "| `"); ok {
			key, _, _ := strings.Cut(cell, "`")
			if !strings.HasPrefix(key, "{") { // a placeholder
				documented[key] = true
			}
		}
	}
	existing := map[string]bool{}
	walkSchema(t, readSchema(t), "", func(path string, node map[string]any) {
		if path == "" || strings.HasSuffix(path, "[]") {
			return
		}
		existing[path] = true
		if !documented[path] {
			t.Errorf("%s has no row for `%s`", docFile, path)
		}
		if _, ok := node["description"]; !ok {
			t.Errorf("%s has no description of %s", schemaFile, path)
		}
	})
	for key := range documented {
		if !existing[key] {
			t.Errorf("%s has a row for `%s`, which does not exist", docFile, key)
		}
	}
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func readSchema(t testing.TB) map[string]any {
	t.Helper()
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// walkSchema visits every key of regrow.yaml by its path, such as
// "pipelines[].verify.timeout".
func walkSchema(t testing.TB, node map[string]any, path string, visit func(path string, node map[string]any)) {
	t.Helper()
	visit(path, node)
	if items, ok := node["items"].(map[string]any); ok {
		walkSchema(t, items, path+"[]", visit)
	}
	properties, _ := node["properties"].(map[string]any)
	for key, property := range properties {
		child, ok := property.(map[string]any)
		if !ok {
			t.Fatalf("%s.%s is no object", path, key)
		}
		walkSchema(t, child, strings.TrimPrefix(path+"."+key, "."), visit)
	}
}

// asJSON reads YAML as the schema's library wants it.
func asJSON(t testing.TB, data []byte) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func addUnknownKey(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, child := range value {
			addUnknownKey(child)
		}
		value["qqqqqqqq"] = 1
	case []any:
		for _, child := range value {
			addUnknownKey(child)
		}
	}
}

// parseJSON parses a configuration given as a value; JSON is YAML.
func parseJSON(t testing.TB, value any) *config.Config {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("testdata/valid/x.yaml", data, config.Options{LookupEnv: testEnvironment})
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return c
}

// describe prints all of a configuration except its secrets.
func describe(t testing.TB, c *config.Config) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
