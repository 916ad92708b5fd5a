package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// outcomes are what the flag --outcome takes.
var outcomes = []string{"accepted", "ignored"}

// deliveryListing is what the command deliveries list was asked for.
type deliveryListing struct {
	source, event, externalID, outcome, redeliveryOf, from, to, after string
	limit                                                             int32
	all                                                               bool
}

func newDeliveriesList(s *streams, api *apiFlags) *cobra.Command {
	var l deliveryListing
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List deliveries, newest first",
		Long: `List what was received, newest first, a page at a time. Filters add up. When there
are more deliveries, the last line says how to see them; --all fetches every page.`,
		Example: `  regrow deliveries list
  regrow deliveries list --source github --outcome ignored --from 24h
  regrow deliveries list --redelivery-of 0199c3a0-0000-7000-8000-0000000000d1 --output json`,
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
	flags.StringVar(&l.source, "source", "", "only from the source of this `name`; api for runs started by hand")
	flags.StringVar(&l.event, "event", "", "only of this `event`, in the sender's word: push")
	flags.StringVar(&l.externalID, "external-id", "", "only the one that has this `id` with its sender")
	flags.StringVar(&l.outcome, "outcome", "", "only with this `outcome`: "+strings.Join(outcomes, ", "))
	flags.StringVar(&l.redeliveryOf, "redelivery-of", "", "only those as which the delivery of this `id` was played again")
	flags.StringVar(&l.from, "from", "", "only received at this `time` or later: RFC 3339, a day, or how long ago (24h)")
	flags.StringVar(&l.to, "to", "", "only received before this `time`, as --from")
	flags.StringVar(&l.after, "after", "", "the page that follows the delivery of this `id`")
	flags.Int32Var(&l.limit, "limit", 20, "how `many` deliveries a page has, 1 to 200")
	flags.BoolVar(&l.all, "all", false, "fetch every page")
	complete(cmd, "outcome", outcomes...)
	return cmd
}

func (l *deliveryListing) perform(ctx context.Context, s *session) error {
	asked, err := l.parameters()
	if err != nil {
		return err
	}
	list, err := s.deliveries(ctx, asked)
	if err != nil {
		return err
	}
	for l.all && list.Next != uuid.Nil {
		asked.After = &list.Next
		next, err := s.deliveries(ctx, asked)
		if err != nil {
			return err
		}
		list = client.DeliveryList{Deliveries: append(list.Deliveries, next.Deliveries...), Next: next.Next}
	}
	if s.json {
		return s.printJSON(list)
	}
	if err := s.screen.Deliveries(list.Deliveries); err != nil || list.Next == uuid.Nil {
		return err
	}
	return s.screen.Message(fmt.Sprintf("There are more: add --after %s, or --all.", list.Next))
}

// parameters checks the flags and makes a request of them.
func (l *deliveryListing) parameters() (*client.ListDeliveriesParams, error) {
	if l.outcome != "" && !client.DeliveryOutcome(l.outcome).Valid() {
		return nil, usagef("--outcome is one of %v, not %q", outcomes, l.outcome)
	}
	if l.limit < 1 || l.limit > 200 {
		return nil, usagef("--limit is a number from 1 to 200, not %d", l.limit)
	}
	asked := &client.ListDeliveriesParams{
		Source: given(l.source), Event: given(l.event), ExternalID: given(l.externalID),
		Outcome: given(client.DeliveryOutcome(l.outcome)), Limit: &l.limit,
	}
	var err error
	now := time.Now()
	if asked.From, err = moment("from", l.from, now); err != nil {
		return nil, err
	}
	if asked.To, err = moment("to", l.to, now); err != nil {
		return nil, err
	}
	if asked.RedeliveryOf, err = deliveryID("redelivery-of", l.redeliveryOf); err != nil {
		return nil, err
	}
	asked.After, err = deliveryID("after", l.after)
	return asked, err
}

// deliveryID reads an id of a flag.
func deliveryID(flag, text string) (*uuid.UUID, error) {
	if text == "" {
		return nil, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, usagef("--%s %q is no id of a delivery: %v", flag, text, err)
	}
	return &id, nil
}
