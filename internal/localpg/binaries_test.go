//go:build unix

package localpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// install makes what looks like a PostgreSQL server of some version in
// root/version/bin and returns that folder.
func install(t *testing.T, root, version string) string {
	t.Helper()
	dir := filepath.Join(root, version, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	answer := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s (Debian)'\n", version)
	for _, program := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, program), []byte(answer), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// machine is a finder that sees only what is installed below root.
func machine(root string) finder {
	return finder{
		getenv:   func(string) string { return "" },
		lookPath: func(string) (string, error) { return "", exec.ErrNotFound },
		globs:    []string{filepath.Join(root, "*", "bin")},
	}
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	v9, v15, v17 := install(t, root, "9.6.1"), install(t, root, "15.18"), install(t, root, "17.2")
	pathTo := func(dir string) func(string) (string, error) {
		return func(program string) (string, error) {
			if program != "postgres" {
				return "", exec.ErrNotFound
			}
			return filepath.Join(dir, "postgres"), nil
		}
	}
	tests := map[string]struct {
		explicit, env string
		path          string // folder in PATH
		want          int    // major version that the data needs
		dir           string
	}{
		"the newest of the usual places":    {dir: v17},
		"PATH goes first":                   {path: v15, dir: v15},
		"an old one in PATH is passed over": {path: v9, dir: v17},
		"the environment goes before PATH":  {env: v17, path: v15, dir: v17},
		"the caller goes before both":       {explicit: v15, env: v17, path: v17, dir: v15},
		"data decides between versions":     {want: 15, dir: v15},
		"data decides against PATH":         {path: v17, want: 15, dir: v15},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := machine(root)
			f.getenv = func(string) string { return test.env }
			if test.path != "" {
				f.lookPath = pathTo(test.path)
			}
			found, err := findBinaries(t.Context(), f, test.explicit, test.want)
			if err != nil {
				t.Fatal(err)
			}
			if resolved, _ := filepath.EvalSymlinks(test.dir); found.dir != test.dir && found.dir != resolved {
				t.Errorf("found %s, want %s", found.dir, test.dir)
			}
		})
	}
}

func TestFindBinariesAsksPgConfig(t *testing.T) {
	t.Parallel()
	dir := install(t, t.TempDir(), "16.4")
	config := filepath.Join(t.TempDir(), "pg_config")
	if err := os.WriteFile(config, []byte("#!/bin/sh\necho "+dir+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := machine(t.TempDir())
	f.lookPath = func(program string) (string, error) {
		if program == "pg_config" {
			return config, nil
		}
		return "", exec.ErrNotFound
	}
	found, err := findBinaries(t.Context(), f, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if found.dir != dir || found.version != "16.4" || found.major != 16 {
		t.Errorf("found %+v, want version 16.4 in %s", found, dir)
	}
}

func TestFindBinariesSaysWhatToDo(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	old, only17 := t.TempDir(), t.TempDir()
	install(t, only17, "17.2")
	oldBin := install(t, old, "12.9")
	tests := map[string]struct {
		root, explicit string
		want           int
		mentions       []string
	}{
		"nothing installed":    {root: root, mentions: []string{"apt-get install", "dnf install", "brew install", EnvBinDir, "database.url"}},
		"only an old one":      {root: old, mentions: []string{"13 or newer", "apt-get install"}},
		"an old one was named": {root: root, explicit: oldBin, mentions: []string{oldBin, "12.9"}},
		"data of another one":  {root: only17, want: 15, mentions: []string{"PostgreSQL 15", "17.2", "install version 15"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := findBinaries(t.Context(), machine(test.root), test.explicit, test.want)
			if !errors.Is(err, ErrNoBinaries) {
				t.Fatalf("error %v, want ErrNoBinaries", err)
			}
			for _, mention := range test.mentions {
				if !strings.Contains(err.Error(), mention) {
					t.Errorf("the error does not mention %q: %v", mention, err)
				}
			}
		})
	}
}

func TestNamedFolderWithoutBinaries(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	_, err := findBinaries(t.Context(), machine(t.TempDir()), empty, 0)
	if err == nil || !strings.Contains(err.Error(), empty) {
		t.Errorf("the error does not name the folder: %v", err)
	}
}

func TestVersionInPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{
		"/usr/lib/postgresql/15/bin":                              15,
		"/usr/lib/postgresql/9.6/bin":                             9,
		"/usr/pgsql-16/bin":                                       16,
		"/opt/homebrew/opt/postgresql@17/bin":                     17,
		"/usr/libexec/postgresql17":                               17,
		"/Applications/Postgres.app/Contents/Versions/latest/bin": 0,
		"/srv/2024/pgsql-14/bin":                                  14,
		"/usr/local/pgsql/bin":                                    0,
	} {
		if got := versionInPath(path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}
