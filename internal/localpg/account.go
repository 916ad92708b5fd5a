//go:build unix

package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is whom the server runs as. PostgreSQL refuses to run as root, so
// root starts it as somebody harmless; everybody else starts it as themselves.
type account struct {
	name     string
	uid, gid uint32
	drop     bool // we are root and it is somebody else
}

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return account{}, fmt.Errorf("reading the ids of user %s: %w", name, err)
		}
		return account{name: name, uid: uint32(uid), gid: uint32(gid), drop: true}, nil
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as; start regrow as another user")
}

// attributes make a child run as the account, in a session of its own: Ctrl-C
// in a terminal is for the owner, which then stops the server in order.
func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if a.drop {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// own gives a file or directory to the account.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("giving %s to user %s: %w", path, a.name, err)
	}
	return nil
}

// canReach reports why the account could not get to dir: a directory on the way
// that is closed to it, such as root's home.
func (a account) canReach(dir string) error {
	if !a.drop {
		return nil
	}
	at, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("looking at the directory for PostgreSQL: %w", err)
	}
	for {
		info, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("looking at the directory for PostgreSQL: %w", err)
		}
		if !a.mayEnter(info) {
			return fmt.Errorf("PostgreSQL runs as user %s (never as root), who may not enter %s (mode %s): choose a directory outside it, such as /var/lib/regrow",
				a.name, at, info.Mode().Perm())
		}
		parent := filepath.Dir(at)
		if parent == at {
			return nil
		}
		at = parent
	}
}

// mayEnter tells if the account may pass through a directory. Supplementary
// groups do not count: the server is started without any.
func (a account) mayEnter(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true // let the operating system say
	}
	const execute = 0o1
	mode := info.Mode().Perm()
	switch {
	case owner.Uid == a.uid:
		return mode>>6&execute != 0
	case owner.Gid == a.gid:
		return mode>>3&execute != 0
	default:
		return mode&execute != 0
	}
}
