// Command regrow makes immutable infrastructure with Octopus Deploy: it takes
// webhooks of commits, and replaces the targets that the commit's application
// runs on. This folder holds commands, flags and exit codes; the work is done
// in the packages below internal.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker (see the Makefile).
var version = "dev"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run performs a command and returns the exit code. The first SIGINT or SIGTERM
// asks the command to end; a second one kills the process.
func run(args []string, in io.Reader, out, err io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return execute(ctx, version, args, in, out, err)
}
