package simulator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	packageFeed = "feeds-builtin"
	// pipeGrace is how long a script's output is waited for after its end, in real time: what it
	// left running in the background may hold it open.
	pipeGrace = 2 * time.Second
)

// script is one execution of a script out of a package. It holds all that it needs, because it
// runs without the lock: scripts call back over HTTP.
type script struct {
	step       string
	machine    string // id of the target that it runs on behalf of; "" on the server's own account
	file       string // path inside the package, with slashes
	parameters string
	content    []byte // of the package
	variables  map[string]string
	timeout    time.Duration // real
	output     *transcript
}

// run executes the script and returns "", or what went wrong in a sentence.
func (x *script) run(ctx context.Context) (failure string) {
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	folder, err := os.MkdirTemp("", "octopus-work-")
	if err != nil {
		return "Making a folder for the package failed: " + err.Error()
	}
	defer func() { _ = os.RemoveAll(folder) }() // a leftover in the temporary folder harms nobody
	cmd, err := x.prepare(ctx, folder)
	if err != nil {
		return x.output.mask(fmt.Sprintf("The step '%s' failed: %v.", x.step, err))
	}
	err = cmd.Run()
	x.output.close()
	if errors.Is(err, exec.ErrWaitDelay) { // it has succeeded, and left something behind that holds its output
		_ = endGroup(cmd) // it may have ended by itself in the meantime
		err = nil
	}
	if err == nil {
		return ""
	}
	reason := "failed: " + err.Error()
	if ctx.Err() != nil {
		reason = "was stopped"
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			reason = fmt.Sprintf("did not end within %v and was stopped", x.timeout)
		}
	} else if exit, is := errors.AsType[*exec.ExitError](err); is && exit.ExitCode() >= 0 {
		reason = fmt.Sprintf("returned exit code %d", exit.ExitCode())
	}
	sentence := fmt.Sprintf("The step '%s' failed: %s %s", x.step, x.file, reason)
	if last := x.output.lastErrors(); last != "" {
		return sentence + ": " + last
	}
	return sentence + "."
}

// prepare unpacks the package and makes the command that runs its script there.
func (x *script) prepare(ctx context.Context, folder string) (*exec.Cmd, error) {
	name := filepath.FromSlash(strings.ReplaceAll(x.file, `\`, "/"))
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("expected a script inside the package, got %q", x.file)
	}
	chosen, err := shellFor(name)
	if err != nil {
		return nil, err
	}
	if err := unpack(x.content, folder); err != nil {
		return nil, err
	}
	if info, err := os.Stat(filepath.Join(folder, name)); err != nil || !info.Mode().IsRegular() {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, fmt.Errorf("the package holds no file %q", x.file)
	}
	where, base := filepath.Dir(filepath.Join(folder, name)), filepath.Base(name)
	start := filepath.Join(where, "Bootstrap."+base)
	if err := os.WriteFile(start, []byte(chosen.bootstrap(base, x.parameters, x.variables)), 0o600); err != nil {
		return nil, fmt.Errorf("writing the bootstrap file: %w", err)
	}
	cmd := exec.CommandContext(ctx, chosen.program, append(chosen.arguments, start)...) //nolint:gosec // running what was uploaded is asked for by Options.RunScripts
	cmd.Dir, cmd.Env = where, scriptEnvironment()
	cmd.Stdout, cmd.Stderr = x.output.stream(false), x.output.stream(true)
	cmd.WaitDelay = pipeGrace
	startInGroup(cmd)
	cmd.Cancel = func() error { return endGroup(cmd) }
	return cmd, nil
}

// scriptEnvironment is the little that scripts get to see of the simulator's own environment,
// which may hold secrets.
func scriptEnvironment() []string {
	var environment []string
	for _, name := range []string{"PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ", "SYSTEMROOT", "TEMP", "TMP"} {
		if value, set := os.LookupEnv(name); set {
			environment = append(environment, name+"="+value)
		}
	}
	return environment
}
