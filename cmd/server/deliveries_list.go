package main

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// outcomes are what the flag --outcome takes.
var outcomes = []string{"accepted", "ignored"}

// deliveryListing is what the command deliveries list was asked for.
type deliveryListing struct {
	source, event, externalID, outcome, redeliveryOf string
	page                                             pageFlags
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
	l.page.register(cmd, "delivery", "deliveries", "received")
	complete(cmd, "outcome", outcomes...)
	return cmd
}

func (l *deliveryListing) perform(ctx context.Context, s *session) error {
	asked, err := l.parameters()
	if err != nil {
		return err
	}
	var list client.DeliveryList
	list.Deliveries, list.Next, err = everyPage(l.page.all, asked.After, func(after *uuid.UUID) ([]client.Delivery, uuid.UUID, error) {
		asked.After = after
		page, err := s.deliveries(ctx, asked)
		return page.Deliveries, page.Next, err
	})
	switch {
	case err != nil:
		return err
	case s.json:
		return s.printJSON(list)
	}
	return errors.Join(s.screen.Deliveries(list.Deliveries), s.moreAfter(list.Next))
}

// parameters checks the flags and makes a request of them.
func (l *deliveryListing) parameters() (*client.ListDeliveriesParams, error) {
	if l.outcome != "" && !client.DeliveryOutcome(l.outcome).Valid() {
		return nil, usagef("--outcome is one of %v, not %q", outcomes, l.outcome)
	}
	page, err := l.page.page("delivery")
	if err != nil {
		return nil, err
	}
	redelivered, err := idOf("redelivery-of", "delivery", l.redeliveryOf)
	return &client.ListDeliveriesParams{
		Source: given(l.source), Event: given(l.event), ExternalID: given(l.externalID),
		Outcome: given(client.DeliveryOutcome(l.outcome)), RedeliveryOf: redelivered,
		From: page.from, To: page.to, After: page.after, Limit: &page.limit,
	}, err
}
