package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"regrow/internal/pipeline"
	"regrow/internal/webhook"
)

func TestGenericCommit(t *testing.T) {
	t.Parallel()
	body := sample(t, "generic.json")
	got := mustReceive(t, genericReceiver(t), genericRequest(t, body))
	want := webhook.Delivery{
		ID:    "build-118",
		Event: "commit",
		Commits: []pipeline.Commit{{
			Repository: "acme/shop",
			Ref:        "refs/heads/main",
			SHA:        "4f2d9a61c07be8835d1a94e26f30b7c85e9d1a02",
			Message:    "Charge in the buyer's currency",
			Author:     "Mira Lindqvist <mira@acme.example>",
			Version:    "2.6.0-build.118",
			URL:        "https://ci.acme.example/job/shop/118/",
		}},
		Body: body,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestGenericReferences(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ member, ref, ignored string }{
		"branch":              {`"branch":"main"`, "refs/heads/main", ""},
		"branch with slashes": {`"branch":"release/2.6"`, "refs/heads/release/2.6", ""},
		"branch in full":      {`"branch":"refs/heads/main"`, "refs/heads/main", ""},
		"ref":                 {`"ref":"refs/heads/main"`, "refs/heads/main", ""},
		"short ref":           {`"ref":"main"`, "refs/heads/main", ""},
		"tag":                 {`"ref":"refs/tags/v1"`, "", `tag "v1" was pushed`},
		"pull request":        {`"ref":"refs/pull/7/head"`, "", `reference "refs/pull/7/head" was pushed`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := []byte(`{"repository":"acme/shop","commit":"4F2D9A6",` + test.member + `}`)
			got := mustReceive(t, genericReceiver(t), genericRequest(t, body))
			if test.ignored != "" {
				if got.Commits != nil || !strings.Contains(got.Ignored, test.ignored) {
					t.Errorf("got %+v, want it ignored with %q", got, test.ignored)
				}
				return
			}
			want := []pipeline.Commit{{Repository: "acme/shop", Ref: test.ref, SHA: "4f2d9a6"}}
			if !reflect.DeepEqual(got.Commits, want) {
				t.Errorf("got %+v, want %+v", got.Commits, want)
			}
		})
	}
}

func TestGenericMalformed(t *testing.T) {
	t.Parallel()
	const (
		repo   = `"repository":"acme/shop"`
		branch = `"branch":"main"`
		commit = `"commit":"4f2d9a61"`
	)
	tests := map[string]struct {
		members []string
		want    refusal
	}{
		"nothing":                {nil, refusal{pointer: "/repository", text: "found nothing"}},
		"no repository":          {[]string{branch, commit}, refusal{pointer: "/repository", text: "found nothing"}},
		"no ref":                 {[]string{repo, commit}, refusal{pointer: "/ref", text: "found nothing"}},
		"no commit":              {[]string{repo, branch}, refusal{pointer: "/commit", text: "found nothing"}},
		"ref and branch":         {[]string{repo, branch, commit, `"ref":"main"`}, refusal{pointer: "/branch", text: "found both"}},
		"unknown member":         {[]string{repo, branch, commit, `"a/b~c":1`}, refusal{pointer: "/a~1b~0c", text: "unknown member; known are author, branch"}},
		"member in capitals":     {[]string{repo, branch, commit, `"Version":"1"`}, refusal{pointer: "/Version", text: "unknown member"}},
		"version is a number":    {[]string{repo, branch, commit, `"version":2.6`}, refusal{pointer: "/version", text: "expected a string, found the number 2.6"}},
		"author is null":         {[]string{repo, branch, commit, `"author":null`}, refusal{pointer: "/author", text: "expected a string, found null"}},
		"repository is empty":    {[]string{`"repository":""`, branch, commit}, refusal{pointer: "/repository", text: "not empty"}},
		"branch is empty":        {[]string{repo, `"branch":""`, commit}, refusal{pointer: "/branch", text: "not empty"}},
		"branch with a space":    {[]string{repo, `"branch":"main line"`, commit}, refusal{pointer: "/branch", text: `found the string "main line"`}},
		"branch without a name":  {[]string{repo, `"branch":"refs/heads/"`, commit}, refusal{pointer: "/branch", text: "such as"}},
		"commit is short":        {[]string{repo, branch, `"commit":"4f2d9a"`}, refusal{pointer: "/commit", text: "7 to 64"}},
		"commit is long":         {[]string{repo, branch, `"commit":"` + strings.Repeat("a", 65) + `"`}, refusal{pointer: "/commit", text: "7 to 64"}},
		"commit is not hex":      {[]string{repo, branch, `"commit":"v1.2.3-final"`}, refusal{pointer: "/commit", text: "hexadecimal"}},
		"version with spaces":    {[]string{repo, branch, commit, `"version":"2 6"`}, refusal{pointer: "/version", text: "Octopus"}},
		"address is no web page": {[]string{repo, branch, commit, `"url":"ci/118"`}, refusal{pointer: "/url", text: "http or https"}},
		"address runs a script":  {[]string{repo, branch, commit, `"url":"javascript:alert(1)"`}, refusal{pointer: "/url", text: "http or https"}},
		"script with a host":     {[]string{repo, branch, commit, `"url":"javascript://ci.example/%0aalert(1)"`}, refusal{pointer: "/url", text: "http or https"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.reason = webhook.Malformed
			body := []byte("{" + strings.Join(test.members, ",") + "}")
			mustRefuse(t, genericReceiver(t), genericRequest(t, body), test.want)
		})
	}
}

