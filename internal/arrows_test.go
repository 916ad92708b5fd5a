// Package internal_test guards the shape of the house: which package may import
// which. docs/architecture.md says why.
package internal_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "regrow"

// level is the height of each package. A package imports only lower ones, so
// that arrows point down and neighbours do not know each other. A new package
// needs a line here: choosing it is choosing who may depend on what.
var level = map[string]int{
	"cmd/server": 6,

	"internal/demo": 5, // the process, the simulator and the terminal, put together

	"internal/app":             4,
	"internal/doctor":          4,
	"internal/setup/setuptest": 4, // tests only

	"examples/build-servers": 3, // tests only

	"internal/handlers": 3,
	"internal/jobs":     3,
	"internal/setup":    3,
	"internal/terminal": 3,
	"internal/trial":    3, // what tests need to try regrow as a whole

	"internal/handlers/api":   2,
	"internal/client":         2,
	"internal/config":         2,
	"internal/localpg/pgtest": 2,
	"internal/octopus":        2,
	"internal/simulator":      2,
	"internal/store":          2,

	"internal/localpg": 1,
	"internal/webhook": 1,

	"examples/hello-world/package": 0, // the scripts that setup uploads

	"internal/failpoint": 0,
	"internal/pipeline":  0,
	"migrations":         0,
}

// restricted packages are for few importers, whatever their level. Tests may
// import them all.
var restricted = map[string][]string{
	"internal/client":          {"cmd/server", "internal/demo", "internal/terminal", "internal/trial"},
	"internal/demo":            {"cmd/server"},
	"internal/doctor":          {"cmd/server"},
	"internal/handlers/api":    {"internal/handlers"},
	"internal/localpg":         {"cmd/server", "internal/app", "internal/demo", "internal/localpg/pgtest"},
	"internal/localpg/pgtest":  {"internal/trial"},
	"internal/simulator":       {"cmd/server", "internal/demo", "internal/trial"},
	"internal/setup/setuptest": {},
	"internal/terminal":        {"cmd/server", "internal/demo"},
	"internal/trial":           {},
	"migrations":               {"internal/store", "internal/trial"},
}

// pure packages decide and do nothing else: the same input, the same answer.
var pure = []string{"internal/pipeline", "internal/webhook"}

// doing is what a pure package cannot import. net/http is absent: its Header
// and status codes are values.
var doing = []string{
	"database/sql", "io/ioutil", "log", "log/slog", "net", "os", "os/exec", "syscall",
	"github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/pgxpool", "github.com/riverqueue/river", "github.com/rs/zerolog",
}

func TestArrowsPointDown(t *testing.T) {
	t.Parallel()
	violations, packages := check(t, os.DirFS(".."))
	for _, violation := range violations {
		t.Error(violation)
	}
	if packages < len(level)/2 {
		t.Errorf("looked at %d packages only: is this the root of the module?", packages)
	}
}

