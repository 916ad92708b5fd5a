package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"regrow/internal/client"
	"regrow/internal/octopus"
)

func everyCommand(t *testing.T) []*cobra.Command {
	t.Helper()
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		all = append(all, cmd)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot("test", strings.NewReader(""), io.Discard, io.Discard))
	if len(all) < 15 {
		t.Fatalf("only %d commands", len(all))
	}
	return all
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	for _, cmd := range everyCommand(t) {
		path := cmd.CommandPath()
		if cmd.Short == "" || cmd.Long == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: needs a Short without a full stop and a Long", path)
		}
		if !strings.Contains(cmd.Example, path) && cmd.Name() != "regrow" {
			t.Errorf("%s: its examples do not call it: %q", path, cmd.Example)
		}
		help := perform(t.Context(), append(strings.Fields(path)[1:], "--help")...)
		help.want(t, exitOK, "Examples:\n"+cmd.Example, "")
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			if flag.Usage == "" {
				t.Errorf("%s: the flag --%s says nothing about itself", path, flag.Name)
			}
		})
	}
}

// Examples are what people paste: each has to name a command and flags that are
// there.
func TestExamplesCanBeCalled(t *testing.T) {
	t.Parallel()
	for _, cmd := range everyCommand(t) {
		for _, example := range calls(cmd.Example) {
			checkCall(t, cmd.CommandPath(), example)
		}
	}
}

func TestDocumentNamesEveryCommand(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range everyCommand(t) {
		if parent := cmd.Parent(); parent != nil && parent.Name() == "completion" {
			continue // the shells have one section together
		}
		if !strings.Contains(string(text), "`"+cmd.CommandPath()+"`") {
			t.Errorf("docs/cli.md does not name `%s`", cmd.CommandPath())
		}
	}
	for _, example := range calls(string(text)) {
		checkCall(t, "docs/cli.md", example)
	}
}

// calls finds the command lines in a text.
func calls(text string) []string {
	var found []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if call, ok := strings.CutPrefix(strings.TrimSpace(line), "regrow "); ok && strings.HasPrefix(line, "  ") || ok && !strings.Contains(line, "`") {
			found = append(found, call)
		}
	}
	return found
}

// checkCall finds the command of a call and reads its flags.
func checkCall(t *testing.T, where, call string) {
	t.Helper()
	call, _, _ = strings.Cut(call, " #")
	call, _, _ = strings.Cut(call, " >")
	words := strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(call))
	tree := newRoot("test", strings.NewReader(""), io.Discard, io.Discard)
	cmd, rest, err := tree.Find(words)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err != nil || cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
		t.Errorf("%s: regrow %s: %v", where, call, err)
	}
}

func TestMistakesInCalls(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ args, err string }{
		"unknown command":       {"trigge", "did you mean trigger?"},
		"unknown subcommand":    {"runs lst", `regrow runs has no command "lst"; it has cancel, cleanup, ignore-freeze, list, retry, rollback, show, watch`},
		"unknown flag":          {"runs list --colour", "unknown flag: --colour"},
		"required flag":         {"trigger", `"pipeline" not set`},
		"argument too many":     {"runs show 1 2", "takes one run, not 2"},
		"argument missing":      {"runs show", "takes one run, not 0"},
		"argument to none":      {"runs list x", `unknown command "x"`},
		"not a status":          {"runs list --status done", "--status is one of [queued"},
		"not a limit":           {"runs list --limit 0", "from 1 to 200"},
		"number alone":          {"runs list --number 3", "means nothing without --pipeline"},
		"not a time":            {"runs list --from yesterday", "--from \"yesterday\" is no time"},
		"not a page":            {"runs list --after x", "is no id of a run"},
		"not an output":         {"runs list --output yaml", "--output is text or json"},
		"not a server":          {"runs list --server example.com", "is no address of a server"},
		"no token file":         {"runs list --token-file /nowhere/token", "reading the token"},
		"two tokens":            {"runs list --token a --token-file b", "[token token-file]"},
		"not a number of a run": {"runs show hello-world#x", "such as hello-world#12"},
		"two branches":          {"trigger -p x --branch a --ref refs/heads/a", "[branch ref]"},
		"no commit":             {"trigger -p x --no-git", "say which commit"},
		"short commit":          {"trigger -p x --no-git --commit 4f0b1c5a", "is no full commit id"},
		"no branch":             {"trigger -p x --no-git --commit " + aCommit, "say which branch"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := perform(t.Context(), strings.Fields(test.args)...)
			got.want(t, exitUsage, "", test.err)
			if !strings.Contains(got.err, "--help") || got.out != "" {
				t.Errorf("should point at --help and print nothing else: %q %q", got.err, got.out)
			}
		})
	}
}

