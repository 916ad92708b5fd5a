package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// streams are what a command reads from and writes to, and what it knows about
// its own binary.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
	Version  string
}

// execute performs a command, tells what went wrong and returns the exit code.
func execute(ctx context.Context, version string, args []string, in io.Reader, out, err io.Writer) int {
	root := newRoot(version, in, out, err)
	root.SetArgs(args)
	cmd, failure := root.ExecuteContextC(ctx)
	if failure != nil {
		tell(err, cmd, failure)
	}
	return exitCode(failure)
}

const (
	groupServer  = "server"
	groupClient  = "client"
	groupOctopus = "octopus"
)

// newRoot makes the tree of all commands.
func newRoot(version string, in io.Reader, out, err io.Writer) *cobra.Command {
	s := &streams{In: in, Out: out, Err: err, Version: version}
	root := &cobra.Command{
		Use:   "regrow",
		Short: "Replace infrastructure with every commit, through Octopus Deploy",
		Long: `regrow replaces infrastructure instead of changing it. A commit arrives as a
webhook; regrow has Octopus Deploy provision new deployment targets, puts the new
release on exactly those, proves that it runs there, and removes the old ones.

` + exitCodes,
		Example: `  regrow demo
  regrow serve --config /etc/regrow/regrow.yaml
  regrow trigger --pipeline hello-world --wait`,
		Version:       version,
		SilenceErrors: true, // told by execute, once
		SilenceUsage:  true,
	}
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(err)
	root.AddGroup(
		&cobra.Group{ID: groupServer, Title: "The server:"},
		&cobra.Group{ID: groupClient, Title: "What a running server does:"},
		&cobra.Group{ID: groupOctopus, Title: "What is in Octopus:"},
	)
	add(root, groupServer, newServe(s), newDemo(s), newSimulate(s), newMigrate(s), newConfig(s), newDoctor(s))
	add(root, groupClient, newTrigger(s), newPlan(s), newRuns(s), newLanes(s), newPause(s), newResume(s), newDeliveries(s))
	add(root, groupOctopus, newSetup(s), newOverride(s))
	root.AddCommand(newVersion(s))
	addCobraCommands(root)
	settle(root)
	return root
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

// addCobraCommands adds what cobra brings, now instead of at the execution, and
// with examples like all others.
func addCobraCommands(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	help, _, _ := root.Find([]string{"help"})
	help.Example = "  regrow help trigger"
	completion, _, _ := root.Find([]string{"completion"})
	completion.Example = "  source <(regrow completion bash)"
	for _, shell := range completion.Commands() {
		shell.Example = fmt.Sprintf("  regrow completion %s", shell.Name())
	}
}

// settle gives all commands the same manners: a command of commands shows its
// help and refuses what it does not know, and an error of a command that ran is
// told apart from one in how it was called.
func settle(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		settle(sub)
	}
	switch {
	case cmd.RunE != nil:
		perform := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := perform(cmd, args); err != nil {
				return &ranError{err}
			}
			return nil
		}
	case cmd.Run == nil:
		cmd.Args = oneOfIts
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
}

// oneOfIts refuses an argument that is none of the command's commands.
func oneOfIts(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	text := fmt.Sprintf("%s has no command %q; it has %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("%s", text)
}
