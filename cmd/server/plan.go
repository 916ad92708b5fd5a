package main

import (
	"context"
	"fmt"
	"net/textproto"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// plan is what the command plan was asked for.
type plan struct {
	api     apiFlags
	source  string
	payload string
	event   string
	headers []string
}

func newPlan(s *streams) *cobra.Command {
	var p plan
	cmd := &cobra.Command{
		Use:   "plan --source NAME --payload FILE",
		Short: "Say what a webhook would do, without doing it",
		Long: `Say what a webhook would do: whether its signature is valid, which pipelines take
it and why the others don't, whether the lane is free, which versions would be
created and which exist already, what the override would replace, and which
targets clean-up would remove. It goes the way that webhooks go, on the server,
and changes nothing there or in Octopus.

The payload is sent byte for byte; - reads it from the standard input. Headers are
those of the webhook, as its sender shows them; @FILE reads one from each line.
Without a signature the webhook is planned as if it had one, and what every
request of its sender has is assumed: the content type, an id, and the event
(a push to GitHub's sources, unless --event says another).

It is a forecast: another webhook may come first, and Octopus may change.

Exit codes:
    0  the webhook would be taken, whether anything would start or not
    1  an error, or a run that would start is bound to fail
    2  the command was called wrongly
    3  the server cannot be reached, or cannot work now
    4  the webhook would be refused, or the server refused to plan it`,
		Example: `  regrow plan --source github --payload push.json
  regrow plan --source github --payload push.json --header @headers.txt
  curl -s https://ci.example.com/last-payload | regrow plan --source build --payload - --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.perform(cmd.Context(), s) },
	}
	p.api.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&p.source, "source", "", "`name` of the source that the webhook would be sent to (required)")
	flags.StringVar(&p.payload, "payload", "", "`file` that holds the webhook's body, or - (required)")
	flags.StringVar(&p.event, "event", "", "`name` of what happened, for senders that say it in a header, such as push")
	flags.StringArrayVarP(&p.headers, "header", "H", nil, "a header of the webhook, `'Name: value'` or @file; may be given often")
	for _, flag := range []string{"source", "payload"} {
		if err := cmd.MarkFlagRequired(flag); err != nil {
			panic(err) // no such flag: a mistake of this program
		}
	}
	return cmd
}

func (p *plan) perform(ctx context.Context, s *streams) error {
	session, err := p.api.open(s)
	if err != nil {
		return err
	}
	headers, err := readHeaders(p.headers)
	if err != nil {
		return err
	}
	body, err := readPayload(ctx, p.payload, s.In)
	if err != nil {
		return err
	}
	// Base64 keeps every byte, also of what is not UTF-8.
	response, err := session.PlanWebhookWithResponse(ctx, client.PlanRequest{Source: p.source, Event: p.event, Headers: headers, BodyBase64: body})
	if err != nil {
		return session.explain(err)
	}
	plan, err := answered(session, response.JSON200, response.Status())
	if err != nil {
		return err
	}
	if err := session.showPlan(plan); err != nil {
		return err
	}
	return foretold(plan)
}

func (s *session) showPlan(plan client.Plan) error {
	if s.json {
		return s.printJSON(plan)
	}
	return s.screen.Plan(plan)
}

// readHeaders reads headers as curl takes them.
func readHeaders(given []string) (map[string]client.PlanHeader, error) {
	values := map[string][]string{}
	for _, one := range given {
		lines := []string{one}
		if file, ok := strings.CutPrefix(one, "@"); ok {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, usagef("reading headers: %v", err)
			}
			lines = strings.Split(string(text), "\n")
		}
		for _, line := range lines {
			line = strings.TrimSpace(line)
			name, value, ok := strings.Cut(line, ":")
			switch {
			case line == "" && len(lines) > 1: // the end of a file, most of the time
				continue
			case !ok || strings.TrimSpace(name) == "":
				return nil, usagef("%q is no header; write 'Name: value', or @FILE for a file with one on each line", line)
			}
			name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
			values[name] = append(values[name], strings.TrimSpace(value))
		}
	}
	headers := make(map[string]client.PlanHeader, len(values))
	for name, list := range values {
		var header client.PlanHeader
		if err := header.FromPlanHeader1(list); err != nil {
			return nil, fmt.Errorf("sending the header %s: %w", name, err)
		}
		headers[name] = header
	}
	return headers, nil
}

// foretold is an error when the webhook would be refused, or a run of it would
// fail; the plan itself is shown already.
func foretold(plan client.Plan) error {
	if plan.Outcome == client.PlanOutcomeRefused {
		return codedf(exitRefused, "the webhook would be refused with %d", plan.Status)
	}
	for _, taken := range plan.Pipelines {
		if taken.Run.WouldFail {
			return codedf(exitFailed, "run #%d of %s would fail", taken.Run.Number, taken.Pipeline)
		}
	}
	return nil
}
