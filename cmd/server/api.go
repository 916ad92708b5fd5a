package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"regrow/internal/client"
	"regrow/internal/terminal"
)

const defaultServer = "http://127.0.0.1:8080"

// apiFlags say which server a command asks and how it shows the answer.
type apiFlags struct {
	server, token, tokenFile string
	output                   outputFlag
}

func (f *apiFlags) register(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	// Environment variables are not the flags' defaults: --help would show the token.
	flags.StringVar(&f.server, "server", "", "`address` of the server (REGROW_URL, default "+defaultServer+")")
	flags.StringVar(&f.token, "token", "", "bearer token of the API (better in REGROW_TOKEN: other processes see flags)")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` that holds the bearer token")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	f.output.register(cmd)
}

// complete offers a flag's values to shells.
func complete(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(fmt.Sprintf("flag %s of %s: %v", flag, cmd.Name(), err)) // no such flag: a mistake of this program
	}
}

// session is a command's connection to a server and to the person before it.
type session struct {
	*client.API
	base string
	json bool
	out  io.Writer
	// screen shows results; progress shows what goes on meanwhile.
	screen, progress *terminal.Screen
}

func (f *apiFlags) open(s *streams) (*session, error) {
	asJSON, err := f.output.isJSON()
	if err != nil {
		return nil, err
	}
	token, err := f.bearer()
	if err != nil {
		return nil, err
	}
	base := cmp.Or(f.server, os.Getenv("REGROW_URL"), defaultServer)
	api, err := client.New(base, token, nil)
	if err != nil {
		return nil, usagef("%v; give another to --server or REGROW_URL", err)
	}
	session := &session{API: api, base: base, json: asJSON, out: s.Out, screen: terminal.New(s.Out)}
	session.screen.Server = base
	if f.server != "" {
		session.screen.Flags = "--server " + f.server
	}
	session.progress = session.screen
	if session.json {
		session.progress = terminal.New(s.Err)
		session.progress.Flags = session.screen.Flags
	}
	return session, nil
}

func (f *apiFlags) bearer() (string, error) {
	if f.tokenFile == "" {
		return strings.TrimSpace(cmp.Or(f.token, os.Getenv("REGROW_TOKEN"))), nil
	}
	text, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return "", usagef("reading the token: %v", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", usagef("the token file %s is empty", f.tokenFile)
	}
	return token, nil
}

// printJSON writes an answer as programs read it.
func (s *session) printJSON(answer any) error {
	return printJSON(s.out, answer)
}

// explain adds what to do to an error of the network, and to one of the token, about
// which the server knows nothing of flags.
func (s *session) explain(err error) error {
	_, unanswered := errors.AsType[*url.Error](err)
	_, broken := errors.AsType[net.Error](err)
	problem, refused := errors.AsType[*client.Error](err)
	switch {
	case refused && problem.Status == http.StatusUnauthorized && problem.Remedy == "":
		told := *problem
		told.Remedy = "put a token of the configuration's api.tokens into REGROW_TOKEN, or name a file that holds it with --token-file"
		return &told
	case errors.Is(err, context.Canceled):
		return err
	case unanswered:
		return fmt.Errorf("the server at %s cannot be reached: %w\nStart one with regrow serve, or name another with --server or REGROW_URL", s.base, err)
	case broken, errors.Is(err, io.ErrUnexpectedEOF):
		return codedf(exitUnreachable, "the answer of %s broke off: %w", s.base, err)
	default:
		return err
	}
}

// answered returns the answer, which is missing when what answered is no regrow.
func answered[T any](s *session, answer *T, status string) (T, error) {
	if answer == nil {
		var none T
		return none, fmt.Errorf("%s answered %q, which regrow would not; is it the right address?", s.base, status)
	}
	return *answer, nil
}
