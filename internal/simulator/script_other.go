//go:build !unix

package simulator

import "os/exec"

// startInGroup does nothing where there are no process groups.
func startInGroup(*exec.Cmd) {}

// endGroup kills a command. What it started goes on, where there are no process groups.
func endGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
