package simulator

import (
	"slices"
	"strings"
)

const subscriptionKey = "EventNotificationSubscription"

func subscriptionKind() *kind {
	return &kind{
		name: "subscriptions", prefix: "Subscriptions", itemType: "Subscription", template: "{?skip,take,ids,partialName,spaces}", uniqueName: true,
		complete: completeSubscription,
		filter:   func(c *call, d document) bool { return c.query.allows("spaces", d.text("SpaceId")) },
		present: func(c *call, d document) {
			if c.switches.EchoWebhookSecret {
				shown := d.object(subscriptionKey).clone()
				shown["WebhookHeaderValue"] = c.secrets[d.id()]
				d[subscriptionKey] = shown
			}
		},
	}
}

// completeSubscription takes the header's value out of the document, so that it is never shown
// again, and fills the rest. Clients send null for empty lists.
func completeSubscription(c *call, d, before document) {
	notification := d.object(subscriptionKey)
	filter := notification.object("Filter")
	for _, key := range []string{"Users", "Projects", "ProjectGroups", "Environments", "EventGroups", "EventCategories", "EventAgents", "Tenants", "Tags", "DocumentTypes"} {
		filter[key] = neverNil(filter.list(key))
	}
	for _, key := range []string{"EmailTeams", "WebhookTeams", "SlackChannelIds", "SlackChannelNames"} {
		notification[key] = neverNil(notification.list(key))
	}
	notification.fill(document{"EmailFrequencyPeriod": "01:00:00", "EmailPriority": "Normal", "EmailShowDatesInTimeZoneId": "UTC", "WebhookURI": nil,
		"WebhookTimeout": "00:00:10", "WebhookHeaderKey": nil, "SlackFrequencyPeriod": "01:00:00", "SlackDigestFormat": ""})
	for _, key := range []string{"EmailDigestLastProcessed", "EmailDigestLastProcessedEventAutoId"} {
		notification[key] = nil
	}
	secret, given := secretOf(notification["WebhookHeaderValue"])
	if given {
		c.secrets[d.id()] = secret
	}
	notification["Filter"], notification["WebhookHeaderValue"] = filter, nil
	if before != nil {
		old := before.object(subscriptionKey)
		notification["WebhookLastProcessed"], notification["WebhookLastProcessedEventAutoId"] = old["WebhookLastProcessed"], old["WebhookLastProcessedEventAutoId"]
	} else {
		notification["WebhookLastProcessed"], notification["WebhookLastProcessedEventAutoId"] = nil, c.lastAutoID
	}
	d[subscriptionKey] = notification
	d.fill(document{"Type": "Event", "IsDisabled": false})
}

// secretOf reads a sensitive value in either of the two notations. It is not given where there is
// null, or an object which says that there is a value without saying which.
func secretOf(value any) (secret string, given bool) {
	if text, is := value.(string); is {
		return text, true
	}
	object := asDocument(value)
	if has, says := object["HasValue"].(bool); says && !has {
		return "", true
	}
	secret, given = object["NewValue"].(string)
	return secret, given
}

// wants says whether a subscription's filter lets an event through: OR inside a list, AND across
// the lists, groups and categories together being one list.
func (s *Server) wants(filter, e document) bool {
	related := e.list("RelatedDocumentIds")
	for _, key := range []string{"Projects", "ProjectGroups", "Environments", "Tenants"} {
		if list := filter.list(key); len(list) > 0 && !overlap(list, related) {
			return false
		}
	}
	if list := filter.list("Users"); len(list) > 0 && !contains(list, e.text("UserId")) {
		return false
	}
	if list := filter.list("EventAgents"); len(list) > 0 && !contains(list, e.text("UserAgent")) {
		return false
	}
	if types := filter.list("DocumentTypes"); len(types) > 0 && !slices.ContainsFunc(related, func(id string) bool { return contains(types, documentType(id)) }) {
		return false
	}
	anything := len(filter.list("EventCategories"))+len(filter.list("EventGroups")) == 0
	return anything || matchesCategory(filter, e.text("Category"))
}

// subscriptionTick gathers a batch for each subscription with a webhook.
func (s *Server) subscriptionTick() {
	for _, d := range s.documents["subscriptions"].order {
		s.gather(d)
	}
	s.after(s.switches.SubscriptionTick, s.subscriptionTick)
}

// gather moves a subscription's position to the newest event and posts what it wants of the new
// ones. Events of an aborted batch are therefore never sent again.
func (s *Server) gather(d document) {
	notification := d.object(subscriptionKey)
	if d.flag("IsDisabled") || strings.TrimSpace(notification.text("WebhookURI")) == "" || s.posting[d.id()] {
		return
	}
	events := []document{}
	for _, e := range s.eventsAfter(notification.number("WebhookLastProcessedEventAutoId")) {
		if e.text("SpaceId") == d.text("SpaceId") && s.wants(notification.object("Filter"), e) {
			events = append(events, e)
		}
	}
	notification["WebhookLastProcessed"], notification["WebhookLastProcessedEventAutoId"] = s.stamp(), s.lastAutoID
	if len(events) > 0 {
		s.startBatch(d, events)
	}
}
