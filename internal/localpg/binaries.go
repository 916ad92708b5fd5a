//go:build unix

package localpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the oldest PostgreSQL that River supports and that its
// makers patched until recently.
const oldestMajor = 13

// EnvBinDir names the environment variable that says where initdb and postgres
// are.
const EnvBinDir = "REGROW_PG_BIN"

const howToInstall = `install one:
  Debian, Ubuntu:  apt-get install postgresql      (or run scripts/bootstrap)
  Fedora, Red Hat: dnf install postgresql-server
  Alpine:          apk add postgresql
  macOS:           brew install postgresql@17
or name the folder of initdb and postgres in ` + EnvBinDir + `,
or set database.url to a database that exists`

// binaries is one installation of the PostgreSQL server.
type binaries struct {
	dir     string
	major   int
	version string // as the program tells it, such as "15.18"
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// finder is how findBinaries sees the machine; tests give it another one.
type finder struct {
	getenv   func(string) string
	lookPath func(string) (string, error)
	globs    []string
}

func hostFinder() finder {
	return finder{
		getenv:   os.Getenv,
		lookPath: exec.LookPath,
		globs: []string{
			"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
			"/usr/pgsql-*/bin",                   // PostgreSQL's own packages for Red Hat
			"/usr/libexec/postgresql*",           // Alpine
			"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
			"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
			"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin",
			"/usr/local/pgsql/bin", // built from source
		},
	}
}

// findBinaries returns the installation to use: the one the caller or the
// environment names, else the first that fits of PATH, pg_config and the usual
// places (highest version first). wantMajor is the version that existing data
// needs, 0 if there is none.
func findBinaries(ctx context.Context, f finder, explicit string, wantMajor int) (binaries, error) {
	named, origin := explicit, "the configured folder"
	if named == "" {
		named, origin = f.getenv(EnvBinDir), EnvBinDir
	}
	if named != "" {
		found, err := inspect(ctx, named)
		if err != nil {
			return binaries{}, fmt.Errorf("%s %s: %w", origin, named, err)
		}
		return found, found.suits(wantMajor)
	}

	var unfit error
	for _, dir := range f.candidates(ctx) {
		found, err := inspect(ctx, dir)
		if ctx.Err() != nil {
			return binaries{}, fmt.Errorf("looking for a PostgreSQL server: %w", ctx.Err())
		}
		if err != nil {
			continue
		}
		if unfit = found.suits(wantMajor); unfit == nil {
			return found, nil
		}
	}
	if unfit != nil {
		return binaries{}, unfit
	}
	return binaries{}, fmt.Errorf("%w; %s", ErrNoBinaries, howToInstall)
}

func (f finder) candidates(ctx context.Context) []string {
	var dirs []string
	if postgres, err := f.lookPath("postgres"); err == nil {
		// A link into PATH need not have the other programs beside it.
		if target, err := filepath.EvalSymlinks(postgres); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	if config, err := f.lookPath("pg_config"); err == nil {
		if out, err := exec.CommandContext(ctx, config, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	var usual []string
	for _, pattern := range f.globs {
		matches, _ := filepath.Glob(pattern) // its only error is a malformed pattern
		usual = append(usual, matches...)
	}
	slices.SortStableFunc(usual, func(a, b string) int { return cmp.Compare(versionInPath(b), versionInPath(a)) })
	return append(dirs, usual...)
}

var number = regexp.MustCompile(`\d+(\.\d+)*`)

// versionInPath reads the major version out of paths such as
// /usr/lib/postgresql/15/bin: their last number, 0 if there is none.
func versionInPath(path string) int {
	all := number.FindAllString(path, -1)
	if len(all) == 0 {
		return 0
	}
	major, _, _ := strings.Cut(all[len(all)-1], ".")
	n, _ := strconv.Atoi(major) // too long for a version: 0
	return n
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`)

// inspect tells what is installed in dir, or why nothing usable is.
func inspect(ctx context.Context, dir string) (binaries, error) {
	b := binaries{dir: dir}
	if _, err := os.Stat(b.path("initdb")); err != nil {
		return binaries{}, fmt.Errorf("no initdb there: %w", err)
	}
	out, err := exec.CommandContext(ctx, b.path("postgres"), "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("asking postgres for its version: %w", err)
	}
	m := versionLine.FindStringSubmatch(string(out))
	if m == nil {
		return binaries{}, fmt.Errorf("postgres --version said %q, expected something like %q", out, "postgres (PostgreSQL) 15.18")
	}
	b.version = m[1]
	if b.major, err = strconv.Atoi(m[2]); err != nil {
		return binaries{}, fmt.Errorf("reading the version %q: %w", m[1], err)
	}
	if b.major < oldestMajor {
		return binaries{}, fmt.Errorf("%w: this is version %s", ErrNoBinaries, b.version)
	}
	return b, nil
}

func (b binaries) suits(wantMajor int) error {
	if wantMajor == 0 || wantMajor == b.major {
		return nil
	}
	return errors.Join(ErrNoBinaries, fmt.Errorf(
		"the data was made by PostgreSQL %d, but %s has %s: install version %d beside it, or start with an empty directory",
		wantMajor, b.dir, b.version, wantMajor))
}
