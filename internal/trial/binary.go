//go:build unix

package trial

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built is regrow with failpoints, built once for all tests of a process. It is
// global because it stands for something global: a file on disk.
var built build

type build struct {
	once sync.Once
	dir  string
	err  error
}

func (b *build) path() (string, error) {
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "regrow-trial-"); b.err != nil {
			return
		}
		if b.err = lookAtSources(); b.err == nil {
			_, b.err = goTool("build", "-buildvcs=false", "-tags", "failpoints", "-o", b.dir, program)
		}
	})
	return filepath.Join(b.dir, "server"), b.err
}

// program is the package of the command.
const program = "regrow/cmd/server"

// lookAtSources opens the folders that the program is made of: go test remembers
// what a test has opened, and tries again when it has changed. What the program
// imports it would not know.
func lookAtSources() error {
	folders, err := goTool("list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}", program)
	if err != nil {
		return err
	}
	for folder := range strings.Lines(folders) {
		if _, err := os.ReadDir(strings.TrimSpace(folder)); err != nil {
			return fmt.Errorf("looking at what regrow is made of: %w", err)
		}
	}
	return nil
}

func goTool(args ...string) (string, error) {
	cmd := exec.Command("go", args...) //nolint:noctx,gosec // the test's own time limit bounds it
	var complaints strings.Builder
	cmd.Stderr = &complaints
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &complaints)
	}
	return string(output), nil
}

// Binary returns the path of a regrow in which boundaries are watched; see
// package failpoint.
func Binary(tb testing.TB) string {
	tb.Helper()
	file, err := built.path()
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

// Main runs the tests of a package that uses Binary and removes it afterwards; it
// is called by TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}