// Empty optional members are what an unset variable of a build server leaves.
func TestGenericEmptyOptionalMembers(t *testing.T) {
	t.Parallel()
	body := []byte(`{"repository":"acme/shop","branch":"main","commit":"4f2d9a61","author":"","message":"","version":"","url":""}`)
	got := mustReceive(t, genericReceiver(t), genericRequest(t, body))
	want := []pipeline.Commit{{Repository: "acme/shop", Ref: "refs/heads/main", SHA: "4f2d9a61"}}
	if !reflect.DeepEqual(got.Commits, want) {
		t.Errorf("got %+v, want %+v", got.Commits, want)
	}
}

func TestGenericHeaders(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header, value string
		want          refusal
	}{
		"no id":           {"Webhook-Id", "", refusal{reason: webhook.Unauthorized, text: "webhook-id is missing"}},
		"other id":        {"Webhook-Id", "build-119", refusal{reason: webhook.Unauthorized, text: "no \"v1,\" signature"}},
		"no timestamp":    {"Webhook-Timestamp", "", refusal{reason: webhook.Unauthorized, text: "webhook-timestamp is missing"}},
		"other timestamp": {"Webhook-Timestamp", strconv.FormatInt(received.Unix()+1, 10), refusal{reason: webhook.Unauthorized, text: "no \"v1,\" signature"}},
		"timestamp words": {"Webhook-Timestamp", "today", refusal{reason: webhook.Unauthorized, text: "no \"v1,\" signature"}},
		"no signature":    {"Webhook-Signature", "", refusal{reason: webhook.Unauthorized, text: "webhook-signature is missing"}},
		"ed25519 only":    {"Webhook-Signature", "v1a,AAAA", refusal{reason: webhook.Unauthorized, text: "no \"v1,\" signature"}},
		"form":            {"Content-Type", "application/x-www-form-urlencoded", refusal{reason: webhook.UnsupportedMedia, text: "expected the content type application/json,"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := genericRequest(t, sample(t, "generic.json"))
			request.Header.Set(test.header, test.value)
			mustRefuse(t, genericReceiver(t), request, test.want)
		})
	}
}

func TestGenericIDHasToBeStorable(t *testing.T) {
	t.Parallel()
	body := sample(t, "generic.json")
	request := genericRequest(t, body)
	signature, err := webhook.SignStandard(standardSecret, "build 118", received, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Webhook-Id", "build 118")
	request.Header.Set("Webhook-Signature", signature)
	mustRefuse(t, genericReceiver(t), request, refusal{reason: webhook.Malformed, text: "webhook-id"})
}

func TestGenericTolerance(t *testing.T) {
	t.Parallel()
	body := sample(t, "generic.json")
	tests := map[string]struct {
		tolerance, away time.Duration
		accepted        bool
	}{
		"default, now":         {0, 0, true},
		"default, just old":    {0, -5 * time.Minute, true},
		"default, too old":     {0, -5*time.Minute - time.Second, false},
		"default, just ahead":  {0, 5 * time.Minute, true},
		"default, too far":     {0, 5*time.Minute + time.Second, false},
		"own, within":          {time.Hour, -59 * time.Minute, true},
		"own, beyond":          {time.Minute, -2 * time.Minute, false},
		"before the Unix time": {0, -100 * 365 * 24 * time.Hour, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := newReceiver(t, webhook.Source{Kind: webhook.Generic, Secret: standardSecret, Tolerance: test.tolerance})
			request := genericRequestAt(t, body, received.Add(test.away))
			if test.accepted {
				mustReceive(t, receiver, request)
				return
			}
			mustRefuse(t, receiver, request, refusal{reason: webhook.Unauthorized, text: "away from the time of receipt"})
		})
	}
}

func TestGenericSeveralSignatures(t *testing.T) {
	t.Parallel()
	request := genericRequest(t, sample(t, "generic.json"))
	right := request.Header.Get("Webhook-Signature")
	request.Header.Set("Webhook-Signature", "v1a,b3RoZXI= v1,d3Jvbmc= v2 "+right)
	mustReceive(t, genericReceiver(t), request)
}

// The signature is what Standard Webhooks specifies, computed here without its
// library, and what its library takes with its own clock.
func TestSignStandardHasTwoWitnesses(t *testing.T) {
	t.Parallel()
	body, now := sample(t, "generic.json"), time.Now()
	got, err := webhook.SignStandard(standardSecret, "msg_7", now, body)
	if err != nil {
		t.Fatal(err)
	}

	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(standardSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "msg_7.%d.%s", now.Unix(), body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	library, err := standardwebhooks.NewWebhook(standardSecret)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	header.Set("Webhook-Id", "msg_7")
	header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	header.Set("Webhook-Signature", got)
	if err := library.Verify(body, header); err != nil {
		t.Errorf("the library refuses the signature: %v", err)
	}
}

func TestSignStandardRefusesBadSecrets(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64", strings.TrimPrefix(standardSecret, "whsec_")} {
		signature, err := webhook.SignStandard(secret, "id", received, nil)
		if err == nil || !strings.Contains(err.Error(), "openssl rand") {
			t.Errorf("%q: got %q and error %v, want an error that says how to make a secret", secret, signature, err)
		}
	}
}
