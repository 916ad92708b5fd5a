package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"regrow/internal/config"
	"regrow/internal/handlers"
	"regrow/internal/webhook"
)

// headerTime bounds how long a client may take to send a request's header.
const headerTime = 10 * time.Second

// openHTTP builds the handlers and binds the address.
func (a *App) openHTTP(ctx context.Context) error {
	sources, err := a.sources()
	if err != nil {
		return err
	}
	handler, err := handlers.New(handlers.Deps{
		Pool: a.pool, Pipelines: a.Config.Pipelines, Sources: sources,
		Tokens: a.tokens(), Unguarded: len(a.Config.API.Tokens) == 0,
		Runs: a.engine, Ready: a.ready, Draining: a.draining.Load,
		Now: time.Now, NewID: newID, Logger: a.Logger, Registry: a.registry,
	})
	if err != nil {
		return err
	}
	a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", a.Config.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", a.Config.Listen, err)
	}
	a.cleanups.add("listener", func(context.Context) error {
		if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	a.server = &http.Server{Handler: handler, ReadHeaderTimeout: headerTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	return nil
}

// stopHTTP lets requests under way finish, and cuts off those that do not in half
// of the time that is left: the other half is for the workers.
func (a *App) stopHTTP(ctx context.Context) error {
	if end, limited := ctx.Deadline(); limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	err := a.server.Shutdown(ctx)
	if err != nil {
		return errors.Join(err, a.server.Close())
	}
	return nil
}

func (a *App) sources() ([]handlers.Source, error) {
	var sources []handlers.Source
	for _, source := range a.Config.Sources {
		var previous []string
		if !source.PreviousSecret.IsZero() {
			previous = []string{source.PreviousSecret.Reveal()}
		}
		receiver, err := webhook.New(webhook.Source{
			Name: source.Name, Kind: source.Kind, Secret: source.Secret.Reveal(), PreviousSecrets: previous,
			HeaderKey: source.Header, Tolerance: source.Tolerance, MaxBody: int64(source.MaxBody),
		})
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", source.Name, err)
		}
		sources = append(sources, handlers.Source{Receiver: receiver, PerMinute: source.RequestsPerMinute, Server: source.Server})
	}
	return sources, nil
}

func (a *App) tokens() []handlers.Token {
	var tokens []handlers.Token
	for _, token := range a.Config.API.Tokens {
		role := handlers.Viewer
		if token.Role == config.Operator {
			role = handlers.Operator
		}
		tokens = append(tokens, handlers.NewToken(token.Name, role, token.Token.Reveal()))
	}
	return tokens
}
