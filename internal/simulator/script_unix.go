//go:build unix

package simulator

import (
	"os/exec"
	"syscall"
)

// startInGroup makes a command the head of a process group of its own, so that what it starts can
// be ended with it.
func startInGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// endGroup kills a command and everything that it started.
func endGroup(cmd *exec.Cmd) error {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
