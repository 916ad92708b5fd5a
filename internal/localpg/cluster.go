//go:build unix

package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// makeCluster makes the server's data unless it is there: new, or a copy of that
// of the server to follow.
func (s *Server) makeCluster(ctx context.Context, bins binaries, owner account) error {
	return s.layout.fill(owner, func(dir string) *exec.Cmd {
		if s.opts.Follow != nil {
			return exec.CommandContext(ctx, bins.path("pg_basebackup"), s.opts.Follow.copyTo(dir)...)
		}
		return exec.CommandContext(ctx, bins.path("initdb"), s.initTo(dir)...)
	})
}

func (s *Server) initTo(dir string) []string {
	args := []string{
		"--pgdata=" + dir, "--username=" + superuser, "--encoding=UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=scram-sha-256",
	}
	if s.layout.temporary {
		args = append(args, "--no-sync")
	}
	return args
}

// copyTo has the server's data copied while it runs, with the settings that make
// the copy follow it.
func (s *Server) copyTo(dir string) []string {
	source := fmt.Sprintf("host=%s port=%s user=%s application_name=%s",
		s.layout.socket, strconv.Itoa(s.port()), superuser, Standby)
	return []string{"--pgdata=" + dir, "--dbname=" + source, "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-password"}
}

// followsStill tells whether the data is that of a standby that was not promoted.
func (l layout) followsStill() bool {
	_, err := os.Stat(filepath.Join(l.data(), "standby.signal"))
	return !errors.Is(err, fs.ErrNotExist)
}

// Promote makes a standby a server of its own, which takes writes, and returns
// when it does.
func (s *Server) Promote(ctx context.Context) error {
	if err := s.execute(ctx, "select pg_promote()"); err != nil {
		return fmt.Errorf("promoting the standby in %s: %w", s.layout.root, err)
	}
	return nil
}
