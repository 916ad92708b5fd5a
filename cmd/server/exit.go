package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"regrow/internal/client"
	"regrow/internal/octopus"
	"regrow/internal/terminal"
)

// The exit codes; exitCodes tells them to people.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitRefused     = 4
	exitSuperseded  = 5
	exitCancelled   = 6
	exitTimeout     = 7
	exitWarnings    = 8
	exitInterrupted = 130
)

// exitCodes is what the exit codes mean, as part of a help text.
const exitCodes = `Exit codes:
    0  done; with --wait: the run succeeded
    1  an error, or the run failed
    2  the command was called wrongly
    3  the server cannot be reached, or cannot work now
    4  the server refused the request
    5  the run was superseded by a newer commit
    6  the run was cancelled
    7  --timeout passed; the run goes on
    8  doctor: warnings, or something that could not be found out, and no errors
  130  interrupted; a run that was waited for goes on`

// usageError is a mistake in how a command was called.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// ranError is the error of a command that was called rightly: cobra returns its
// own complaints about flags and arguments as they are.
type ranError struct{ cause error }

func (e *ranError) Error() string { return e.cause.Error() }
func (e *ranError) Unwrap() error { return e.cause }

// endedError says that the run that was waited for did not succeed.
type endedError struct {
	status client.RunStatus
	text   string
}

func (e *endedError) Error() string { return e.text }

// codedError is an error that has an exit code of its own.
type codedError struct {
	code  int
	cause error
}

func (e *codedError) Error() string { return e.cause.Error() }
func (e *codedError) Unwrap() error { return e.cause }

func codedf(code int, format string, args ...any) error {
	return &codedError{code, fmt.Errorf(format, args...)}
}

// errTimeout ends the waiting of --timeout.
var errTimeout = errors.New("--timeout passed")

// exitCode sorts errors into exit codes.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ran := errors.AsType[*ranError](err); !ran {
		return exitUsage
	}
	if _, wrong := errors.AsType[*usageError](err); wrong {
		return exitUsage
	}
	if ended, ok := errors.AsType[*endedError](err); ok {
		return exitOfRun(ended.status)
	}
	if coded, ok := errors.AsType[*codedError](err); ok {
		return coded.code
	}
	if problem, ok := errors.AsType[*client.Error](err); ok {
		return exitOfProblem(problem.Status)
	}
	refused, byOctopus := errors.AsType[*octopus.Error](err)
	_, notReached := errors.AsType[*url.Error](err)
	switch {
	case errors.Is(err, errTimeout):
		return exitTimeout
	case errors.Is(err, context.Canceled): // also what was under way in Octopus then
		return exitInterrupted
	case byOctopus:
		return exitOfOctopus(refused)
	case notReached:
		return exitUnreachable
	default:
		return exitFailed
	}
}

func exitOfRun(status client.RunStatus) int {
	switch status {
	case client.RunStatusSuperseded:
		return exitSuperseded
	case client.RunStatusCancelled:
		return exitCancelled
	default:
		return exitFailed
	}
}

func exitOfProblem(status int) int {
	switch {
	case status == http.StatusServiceUnavailable, status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return exitUnreachable
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError:
		return exitRefused
	default:
		return exitFailed
	}
}

func exitOfOctopus(refused *octopus.Error) int {
	if refused.Kind == octopus.Transient {
		return exitUnreachable
	}
	return exitRefused
}

// tell says on the error stream what went wrong and what to do.
func tell(w io.Writer, cmd *cobra.Command, err error) {
	screen := terminal.New(w)
	if problem, ok := errors.AsType[*client.Error](err); ok {
		_ = screen.Problem(problem)
		return
	}
	text := "regrow: " + err.Error()
	if exitCode(err) == exitUsage {
		text += fmt.Sprintf("\n%s --help tells how to call it.", cmd.CommandPath())
	}
	_ = screen.Message(text) // there is nobody left to tell
}
