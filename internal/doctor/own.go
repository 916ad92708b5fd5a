package doctor

import (
	"context"
	"errors"
	"fmt"

	"regrow/internal/config"
)

const ownScope = "regrow"

// own is what concerns regrow itself.
func (e *examination) own() group {
	return group{ownScope, []check{
		{idConfig, e.lookAtConfig},
		{idDatabase, e.database.reachable},
		{idSchema, e.database.schemaIsRight},
		{idDatabaseClock, e.database.clockIsRight},
		{idDurability, e.database.commitsLast},
		{idPublicURL, e.publicURL},
		{idTokens, e.tokens},
	}}
}

// withoutConfig is all that can be said of regrow with a configuration that
// cannot be used.
func (e *examination) withoutConfig(err error) group {
	g := group{ownScope, []check{{idConfig, func(context.Context) (finding, error) { return e.brokenConfig(err), nil }}}}
	for _, id := range []string{idDatabase, idSchema, idDatabaseClock, idDurability, idPublicURL, idTokens} {
		g.checks = append(g.checks, check{id, func(context.Context) (finding, error) { return finding{}, &gap{check: idConfig} }})
	}
	return g
}

// brokenConfig tells what is wrong in the file, each with its line.
func (e *examination) brokenConfig(err error) finding {
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		return wrong("%s.", capitalized(err.Error())).with("name the file with --config, or write one: docs/configuration.md explains every key")
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return wrong("%s has %s; nothing else can be looked at.", e.ConfigFile, counted(len(problems), "problem")).
		with("correct what the lines say, then run regrow doctor again").listing(lines)
}

func (e *examination) lookAtConfig(context.Context) (finding, error) {
	if len(e.config.Warnings) == 0 {
		return fine("%s is in order: %s, %s, %s.", e.ConfigFile, counted(len(e.config.Pipelines), "pipeline"),
			counted(len(e.config.Sources), "source"), counted(len(e.config.Servers), "server")), nil
	}
	lines := make([]string, len(e.config.Warnings))
	for i, w := range e.config.Warnings {
		lines[i] = w.String()
	}
	return warned("%s can be used, but %s in it %s hardly meant so.", e.ConfigFile, counted(len(lines), "thing"), isOrAre(len(lines))).
		with("change what the lines say").listing(lines), nil
}

// tokens looks at who may use the REST API.
func (e *examination) tokens(context.Context) (finding, error) {
	if len(e.config.API.Tokens) == 0 {
		return noted("No tokens guard the API; only development mode allows that."), nil
	}
	var weak []string
	operators := 0
	for _, t := range e.config.API.Tokens {
		if t.Role == config.Operator {
			operators++
		}
		if w := weakness(t.Token.Reveal()); w != "" {
			weak = append(weak, fmt.Sprintf("The token %q %s.", t.Name, w))
		}
		for _, s := range e.config.Sources {
			if s.Secret.Reveal() == t.Token.Reveal() {
				weak = append(weak, fmt.Sprintf("The token %q is the secret of the source %q too.", t.Name, s.Name))
			}
		}
	}
	switch {
	case len(weak) > 0:
		return warned("Not every token of the API is a secret.").
			with("%s", newSecret("")).listing(weak), nil
	case operators == 0:
		return noted("No token has the role operator: nobody can start, retry or cancel runs."), nil
	default:
		return fine("The API wants a token, of which there %s %d.", isOrAre(len(e.config.API.Tokens)), len(e.config.API.Tokens)), nil
	}
}
