package webhook_test

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"regrow/internal/webhook"
)

var bashBlock = regexp.MustCompile("(?s)\n```bash\n(.*?)```\n")

// The scripts in docs/webhooks.md are run as they stand there, with the address
// of a server that receives what they send.
func TestDocumentedScripts(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		source webhook.Source
		event  string
	}{
		"/webhooks/github":  {webhook.Source{Name: "github", Kind: webhook.GitHub, Secret: gitHubSecret}, "push"},
		"/webhooks/build":   {webhook.Source{Name: "build", Kind: webhook.Generic, Secret: standardSecret}, "commit"},
		"/webhooks/octopus": {webhook.Source{Name: "octopus", Kind: webhook.Octopus, Secret: octopusSecret}, "MachineHealthy"},
	}
	for path, test := range tests {
		t.Run(test.source.Name, func(t *testing.T) {
			t.Parallel()
			delivery := runScript(t, scriptFor(t, string(page), path), newReceiver(t, test.source), path)
			if delivery.Event != test.event || delivery.Ignored != "" {
				t.Fatalf("the script delivered %+v, want an event %q that is not ignored", delivery, test.event)
			}
			for _, commit := range delivery.Commits {
				if commit.Repository != "acme/hello-world" || commit.Branch() != "main" {
					t.Errorf("the script sent the commit %+v", commit)
				}
			}
		})
	}
}

// The secret that the page has people make is one that a source takes.
func TestDocumentedSecret(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", scriptFor(t, string(page), "openssl rand -base64")).Output()
	if err != nil {
		t.Fatal(err)
	}
	newReceiver(t, webhook.Source{Kind: webhook.Generic, Secret: strings.TrimSpace(string(secret))})
}

// scriptFor returns the one script on the page that holds the text.
func scriptFor(t *testing.T, page, text string) string {
	t.Helper()
	var scripts []string
	for _, block := range bashBlock.FindAllStringSubmatch(page, -1) {
		if strings.Contains(block[1], text) {
			scripts = append(scripts, block[1])
		}
	}
	if len(scripts) != 1 {
		t.Fatalf("the page has %d scripts with %q, want one", len(scripts), text)
	}
	return scripts[0]
}

// runScript runs a script against a server and returns what the receiver made
// of the one request that came.
func runScript(t *testing.T, script string, receiver *webhook.Receiver, path string) webhook.Delivery {
	t.Helper()
	var deliveries []webhook.Delivery
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, readErr := io.ReadAll(r.Body)
		delivery, err := receiver.Receive(webhook.Request{Header: r.Header, Body: body, Received: time.Now()})
		if err := cmp.Or(readErr, err); err != nil || r.URL.Path != path {
			t.Errorf("request to %s: %v", r.URL.Path, err)
			return
		}
		deliveries = append(deliveries, delivery)
	}))
	secret := map[webhook.Kind]string{webhook.GitHub: gitHubSecret, webhook.Generic: standardSecret, webhook.Octopus: octopusSecret}
	command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c",
		strings.ReplaceAll(script, "http://localhost:8080", server.URL))
	command.Env = append(os.Environ(), "SECRET="+secret[receiver.Kind()], "no_proxy=*")
	output, err := command.CombinedOutput()
	server.Close() // waits for the handler
	if err != nil || len(deliveries) != 1 {
		t.Fatalf("%d deliveries came; the script ended with %v and printed:\n%s", len(deliveries), err, output)
	}
	return deliveries[0]
}
