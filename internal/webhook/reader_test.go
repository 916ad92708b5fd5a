package webhook_test

import (
	"encoding/json"
	"strings"
	"testing"

	"regrow/internal/webhook"
)

// Every kind reads JSON in the same way; GitHub stands for all.
func TestPayloadHasToBeStrictJSON(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want refusal
	}{
		"empty":               {"", refusal{text: "found an empty body"}},
		"white space":         {" \r\n", refusal{text: "found an empty body"}},
		"null":                {"null", refusal{text: "expected a JSON object, found null"}},
		"array":               {"[]", refusal{text: "expected a JSON object, found an array"}},
		"text":                {`"push"`, refusal{text: "found the string"}},
		"not JSON":            {"<xml/>", refusal{text: "invalid character '<'"}},
		"cut off":             {`{"ref":"refs/he`, refusal{text: "unexpected end of JSON input"}},
		"something after":     {`{"ref":"x"} {}`, refusal{text: "after 13 bytes"}},
		"comma at the end":    {`{"ref":"x",}`, refusal{text: "invalid character '}'"}},
		"not UTF-8":           {"{\"ref\":\"\xff\"}", refusal{text: "not UTF-8"}},
		"member twice":        {`{"a":{"b/c":1,"b/c":2}}`, refusal{pointer: "/a/b~1c", text: "there twice"}},
		"member twice by \\u": {`{"ref":"x","\u0072ef":"y"}`, refusal{pointer: "/ref", text: "there twice"}},
		"zero character":      {`{"a":["x","\u0000"]}`, refusal{pointer: "/a/1", text: "U+0000"}},
		"zero in a name":      {`{"a":{"\u0000":1}}`, refusal{pointer: "/a", text: "U+0000"}},
		"long name":           {`{"` + strings.Repeat("é", 150) + `":{"a":1,"a":2}}`, refusal{pointer: "/" + strings.Repeat("é", 100) + "…/a", text: "there twice"}},
		"deep arrays":         {`{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, refusal{pointer: "/a" + strings.Repeat("/0", 63), text: "deeper than 64"}},
		"very deep arrays":    {strings.Repeat("[", 1<<20), refusal{text: "exceeded max depth"}},
		"deep objects":        {strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70), refusal{pointer: strings.Repeat("/a", 64), text: "deeper than 64"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.reason = webhook.Malformed
			mustRefuse(t, gitHubReceiver(t), gitHubRequest("issues", []byte(test.body)), test.want)
		})
	}
}

func TestStoredBodyHoldsNoSecret(t *testing.T) {
	t.Parallel()
	escaped := strings.ReplaceAll(gitHubSecret, "s", `\u0073`)
	tests := map[string]struct{ body, stored string }{
		"nothing to hide":  {" { \"a\" : [ 1.50 , true , null , \"\\u00e9/\\/\" ] }\n", " { \"a\" : [ 1.50 , true , null , \"\\u00e9/\\/\" ] }\n"},
		"a whole string":   {`{"a":"` + gitHubSecret + `"}`, `{"a":"[redacted]"}`},
		"part of a string": {`{"a": "x ` + gitHubSecret + ` y", "b":2}`, `{"a": "x [redacted] y", "b":2}`},
		"escaped":          {`{"a":["` + escaped + `" , 3]}`, `{"a":["[redacted]" , 3]}`},
		"in a name":        {`{"` + gitHubSecret + `":1}`, `{"[redacted]":1}`},
		"twice":            {`{"a":"` + gitHubSecret + gitHubSecret + `"}`, `{"a":"[redacted][redacted]"}`},
		"half a surrogate": {`{"a":"\ud83e"}`, "{\"a\":\"\uFFFD\"}"},
		"a whole one":      {`{"a":"\ud83d\ude00"}`, `{"a":"\ud83d\ude00"}`},
		"no subscription":  {`{"WebhookHeaderValue":"x"}`, `{"WebhookHeaderValue":"x"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := mustReceive(t, gitHubReceiver(t), gitHubRequest("issues", []byte(test.body)))
			if string(got.Body) != test.stored {
				t.Errorf("stored %s\nwant   %s", got.Body, test.stored)
			}
		})
	}
}

