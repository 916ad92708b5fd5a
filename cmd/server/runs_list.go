package main

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// listing is what the command runs list was asked for.
type listing struct {
	pipeline, status, commit, branch string
	number                           int64
	page                             pageFlags
}

func newRunsList(s *streams, api *apiFlags) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runs, newest first",
		Long: `List runs, newest first, a page at a time. Filters add up. When there are more
runs, the last line says how to see them; --all fetches every page.`,
		Example: `  regrow runs list
  regrow runs list --pipeline hello-world --status failed --from 24h
  regrow runs list --commit 4f0b1c5a --branch main --all --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := api.open(s)
			if err != nil {
				return err
			}
			return l.perform(cmd.Context(), session)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&l.pipeline, "pipeline", "p", "", "only of the pipeline of this `name`")
	flags.Int64Var(&l.number, "number", 0, "only the run with this `number`; needs --pipeline")
	flags.StringVar(&l.status, "status", "", "only in this `status`: "+strings.Join(statuses, ", "))
	flags.StringVar(&l.commit, "commit", "", "only of commits whose `id` begins so, from 4 digits on")
	flags.StringVar(&l.branch, "branch", "", "only of this `branch`, short or as a full reference")
	l.page.register(cmd, "run", "runs", "created")
	complete(cmd, "status", statuses...)
	return cmd
}

func (l *listing) perform(ctx context.Context, s *session) error {
	asked, err := l.parameters()
	if err != nil {
		return err
	}
	var list client.RunList
	list.Runs, list.Next, err = everyPage(l.page.all, asked.After, func(after *uuid.UUID) ([]client.Run, uuid.UUID, error) {
		asked.After = after
		page, err := s.list(ctx, asked)
		return page.Runs, page.Next, err
	})
	switch {
	case err != nil:
		return err
	case s.json:
		return s.printJSON(list)
	}
	return errors.Join(s.screen.Runs(list.Runs), s.moreAfter(list.Next))
}

// parameters checks the flags and makes a request of them.
func (l *listing) parameters() (*client.ListRunsParams, error) {
	if l.status != "" && !client.RunStatus(l.status).Valid() {
		return nil, usagef("--status is one of %v, not %q", statuses, l.status)
	}
	if l.number != 0 && l.pipeline == "" {
		return nil, usagef("--number means nothing without --pipeline")
	}
	page, err := l.page.page("run")
	return &client.ListRunsParams{
		Pipeline: given(l.pipeline), Status: given(client.RunStatus(l.status)), Number: given(l.number),
		Commit: given(l.commit), Branch: given(l.branch), From: page.from, To: page.to, After: page.after, Limit: &page.limit,
	}, err
}
