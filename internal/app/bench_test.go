package app_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"regrow/internal/app"
	"regrow/internal/webhook"
)

// BenchmarkIntake measures a webhook from its sending to its answer, over real
// HTTP and real Postgres: how much dearer a run is than a refusal.
func BenchmarkIntake(b *testing.B) {
	c := configure(b, "127.0.0.1:0", emptyDatabase(b))
	c.Sources[0].RequestsPerMinute = 0 // no limit
	regrow, err := app.New(b.Context(), options(c))
	if err != nil {
		b.Fatal(err)
	}
	if err := regrow.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := regrow.Stop(b.Context()); err != nil && b.Context().Err() == nil {
			b.Error(err)
		}
	})
	var deliveries atomic.Int64
	fresh := func() string { return fmt.Sprintf("delivery-%d", deliveries.Add(1)) }
	again := func() string { return "delivery-0" }
	for _, kind := range []struct {
		name, ref, secret string
		id                func() string
		want              int
	}{
		{"refused", "refs/heads/main", "another secret", fresh, http.StatusUnauthorized},
		{"ignored", "refs/heads/other", githubSecret, fresh, http.StatusOK},
		{"run", "refs/heads/main", githubSecret, fresh, http.StatusAccepted},
		{"duplicate", "refs/heads/other", githubSecret, again, http.StatusOK},
	} {
		b.Run(kind.name, func(b *testing.B) {
			body := fmt.Appendf(nil, `{"ref":%q,"after":"0123456789abcdef0123456789abcdef01234567","repository":{"full_name":"acme/hello-world"}}`, kind.ref)
			signature := webhook.SignGitHub(kind.secret, body)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if got := post(b, regrow.URL(), kind.id(), signature, body); got != kind.want {
						b.Errorf("answered %d, want %d", got, kind.want)
						return
					}
				}
			})
		})
	}
}

func post(b *testing.B, url, id, signature string, body []byte) int {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+"/webhooks/github", bytes.NewReader(body))
	if err != nil {
		b.Error(err)
		return 0
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-GitHub-Delivery", id)
	request.Header.Set("X-Hub-Signature-256", signature)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Error(err)
		return 0
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		b.Error(err)
	}
	return answer.StatusCode
}
