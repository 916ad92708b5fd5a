package config_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regrow/internal/config"
)

var update = flag.Bool("update", false, "write the problems that come as those that are expected")

// sample is a file of testdata. Comments at its top say how it is read:
// "# development: true", and for invalid ones whether the JSON Schema "sees" or
// "cannot see" what is wrong, or cannot be asked because the file is "unreadable"
// as plain YAML.
type sample struct {
	name, path string
	data       []byte
}

func samples(t testing.TB, folder string) []sample {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples in testdata/%s: %v", folder, err)
	}
	all := make([]sample, len(paths))
	for i, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = sample{name: strings.TrimSuffix(filepath.Base(path), ".yaml"), path: path, data: data}
	}
	return all
}

func (s sample) says(comment string) bool {
	return bytes.Contains(s.data, []byte("# "+comment+"\n"))
}

func (s sample) options() config.Options {
	return config.Options{Development: s.says("development: true"), LookupEnv: testEnvironment}
}

func TestValidSamples(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t, "valid") {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Load(s.path, s.options())
			if err != nil {
				t.Fatalf("expected no problems, got:\n%v", err)
			}
			s.compare(t, config.Problems(c.Warnings), ".warnings")
		})
	}
}

// TestInvalidSamples compares every problem, word for word, with the file beside
// the sample. Run with -update after a deliberate change, and read the diff.
func TestInvalidSamples(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t, "invalid") {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(s.path, s.options())
			if err == nil {
				t.Fatal("expected problems, got none")
			}
			problems, ok := errors.AsType[config.Problems](err)
			if !ok {
				t.Fatalf("expected Problems, got %T: %v", err, err)
			}
			s.compare(t, problems, ".errors")
		})
	}
}

// compare compares problems with those in the file beside the sample. No file
// means that none are expected.
func (s sample) compare(t *testing.T, problems config.Problems, extension string) {
	t.Helper()
	var got string
	for _, p := range problems {
		p.File = "regrow.yaml"
		p.Message = strings.ReplaceAll(p.Message, filepath.Dir(s.path), "FOLDER")
		got += p.String() + "\n"
	}
	beside := strings.TrimSuffix(s.path, ".yaml") + extension
	if *update && got != "" {
		if err := os.WriteFile(beside, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(beside)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