func TestCheckSeesEveryKindOfViolation(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file, imports string
		want          string // "" = allowed
	}{
		"down":                          {"internal/jobs/a.go", "regrow/internal/store", ""},
		"down by several levels":        {"cmd/server/main.go", "regrow/internal/pipeline", ""},
		"outside the module":            {"internal/jobs/a.go", "github.com/riverqueue/river", ""},
		"up":                            {"internal/store/a.go", "regrow/internal/jobs", "internal/store/a.go imports internal/jobs"},
		"from the ground up":            {"internal/pipeline/a.go", "regrow/internal/webhook", "internal/pipeline/a.go imports internal/webhook"},
		"sideways":                      {"internal/handlers/a.go", "regrow/internal/jobs", "internal/handlers/a.go imports internal/jobs"},
		"sideways in a test":            {"internal/jobs/a_test.go", "regrow/internal/handlers", "internal/jobs/a_test.go imports internal/handlers"},
		"the command":                   {"internal/app/a.go", "regrow/cmd/server", "internal/app/a.go imports cmd/server"},
		"a restricted one":              {"internal/jobs/a.go", "regrow/internal/simulator", "internal/jobs/a.go imports internal/simulator"},
		"a restricted one in a test":    {"internal/octopus/a_test.go", "regrow/internal/simulator", ""},
		"test databases in the product": {"internal/app/a.go", "regrow/internal/localpg/pgtest", "internal/app/a.go imports internal/localpg/pgtest"},
		"test databases in a test":      {"internal/store/a_test.go", "regrow/internal/localpg/pgtest", ""},
		"the package of its own test":   {"internal/jobs/a_test.go", "regrow/internal/jobs", ""},
		"a new package":                 {"internal/brandnew/a.go", "fmt", "internal/brandnew has no level"},
		"a new one that is imported":    {"internal/jobs/a.go", "regrow/internal/brandnew", "internal/brandnew has no level"},
		"a pure one that acts":          {"internal/webhook/a.go", "os", "internal/webhook/a.go imports os"},
		"the test of a pure one":        {"internal/webhook/a_test.go", "os", ""},
		"another module in the tree":    {"tools/a.go", "regrow/cmd/server", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{
				"go.mod":       {Data: []byte("module regrow\n")},
				"tools/go.mod": {Data: []byte("module regrow/tools\n")},
				test.file:      {Data: []byte("package x\n\nimport _ " + strconv.Quote(test.imports) + "\n")},
			}
			violations, _ := check(t, tree)
			switch {
			case test.want == "" && len(violations) > 0:
				t.Errorf("should be allowed: %q", violations)
			case test.want != "" && (len(violations) != 1 || !strings.HasPrefix(violations[0], test.want)):
				t.Errorf("violations %q, want one that begins with %q", violations, test.want)
			}
		})
	}
}

// check returns what breaks the rules in the module at the root of tree, and how
// many packages it looked at. It reads all files, whatever system they are for.
func check(t *testing.T, tree fs.FS) (violations []string, packages int) {
	t.Helper()
	seen := map[string]bool{}
	err := fs.WalkDir(tree, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skip(tree, file)
		}
		if path.Ext(file) != ".go" {
			return nil
		}
		seen[path.Dir(file)] = true
		imports, err := importsOf(tree, file)
		if err != nil {
			return err
		}
		for _, imported := range imports {
			if complaint := judge(file, imported); complaint != "" {
				violations = append(violations, complaint)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range slices.Sorted(maps.Keys(seen)) {
		if _, known := level[dir]; !known && dir != "." && dir != "internal" { // the embedded API, this test
			violations = append(violations, dir+" has no level: choose one in internal/arrows_test.go")
		}
	}
	return violations, len(seen)
}

// skip leaves out what the go command leaves out, and other modules.
func skip(tree fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	base := path.Base(dir)
	if err == nil || base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	return nil
}

func importsOf(tree fs.FS, file string) ([]string, error) {
	text, err := fs.ReadFile(tree, file)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		imports = append(imports, imported)
	}
	return imports, nil
}

// judge returns what is wrong with a file's import, or nothing.
func judge(file, imported string) string {
	from, inTest := path.Dir(file), strings.HasSuffix(file, "_test.go")
	to, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		if !inTest && slices.Contains(pure, from) && slices.Contains(doing, imported) {
			return fmt.Sprintf("%s imports %s: this package decides, others act", file, imported)
		}
		return ""
	}
	height, known := level[to]
	if !known {
		return to + " has no level: choose one in internal/arrows_test.go"
	}
	importers, few := restricted[to]
	own, hasLevel := level[from]
	switch {
	case !hasLevel || inTest && (few || to == from):
		return ""
	case own <= height:
		return fmt.Sprintf("%s imports %s: arrows point down, from level %d to lower ones, not to level %d", file, to, own, height)
	case few && !slices.Contains(importers, from):
		return fmt.Sprintf("%s imports %s, which is for %v and tests only", file, to, importers)
	}
	return ""
}
