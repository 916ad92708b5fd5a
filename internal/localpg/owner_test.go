//go:build unix

package localpg_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"regrow/internal/localpg"
)

// envOwner makes the test binary play a process that owns a server, for tests
// of what happens when such a process is killed.
const envOwner = "REGROW_TEST_OWNER"

func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv(envOwner); ok {
		if err := playOwner(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// playOwner starts a server, says where, and keeps it until it is killed.
func playOwner(dir string) error {
	s, err := localpg.Start(context.Background(), localpg.Options{Dir: dir})
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(context.Background(), s.URL(localpg.DefaultDatabase))
	if err != nil {
		return err
	}
	if _, err := conn.Exec(context.Background(), "create table arms as select 8 as n"); err != nil {
		return err
	}
	if err := conn.Close(context.Background()); err != nil {
		return err
	}
	fmt.Println(filepath.Dir(s.LogFile()))
	<-s.Done()
	return nil
}

// owner is another process that owns a server.
type owner struct {
	cmd  *exec.Cmd
	root string // of its server
}

// startOwner returns when the other process has its server, with a table arms.
func startOwner(t *testing.T, dir string) *owner {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envOwner+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the owner process did not start its server: %v", err)
	}
	return &owner{cmd: cmd, root: strings.TrimSpace(line)}
}

// kill ends the owner the way nothing can prepare for.
func (o *owner) kill(t *testing.T) {
	t.Helper()
	if err := o.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = o.cmd.Wait() // "signal: killed"
}

// killWatcher ends the shell that watches over the server of dir.
func killWatcher(t *testing.T, dir string) {
	t.Helper()
	postmaster := postmasterPID(t, dir)
	all := processes(t)
	for pid, command := range all {
		if pid == postmaster || !strings.Contains(command, "regrow-postgres") || !strings.Contains(command, dir+"/data") {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no watcher among the processes: %v", all)
}

// processes returns the command line of every process. Small Linux images have
// no ps, other systems no /proc.
func processes(t *testing.T) map[int]string {
	t.Helper()
	all := map[int]string{}
	add := func(id, command string) {
		if pid, err := strconv.Atoi(id); err == nil {
			all[pid] = command
		}
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range lines {
		if command, err := os.ReadFile(file); err == nil { // else it has just ended
			add(filepath.Base(filepath.Dir(file)), string(command))
		}
	}
	if len(all) > 0 {
		return all
	}
	out, err := exec.Command("ps", "-A", "-o", "pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		id, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		add(id, command)
	}
	return all
}

// sleeper runs a program that is no postmaster, as the user whom the data
// belongs to, and returns its process id.
func sleeper(t *testing.T, data string) int {
	t.Helper()
	info, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "300")
	cmd.Dir = "/"
	if stat := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}