func TestCommitsHoldNoSecret(t *testing.T) {
	t.Parallel()
	body := edited(t, "generic.json", "Charge in the buyer's currency", "Oops: "+standardSecret)
	got := mustReceive(t, genericReceiver(t), genericRequest(t, body))
	if message := got.Commits[0].Message; message != "Oops: [redacted]" {
		t.Errorf("the message is %q", message)
	}
}

func TestSecretWithoutItsPrefixIsHidden(t *testing.T) {
	t.Parallel()
	bare := strings.TrimPrefix(standardSecret, "whsec_")
	body := edited(t, "generic.json", "Charge in the buyer's currency", "Oops: "+bare)
	got := mustReceive(t, genericReceiver(t), genericRequest(t, body))
	if strings.Contains(string(got.Body), bare) {
		t.Errorf("stored %s", got.Body)
	}
}

func TestSecretThatBeginsAnotherHidesBoth(t *testing.T) {
	t.Parallel()
	source := webhook.Source{Kind: webhook.GitHub, Secret: gitHubSecret, PreviousSecrets: []string{gitHubSecret + "-before"}}
	body := `{"a":"` + gitHubSecret + `-before ` + gitHubSecret + `"}`
	got := mustReceive(t, newReceiver(t, source), gitHubRequest("issues", []byte(body)))
	if want := `{"a":"[redacted] [redacted]"}`; string(got.Body) != want {
		t.Errorf("stored %s, want %s", got.Body, want)
	}
}

// What is left of such a secret without its prefix is a word that may stand
// anywhere.
func TestSecretOfAnotherKindWithThePrefix(t *testing.T) {
	t.Parallel()
	const secret, body = "whsec_push", `{"a":"push whsec_push"}`
	request := gitHubRequest("issues", []byte(body))
	request.Header.Set("X-Hub-Signature-256", webhook.SignGitHub(secret, request.Body))
	got := mustReceive(t, newReceiver(t, webhook.Source{Kind: webhook.GitHub, Secret: secret}), request)
	if want := `{"a":"push [redacted]"}`; string(got.Body) != want {
		t.Errorf("stored %s, want %s", got.Body, want)
	}
}

func TestSecretInDigitsIsHidden(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, webhook.Source{Kind: webhook.GitHub, Secret: "1234567890"})
	request := gitHubRequest("issues", []byte(`{"a": 1234567890, "b":[91234567890.5]}`))
	request.Header.Set("X-Hub-Signature-256", webhook.SignGitHub("1234567890", request.Body))
	got := mustReceive(t, receiver, request)
	if want := `{"a": "[redacted]", "b":["9[redacted].5"]}`; string(got.Body) != want || !json.Valid(got.Body) {
		t.Errorf("stored %s, want %s", got.Body, want)
	}
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	receiver := newReceiver(t, webhook.Source{Kind: webhook.GitHub, Secret: gitHubSecret, MaxBody: 12})
	mustReceive(t, receiver, gitHubRequest("issues", []byte(`{"a":"1234"}`)))
	mustRefuse(t, receiver, gitHubRequest("issues", []byte(`{"a":"12345"}`)),
		refusal{reason: webhook.TooLarge, text: "has 13 bytes, the source takes 12"})
}

// A long name must not be copied for each of the members under it: this takes
// milliseconds, or minutes.
func TestLongNameOverManyMembers(t *testing.T) {
	t.Parallel()
	body := `{"` + strings.Repeat("n", 1_000_000) + `":[` + strings.Repeat("0,", 500_000) + `0]}`
	got := mustReceive(t, gitHubReceiver(t), gitHubRequest("issues", []byte(body)))
	if string(got.Body) != body {
		t.Error("the body to store is not what was sent")
	}
}
