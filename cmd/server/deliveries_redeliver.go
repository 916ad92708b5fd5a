package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// replay is what the command deliveries redeliver was asked for.
type replay struct {
	wait   waitFlags
	reason string
	key    requestKey
}

// replayed is how programs read of a redelivery that was waited for.
type replayed struct {
	Receipt client.Receipt     `json:"receipt"`
	Runs    []client.RunDetail `json:"runs"`
}

func newDeliveriesRedeliver(s *streams, api *apiFlags) *cobra.Command {
	var r replay
	cmd := deliveryCommand(s, api, &cobra.Command{
		Use:   "redeliver DELIVERY",
		Short: "Play a delivery again",
		Long: `Play a stored delivery again, as a new delivery that points to the old one. It is
matched against the configuration of today, and its runs are new runs: the newest
of their pipelines, whatever commits came in between. An Octopus event wakes runs
again.

Repeating a request with the same --idempotency-key plays nothing again; it finds
the redelivery that the first one made.

` + deliveryNames + "\n\n" + exitCodes,
		Example: `  regrow deliveries redeliver latest --reason "the branch is configured now"
  regrow deliveries redeliver 72d3162e-cc78-11e3-81ab-4c9367dc0958 --wait --timeout 30m`,
	}, func(ctx context.Context, session *session, delivery client.DeliveryDetail) error {
		return r.perform(ctx, session, delivery.ID)
	})
	r.wait.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&r.reason, "reason", "", "`why`, for those who read the history")
	r.key.register(cmd)
	return cmd
}

func (r *replay) perform(ctx context.Context, s *session, old uuid.UUID) error {
	receipt, repeated, err := r.start(ctx, s, old)
	if err != nil {
		return err
	}
	if s.json && !r.wait.wait {
		return s.printJSON(receipt)
	}
	s.progress.NoHints = r.wait.wait
	if err := s.progress.Redelivered(old, receipt, repeated); err != nil || !r.wait.wait {
		return err
	}
	s.progress.NoHints = false
	if receipt.Status == client.ReceiptStatusIgnored {
		return fmt.Errorf("nothing was started that could be waited for: %s", receipt.Reason)
	}
	return r.follow(ctx, s, receipt)
}

// start asks the server for the redelivery. The key makes it safe to ask again
// when the answer got lost.
func (r *replay) start(ctx context.Context, s *session, old uuid.UUID) (_ client.Receipt, repeated bool, _ error) {
	const sure = "it is played again only once"
	response, err := s.RedeliverWithResponse(ctx, old, &client.RedeliverParams{IdempotencyKey: r.key.header()}, client.RedeliverRequest{Reason: r.reason})
	switch {
	case err != nil:
		return client.Receipt{}, false, r.key.explain(s, err, sure)
	case response.JSON200 != nil:
		return *response.JSON200, true, nil
	}
	receipt, err := answered(s, response.JSON201, response.Status())
	return receipt, false, r.key.explain(s, err, sure)
}

// follow waits for the runs, one after the other. It returns an error unless all
// succeeded.
func (r *replay) follow(ctx context.Context, s *session, receipt client.Receipt) error {
	if r.wait.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.wait.timeout, errTimeout)
		defer cancel()
	}
	ended := replayed{Receipt: receipt, Runs: []client.RunDetail{}}
	var verdicts []error
	for _, ref := range receipt.Runs {
		run, err := s.await(ctx, ref.ID, 0)
		if err != nil {
			return err
		}
		ended.Runs = append(ended.Runs, run)
		verdicts = append(verdicts, s.verdict(run.Run))
		if s.json {
			continue
		}
		if err := s.show(run); err != nil {
			return err
		}
	}
	if s.json {
		if err := s.printJSON(ended); err != nil {
			return err
		}
	}
	return errors.Join(verdicts...)
}
