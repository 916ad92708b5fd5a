package webhook_test

import (
	"bytes"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"regrow/internal/pipeline"
	"regrow/internal/webhook"
)

func TestGitHubPush(t *testing.T) {
	t.Parallel()
	body := sample(t, "github_push.json")
	got := mustReceive(t, gitHubReceiver(t), gitHubRequest("push", body))
	want := webhook.Delivery{
		ID:    "5b0c7a30-fcf1-11ef-8f3e-2a4d7c9e6b10",
		Event: "push",
		Commits: []pipeline.Commit{{
			Repository: "acme/shop",
			Ref:        "refs/heads/main",
			SHA:        "4f2d9a61c07be8835d1a94e26f30b7c85e9d1a02",
			Message:    "Charge in the buyer's currency\n\nPrices in the basket came rounded from the wrong one.",
			Author:     "Mira Lindqvist <mira@acme.example>",
			URL:        "https://github.example/acme/shop/commit/4f2d9a61c07be8835d1a94e26f30b7c85e9d1a02",
		}},
		Body: body,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestGitHubForm(t *testing.T) {
	t.Parallel()
	payload := sample(t, "github_push.json")
	form := []byte(url.Values{"payload": {string(payload)}}.Encode())
	request := gitHubRequest("push", form) // signs the form, not the JSON in it
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got := mustReceive(t, gitHubReceiver(t), request)
	if len(got.Commits) != 1 || got.Commits[0].Repository != "acme/shop" {
		t.Errorf("commits are %+v, want the one of acme/shop", got.Commits)
	}
	if !bytes.Equal(got.Body, payload) {
		t.Errorf("the body to store is not the JSON in the form: %.80s", got.Body)
	}
}

func TestGitHubIgnored(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		event string
		body  []byte
		want  string
	}{
		"ping":           {"ping", sample(t, "github_ping.json"), "the hook works"},
		"other event":    {"issues", []byte(`{"action":"opened"}`), `the event "issues" starts no run`},
		"deleted branch": {"push", sample(t, "github_push_deleted.json"), `branch "feature/gift-cards" was deleted`},
		"zeros without the flag": {"push", edited(t, "github_push_deleted.json", `"deleted": true`, `"deleted": false`),
			`branch "feature/gift-cards" was deleted`},
		"64 zeros": {"push", []byte(`{"ref":"refs/heads/x","after":"` + strings.Repeat("0", 64) + `","repository":{"full_name":"a/b"}}`),
			`branch "x" was deleted`},
		"flag without zeros": {"push", edited(t, "github_push.json", `"deleted": false`, `"deleted": true`), `branch "main" was deleted`},
		"tag":                {"push", sample(t, "github_tag.json"), `tag "v2.6.0" was pushed`},
		"note": {"push", edited(t, "github_push.json", "refs/heads/main", "refs/notes/review"),
			`reference "refs/notes/review" was pushed`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := mustReceive(t, gitHubReceiver(t), gitHubRequest(test.event, test.body))
			if !strings.Contains(got.Ignored, test.want) || got.Commits != nil || got.Event != test.event || got.ID == "" {
				t.Errorf("got %+v, want it ignored with %q", got, test.want)
			}
		})
	}
}

