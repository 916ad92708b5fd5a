package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"regrow/internal/config"
	"regrow/internal/octopus"
)

const (
	// lately is how long ago Octopus has processed a subscription at most when it
	// does so at all. Octopus looks about every 30 seconds.
	lately = time.Hour
	// underWay is how long an event may take to arrive.
	underWay = 5 * time.Minute
	// sameTime is how far two machines' notes of one moment may be apart.
	sameTime = 30 * time.Second
)

// subscription is what matters of a subscription.
type subscription struct {
	ID                            string `json:"Id"`
	Name                          string
	IsDisabled                    bool
	EventNotificationSubscription struct {
		Filter struct {
			EventGroups, EventCategories []string
		}
		WebhookURI           string
		WebhookLastProcessed time.Time
	}
}

// address is where a source takes deliveries; without a public URL only its path
// is known.
func (s *source) address() string { return s.config.PublicURL + "/webhooks/" + s.Name }

// subscription finds the enabled one that posts to the source.
func (s *source) subscription(ctx context.Context, client steadfast) (subscription, error) {
	documents, err := client.Documents(ctx, octopus.Subscriptions)
	if err != nil {
		return subscription{}, err
	}
	for _, d := range documents {
		found, err := decode[subscription](d)
		if err != nil {
			return subscription{}, err
		}
		if !found.IsDisabled && strings.HasSuffix(strings.TrimSuffix(found.EventNotificationSubscription.WebhookURI, "/"), s.address()) {
			return found, nil
		}
	}
	return subscription{}, &gap{check: idSubscription}
}

// delivers looks whether what Octopus has to say arrives.
func (s *source) delivers(ctx context.Context) (finding, error) {
	if s.Kind != config.Octopus {
		return none("Only Octopus tells when it has sent something."), nil
	}
	client, err := s.servers[s.Server].ready.need(ctx)
	if err != nil {
		return finding{}, err
	}
	found, err := s.subscription(ctx, client)
	if err != nil {
		return finding{}, err
	}
	now, err := client.ServerTime(ctx)
	if err != nil {
		return finding{}, err
	}
	processed := found.EventNotificationSubscription.WebhookLastProcessed
	if processed.IsZero() {
		return noted("Octopus has not processed the subscription %q yet.", found.Name).
			with("if it stays so for minutes, look at Configuration, Audit, Subscriptions in Octopus"), nil
	}
	sent, err := lastSent(ctx, client, found, now)
	unseen := octopus.Missing(err) != ""
	switch {
	case err != nil && !unseen:
		return finding{}, err
	case now.Sub(processed) > lately && (unseen || sent.After(processed)):
		return warned("Octopus has not processed the subscription %q for %s.", found.Name, brief(now.Sub(processed))).
			with("look at it in Octopus under Configuration, Audit, Subscriptions, and at the server's task queue"), nil
	case unseen:
		return fine("Octopus processes the subscription %q; whether deliveries arrive could be seen with the permission EventView.", found.Name), nil
	}
	return s.arrived(ctx, found.Name, sent, now)
}

// arrived compares the last event that Octopus has sent with the last delivery
// that came.
func (s *source) arrived(ctx context.Context, name string, sent, now time.Time) (finding, error) {
	database, err := s.database.usable.need(ctx)
	if errors.Is(err, errNoDatabase) || isGap(err) {
		return fine("Octopus processes the subscription %q; whether deliveries arrive is not known without the database.", name), nil
	}
	if err != nil {
		return finding{}, err
	}
	last, ever, err := database.LastDelivery(ctx, s.Name)
	switch {
	case err != nil:
		return finding{}, err
	case sent.IsZero() && !ever:
		return fine("Octopus processes the subscription %q; nothing has happened yet that it would tell.", name), nil
	case ever && !last.Before(sent.Add(-sameTime)):
		return fine("Octopus' deliveries arrive, the last one %s ago.", brief(max(0, now.Sub(last)))), nil
	}
	came := "nothing has ever arrived"
	if ever {
		came = "the last delivery came " + brief(now.Sub(last)) + " ago"
	}
	return warned("Octopus has told of an event %s ago, but %s.", brief(now.Sub(sent)), came).
		with("look whether Octopus can reach %s, and write the secret anew: regrow setup --pipeline %s --write-secret", s.address(), s.oneOn(s.Server)), nil
}

// lastSent returns when the last event happened that the subscription has told
// since it was changed; events that may still be under way do not count.
func lastSent(ctx context.Context, client steadfast, sub subscription, now time.Time) (time.Time, error) {
	changed, err := client.LastEvent(ctx, octopus.EventQuery{Regarding: sub.ID})
	if err != nil {
		return time.Time{}, err
	}
	filter := sub.EventNotificationSubscription.Filter
	until := now.Add(-underWay)
	var last time.Time
	for _, q := range []octopus.EventQuery{{Groups: filter.EventGroups, Until: until}, {Categories: filter.EventCategories, Until: until}} {
		if len(q.Groups)+len(q.Categories) == 0 {
			continue
		}
		at, err := client.LastEvent(ctx, q)
		if err != nil {
			return time.Time{}, err
		}
		last = slices.MaxFunc([]time.Time{last, at}, time.Time.Compare)
	}
	if !last.After(changed) {
		return time.Time{}, nil
	}
	return last, nil
}
