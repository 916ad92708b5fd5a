package main

import (
	"bytes"
	"cmp"
	"context"
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
	cmd.Flags().StringVar(&f.directory, "git", ".", "directory of the git repository that the commit is looked up in")
	cmd.Flags().BoolVar(&f.off, "no-git", false, "take everything from the flags, nothing from git")
	cmd.MarkFlagsMutuallyExclusive("git", "no-git")
}

var fullCommit = regexp.MustCompile(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)

// complete fills in from git what the flags leave open, and checks that there is
// a commit and a branch.
func (f *gitFlags) complete(ctx context.Context, run *client.NewRun) error {
	if !f.off {
		f.lookUp(ctx, run)
	}
	switch {
	case run.Commit == "":
		return usagef("say which commit with --commit; there is no git repository to take it from")
	case !fullCommit.MatchString(run.Commit):
		return usagef("--commit %s is no full commit id (40 or 64 hexadecimal digits), and git knows no such commit here", run.Commit)
	case run.Branch == "" && run.Ref == "":
		return usagef("say which branch with --branch; git has no current branch with this commit here")
	}
	return nil
}

// lookUp takes what it can from git. Without git, or outside of a repository,
// that is nothing.
func (f *gitFlags) lookUp(ctx context.Context, run *client.NewRun) {
	commit := f.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", cmp.Or(run.Commit, "HEAD")+"^{commit}")
	if commit == "" {
		return
	}
	run.Commit = commit
	run.Message = cmp.Or(run.Message, f.git(ctx, "show", "--no-patch", "--format=%B", commit))
	run.Author = cmp.Or(run.Author, f.git(ctx, "show", "--no-patch", "--format=%an <%ae>", commit))
	if run.Branch == "" && run.Ref == "" && f.onCurrentBranch(ctx, commit) {
		run.Branch = f.git(ctx, "symbolic-ref", "--short", "--quiet", "HEAD")
	}
}

// onCurrentBranch keeps a commit of another branch from being called one of this.
func (f *gitFlags) onCurrentBranch(ctx context.Context, commit string) bool {
	return f.git(ctx, "merge-base", commit, "HEAD") == commit
}

// git returns what a git command prints, or "" when it fails.
func (f *gitFlags) git(ctx context.Context, args ...string) string {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", f.directory}, args...)...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
}
