package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// batch is a subscription's events of one tick, posted one by one. The requests are made in
// advance, as bytes, so that posting needs no lock.
type batch struct {
	id         string
	subscriber string // id of the subscription
	exclusive  bool   // holds back the subscription's next batch until it is through
	url        string
	header     [2]string // name and value
	timeout    time.Duration
	posts      []post
	next       int
	attempt    int
}

type post struct {
	eventID, category string
	body              []byte
}

// startBatch applies the delivery faults to the events and begins to post.
func (s *Server) startBatch(d document, events []document) {
	b := s.newBatch(d, true)
	total := len(events)
	reverse := false
	for i, e := range events {
		p := s.makePost(d, b.id, e, i+1, total)
		action, delay := s.faults.delivery(e.text("Category"))
		switch action {
		case LoseDelivery:
			s.recordDelivery(WebhookLost, b, p, "by a fault")
		case DoubleDelivery:
			b.posts = append(b.posts, p, p)
		case DelayDelivery:
			late := s.newBatch(d, false)
			late.id, late.posts = b.id, []post{p}
			s.after(delay, func() { s.postNext(late) })
		default:
			reverse = reverse || action == ReverseDeliveries
			b.posts = append(b.posts, p)
		}
	}
	if reverse {
		slices.Reverse(b.posts)
	}
	s.posting[d.id()] = true
	s.postNext(b)
}

func (s *Server) newBatch(d document, exclusive bool) *batch {
	notification := d.object(subscriptionKey)
	return &batch{id: s.guid(), subscriber: d.id(), exclusive: exclusive, url: notification.text("WebhookURI"),
		header:  [2]string{notification.text("WebhookHeaderKey"), s.secrets[d.id()]},
		timeout: orDefault(s.switches.WebhookTimeout, spanOrDefault(notification.text("WebhookTimeout"), 10*time.Second))}
}

// makePost renders the envelope of one delivery.
func (s *Server) makePost(d document, batchID string, e document, number, total int) post {
	c := s.internalCall(causedBy(ActorScheduler))
	audit := s.publicURL + s.options.BasePath + "/app#/" + d.text("SpaceId") + "/configuration/audit?eventCategories=" + url.QueryEscape(e.text("Category"))
	envelope := document{"Timestamp": s.stamp(), "EventType": "SubscriptionPayload", "Payload": document{
		"ServerUri": s.publicURL + s.options.BasePath, "ServerAuditUri": audit, "BatchProcessingDate": s.stamp(), "BatchId": batchID,
		"TotalEventsInBatch": total, "EventNumberInBatch": number,
		"Subscription": s.show(s.kinds["subscriptions"], d, c), "Event": s.show(s.kinds["events"], e, c)}}
	body, err := json.Marshal(envelope)
	if err != nil {
		panic("simulator: an event that is not JSON: " + err.Error())
	}
	return post{eventID: e.id(), category: e.text("Category"), body: body}
}

// postNext hands the batch's next delivery to the outbox, or ends the batch. State locked.
func (s *Server) postNext(b *batch) {
	if b.next >= len(b.posts) {
		s.endBatch(b)
		return
	}
	b.attempt++
	s.outbox = append(s.outbox, func() {
		failure, answered := s.send(b)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.posted(b, failure, answered)
	})
}

func (s *Server) endBatch(b *batch) {
	if b.exclusive {
		delete(s.posting, b.subscriber)
	}
}

// posted decides how the batch goes on after an attempt. State locked.
func (s *Server) posted(b *batch, failure string, answered bool) {
	current := b.posts[b.next]
	if failure == "" {
		s.recordDelivery(WebhookDelivered, b, current, "")
		b.next, b.attempt = b.next+1, 0
		s.postNext(b)
		return
	}
	s.recordDelivery(WebhookFailed, b, current, failure)
	if b.attempt < s.switches.WebhookAttempts && (!answered || !s.switches.WebhookRetryTimeoutsOnly) {
		s.after(s.switches.WebhookBackoff, func() { s.postNext(b) })
		return
	}
	if s.switches.WebhookContinueAfterFailure {
		b.next, b.attempt = b.next+1, 0
		s.postNext(b)
		return
	}
	for _, lost := range b.posts[b.next+1:] {
		s.recordDelivery(WebhookLost, b, lost, "the batch was aborted")
	}
	s.endBatch(b)
}

func (s *Server) recordDelivery(effect Effect, b *batch, p post, detail string) {
	s.record(causedBy(ActorScheduler), Entry{Effect: effect, ID: p.eventID, Name: p.category, Detail: detail})
	s.log.Debug().Str("subscription", b.subscriber).Str("event", p.eventID).Str("result", string(effect)).Str("detail", detail).Msg("delivery")
}

// send makes one POST. It must run without the lock. Redirects are not followed: the header with
// the secret is meant for the configured receiver alone.
func (s *Server) send(b *batch) (failure string, answered bool) {
	ctx, cancel := context.WithTimeout(s.ctx, b.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, bytes.NewReader(b.posts[b.next].body))
	if err != nil {
		return "making the request: " + err.Error(), false
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "OctopusDeploy/"+Version)
	if b.header[0] != "" {
		request.Header.Set(b.header[0], b.header[1])
	}
	client := *s.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		return err.Error(), false
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)) // so that the connection can be used again
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Sprintf("the receiver answered %d", response.StatusCode), true
	}
	return "", true
}