func TestCommandsOfCommandsShowTheirHelp(t *testing.T) {
	t.Parallel()
	perform(t.Context()).want(t, exitOK, "What a running server does:", "")
	perform(t.Context(), "runs").want(t, exitOK, "Available Commands:", "")
	perform(t.Context(), "version").want(t, exitOK, "regrow 1.2.3 (go", "")
	perform(t.Context(), "--version").want(t, exitOK, "1.2.3", "")
	perform(t.Context(), "completion", "bash").want(t, exitOK, "bash completion", "")
	perform(t.Context(), "__complete", "runs", "list", "--status", "s").want(t, exitOK, "succeeded", "")
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	ran := func(err error) error { return &ranError{err} }
	tests := map[string]struct {
		err  error
		want int
	}{
		"nothing":        {nil, 0},
		"cobra's own":    {errors.New("unknown flag"), 2},
		"usage":          {ran(usagef("wrong")), 2},
		"any other":      {ran(errors.New("disk full")), 1},
		"network":        {ran(&url.Error{Op: "Get", URL: "http://x", Err: errors.New("refused")}), 3},
		"unavailable":    {ran(&client.Error{Problem: problem(503, "", "")}), 3},
		"a proxy's":      {ran(&client.Error{Problem: problem(502, "", "")}), 3},
		"internal":       {ran(&client.Error{Problem: problem(500, "", "")}), 1},
		"refused":        {ran(&client.Error{Problem: problem(409, "", "")}), 4},
		"run failed":     {ran(&endedError{status: client.RunStatusFailed}), 1},
		"run superseded": {ran(&endedError{status: client.RunStatusSuperseded}), 5},
		"run cancelled":  {ran(&endedError{status: client.RunStatusCancelled}), 6},
		"timeout":        {ran(&brokenOff{cause: errTimeout}), 7},
		"Octopus away":   {ran(&octopus.Error{Kind: octopus.Transient}), 3},
		"interrupted":    {ran(context.Canceled), 130},
		// What Octopus was at may have its effect all the same; see octopus.Error.
		"interrupted in a write": {ran(fmt.Errorf("%w: %w", &octopus.Error{Kind: octopus.Transient}, context.Canceled)), 130},
	}
	for name, test := range tests {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// A proxy that sends on to https, or that answers by itself, does nothing of what
// was asked for.
func TestProxiesAreNotTakenForTheServer(t *testing.T) {
	t.Parallel()
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://regrow.example"+r.URL.Path, http.StatusMovedPermanently)
	}
	down := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, `{"pauses":[]}`)
	}
	for name, test := range map[string]struct {
		proxy http.HandlerFunc
		code  int
		err   string
	}{
		"sends on": {redirect, exitFailed, "What to do: Set REGROW_URL to https://regrow.example."},
		"gives up": {down, exitUnreachable, "502 Bad Gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.proxy)
			t.Cleanup(server.Close)
			for _, args := range [][]string{triggered(), {"pause", "--all", "--reason", "fire"}, {"runs", "list"}} {
				got := perform(t.Context(), slices.Concat(args, []string{"--server", server.URL})...)
				got.want(t, test.code, "", test.err)
				if got.out != "" {
					t.Errorf("%v said %q", args, got.out)
				}
			}
		})
	}
}

// The server knows tokens, and nothing of where this program takes one from.
func TestATokenThatIsMissingIsAskedFor(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t, aRun(client.RunStatusRunning), client.RunDetail{})
	refusal := problem(http.StatusUnauthorized, "the token is none of the configuration's", "")
	for request, args := range map[string][]string{
		"GET /api/v1/lanes":   {"lanes"},
		"POST /api/v1/runs":   triggered(),
		"POST /api/v1/pauses": {"pause", "--all", "--reason", "fire"},
	} {
		f.answering(request, http.StatusUnauthorized, refusal)
		f.regrow(t.Context(), args...).want(t, exitRefused, "", "What to do: Put a token of the configuration's api.tokens into REGROW_TOKEN")
	}
}

func TestAConfigurationThatIsMissingIsAskedFor(t *testing.T) {
	t.Parallel()
	perform(t.Context(), "config", "check", "--config", "/nowhere/regrow.yaml").
		want(t, exitFailed, "", "name the file with --config or REGROW_CONFIG")
}
