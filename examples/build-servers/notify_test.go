package buildservers_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"regrow/internal/pipeline"
)

const (
	commit = "4f2d9a61c07be8835d1a94e26f30b7c85e9d1a02"
	// message holds what JSON and shells take badly.
	message = "Say \"hello\" to $HOME\n\n\tin \\ two `lines` & é %s\a"
)

// arguments of a notify.sh that lacks nothing.
const arguments = ` --id "build 118" --repository acme/hello-world --branch main --commit ` + commit

// notify runs notify.sh with more arguments in some shell.
func notify(t *testing.T, shell, url, more string, variables map[string]string) ended {
	t.Helper()
	script, err := filepath.Abs("notify.sh")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"REGROW_URL": url, "REGROW_SECRET": secret, "MESSAGE": message}
	for name, value := range variables {
		all[name] = value
	}
	return perform(t, shell, ".", shell+" "+script+more, all)
}

func TestNotify(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"sh", "bash"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			r := newRegrow(t, secret)
			got := notify(t, shell, r.url+"/", arguments+` --version 2.6.0 --author "Mira <mira@acme.example>" --url "" --message "$MESSAGE"`, nil)
			if got.code != 0 || !strings.Contains(got.output, `regrow has stored the message build-118: {"status":"accepted", "delivery":"build-118"}`) {
				t.Fatalf("exit status %d:\n%s", got.code, got.output)
			}
			want := pipeline.Commit{Repository: "acme/hello-world", Ref: "refs/heads/main", SHA: commit, Version: "2.6.0",
				Author: "Mira <mira@acme.example>", Message: strings.TrimSuffix(message, "\a")}
			if len(r.commits) != 1 || r.commits[0] != want {
				t.Errorf("got  %+v\nwant %+v", r.commits, want)
			}
		})
	}
}

// The signature is computed by hand, so keys of all lengths have to do.
func TestNotifySignsWithAnyKey(t *testing.T) {
	t.Parallel()
	keys := map[int]string{
		24:  "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		32:  "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
		64:  "whsec_" + strings.Repeat("/w3+", 21) + "/w==",
		65:  "whsec_" + strings.Repeat("/w3+", 21) + "/w0=",
		120: "whsec_" + strings.Repeat("ACV+", 40),
	}
	for length, key := range keys {
		t.Run(fmt.Sprint(length, " bytes"), func(t *testing.T) {
			t.Parallel()
			r := newRegrow(t, key)
			if got := notify(t, "sh", r.url, arguments, map[string]string{"REGROW_SECRET": key}); got.code != 0 || len(r.commits) != 1 {
				t.Errorf("exit status %d:\n%s", got.code, got.output)
			}
		})
	}
}

func TestNotifyTriesAgain(t *testing.T) {
	t.Parallel()
	tests := map[string][]func(http.ResponseWriter){
		"503 twice":        {later(http.StatusServiceUnavailable, "0"), later(http.StatusServiceUnavailable, "1")},
		"429":              {later(http.StatusTooManyRequests, "0")},
		"no time is given": {later(http.StatusBadGateway, "soon")},
		"a lost answer":    {hangUp},
	}
	for name, trouble := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegrow(t, secret, trouble...)
			got := notify(t, "sh", r.url, arguments, nil)
			if got.code != 0 || len(r.commits) != 1 || strings.Count(got.output, "trying again in ") != len(trouble) {
				t.Fatalf("exit status %d, %d commits came:\n%s", got.code, len(r.commits), got.output)
			}
			for _, header := range r.requests {
				if header.Get("webhook-id") != "build-118" {
					t.Errorf("another id came: %v", header)
				}
			}
			if len(r.requests) != len(trouble)+1 {
				t.Errorf("%d requests came, want %d", len(r.requests), len(trouble)+1)
			}
		})
	}
}

