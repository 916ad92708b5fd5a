package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

// waitFlags say whether and how long a command waits for a run to end.
type waitFlags struct {
	wait    bool
	timeout time.Duration
}

func (f *waitFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.wait, "wait", "w", false, "show the run's progress until it has ended, and fail unless it succeeded")
	f.registerTimeout(cmd)
}

func (f *waitFlags) registerTimeout(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "how long to wait at most, such as 30m; the run goes on after it (default no limit)")
}

// follow shows a run until it has ended, then its timeline. It returns an error
// unless the run succeeded.
func (s *session) follow(ctx context.Context, id uuid.UUID, timeout time.Duration) error {
	run, err := s.await(ctx, id, timeout)
	if err != nil {
		return err
	}
	if err := s.show(run); err != nil {
		return err
	}
	return s.verdict(run.Run)
}

// await shows a run until it has ended, and returns it as it is then.
func (s *session) await(ctx context.Context, id uuid.UUID, timeout time.Duration) (client.RunDetail, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer cancel()
	}
	before, err := s.get(ctx, id)
	if err != nil {
		return before, s.stillGoing(ctx, id.String(), err)
	}
	if err := s.watch(ctx, before); err != nil {
		return before, s.stillGoing(ctx, terminal.Ref(before.Run), err)
	}
	after, err := s.get(ctx, id)
	if err != nil {
		return after, s.stillGoing(ctx, terminal.Ref(before.Run), err)
	}
	return after, nil
}

// watch shows what happens until the run has ended.
func (s *session) watch(ctx context.Context, run client.RunDetail) error {
	live := s.progress.Live(run)
	s.OnReconnect = func(cause error, in time.Duration) {
		live.Note(fmt.Sprintf("connection lost (%v), trying again in %s", cause, in.Round(time.Millisecond)))
	}
	err := s.Watch(ctx, run.ID, 0, live.Event)
	return errors.Join(err, live.Close())
}

// show shows a run in full.
func (s *session) show(run client.RunDetail) error {
	if s.json {
		return s.printJSON(run)
	}
	return s.screen.Timeline(run)
}

// after ends a command that steered a run: it shows the run that the server
// answered with until that has ended, or says what becomes of it.
func (s *session) after(ctx context.Context, answer *client.Run, status string, wait waitFlags, words func(client.Run) string) error {
	run, err := answered(s, answer, status)
	switch {
	case err != nil:
		return err
	case wait.wait:
		return s.follow(ctx, run.ID, wait.timeout)
	}
	return s.steered(run, words(run))
}

// steered tells what became of a run that somebody steered.
func (s *session) steered(run client.Run, what string) error {
	if s.json {
		return s.printJSON(run)
	}
	return s.screen.Message(fmt.Sprintf("%s %s.\nFollow it with: %s", terminal.Ref(run), what, s.screen.Command("watch", terminal.Ref(run))))
}

// stillGoing tells of a wait that was broken off that the run was not.
func (s *session) stillGoing(ctx context.Context, run string, err error) error {
	if ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	what := "no longer waiting"
	if errors.Is(cause, errTimeout) {
		what = "--timeout passed"
	}
	return &brokenOff{
		text:  fmt.Sprintf("%s: %s goes on\nFollow it with: %s", what, run, s.screen.Command("watch", run)),
		cause: cause,
	}
}

// brokenOff says that a command no longer waits, with what made it stop.
type brokenOff struct {
	text  string
	cause error
}

func (b *brokenOff) Error() string { return b.text }
func (b *brokenOff) Unwrap() error { return b.cause }

// verdict is an error unless the run succeeded.
func (s *session) verdict(run client.Run) error {
	var text string
	switch run.Status {
	case client.RunStatusSucceeded:
		return nil
	case client.RunStatusSuperseded:
		text = "was superseded by a newer commit"
		if run.SupersededBy != uuid.Nil {
			text += "; follow that with: " + s.screen.Command("watch", run.SupersededBy.String())
		}
	case client.RunStatusCancelled:
		text = "was cancelled"
	case client.RunStatusFailed:
		text = "failed in " + string(run.Stage)
	default:
		text = "is " + string(run.Status) + ", although its events have ended"
	}
	return &endedError{run.Status, terminal.Ref(run) + " " + text}
}
