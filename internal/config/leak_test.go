package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"regrow/internal/config"
)

var (
	variable  = regexp.MustCompile(`\$\{([A-Z_]+)\}`)
	valueLine = regexp.MustCompile(`(?m)^(\s*(?:- )?([a-z_]+): )([^\s#\[&{][^\n#]*)$`)
)

// everything returns the sample that has every key.
func everything(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/valid/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestProblemsHoldNoSecrets puts random secrets into the file, its variables and
// the files it names, breaks the file at random places, and searches what the
// reader says for them.
func TestProblemsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	original := everything(t)
	secret := rapid.StringMatching(`zQ[A-Za-z0-9 :@/#%{}\[\]'"!?$\\-]{6,30}Qz`)
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		var hidden []string
		draw := func() string {
			s := secret.Draw(t, "secret")
			hidden = append(hidden, s)
			return s
		}
		inFile, inVariable := draw(), map[string]string{}
		text := variable.ReplaceAllStringFunc(original, func(reference string) string {
			switch rapid.SampledFrom([]string{"variable", "literal", "list", "object", "plain"}).Draw(t, "how") {
			case "literal":
				return quoteYAML(draw())
			case "list":
				return "[" + quoteYAML(draw()) + "]"
			case "object":
				return "{of: " + quoteYAML(draw()) + "}"
			case "plain":
				plain := rapid.StringMatching(`zQ[A-Za-z0-9]{6,30}Qz`).Draw(t, "plain")
				hidden = append(hidden, plain)
				return plain
			}
			inVariable[reference[2:len(reference)-1]] = draw()
			return reference
		})
		text = strings.Replace(text, "    token:", "    token_file:", rapid.IntRange(0, 1).Draw(t, "file"))
		text = breakLines(t, text)
		c, err := config.Parse("regrow.yaml", []byte(text), config.Options{
			LookupEnv: func(name string) (string, bool) { value, ok := inVariable[name]; return value, ok },
			ReadFile: func(name string) ([]byte, error) {
				// A secret in place of a file's name is the name of no file.
				if strings.Contains(name, "zQ") || rapid.Bool().Draw(t, "unreadable") {
					return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
				}
				return []byte(inFile), nil
			},
		})
		said := fmt.Sprintf("%v\n%+v", err, c)
		told += strings.Count(said, "\n")
		for _, s := range hidden {
			if strings.Contains(said, s) {
				t.Fatalf("the secret %q is in:\n%s\nof the file\n%s", s, said, text)
			}
		}
	})
	if told == 0 {
		t.Error("nothing was wrong in any file; the test tests nothing")
	}
}

// breakLines drops lines, doubles them, and moves them to the right.
func breakLines(t *rapid.T, text string) string {
	lines := strings.SplitAfter(text, "\n")
	for range rapid.IntRange(0, 3).Draw(t, "breaks") {
		i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
		switch rapid.IntRange(0, 2).Draw(t, "break") {
		case 0:
			lines[i] = ""
		case 1:
			lines[i] += lines[i]
		case 2:
			lines[i] = "  " + lines[i]
		}
	}
	return strings.Join(lines, "")
}

func quoteYAML(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// TestProblemsHoldNoVariables puts a variable where each value stands, one after
// the other: whatever the reader says of it, it never says what it stands for.
func TestProblemsHoldNoVariables(t *testing.T) {
	t.Parallel()
	original := everything(t)
	places := valueLine.FindAllStringSubmatchIndex(original, -1)
	if len(places) < 40 {
		t.Fatalf("found only %d values in the sample", len(places))
	}
	for _, hidden := range []string{"hunter2-hunter2", "hunter 2: [{$@/", "https://me:hunter2@example.com", "Environments-77123", "{hunter2}", "refs/heads/hunter2", "hunter2["} {
		refused := 0
		for _, at := range places {
			text := original[:at[6]] + `"${HIDDEN}"` + original[at[7]:]
			_, err := config.Parse("regrow.yaml", []byte(text), config.Options{LookupEnv: func(name string) (string, bool) {
				if name == "HIDDEN" {
					return hidden, true
				}
				return testEnvironment(name)
			}})
			if err == nil {
				continue
			}
			refused++
			if _, ok := errors.AsType[config.Problems](err); !ok || strings.Contains(err.Error(), hidden) {
				t.Errorf("%s: %v", original[at[4]:at[5]], err)
			}
		}
		if refused < 15 {
			t.Errorf("%q was refused at only %d places", hidden, refused)
		}
	}
}

// FuzzParse wants problems, not panics, from any input.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"valid", "invalid"} {
		for _, s := range samples(f, folder) {
			f.Add(s.data, true)
			f.Add(s.data, false)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, development bool) {
		c, err := config.Parse("regrow.yaml", data, config.Options{
			Development: development,
			LookupEnv:   testEnvironment,
			ReadFile:    func(string) ([]byte, error) { return nil, fs.ErrNotExist },
		})
		if (c == nil) == (err == nil) {
			t.Fatalf("expected a configuration or an error, got %v and %v", c, err)
		}
		problems, ok := errors.AsType[config.Problems](err)
		if err != nil && (!ok || len(problems) == 0) {
			t.Fatalf("expected Problems, got %T", err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Message == "" {
				t.Fatalf("a problem without place or message: %+v", p)
			}
		}
	})
}