// What is sent again is signed again: the time of the first signature may be too
// long ago by then.
func TestNotifySignsAgain(t *testing.T) {
	t.Parallel()
	r := newRegrow(t, secret, later(http.StatusServiceUnavailable, "1"), later(http.StatusServiceUnavailable, "1"))
	if got := notify(t, "sh", r.url, arguments, nil); got.code != 0 {
		t.Fatalf("exit status %d:\n%s", got.code, got.output)
	}
	var signatures []string
	for _, header := range r.requests {
		signatures = append(signatures, header.Get("webhook-timestamp")+header.Get("webhook-signature"))
	}
	slices.Sort(signatures)
	if len(slices.Compact(signatures)) != 3 {
		t.Errorf("the three requests were signed %q", signatures)
	}
}

func TestNotifySaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	strange := httptest.NewTLSServer(http.NotFoundHandler())
	strange.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(strange.Close)
	stranger := strange.URL
	busy := []func(http.ResponseWriter){later(503, "0"), later(503, "0"), later(503, "0")}
	tests := map[string]struct {
		arguments string
		variables map[string]string
		trouble   []func(http.ResponseWriter)
		code      int
		want      string
	}{
		"another secret": {variables: map[string]string{"REGROW_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}, code: 4,
			want: "notify.sh: regrow does not accept the signature (status 401). Is REGROW_SECRET the secret of the source build, and is this machine's clock right? {\"detail\":\"the header webhook-signature holds no"},
		"another source":    {variables: map[string]string{"REGROW_SOURCE": "builds"}, code: 4, want: "there is no source builds at http://"},
		"no real commit":    {arguments: " --id 1 --repository acme/hello-world --branch main --commit HEAD", code: 4, want: "regrow refuses the message (status 400): {\"detail\":\"/commit: "},
		"for too long":      {variables: map[string]string{"REGROW_TRIES": "3"}, trouble: busy, code: 3, want: "regrow cannot take the message now (status 503): {\"detail\":\"the database is away\",\"status\":503}  (tried 3 times)"},
		"nobody there":      {variables: map[string]string{"REGROW_TRIES": "1", "REGROW_URL": "http://127.0.0.1:1"}, code: 3, want: "there was no answer from http://127.0.0.1:1/webhooks/build: curl: (7)"},
		"no id":             {arguments: " --repository acme/hello-world", code: 2, want: "--id has to say"},
		"no commit":         {arguments: ` --id 1 --repository acme/hello-world --branch main --commit ""`, code: 2, want: "--commit is missing or empty"},
		"no branch":         {arguments: " --id 1 --repository acme/hello-world --commit " + commit, code: 2, want: "--branch is missing or empty"},
		"no value":          {arguments: " --id", code: 2, want: "--id needs a value"},
		"an unknown option": {arguments: " --revision 1", code: 2, want: "there is no option --revision"},
		"no address":        {variables: map[string]string{"REGROW_URL": ""}, code: 2, want: "set REGROW_URL"},
		"no real address":   {variables: map[string]string{"REGROW_URL": "http://regrow.acme.example TOKEN=1"}, code: 2, want: "REGROW_URL is no address that curl understands"},
		"a strange server":  {variables: map[string]string{"REGROW_URL": stranger}, code: 3, want: "regrow's certificate is not trusted here"},
		"no secret":         {variables: map[string]string{"REGROW_SECRET": ""}, code: 2, want: "set REGROW_SECRET"},
		"GitHub's secret":   {variables: map[string]string{"REGROW_SECRET": "5d41402abc4b2a76b9719d911017c592"}, code: 2, want: "one begins with whsec_"},
		"a short secret":    {variables: map[string]string{"REGROW_SECRET": "whsec_c2hvcnQ="}, code: 2, want: "after whsec_ come at least 24 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegrow(t, secret, test.trouble...)
			if test.arguments == "" {
				test.arguments = arguments
			}
			got := notify(t, "sh", r.url, test.arguments, test.variables)
			if got.code != test.code || !strings.Contains(got.output, test.want) {
				t.Errorf("exit status %d, want %d:\n%s\nwant: %s", got.code, test.code, got.output, test.want)
			}
			if len(r.commits) > 0 {
				t.Errorf("commits came: %+v", r.commits)
			}
		})
	}
}
