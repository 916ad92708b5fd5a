package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// deliveryNames is how commands tell people to name a delivery.
const deliveryNames = `A delivery is named by its id, by the sender's id of it, or by latest for the
newest of all.`

func newDeliveries(s *streams) *cobra.Command {
	api := &apiFlags{}
	cmd := &cobra.Command{
		Use:   "deliveries",
		Short: "Look at received webhooks and play them again",
		Long: `Look at the webhooks that a running server took in, at what became of them, and
play them again. Runs that were started by hand have a delivery, too.

` + deliveryNames + "\n\n" + exitCodes,
		Example: `  regrow deliveries list --outcome ignored
  regrow deliveries show latest
  regrow deliveries redeliver latest --wait`,
	}
	api.register(cmd)
	cmd.AddCommand(newDeliveriesList(s, api), newDeliveriesShow(s, api), newDeliveriesRedeliver(s, api))
	return cmd
}

// deliveryCommand is a command about the one delivery that its argument names.
func deliveryCommand(s *streams, api *apiFlags, cmd *cobra.Command, perform func(context.Context, *session, client.DeliveryDetail) error) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("%s takes one delivery, not %d: an id, the sender's id, or latest", cmd.CommandPath(), len(args))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		session, err := api.open(s)
		if err != nil {
			return err
		}
		delivery, err := session.findDelivery(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return perform(cmd.Context(), session, delivery)
	}
	return cmd
}

func newDeliveriesShow(s *streams, api *apiFlags) *cobra.Command {
	return deliveryCommand(s, api, &cobra.Command{
		Use:   "show DELIVERY",
		Short: "Show a delivery and what became of it",
		Long: `Show a delivery: where it came from and when, which runs it started, why others
were not, and as which deliveries it was played again. With --output json, its
headers and its body are there too, without secrets.

` + deliveryNames,
		Example: `  regrow deliveries show latest
  regrow deliveries show 72d3162e-cc78-11e3-81ab-4c9367dc0958 --output json`,
	}, func(_ context.Context, session *session, delivery client.DeliveryDetail) error {
		if session.json {
			return session.printJSON(delivery)
		}
		return session.screen.Delivery(delivery)
	})
}

// findDelivery returns the delivery that a person named.
func (s *session) findDelivery(ctx context.Context, name string) (client.DeliveryDetail, error) {
	if id, err := uuid.Parse(name); err == nil {
		delivery, err := s.delivery(ctx, id)
		missing, ok := errors.AsType[*client.Error](err)
		if !ok || missing.Status != http.StatusNotFound {
			return delivery, err
		}
		// GitHub's ids of deliveries are UUIDs as well.
	}
	asked := &client.ListDeliveriesParams{Limit: new(client.Limit(2))}
	if name != "latest" {
		asked.ExternalID = &name
	}
	list, err := s.deliveries(ctx, asked)
	switch {
	case err != nil:
		return client.DeliveryDetail{}, err
	case len(list.Deliveries) == 0:
		return client.DeliveryDetail{}, noDelivery(name)
	case asked.ExternalID != nil && len(list.Deliveries) > 1:
		return client.DeliveryDetail{}, usagef("several sources delivered something with the id %q; take one of: regrow deliveries list --external-id %[1]s", name)
	}
	return s.delivery(ctx, list.Deliveries[0].ID)
}

// noDelivery is the answer of a server that has no such delivery.
func noDelivery(name string) error {
	return &client.Error{Problem: client.Problem{
		Status: http.StatusNotFound, Title: "There is no such thing",
		Detail: "there is no delivery " + name, Remedy: "list what there is with regrow deliveries list",
	}}
}

func (s *session) deliveries(ctx context.Context, asked *client.ListDeliveriesParams) (client.DeliveryList, error) {
	response, err := s.ListDeliveriesWithResponse(ctx, asked)
	if err != nil {
		return client.DeliveryList{}, s.explain(err)
	}
	return answered(s, response.JSON200, response.Status())
}

func (s *session) delivery(ctx context.Context, id uuid.UUID) (client.DeliveryDetail, error) {
	response, err := s.GetDeliveryWithResponse(ctx, id)
	if err != nil {
		return client.DeliveryDetail{}, s.explain(err)
	}
	return answered(s, response.JSON200, response.Status())
}
