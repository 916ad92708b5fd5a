package main

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

// cleanup is what the command runs cleanup was asked for.
type cleanup struct {
	wait   waitFlags
	dryRun bool
	most   int
}

// maxRemovalsFlag is named in more than one place.
const maxRemovalsFlag = "max-removals"

func newRunsCleanup(s *streams, api *apiFlags) *cobra.Command {
	var c cleanup
	cmd := runCommand(s, api, &cobra.Command{
		Use:   "cleanup RUN",
		Short: "See what clean-up would remove, or have a failed one tried again",
		Long: `With --dry-run, show what the clean-up of a run would do now, in whatever state the
run is: which old targets would go, which stay and why, and what keeps it from going
on. Octopus is asked, nothing is changed, and a viewer's token is enough.

Without it, have a run that failed in clean-up try that again, with all its guards.
--max-removals allows so many old targets to go this time, whatever the pipeline's
cleanup.max_removals says; when more would go, none does.

` + runNames + `

Exit codes of --dry-run:
    0  clean-up could go on, or has nothing to do
    1  an error, clean-up is bound to fail, or Octopus could not be asked
    2  the command was called wrongly
    3  the server cannot be reached, or cannot work now
    4  the server refused the request

` + exitCodes,
		Example: `  regrow runs cleanup hello-world#12 --dry-run
  regrow runs cleanup hello-world#12 --max-removals 12 --wait`,
	}, func(ctx context.Context, session *session, id uuid.UUID) error {
		return c.perform(ctx, session, id)
	})
	flags := cmd.Flags()
	flags.BoolVar(&c.dryRun, "dry-run", false, "show what would be removed, and remove nothing")
	flags.IntVar(&c.most, maxRemovalsFlag, 0, "how `many` old targets may go this time (default as the pipeline says)")
	c.wait.register(cmd)
	given := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.check(cmd); err != nil {
			return err
		}
		return given(cmd, args)
	}
	return cmd
}

// check refuses flags that do not go together.
func (c *cleanup) check(cmd *cobra.Command) error {
	const largest = 10000
	limited := cmd.Flags().Changed(maxRemovalsFlag)
	switch {
	case limited && (c.most < 1 || c.most > largest):
		return usagef("--%s is a number from 1 to %d, not %d", maxRemovalsFlag, largest, c.most)
	case c.dryRun && limited:
		return usagef("--dry-run removes nothing, so --%s means nothing with it", maxRemovalsFlag)
	case c.dryRun && c.wait.wait:
		return usagef("--dry-run starts nothing that could be waited for")
	}
	return nil
}

func (c *cleanup) perform(ctx context.Context, s *session, id uuid.UUID) error {
	if c.dryRun {
		return s.previewCleanup(ctx, id)
	}
	response, err := s.CleanUpRunWithResponse(ctx, id, client.CleanupRequest{MaxRemovals: c.most})
	if err != nil {
		return s.explain(err)
	}
	return s.after(ctx, response.JSON202, response.Status(), c.wait, func(client.Run) string { return "cleans up again" })
}

func (s *session) previewCleanup(ctx context.Context, id uuid.UUID) error {
	run, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	response, err := s.PreviewCleanupWithResponse(ctx, id)
	if err != nil {
		return s.explain(err)
	}
	preview, err := answered(s, response.JSON200, response.Status())
	if err != nil {
		return err
	}
	show := func() error { return s.screen.Cleanup(run.Run, preview) }
	if s.json {
		show = func() error { return s.printJSON(preview) }
	}
	if err := show(); err != nil {
		return err
	}
	return foretoldCleanup(run.Run, preview)
}

// foretoldCleanup is the error of a clean-up that would fail, or that nothing is
// known of.
func foretoldCleanup(run client.Run, preview client.CleanupPreview) error {
	unknown := func(f client.PlanFinding) bool { return f.Kind == client.PlanFindingKindUnknown }
	switch {
	case preview.WouldFail:
		return codedf(exitFailed, "the clean-up of %s would fail", terminal.Ref(run))
	case slices.ContainsFunc(preview.Findings, unknown):
		return codedf(exitFailed, "not all could be found out about the clean-up of %s", terminal.Ref(run))
	}
	return nil
}
