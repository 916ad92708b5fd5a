package webhook_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"regrow/internal/webhook"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		source webhook.Source
		text   string
	}{
		"no name":                {webhook.Source{Kind: webhook.GitHub, Secret: gitHubSecret}, "has no name"},
		"no kind":                {webhook.Source{Name: "s", Secret: gitHubSecret}, `kind is ""; known are ["github" "generic" "octopus"]`},
		"unknown kind":           {webhook.Source{Name: "s", Kind: "svn", Secret: gitHubSecret}, `kind is "svn"`},
		"no secret":              {webhook.Source{Name: "s", Kind: webhook.GitHub}, `source "s": secret 1 of 1 is empty`},
		"short secret":           {webhook.Source{Name: "s", Kind: webhook.GitHub, Secret: "1234567"}, "has 7 bytes"},
		"secret with line break": {webhook.Source{Name: "s", Kind: webhook.GitHub, Secret: gitHubSecret + "\n"}, "white space"},
		"secret of two lines":    {webhook.Source{Name: "s", Kind: webhook.GitHub, Secret: "first one\nsecond"}, "control character"},
		"empty previous secret":  {webhook.Source{Name: "s", Kind: webhook.Octopus, Secret: octopusSecret, PreviousSecrets: []string{""}}, "secret 2 of 2 is empty"},
		"no standard secret":     {webhook.Source{Name: "s", Kind: webhook.Generic, Secret: gitHubSecret}, "openssl rand"},
		"short standard secret":  {webhook.Source{Name: "s", Kind: webhook.Generic, Secret: "whsec_c2hvcnQ="}, "at least 24 bytes"},
		"bad previous standard":  {webhook.Source{Name: "s", Kind: webhook.Generic, Secret: standardSecret, PreviousSecrets: []string{"not a standard one"}}, "secret 2 of 2"},
		"ill-formed header key":  {webhook.Source{Name: "s", Kind: webhook.Octopus, Secret: octopusSecret, HeaderKey: "X Token:"}, "' ' cannot stand"},
		"header of HTTP itself":  {webhook.Source{Name: "s", Kind: webhook.Octopus, Secret: octopusSecret, HeaderKey: "host"}, "HTTP needs itself"},
		"negative tolerance":     {webhook.Source{Name: "s", Kind: webhook.Generic, Secret: standardSecret, Tolerance: -time.Second}, "tolerance is -1s"},
		"negative limit":         {webhook.Source{Name: "s", Kind: webhook.GitHub, Secret: gitHubSecret, MaxBody: -1}, "-1 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver, err := webhook.New(test.source)
			if err == nil {
				t.Fatalf("made %v, want an error with %q", receiver, test.text)
			}
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %q, want %q in it", err, test.text)
			}
			if secret := test.source.Secret; secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestReceiverTellsItsSource(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, webhook.Source{Name: "shop", Kind: webhook.GitHub, Secret: gitHubSecret})
	if receiver.Name() != "shop" || receiver.Kind() != webhook.GitHub || receiver.MaxBody() != webhook.DefaultMaxBody {
		t.Errorf("got %q, %q, %d", receiver.Name(), receiver.Kind(), receiver.MaxBody())
	}
}

func TestKindsCanAllBeMade(t *testing.T) {
	t.Parallel()
	for _, kind := range webhook.Kinds() {
		receiver := newReceiver(t, webhook.Source{Kind: kind, Secret: standardSecret})
		if receiver.Kind() != kind || !kind.Valid() {
			t.Errorf("got kind %q (valid: %t), want %q", receiver.Kind(), kind.Valid(), kind)
		}
	}
}

func TestPreviousSecretsAreAccepted(t *testing.T) {
	t.Parallel()
	old := webhook.Source{Kind: webhook.GitHub, Secret: "the new secret", PreviousSecrets: []string{"an older one", gitHubSecret}}
	mustReceive(t, newReceiver(t, old), gitHubRequest("ping", []byte("{}")))

	old.Kind, old.PreviousSecrets = webhook.Octopus, []string{octopusSecret}
	got := mustReceive(t, newReceiver(t, old), octopusRequest(sample(t, "octopus_machine.json")))
	if strings.Contains(string(got.Body), octopusSecret) {
		t.Error("the previous secret is stored")
	}

	old.Kind, old.Secret, old.PreviousSecrets = webhook.Generic, "whsec_"+strings.Repeat("abcd", 8), []string{standardSecret}
	mustReceive(t, newReceiver(t, old), genericRequest(t, sample(t, "generic.json")))
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	source := webhook.Source{Name: "shop", Kind: webhook.Octopus, Secret: octopusSecret, PreviousSecrets: []string{gitHubSecret}}
	receiver := newReceiver(t, source)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		for _, value := range []any{source, &source, receiver, []webhook.Source{source}} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, octopusSecret) || strings.Contains(text, gitHubSecret) {
				t.Errorf("%s of a %T prints a secret: %s", verb, value, text)
			}
		}
	}
	text, err := json.Marshal(source)
	if err != nil || strings.Contains(string(text), octopusSecret) || strings.Contains(string(text), gitHubSecret) {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

func TestStoredHeaders(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, webhook.Source{Kind: webhook.Octopus, Secret: octopusSecret, HeaderKey: "X-Acme"})
	sent := http.Header{
		"Content-Type":        {"application/json"},
		"User-Agent":          {"Octopus \xff" + octopusSecret},
		"X-Request-Id":        {strings.Repeat("7", 5000)},
		"X-Github-Event":      {"push", "ping"},
		"Webhook-Id":          {"build-118"},
		"X-Acme":              {octopusSecret},
		"Authorization":       {"Basic b2N0bw=="},
		"Cookie":              {"a=b", "c=d"},
		"X-Hub-Signature-256": {"sha256=00"},
		"Webhook-Signature":   {"v1,00"},
		"X-Gitlab-Token":      {"t"},
		"X-Api-Key":           {"k"},
		"X-Forwarded-For":     {"192.0.2.7"},
	}
	want := http.Header{
		"Content-Type":        {"application/json"},
		"User-Agent":          {"Octopus \uFFFD[redacted]"},
		"X-Request-Id":        {strings.Repeat("7", 1024) + "…"},
		"X-Github-Event":      {"push", "ping"},
		"Webhook-Id":          {"build-118"},
		"X-Acme":              {"[redacted]"},
		"Authorization":       {"[redacted]"},
		"Cookie":              {"[redacted]"},
		"X-Hub-Signature-256": {"[redacted]"},
		"Webhook-Signature":   {"[redacted]"},
		"X-Gitlab-Token":      {"[redacted]"},
		"X-Api-Key":           {"[redacted]"},
	}
	got := receiver.StoredHeaders(sent)
	for name := range got {
		if fmt.Sprint(got[name]) != fmt.Sprint(want[name]) {
			t.Errorf("%s is %q, want %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d headers, want %d: %v", len(got), len(want), got)
	}
}
