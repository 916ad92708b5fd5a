//go:build unix

package trial

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // commits have such ids
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/google/uuid"

	"regrow/internal/client"
	"regrow/internal/webhook"
)

// Delivery is a webhook that a sender posts until it is acknowledged.
type Delivery struct {
	// ID is the sender's.
	ID   string
	Lane Lane
	SHA  string
	// Posts counts how often it was sent.
	Posts int
	// Receipt is the answer of 2xx; nil when none came.
	Receipt *client.Receipt
}

// sending makes a connection for each request, as most senders do.
var sending = &http.Client{
	Timeout:   10 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// pause is how long a sender waits before it comes again. Real ones wait longer.
const pause = 50 * time.Millisecond

// Push posts a commit of the lane until it is acknowledged, or ctx ends: then the
// receipt is missing, and nobody knows whether it was taken in. An answer with
// which senders do not come again is an error.
func (w *World) Push(ctx context.Context, lane Lane) (*Delivery, error) {
	id := uuid.NewString()
	d := &Delivery{ID: id, Lane: lane, SHA: fmt.Sprintf("%x", sha1.Sum([]byte(id)))} //nolint:gosec // as above
	w.mu.Lock()
	w.sent = append(w.sent, d)
	w.mu.Unlock()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		receipt, err := w.post(ctx, d)
		w.mu.Lock()
		d.Posts++
		d.Receipt = receipt
		w.mu.Unlock()
		if !errors.Is(err, errAgain) {
			return d, err
		}
		select {
		case <-ctx.Done():
			return d, nil
		case <-ticker.C:
		}
	}
}

// errAgain says that nobody knows yet whether a delivery was taken in.
var errAgain = errors.New("send it again")

// post sends a delivery once.
func (w *World) post(ctx context.Context, d *Delivery) (*client.Receipt, error) {
	body := fmt.Appendf(nil, `{"ref":"refs/heads/main","after":%q,"deleted":false,
		"repository":{"full_name":"acme/%s"},
		"head_commit":{"id":%[1]q,"message":"A change","author":{"name":"Ada","email":"ada@example.com"}}}`, d.SHA, d.Lane.Name)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.balancer.URL+"/webhooks/github", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-GitHub-Delivery", d.ID)
	request.Header.Set("X-Hub-Signature-256", webhook.SignGitHub(githubSecret, body))
	answer, err := sending.Do(request)
	if err != nil {
		return nil, errAgain
	}
	defer answer.Body.Close()
	w.note(answer.StatusCode)
	text, err := io.ReadAll(answer.Body)
	switch {
	case answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "":
		return nil, fmt.Errorf("a webhook was answered %s, and not when to come again: %s", answer.Status, text)
	case err != nil || comesAgain(answer.StatusCode):
		return nil, errAgain // half an answer, or "later"
	case answer.StatusCode/100 != 2:
		return nil, fmt.Errorf("a webhook was answered %s: %s", answer.Status, text)
	}
	var receipt client.Receipt
	if err := json.Unmarshal(text, &receipt); err != nil {
		return nil, fmt.Errorf("a webhook was answered %s: %s: %w", answer.Status, text, err)
	}
	return &receipt, nil
}

func comesAgain(status int) bool {
	return slices.Contains([]int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests}, status)
}

func (w *World) note(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answers == nil {
		w.answers = map[int]int{}
	}
	w.answers[status]++
}

// Answers counts what senders were answered, by status.
func (w *World) Answers() map[int]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.answers)
}

// refused tells whether a request cannot have arrived, because nobody listens.
func refused(err error) bool {
	dialling, ok := errors.AsType[*net.OpError](err)
	return ok && dialling.Op == "dial" && errors.Is(err, syscall.ECONNREFUSED)
}

// serving lists the addresses of the processes that serve, another one first each
// time.
func (w *World) serving() []string {
	var list []string
	for _, p := range w.Processes() {
		if address := p.URL(); address != "" && p.Alive() {
			list = append(list, address)
		}
	}
	if len(list) > 1 {
		turn := int(w.turn.Add(1)) % len(list)
		list = append(list[turn:], list[:turn]...)
	}
	return list
}

// Sent are all deliveries so far, copied.
func (w *World) Sent() []Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []Delivery
	for _, d := range w.sent {
		list = append(list, *d)
	}
	return list
}
