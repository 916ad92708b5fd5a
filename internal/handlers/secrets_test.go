package handlers

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"regrow/internal/client"
)

var secrets = []string{githubSecret, octopusSecret, buildSecret, viewerToken, operatorToken}

// wantNoSecret fails the test when a text holds one of the secrets.
func wantNoSecret(t rapid.TB, where, text string) {
	t.Helper()
	for _, secret := range secrets {
		if before, after, found := strings.Cut(text, secret); found {
			t.Fatalf("%s holds a secret: …%s[%s]%s…", where, before[max(0, len(before)-200):], secret, after[:min(200, len(after))])
		}
	}
}

// Whatever headers a sender adds, and wherever it puts the secrets that it
// knows: none is stored, logged or answered.
func TestSecretsAreNeverStored(t *testing.T) {
	t.Parallel()
	s := serve(t)
	names := rapid.SampledFrom([]string{
		"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Gitlab-Token", "X-Secret", "X-Password",
		"User-Agent", "X-Request-Id", "X-Forwarded-For", "X-Hook", "Traceparent", "X-Anything",
	})
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.SampledFrom([]string{githubSecret, octopusSecret}).Draw(rt, "secret")
		id := uuid.NewString()
		var request *http.Request
		if secret == githubSecret {
			request = s.github(push{id: id, message: "with " + secret + " in it"})
		} else {
			request = s.octopus("Events-" + id)
		}
		for range rapid.IntRange(1, 4).Draw(rt, "headers") {
			name := names.Draw(rt, "name")
			value := rapid.SampledFrom([]string{"", "Bearer ", "prefix "}).Draw(rt, "prefix") + secret
			if request.Header.Get(name) == "" {
				request.Header.Set(name, value)
			}
		}
		got := s.send(request).want(t, http.StatusAccepted)
		wantNoSecret(rt, "the answer", string(got.body))
		shown := s.call(viewerToken, http.MethodGet, "/api/v1/deliveries/"+as[client.Receipt](t, got).Delivery.String(), "").want(t, http.StatusOK)
		wantNoSecret(rt, "the shown delivery", string(shown.body))
	})
	wantNoSecret(t, "the log", s.log.String())
	var rows string
	err := s.pool.QueryRow(t.Context(), `select string_agg(concat(headers, convert_from(body, 'UTF8'), reason, external_id), ' ') from deliveries`).Scan(&rows)
	if err != nil {
		t.Fatal(err)
	}
	wantNoSecret(t, "the table of deliveries", rows)
}

func TestSecretsInRefusedRequestsAreNotLogged(t *testing.T) {
	t.Parallel()
	s := serve(t)
	forged := s.octopus("Events-1")
	forged.URL.RawQuery = "token=" + octopusSecret
	forged.Header.Set("X-Hook", octopusSecret+"x")
	wantNoSecret(t, "the answer", string(s.send(forged).want(t, http.StatusUnauthorized).body))
	wantNoSecret(t, "the answer", string(s.call(viewerToken, http.MethodPost, "/api/v1/runs", "{}").want(t, http.StatusForbidden).body))
	wantNoSecret(t, "the answer", string(s.call(operatorToken+"x", http.MethodGet, "/api/v1/runs?token="+operatorToken, "").want(t, http.StatusUnauthorized).body))
	wantNoSecret(t, "the log", s.log.String())
	if !json.Valid([]byte(strings.SplitN(s.log.String(), "\n", 2)[0])) {
		t.Errorf("the log is not JSON: %s", s.log)
	}
}

func TestTokensKeepNoSecret(t *testing.T) {
	t.Parallel()
	token := NewToken("ann", Operator, operatorToken)
	text, err := json.Marshal(token)
	if err != nil {
		t.Fatal(err)
	}
	wantNoSecret(t, "a token as JSON", string(text))
}
