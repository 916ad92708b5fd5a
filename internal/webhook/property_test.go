package webhook_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"regrow/internal/pipeline"
	"regrow/internal/webhook"
)

// anyText draws text that a sender can send and a database can store.
func anyText() *rapid.Generator[string] {
	return rapid.Map(rapid.String(), func(s string) string {
		return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	})
}

// anyCommit draws a commit on a branch, as a sender can know it.
func anyCommit() *rapid.Generator[pipeline.Commit] {
	return rapid.Custom(func(t *rapid.T) pipeline.Commit {
		return pipeline.Commit{
			Repository: rapid.StringMatching(`[a-z]{1,9}/[a-zA-Z0-9._-]{1,9}`).Draw(t, "repository"),
			Ref:        "refs/heads/" + rapid.StringMatching(`[a-z0-9éß]{1,6}(/[A-Za-z0-9._-]{1,6})?`).Draw(t, "branch"),
			SHA:        rapid.StringMatching(`[1-9a-f][0-9a-f]{39}([0-9a-f]{24})?`).Draw(t, "sha"),
			Message:    anyText().Draw(t, "message"),
			Author:     anyText().Draw(t, "author"),
			URL:        rapid.StringMatching(`(https?://[a-z]{1,9}\.example/[a-z0-9/]{0,9})?`).Draw(t, "url"),
		}
	})
}

func TestRenderedGitHubPushGivesItsCommit(t *testing.T) {
	t.Parallel()
	receiver := gitHubReceiver(t)
	rapid.Check(t, func(t *rapid.T) {
		want := anyCommit().Draw(t, "commit")
		body := mustMarshal(t, map[string]any{
			"ref": want.Ref, "after": want.SHA, "deleted": false,
			"repository":  map[string]any{"full_name": want.Repository},
			"head_commit": map[string]any{"message": want.Message, "url": want.URL, "author": map[string]any{"name": want.Author}},
		})
		checkCommit(t, mustReceive(t, receiver, gitHubRequest("push", body)), want, body)
	})
}

func TestRenderedGenericCommitGivesItself(t *testing.T) {
	t.Parallel()
	receiver := genericReceiver(t)
	rapid.Check(t, func(t *rapid.T) {
		want := anyCommit().Draw(t, "commit")
		want.Version = rapid.StringMatching(`([0-9]\.[0-9]{1,3}(-[a-z]{1,5})?)?`).Draw(t, "version")
		member, name := "ref", want.Ref
		if rapid.Bool().Draw(t, "short") {
			member, name = "branch", want.Branch()
		}
		body := mustMarshal(t, map[string]any{
			"repository": want.Repository, member: name, "commit": want.SHA, "message": want.Message,
			"author": want.Author, "version": want.Version, "url": want.URL,
		})
		checkCommit(t, mustReceive(t, receiver, genericRequest(t, body)), want, body)
	})
}

func checkCommit(t *rapid.T, got webhook.Delivery, want pipeline.Commit, body []byte) {
	t.Helper()
	if !reflect.DeepEqual(got.Commits, []pipeline.Commit{want}) || got.Ignored != "" {
		t.Fatalf("got %+v, want the commit %+v", got, want)
	}
	checkSameJSON(t, got.Body, body)
}

// checkSameJSON fails unless both texts hold the same document.
func checkSameJSON(t tb, got, want []byte) {
	t.Helper()
	var gotValue, wantValue any
	if err := errors.Join(json.Unmarshal(got, &gotValue), json.Unmarshal(want, &wantValue)); err != nil {
		t.Fatalf("comparing the stored body: %v", err)
	}
	if !reflect.DeepEqual(gotValue, wantValue) {
		t.Fatalf("stored %s\nwant   %s", got, want)
	}
}

func TestAnyChangeOfSignedBytesIsRefused(t *testing.T) {
	t.Parallel()
	push, build := sample(t, "github_push.json"), sample(t, "generic.json")
	gitHub, generic := gitHubReceiver(t), genericReceiver(t)
	rapid.Check(t, func(t *rapid.T) {
		receiver, request, signature := gitHub, gitHubRequest("push", bytes.Clone(push)), "X-Hub-Signature-256"
		if rapid.Bool().Draw(t, "generic") {
			receiver, request, signature = generic, genericRequest(t, bytes.Clone(build)), "Webhook-Signature"
		}
		if rapid.Bool().Draw(t, "signature") {
			flipped := []byte(request.Header.Get(signature))
			flipBit(t, flipped)
			request.Header.Set(signature, string(flipped))
		} else {
			flipBit(t, request.Body)
		}
		mustRefuse(t, receiver, request, refusal{reason: webhook.Unauthorized})
	})
}

func TestAnyChangeOfTheOctopusSecretIsRefused(t *testing.T) {
	t.Parallel()
	receiver, body := octopusReceiver(t), sample(t, "octopus_machine.json")
	rapid.Check(t, func(t *rapid.T) {
		request := octopusRequest(body)
		flipped := []byte(octopusSecret)
		flipBit(t, flipped)
		request.Header.Set(webhook.DefaultHeaderKey, string(flipped))
		mustRefuse(t, receiver, request, refusal{reason: webhook.Unauthorized})
	})
}

func flipBit(t *rapid.T, text []byte) {
	i := rapid.IntRange(0, len(text)-1).Draw(t, "byte")
	text[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
}

// Wherever in a document a secret stands and however it is escaped, what is
// stored is the same document with the secret replaced.
func TestSecretsAreReplacedInAnyDocument(t *testing.T) {
	t.Parallel()
	receiver := gitHubReceiver(t)
	rapid.Check(t, func(t *rapid.T) {
		var sent, want bytes.Buffer
		for i, part := range rapid.SliceOfN(anyText(), 1, 5).Draw(t, "parts") {
			separator := byte(',')
			if i == 0 {
				separator = '['
			}
			quoted := mustMarshal(t, part)
			escaped := escape(t, gitHubSecret)
			for out, secret := range map[*bytes.Buffer]string{&sent: escaped, &want: "[redacted]"} {
				out.WriteByte(separator)
				out.Write(quoted[:len(quoted)-1])
				out.WriteString(secret + `"`)
			}
		}
		body := []byte(`{"a":` + sent.String() + `]}`)
		got := mustReceive(t, receiver, gitHubRequest("issues", body))
		checkSameJSON(t, got.Body, []byte(`{"a":`+want.String()+`]}`))
	})
}

// escape writes some of the characters of a JSON string as \u escapes.
func escape(t *rapid.T, text string) string {
	const hex = "0123456789abcdef"
	var out strings.Builder
	for _, c := range []byte(text) {
		if rapid.Bool().Draw(t, "escaped") {
			out.WriteString(`\u00` + hex[c>>4:c>>4+1] + hex[c&15:c&15+1])
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}
