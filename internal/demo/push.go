package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/template"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/webhook"
)

//go:embed push.json.tmpl
var pushText string

var pushTemplate = template.Must(template.New("push").Parse(pushText))

// push posts a signed webhook, as GitHub does after a push, and returns the run
// that it started.
func (d *demo) push(ctx context.Context) (client.RunRef, error) {
	sha := newSHA()
	var body bytes.Buffer
	if err := pushTemplate.Execute(&body, map[string]string{"SHA": sha}); err != nil {
		return client.RunRef{}, fmt.Errorf("writing the webhook: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.app.URL()+"/webhooks/github", bytes.NewReader(body.Bytes()))
	if err != nil {
		return client.RunRef{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-GitHub-Delivery", uuid.NewString())
	request.Header.Set("X-Hub-Signature-256", webhook.SignGitHub(d.secrets.github, body.Bytes()))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return client.RunRef{}, fmt.Errorf("posting the webhook: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return client.RunRef{}, fmt.Errorf("reading the answer to the webhook: %w", err)
	}
	d.say("  POST /webhooks/github (push, commit %s, signed)  →  %s\n", sha[:8], answer.Status)
	var receipt client.Receipt
	if err := json.Unmarshal(text, &receipt); err != nil || len(receipt.Runs) != 1 {
		return client.RunRef{}, fmt.Errorf("the webhook was answered %s and started no run: %s", answer.Status, text)
	}
	return receipt.Runs[0], nil
}

func newSHA() string {
	sha := make([]byte, 20)
	_, _ = rand.Read(sha) // never fails
	return hex.EncodeToString(sha)
}
