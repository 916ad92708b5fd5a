package main

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

// rollback is what the command runs rollback was asked for.
type rollback struct {
	wait   waitFlags
	reason string
	key    requestKey
}

func newRunsRollback(s *streams, api *apiFlags) *cobra.Command {
	var r rollback
	cmd := runCommand(s, api, &cobra.Command{
		Use:   "rollback RUN",
		Short: "Get away from a run, back to what was good",
		Long: `Get away from a run. RUN is the one that went wrong.

While its old targets have not begun to be removed, the run returns to them: it
ends, its override is cleared, and its new targets are removed from Octopus. Where
too few of the old ones serve any more, and after clean-up, a new run puts the last
good release on new infrastructure: that of the last run that succeeded before, and
that nobody has got away from. It comes first in its lane, and no commit takes its
place; a newer commit runs after it as always.

With --wait it is shown until the old targets serve, or the new run has ended.
Repeating a request with the same --idempotency-key starts nothing new; it finds
the run that the first one led to.

` + runNames + "\n\n" + exitCodes,
		Example: `  regrow runs rollback latest --reason "the shop is down, INC-4711" --wait
  regrow runs rollback hello-world#12 --wait --timeout 30m --output json`,
	}, func(ctx context.Context, session *session, id uuid.UUID) error {
		return r.perform(ctx, session, id)
	})
	r.wait.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.reason, "reason", "", "`why`, for those who read the history")
	r.key.register(cmd)
	return cmd
}

func (r *rollback) perform(ctx context.Context, s *session, id uuid.UUID) error {
	run, err := r.start(ctx, s, id)
	if err != nil {
		return err
	}
	if !r.wait.wait {
		return s.steered(run, ledTo(run, id))
	}
	if err := s.progress.Message(terminal.Ref(run) + " " + ledTo(run, id)); err != nil {
		return err
	}
	if run.ID != id {
		return s.follow(ctx, run.ID, r.wait.timeout)
	}
	return r.followReturn(ctx, s, id)
}

// ledTo says what a rollback has led to.
func ledTo(run client.Run, of uuid.UUID) string {
	switch {
	case run.ID == of && run.Status == client.RunStatusCancelled:
		return "is cancelled; it had changed nothing"
	case run.ID == of:
		return "returns to its old targets"
	case run.Status == client.RunStatusQueued:
		return "is queued, first in its lane, with the last good release"
	default:
		return "puts the last good release on new infrastructure"
	}
}

// start asks the server for the rollback. The key makes it safe to ask again when
// the answer got lost.
func (r *rollback) start(ctx context.Context, s *session, id uuid.UUID) (client.Run, error) {
	const sure = "it is rolled back only once"
	response, err := s.RollbackRunWithResponse(ctx, id, &client.RollbackRunParams{IdempotencyKey: r.key.header()}, client.RollbackRequest{Reason: r.reason})
	if err != nil {
		return client.Run{}, r.key.explain(s, err, sure)
	}
	for _, run := range []*client.Run{response.JSON200, response.JSON202} {
		if run != nil {
			return *run, nil
		}
	}
	run, err := answered(s, response.JSON201, response.Status())
	return run, r.key.explain(s, err, sure)
}

// followReturn shows the run until it has ended, and then the one that its end
// made where the old targets did not serve any more.
func (r *rollback) followReturn(ctx context.Context, s *session, id uuid.UUID) error {
	if r.wait.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.wait.timeout, errTimeout)
		defer cancel()
	}
	run, err := s.await(ctx, id, 0)
	if err != nil {
		return err
	}
	if run.Rollback.Way == client.RollbackWayNewRun {
		if err := s.progress.Message(terminal.Ref(run.Run) + " could not return to its old targets; a new run puts the last good release on new infrastructure."); err != nil {
			return err
		}
		return s.follow(ctx, run.Rollback.Run, 0)
	}
	if err := s.show(run); err != nil {
		return err
	}
	if run.Rollback.Way == client.RollbackWayReturn {
		return nil // it is where it was wanted
	}
	return s.verdict(run.Run)
}