func TestGitHubHeadCommitMayBeShort(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ head, author string }{
		"absent":    {``, ""},
		"null":      {`,"head_commit":null`, ""},
		"no author": {`,"head_commit":{"message":"m"}`, ""},
		"name only": {`,"head_commit":{"author":{"name":"Mira","email":null}}`, "Mira"},
		"mail only": {`,"head_commit":{"author":{"email":"mira@acme.example"}}`, "mira@acme.example"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"ref":"refs/heads/main","after":"` + strings.Repeat("ab", 32) + `","repository":{"full_name":"a/b"}` + test.head + `}`
			got := mustReceive(t, gitHubReceiver(t), gitHubRequest("push", []byte(body)))
			if len(got.Commits) != 1 || got.Commits[0].Author != test.author {
				t.Errorf("commits are %+v, want one by %q", got.Commits, test.author)
			}
		})
	}
}

func TestGitHubMalformedPush(t *testing.T) {
	t.Parallel()
	const (
		sha  = `"after":"4f2d9a61c07be8835d1a94e26f30b7c85e9d1a02"`
		ref  = `"ref":"refs/heads/main"`
		repo = `"repository":{"full_name":"acme/shop"}`
	)
	tests := map[string]struct {
		members []string
		want    refusal
	}{
		"no repository":         {[]string{sha, ref}, refusal{pointer: "/repository", text: "expected an object, found nothing"}},
		"repository is text":    {[]string{sha, ref, `"repository":"acme/shop"`}, refusal{pointer: "/repository", text: `expected an object, found the string "acme/shop"`}},
		"no full name":          {[]string{sha, ref, `"repository":{}`}, refusal{pointer: "/repository/full_name", text: "found nothing"}},
		"full name is a number": {[]string{sha, ref, `"repository":{"full_name":7}`}, refusal{pointer: "/repository/full_name", text: "found the number 7"}},
		"full name is empty":    {[]string{sha, ref, `"repository":{"full_name":""}`}, refusal{pointer: "/repository/full_name", text: "not empty"}},
		"no ref":                {[]string{sha, repo}, refusal{pointer: "/ref", text: "found nothing"}},
		"ref is null":           {[]string{sha, repo, `"ref":null`}, refusal{pointer: "/ref", text: "found null"}},
		"ref in capitals":       {[]string{sha, repo, `"REF":"refs/heads/main"`}, refusal{pointer: "/ref", text: "found nothing"}},
		"no commit":             {[]string{ref, repo}, refusal{pointer: "/after", text: "found nothing"}},
		"commit is no hash":     {[]string{ref, repo, `"after":"latest"`}, refusal{pointer: "/after", text: `hexadecimal digits, found the string "latest"`}},
		"deleted is text":       {[]string{sha, ref, repo, `"deleted":"no"`}, refusal{pointer: "/deleted", text: "true or false"}},
		"head commit is a list": {[]string{sha, ref, repo, `"head_commit":[]`}, refusal{pointer: "/head_commit", text: "expected an object, found an array"}},
		"message is a flag":     {[]string{sha, ref, repo, `"head_commit":{"message":true}`}, refusal{pointer: "/head_commit/message", text: "found true"}},
		"author is text":        {[]string{sha, ref, repo, `"head_commit":{"author":"Mira"}`}, refusal{pointer: "/head_commit/author", text: "expected an object"}},
		"link runs a script":    {[]string{sha, ref, repo, `"head_commit":{"url":"javascript:alert(1)"}`}, refusal{pointer: "/head_commit/url", text: "http or https"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.reason = webhook.Malformed
			body := []byte("{" + strings.Join(test.members, ",") + "}")
			mustRefuse(t, gitHubReceiver(t), gitHubRequest("push", body), test.want)
		})
	}
}

func TestGitHubHeaders(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header, value string
		want          refusal
	}{
		"no signature":      {"X-Hub-Signature-256", "", refusal{reason: webhook.Unauthorized, text: "X-Hub-Signature-256 is missing"}},
		"other signature":   {"X-Hub-Signature-256", webhook.SignGitHub("another secret", []byte("{}")), refusal{reason: webhook.Unauthorized, text: "does not match"}},
		"bare hex":          {"X-Hub-Signature-256", strings.TrimPrefix(webhook.SignGitHub(gitHubSecret, []byte("{}")), "sha256="), refusal{reason: webhook.Unauthorized, text: "does not match"}},
		"no event":          {"X-GitHub-Event", "", refusal{reason: webhook.Malformed, text: "X-GitHub-Event is missing"}},
		"event with spaces": {"X-GitHub-Event", "pu sh", refusal{reason: webhook.Malformed, text: "X-GitHub-Event"}},
		"no id":             {"X-GitHub-Delivery", "", refusal{reason: webhook.MissingID, text: "X-GitHub-Delivery is missing"}},
		"id not in ASCII":   {"X-GitHub-Delivery", "id-\xff", refusal{reason: webhook.Malformed, text: "printable ASCII"}},
		"id too long":       {"X-GitHub-Delivery", strings.Repeat("7", 201), refusal{reason: webhook.Malformed, text: "at most 200 bytes"}},
		"no content type":   {"Content-Type", "", refusal{reason: webhook.UnsupportedMedia, text: "expected the content type application/json or"}},
		"XML":               {"Content-Type", "application/xml", refusal{reason: webhook.UnsupportedMedia, text: "application/xml"}},
		"other charset":     {"Content-Type", "application/json; charset=utf-16", refusal{reason: webhook.UnsupportedMedia, text: "utf-16"}},
		"form without it":   {"Content-Type", "application/x-www-form-urlencoded", refusal{reason: webhook.Malformed, text: "found it 0 times"}},
		"Gitea":             {"X-Gitea-Event", "push", refusal{reason: webhook.WrongSender, text: "comes from Gitea"}},
		"Gogs":              {"X-Gogs-Event", "push", refusal{reason: webhook.WrongSender, text: "comes from Gogs"}},
		"Forgejo":           {"X-Forgejo-Event", "push", refusal{reason: webhook.WrongSender, text: "comes from Forgejo"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := gitHubRequest("push", []byte("{}"))
			request.Header.Set(test.header, test.value)
			mustRefuse(t, gitHubReceiver(t), request, test.want)
		})
	}
}

func TestGitHubContentTypeParameters(t *testing.T) {
	t.Parallel()
	for _, media := range []string{"application/json; charset=utf-8", "Application/JSON;charset=UTF-8", `application/json; charset="utf-8"`} {
		request := gitHubRequest("push", sample(t, "github_push.json"))
		request.Header.Set("Content-Type", media)
		if got := mustReceive(t, gitHubReceiver(t), request); len(got.Commits) != 1 {
			t.Errorf("%s: got %+v, want one commit", media, got)
		}
	}
}

// A Gitea hook in form mode signs something else than GitHub, so it fails at
// the signature; the answer still has to say why.
func TestGitHubUnauthorizedNamesLookalike(t *testing.T) {
	t.Parallel()
	request := gitHubRequest("push", []byte("{}"))
	request.Header.Set("X-Hub-Signature-256", "sha256=00")
	request.Header.Set("X-Gitea-Event", "push")
	mustRefuse(t, gitHubReceiver(t), request, refusal{reason: webhook.Unauthorized, text: "comes from Gitea"})
}

func TestGitHubBrokenForms(t *testing.T) {
	t.Parallel()
	for body, text := range map[string]string{
		"payload=%zz":           "cannot be decoded",
		"payload={}&payload={}": "found it 2 times",
		"payload=":              "found an empty body",
		"data={}":               "found it 0 times",
	} {
		request := gitHubRequest("push", []byte(body))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		mustRefuse(t, gitHubReceiver(t), request, refusal{reason: webhook.Malformed, text: text})
	}
}

// The example in GitHub's documentation of webhook signatures.
func TestSignGitHubMatchesItsDocumentation(t *testing.T) {
	t.Parallel()
	const want = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if got := webhook.SignGitHub("It's a Secret to Everybody", []byte("Hello, World!")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A sender that is set up wrongly may put the secret where an id or an event
// belongs; it must not get into the database that way.
func TestGitHubSecretInHeaders(t *testing.T) {
	t.Parallel()
	request := gitHubRequest(gitHubSecret, []byte("{}"))
	delivery, err := gitHubReceiver(t).Receive(request)
	if err != nil || strings.Contains(delivery.Event+delivery.Ignored, gitHubSecret) {
		t.Errorf("a secret for an event: %+v, %v", delivery, err)
	}
	request = gitHubRequest("ping", []byte("{}"))
	request.Header.Set("X-GitHub-Delivery", "id-"+gitHubSecret)
	mustRefuse(t, gitHubReceiver(t), request, refusal{reason: webhook.MissingID, text: "holds the source's secret"})
}
