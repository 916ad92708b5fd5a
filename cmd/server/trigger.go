package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

// trigger is what the command trigger was asked for.
type trigger struct {
	api  apiFlags
	wait waitFlags
	git  gitFlags
	run  client.NewRun
	key  requestKey
}

func newTrigger(s *streams) *cobra.Command {
	var t trigger
	cmd := &cobra.Command{
		Use:   "trigger --pipeline NAME [--commit SHA] [--branch NAME]",
		Short: "Start a run by hand",
		Long: `Start a run of a commit through a pipeline, as a webhook would. The pipeline's
rules for repositories and branches hold here too.

Inside a git repository, what is not given comes from there: the commit is HEAD
and may be any name that git knows, the branch is the current one, the message
and the author are the commit's. --no-git leaves git out.

Repeating a request with the same --idempotency-key starts nothing new; it finds
the run that the first one started.

` + exitCodes,
		Example: `  regrow trigger --pipeline hello-world --wait
  regrow trigger --pipeline hello-world --commit v1.4.2 --branch main --version 1.4.2
  regrow trigger --pipeline hello-world --no-git --branch main \
    --commit 4f0b1c5a9d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a \
    --idempotency-key build-1234 --wait --timeout 30m --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.perform(cmd.Context(), s) },
	}
	t.api.register(cmd)
	t.wait.register(cmd)
	t.git.register(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&t.run.Pipeline, "pipeline", "p", "", "`name` of the pipeline (required)")
	flags.StringVar(&t.run.Commit, "commit", "", "the commit: its full `id`, or inside a git repository any name of it")
	flags.StringVar(&t.run.Branch, "branch", "", "the `branch`, short: main")
	flags.StringVar(&t.run.Ref, "ref", "", "the branch as a full `reference`: refs/heads/main")
	flags.StringVar(&t.run.Repository, "repository", "", "the repository, for pipelines that take several")
	flags.StringVar(&t.run.Message, "message", "", "the commit's `text`")
	flags.StringVar(&t.run.Author, "author", "", "the commit's author")
	flags.StringVar(&t.run.Version, "version", "", "what {version} stands for in version templates")
	flags.StringVar(&t.run.URL, "url", "", "where the commit can be looked at")
	t.key.register(cmd)
	cmd.MarkFlagsMutuallyExclusive("branch", "ref")
	if err := cmd.MarkFlagRequired("pipeline"); err != nil {
		panic(err) // no such flag: a mistake of this program
	}
	return cmd
}

func (t *trigger) perform(ctx context.Context, s *streams) error {
	session, err := t.api.open(s)
	if err != nil {
		return err
	}
	if err := t.git.complete(ctx, &t.run); err != nil {
		return err
	}
	run, repeated, err := t.start(ctx, session)
	if err != nil {
		return err
	}
	if !session.json || t.wait.wait {
		if err := session.progress.Message(started(session, run, repeated)); err != nil {
			return err
		}
	}
	switch {
	case t.wait.wait:
		return session.follow(ctx, run.ID, t.wait.timeout)
	case session.json:
		return session.printJSON(run)
	default:
		return session.screen.Message("Follow it with: " + session.screen.Command("watch", terminal.Ref(run)))
	}
}

// start asks the server for the run. The key makes it safe to ask again when
// the answer got lost.
func (t *trigger) start(ctx context.Context, s *session) (_ client.Run, repeated bool, _ error) {
	const sure = "there is only one run"
	response, err := s.CreateRunWithResponse(ctx, &client.CreateRunParams{IdempotencyKey: t.key.header()}, t.run)
	switch {
	case err != nil:
		return client.Run{}, false, t.key.explain(s, err, sure)
	case response.JSON200 != nil:
		return *response.JSON200, true, nil
	}
	run, err := answered(s, response.JSON201, response.Status())
	return run, false, t.key.explain(s, err, sure)
}

// started says which run there is now, and where.
func started(s *session, run client.Run, repeated bool) string {
	verb := "started"
	switch {
	case repeated:
		verb = "was started by the first request with this key"
	case run.Status == client.RunStatusQueued:
		verb = "is queued"
	}
	address, err := url.JoinPath(s.base, "api/v1/runs", run.ID.String())
	if err != nil {
		address = run.ID.String()
	}
	return fmt.Sprintf("%s %s: %s", terminal.Ref(run), verb, address)
}
