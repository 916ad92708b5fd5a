package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// stages and statuses are what flags take, in the order of a run's life.
var (
	stages   = []string{"provision", "create_release", "override", "verify", "cleanup"}
	statuses = []string{"queued", "running", "waiting", "succeeded", "failed", "cancelled", "superseded"}
)

func newRuns(s *streams) *cobra.Command {
	api := &apiFlags{}
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "Look at runs and steer them",
		Long: `Look at the runs of a running server and steer them: the passages of commits
through pipelines.

` + runNames + "\n\n" + exitCodes,
		Example: `  regrow runs list --status failed
  regrow runs show latest
  regrow runs retry hello-world#12 --wait`,
	}
	api.register(cmd)
	cmd.AddCommand(newRunsList(s, api), newRunsShow(s, api), newRunsWatch(s, api), newRunsRetry(s, api), newRunsCancel(s, api), newRunsRollback(s, api), newRunsCleanup(s, api), newRunsIgnoreFreeze(s, api))
	return cmd
}

// runCommand is a command about the one run that its argument names.
func runCommand(s *streams, api *apiFlags, cmd *cobra.Command, perform func(context.Context, *session, uuid.UUID) error) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s takes one run, not %d: an id, PIPELINE#NUMBER, PIPELINE or latest", cmd.CommandPath(), len(args))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		session, err := api.open(s)
		if err != nil {
			return err
		}
		id, err := session.find(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return perform(cmd.Context(), session, id)
	}
	return cmd
}

func newRunsShow(s *streams, api *apiFlags) *cobra.Command {
	return runCommand(s, api, &cobra.Command{
		Use:   "show RUN",
		Short: "Show a run's timeline and targets",
		Long: `Show what each stage of a run did and when, which targets are new and which are
gone, and, when it failed, why and what to do.

` + runNames,
		Example: `  regrow runs show latest
  regrow runs show hello-world#12 --output json`,
	}, func(ctx context.Context, session *session, id uuid.UUID) error {
		run, err := session.get(ctx, id)
		if err != nil {
			return err
		}
		return session.show(run)
	})
}

func newRunsWatch(s *streams, api *apiFlags) *cobra.Command {
	var wait waitFlags
	cmd := runCommand(s, api, &cobra.Command{
		Use:   "watch RUN",
		Short: "Show a run while it goes on, until it has ended",
		Long: `Show a run's progress until it has ended, then its timeline. A lost connection is
taken up again. The exit code is the run's, as with --wait.

` + runNames + "\n\n" + exitCodes,
		Example: `  regrow runs watch latest
  regrow runs watch hello-world#12 --timeout 30m`,
	}, func(ctx context.Context, session *session, id uuid.UUID) error {
		return session.follow(ctx, id, wait.timeout)
	})
	wait.registerTimeout(cmd)
	return cmd
}

func newRunsRetry(s *streams, api *apiFlags) *cobra.Command {
	var (
		wait waitFlags
		from string
	)
	cmd := runCommand(s, api, &cobra.Command{
		Use:   "retry RUN",
		Short: "Let a failed run go on",
		Long: `Let a failed run go on from the stage where it makes sense, or from an earlier
one. What earlier stages made in Octopus is used again.

` + runNames + "\n\n" + exitCodes,
		Example: `  regrow runs retry latest --wait
  regrow runs retry hello-world#12 --from provision`,
	}, func(ctx context.Context, session *session, id uuid.UUID) error {
		if from != "" && !client.Stage(from).Valid() {
			return usagef("--from is one of the stages %v, not %q", stages, from)
		}
		response, err := session.RetryRunWithResponse(ctx, id, client.RetryRequest{From: client.Stage(from)})
		if err != nil {
			return session.explain(err)
		}
		return session.after(ctx, response.JSON202, response.Status(), wait, func(run client.Run) string {
			return fmt.Sprintf("goes on from %s", run.Stage)
		})
	})
	wait.register(cmd)
	cmd.Flags().StringVar(&from, "from", "", "the `stage` to go on from (default where it makes sense after the failure)")
	complete(cmd, "from", stages...)
	return cmd
}

func newRunsCancel(s *streams, api *apiFlags) *cobra.Command {
	var (
		reason string
		tasks  bool
	)
	cmd := runCommand(s, api, &cobra.Command{
		Use:   "cancel RUN",
		Short: "End a run that has not ended",
		Long: `End a run: a queued one at once, an active one as soon as its stage lets go. Its
override is cleared, no old target is removed from Octopus any more, and the lane
becomes free. What Octopus is doing already, it goes on doing, unless --cancel-task
ends that as well: the deployment of the infrastructure, deployments that regrow
made to new targets, the runbook of clean-up.

` + runNames,
		Example: `  regrow runs cancel latest --reason "wrong branch"
  regrow runs cancel hello-world#12 --cancel-task`,
	}, func(ctx context.Context, session *session, id uuid.UUID) error {
		response, err := session.CancelRunWithResponse(ctx, id, client.CancelRequest{Reason: reason, CancelOctopusTask: tasks})
		if err != nil {
			return session.explain(err)
		}
		return session.after(ctx, response.JSON202, response.Status(), waitFlags{}, func(run client.Run) string {
			if run.Status == client.RunStatusCancelled {
				return "is cancelled"
			}
			return "will be cancelled as soon as its stage lets go"
		})
	})
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for those who read the history")
	cmd.Flags().BoolVar(&tasks, "cancel-task", false, "cancel what Octopus is doing for the run, too")
	return cmd
}

func newRunsIgnoreFreeze(s *streams, api *apiFlags) *cobra.Command {
	var (
		wait   waitFlags
		reason string
	)
	cmd := runCommand(s, api, &cobra.Command{
		Use:   "ignore-freeze RUN --reason TEXT",
		Short: "Have a run go on in spite of a deployment freeze",
		Long: `Have a run go on at once that waits for the end of a deployment freeze in Octopus.
It heeds no freeze until it ends. The reason is kept in the run's history and in
Octopus' audit trail; the user of regrow's API key needs the permission
DeploymentFreezeAdminister there.

` + runNames + "\n\n" + exitCodes,
		Example: `  regrow runs ignore-freeze hello-world#12 --reason "the shop is down, INC-4711"
  regrow runs ignore-freeze latest --reason "security fix" --wait`,
	}, func(ctx context.Context, session *session, id uuid.UUID) error {
		if strings.TrimSpace(reason) == "" {
			return usagef("--reason is needed: why the freeze does not matter to this run")
		}
		response, err := session.IgnoreFreezeWithResponse(ctx, id, client.IgnoreFreezeRequest{Reason: reason})
		if err != nil {
			return session.explain(err)
		}
		return session.after(ctx, response.JSON202, response.Status(), wait, func(client.Run) string {
			return "goes on in spite of the deployment freeze"
		})
	})
	wait.register(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for those who read the history and Octopus' audit trail")
	return cmd
}
