package main

import (
	"cmp"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// gitFlags say where a new run's commit is looked up.
type gitFlags struct {
	directory string
	off       bool
}

func (f *gitFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.directory, "git", ".", "`directory` of the git repository that the commit is looked up in")
	cmd.Flags().BoolVar(&f.off, "no-git", false, "take everything from the flags, nothing from git")
	cmd.MarkFlagsMutuallyExclusive("git", "no-git")
}

var fullCommit = regexp.MustCompile(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)

// complete fills in from git what the flags leave open, and checks that there is
// a commit and a branch.
func (f *gitFlags) complete(ctx context.Context, run *client.NewRun) error {
	asked := "--no-git leaves it out"
	if !f.off {
		asked = f.lookUp(ctx, run)
	}
	switch {
	case run.Commit == "":
		return usagef("say which commit with --commit; git does not tell: %s", asked)
	case !fullCommit.MatchString(run.Commit):
		return usagef("--commit %s is no full commit id (40 or 64 hexadecimal digits), and git cannot complete it: %s", run.Commit, asked)
	case run.Branch == "" && run.Ref == "":
		return usagef("say which branch with --branch; git does not tell: %s", asked)
	}
	return nil
}

// lookUp takes what it can from git and says why that is not more. Without git,
// or outside of a repository, it is nothing.
func (f *gitFlags) lookUp(ctx context.Context, run *client.NewRun) (why string) {
	name := cmp.Or(run.Commit, "HEAD")
	commit, err := f.git(ctx, "rev-parse", "--verify", "--end-of-options", name+"^{commit}")
	if err != nil {
		return err.Error()
	}
	run.Commit = commit
	run.Message = cmp.Or(run.Message, f.ask(ctx, "show", "--no-patch", "--format=%B", commit))
	run.Author = cmp.Or(run.Author, f.ask(ctx, "show", "--no-patch", "--format=%an <%ae>", commit))
	if run.Branch == "" && run.Ref == "" && f.onCurrentBranch(ctx, commit) {
		run.Branch = f.ask(ctx, "symbolic-ref", "--short", "--quiet", "HEAD")
	}
	return name + " is not on a current branch"
}

// onCurrentBranch keeps a commit of another branch from being called one of this.
func (f *gitFlags) onCurrentBranch(ctx context.Context, commit string) bool {
	return f.ask(ctx, "merge-base", commit, "HEAD") == commit
}

// ask returns what a git command prints, or "" when it fails.
func (f *gitFlags) ask(ctx context.Context, args ...string) string {
	text, err := f.git(ctx, args...)
	if err != nil {
		return ""
	}
	return text
}

// git returns what a git command prints; its error is what git says.
func (f *gitFlags) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", f.directory}, args...)...) //nolint:gosec // the caller's own repository; names of commits come after --end-of-options
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && len(failed.Stderr) > 0 {
		return "", errors.New(strings.TrimSpace(string(failed.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
