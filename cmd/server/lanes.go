package main

import (
	"context"

	"github.com/spf13/cobra"

	"regrow/internal/client"
)

func newLanes(s *streams) *cobra.Command {
	api := &apiFlags{}
	cmd := &cobra.Command{
		Use:   "lanes",
		Short: "List the lanes: who holds them, who waits, what is paused",
		Long: `List what only one run may hold at a time: an Octopus Server, space, environment,
tenant and infrastructure project. Of each lane it shows the active run, how many
wait and who is next, and which pauses hold it.

` + exitCodes,
		Example: `  regrow lanes
  regrow lanes --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := api.open(s)
			if err != nil {
				return err
			}
			return session.showLanes(cmd.Context())
		},
	}
	api.register(cmd)
	return cmd
}

func (s *session) showLanes(ctx context.Context) error {
	lanes, err := s.lanes(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(lanes)
	}
	pauses, err := s.pauses(ctx)
	if err != nil {
		return err
	}
	return s.screen.Lanes(lanes.Lanes, pauses.Pauses)
}

func (s *session) lanes(ctx context.Context) (client.LaneList, error) {
	response, err := s.ListLanesWithResponse(ctx)
	if err != nil {
		return client.LaneList{}, s.explain(err)
	}
	return answered(s, response.JSON200, response.Status())
}

func (s *session) pauses(ctx context.Context) (client.PauseList, error) {
	response, err := s.ListPausesWithResponse(ctx)
	if err != nil {
		return client.PauseList{}, s.explain(err)
	}
	return answered(s, response.JSON200, response.Status())
}
