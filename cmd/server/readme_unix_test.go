//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The README's webhooks do what the README says: its shell is performed against
// the demonstration, and each line's comment names the status to come.
func TestReadmeWebhooks(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var script, want []string
	for _, block := range regexp.MustCompile("(?s)```bash\n(.*?)```").FindAllSubmatch(readme, -1) {
		script = append(script, string(block[1]))
	}
	for _, status := range regexp.MustCompile(`(?m)^(?:[A-Z_]+=\S+ )?(?:push|build) .*# (\d{3}):`).FindAllStringSubmatch(strings.Join(script, "\n"), -1) {
		want = append(want, status[1])
	}
	if len(want) < 6 {
		t.Fatalf("found %d webhooks in the README; has its form changed?", len(want))
	}

	exports := demonstrate(t)
	shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail")
	shell.Dir = filepath.Join("..", "..")
	shell.Stdin = strings.NewReader(exports + "\n" + strings.Join(script, "\n"))
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for _, status := range regexp.MustCompile(`(?m) -> (\d{3})$`).FindAllSubmatch(out, -1) {
		got = append(got, string(status[1]))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("answered %v, the README says %v\n%s", got, want, out)
	}
	for _, part := range []string{`"duplicate"`, `"rule":"branch"`, "deleted", `"queued"`} {
		if !strings.Contains(string(out), part) {
			t.Errorf("no answer tells of %s:\n%s", part, out)
		}
	}
}

// demonstrate starts the demonstration and returns the export lines that it
// prints, once it says that everything stays up. It is ended by Ctrl-C.
func demonstrate(t *testing.T) (exports string) {
	t.Helper()
	cmd, _, stderr := process(t, "demo", "--speed", "40", "--listen", freePort(t))
	// The end of the test is a Ctrl-C.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.Stdout = nil
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		printed.WriteString(lines.Text() + "\n")
		if line := strings.TrimSpace(lines.Text()); strings.HasPrefix(line, "export ") {
			exports += line + "\n"
		}
		if strings.Contains(lines.Text(), "Everything stays up") {
			break
		}
	}
	if exports == "" {
		t.Fatalf("the demonstration ended early:\n%s\n%s", &printed, stderr)
	}
	t.Cleanup(func() {
		for lines.Scan() { // read on, or it could not write
			continue
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 0 && code != exitInterrupted {
			t.Errorf("after Ctrl-C: %s\n%s", cmd.ProcessState, stderr)
		}
	})
	return exports
}
