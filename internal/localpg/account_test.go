//go:build unix

package localpg

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stranger has an id that owns nothing here.
var stranger = account{name: "stranger", uid: 4_000_000, gid: 4_000_000, drop: true}

func TestCanReachNamesTheClosedDirectory(t *testing.T) {
	t.Parallel()
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(closed, "data")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	err := stranger.canReach(inside)
	if err == nil {
		t.Fatal("a directory below a closed one counts as reachable")
	}
	for _, want := range []string{closed + " ", "-rwx------", "stranger", "/var/lib/regrow"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}

func TestCanReachOpenDirectories(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"/", "/usr", "/usr/lib"} {
		if err := stranger.canReach(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestMayEnterGoesByTheFirstThatApplies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	me := uint32(os.Geteuid())
	group := uint32(os.Getegid())
	tests := map[string]struct {
		mode os.FileMode
		who  account
		want bool
	}{
		"the owner of a private one": {0o700, account{uid: me}, true},
		"the owner, shut out alone":  {0o077, account{uid: me, gid: group}, false},
		"the group":                  {0o710, account{uid: me + 1, gid: group}, true},
		"the group, shut out":        {0o701, account{uid: me + 1, gid: group}, false},
		"anybody":                    {0o701, account{uid: me + 1, gid: group + 1}, true},
		"anybody, shut out":          {0o770, account{uid: me + 1, gid: group + 1}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := os.Chmod(dir, test.mode); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := test.who.mayEnter(info); got != test.want {
				t.Errorf("mode %s: %t, want %t", test.mode, got, test.want)
			}
		})
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}
