package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

// listing is what the command runs list was asked for.
type listing struct {
	pipeline, status, commit, branch, from, to, after string
	number                                            int64
	limit                                             int32
	all                                               bool
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
	flags.StringVar(&l.from, "from", "", "only created at this `time` or later: RFC 3339, a day, or how long ago (24h)")
	flags.StringVar(&l.to, "to", "", "only created before this `time`, as --from")
	flags.StringVar(&l.after, "after", "", "the page that follows the run of this `id`")
	flags.Int32Var(&l.limit, "limit", 20, "how `many` runs a page has, 1 to 200")
	flags.BoolVar(&l.all, "all", false, "fetch every page")
	complete(cmd, "status", statuses...)
	return cmd
}

func (l *listing) perform(ctx context.Context, s *session) error {
	asked, err := l.parameters()
	if err != nil {
		return err
	}
	list, err := s.list(ctx, asked)
	if err != nil {
		return err
	}
	for l.all && list.Next != uuid.Nil {
		asked.After = &list.Next
		next, err := s.list(ctx, asked)
		if err != nil {
			return err
		}
		list = client.RunList{Runs: append(list.Runs, next.Runs...), Next: next.Next}
	}
	if s.json {
		return s.printJSON(list)
	}
	if err := s.screen.Runs(list.Runs); err != nil || list.Next == uuid.Nil {
		return err
	}
	return s.screen.Message(fmt.Sprintf("There are more: add --after %s, or --all.", list.Next))
}

// parameters checks the flags and makes a request of them.
func (l *listing) parameters() (*client.ListRunsParams, error) {
	if l.status != "" && !client.RunStatus(l.status).Valid() {
		return nil, usagef("--status is one of %v, not %q", statuses, l.status)
	}
	if l.limit < 1 || l.limit > 200 {
		return nil, usagef("--limit is a number from 1 to 200, not %d", l.limit)
	}
	if l.number != 0 && l.pipeline == "" {
		return nil, usagef("--number means nothing without --pipeline")
	}
	now := time.Now()
	from, err := moment("from", l.from, now)
	if err != nil {
		return nil, err
	}
	to, err := moment("to", l.to, now)
	if err != nil {
		return nil, err
	}
	asked := &client.ListRunsParams{
		Pipeline: given(l.pipeline), Status: given(client.RunStatus(l.status)), Number: given(l.number),
		Commit: given(l.commit), Branch: given(l.branch), From: from, To: to, Limit: &l.limit,
	}
	if l.after != "" {
		id, err := uuid.Parse(l.after)
		if err != nil {
			return nil, usagef("--after %q is no id of a run: %v", l.after, err)
		}
		asked.After = &id
	}
	return asked, nil
}

// given returns a parameter, or nil for one that was not asked for.
func given[T comparable](value T) *T {
	var none T
	if value == none {
		return nil
	}
	return &value
}

// steered tells what became of a run that somebody steered.
func (s *session) steered(run client.Run, what string) error {
	if s.json {
		return s.printJSON(run)
	}
	return s.screen.Message(fmt.Sprintf("%s %s.\nFollow it with: %s", terminal.Ref(run), what, s.screen.Command("watch", terminal.Ref(run))))
}
