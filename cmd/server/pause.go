package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// selector is what people say to name what is paused, or is to be.
type selector struct {
	lane, pipeline, environment, octopus string
	all                                  bool
}

const selectors = `What is meant is a lane by its key (regrow lanes lists them), the lane of a
pipeline, an environment, or everything. Where several Octopus servers of the
configuration have an environment of that name, --octopus says which one.`

func (l *selector) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&l.lane, "lane", "", "the lane of this `key`")
	flags.StringVarP(&l.pipeline, "pipeline", "p", "", "the lane of the pipeline of this `name`")
	flags.StringVar(&l.environment, "environment", "", "all lanes of the environment of this `name`")
	flags.StringVar(&l.octopus, "octopus", "", "`name` of the environment's Octopus server in the configuration")
	flags.BoolVar(&l.all, "all", false, "everything")
	cmd.MarkFlagsMutuallyExclusive("lane", "pipeline", "environment", "all")
	cmd.MarkFlagsOneRequired("lane", "pipeline", "environment", "all")
}

func (l *selector) check() error {
	if l.octopus != "" && l.environment == "" {
		return usagef("--octopus says of which server an --environment is meant")
	}
	return nil
}

// text is the selector as flags.
func (l *selector) text() string {
	switch {
	case l.lane != "":
		return fmt.Sprintf("--lane %q", l.lane)
	case l.pipeline != "":
		return fmt.Sprintf("--pipeline %q", l.pipeline)
	case l.all:
		return "--all"
	case l.octopus != "":
		return fmt.Sprintf("--environment %q --octopus %q", l.environment, l.octopus)
	default:
		return fmt.Sprintf("--environment %q", l.environment)
	}
}

func newPause(s *streams) *cobra.Command {
	api := &apiFlags{}
	var (
		wanted selector
		reason string
	)
	cmd := &cobra.Command{
		Use:   "pause (--lane KEY | --pipeline NAME | --environment NAME | --all) --reason TEXT",
		Short: "Hold runs back: stop the line",
		Long: `Hold runs back until regrow resume. No queued run starts any more, and an active
one changes nothing more in Octopus and begins no other stage; what Octopus does
already, it goes on doing. Webhooks are taken, and their runs are queued. The times
of held stages do not pass. To pause what is paused changes nothing.

` + selectors + "\n\n" + exitCodes,
		Example: `  regrow pause --environment Production --reason "the disks are full, INC-4711"
  regrow pause --pipeline hello-world --reason "audit until noon"
  regrow pause --all --reason "Octopus is being upgraded"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if strings.TrimSpace(reason) == "" {
				return usagef("--reason is needed: why, for everybody who wonders what a run waits for")
			}
			if err := wanted.check(); err != nil {
				return err
			}
			session, err := api.open(s)
			if err != nil {
				return err
			}
			return session.pause(cmd.Context(), wanted, reason)
		},
	}
	api.register(cmd)
	wanted.register(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "`why`, for everybody who wonders what a run waits for")
	return cmd
}

func (s *session) pause(ctx context.Context, l selector, reason string) error {
	asked := client.NewPause{Scope: client.PauseScopeLane, Lane: l.lane, Pipeline: l.pipeline, Reason: reason}
	switch {
	case l.all:
		asked.Scope = client.PauseScopeAll
	case l.environment != "":
		asked.Scope, asked.Environment, asked.Server = client.PauseScopeEnvironment, l.environment, l.octopus
	}
	response, err := s.CreatePauseWithResponse(ctx, asked)
	if err != nil {
		return s.explain(err)
	}
	already := response.JSON200 != nil
	made := response.JSON201
	if already {
		made = response.JSON200
	}
	pause, err := answered(s, made, response.Status())
	switch {
	case err != nil:
		return err
	case s.json:
		return s.printJSON(pause)
	}
	return s.screen.Paused(pause, already, l.text())
}

func newResume(s *streams) *cobra.Command {
	api := &apiFlags{}
	var wanted selector
	cmd := &cobra.Command{
		Use:   "resume (--lane KEY | --pipeline NAME | --environment NAME | --all)",
		Short: "Lift a pause",
		Long: `Lift a pause. What no other pause holds goes on at once: active runs where they
were, then the queued ones, in their order.

` + selectors + "\n\n" + exitCodes,
		Example: `  regrow resume --environment Production
  regrow resume --pipeline hello-world
  regrow resume --all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := wanted.check(); err != nil {
				return err
			}
			session, err := api.open(s)
			if err != nil {
				return err
			}
			return session.resume(cmd.Context(), wanted)
		},
	}
	api.register(cmd)
	wanted.register(cmd)
	return cmd
}

func (s *session) resume(ctx context.Context, l selector) error {
	id, err := s.findPause(ctx, l)
	if err != nil {
		return err
	}
	response, err := s.ResumeWithResponse(ctx, id)
	if err != nil {
		return s.explain(err)
	}
	pause, err := answered(s, response.JSON200, response.Status())
	switch {
	case err != nil:
		return err
	case s.json:
		return s.printJSON(pause)
	}
	return s.screen.Resumed(pause)
}

// findPause returns the id of the one pause that a person named.
func (s *session) findPause(ctx context.Context, l selector) (uuid.UUID, error) {
	standing, err := s.pauses(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	lanes, err := s.lanes(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	found := slices.DeleteFunc(standing.Pauses, func(p client.Pause) bool { return !l.names(p, lanes.Lanes) })
	switch len(found) {
	case 0:
		return uuid.Nil, &client.Error{Problem: client.Problem{
			Status: http.StatusNotFound, Title: "There is no such thing",
			Detail: "there is no pause for " + l.text(), Remedy: "list what is paused with regrow lanes",
		}}
	case 1:
		return found[0].ID, nil
	default:
		return uuid.Nil, usagef("several servers have an environment %q that is paused; say which one with --octopus", l.environment)
	}
}

// oneLine is a lane's key as screens show it.
func oneLine(key string) string { return strings.Join(strings.Fields(key), " ") }

// names tells whether the selector names the pause.
func (l *selector) names(p client.Pause, lanes []client.Lane) bool {
	switch {
	case l.all:
		return p.Scope == client.PauseScopeAll
	case l.lane != "":
		return p.Scope == client.PauseScopeLane && strings.EqualFold(oneLine(p.Key), oneLine(l.lane))
	case l.pipeline != "":
		return p.Scope == client.PauseScopeLane && slices.ContainsFunc(lanes, func(lane client.Lane) bool {
			return lane.Key == p.Key && slices.Contains(lane.Pipelines, l.pipeline)
		})
	case p.Scope != client.PauseScopeEnvironment || !strings.EqualFold(p.Name, strings.TrimSpace(l.environment)):
		return false
	default:
		return l.octopus == "" || slices.ContainsFunc(lanes, func(lane client.Lane) bool {
			held := slices.ContainsFunc(lane.PausedBy, func(by client.Pause) bool { return by.ID == p.ID })
			return held && lane.Server.Name == l.octopus
		})
	}
}
