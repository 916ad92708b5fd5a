//go:build unix

package trial

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// program is regrow with failpoints, built once for all tests of a process. It is
// global because it stands for something global: a file on disk.
var program build

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
		compile := exec.Command("go", "build", "-buildvcs=false", "-tags", "failpoints", "-o", b.dir, "regrow/cmd/server") //nolint:noctx // the test's own time limit bounds it
		if text, err := compile.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("building regrow with failpoints: %w\n%s", err, text)
		}
	})
	return filepath.Join(b.dir, "server"), b.err
}

// Binary returns the path of a regrow in which boundaries are watched; see
// package failpoint.
func Binary(tb testing.TB) string {
	tb.Helper()
	file, err := program.path()
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

// Main runs the tests of a package that uses Binary and removes it afterwards; it
// is called by TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if program.dir != "" {
		_ = os.RemoveAll(program.dir)
	}
	os.Exit(code)
}
