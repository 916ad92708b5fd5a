package webhook

import "strings"

// octopus reads the webhooks of an Octopus Server's subscription. They are not
// signed: a header that the subscription names holds the secret.
// Octopus docs: https://octopus.com/docs/administration/managing-infrastructure/subscriptions
type octopus struct {
	secrets   []string
	headerKey string
}

func newOctopus(source Source) (octopus, error) {
	if err := CheckHeaderKey(source.HeaderKey); err != nil {
		return octopus{}, err
	}
	return octopus{secrets: source.secrets(), headerKey: source.HeaderKey}, nil
}

func (o octopus) habits() habits { return habits{proof: o.headerKey} }

func (o octopus) verify(r Request) error {
	sent := r.Header.Get(o.headerKey)
	if sent == "" {
		return unauthorized("the header %s is missing; set it as the subscription's header key", o.headerKey)
	}
	matches := func(secret string) bool { return equal(sent, secret) }
	if !anyMatches(o.secrets, matches) {
		return unauthorized("the header %s does not hold the secret; set the source's secret as the subscription's header value",
			o.headerKey)
	}
	return nil
}

// payload does not look at the content type: Octopus's documentation promises
// none, and a refused event is not sent again.
func (octopus) payload(r Request) ([]byte, error) { return r.Body, nil }

// hidden names the secret's place in the subscription, which is a part of the
// payload. Its value may be null, a string or an object.
func (octopus) hidden() string { return "WebhookHeaderValue" }

func (octopus) read(_ Request, doc *document) (Delivery, error) {
	const wanted = "SubscriptionPayload"
	if kind := doc.text("/EventType"); kind != wanted {
		doc.unexpected("/EventType", "\""+wanted+"\"")
		return Delivery{}, doc.err
	}
	event := doc.targetEvent()
	if doc.err != nil {
		return Delivery{}, doc.err
	}
	return Delivery{ID: event.EventID, Event: event.Category, Target: event}, nil
}

func (d *document) targetEvent() *TargetEvent {
	event := &TargetEvent{
		EventID:        d.octopusID("/Payload/Event/Id", MissingID),
		Category:       d.octopusID("/Payload/Event/Category", Malformed),
		Occurred:       d.time("/Payload/Event/Occurred"),
		SpaceID:        d.optionalText("/Payload/Event/SpaceId"),
		Message:        d.optionalText("/Payload/Event/Message"),
		SubscriptionID: d.optionalText("/Payload/Subscription/Id"),
		ServerURI:      d.optionalText("/Payload/ServerUri"),
		BatchID:        d.optionalText("/Payload/BatchId"),
		// Octopus docs show strings, observed are numbers.
		BatchNumber: d.count("/Payload/EventNumberInBatch"),
		BatchSize:   d.count("/Payload/TotalEventsInBatch"),
	}
	event.relate(d.optionalTexts("/Payload/Event/RelatedDocumentIds"))
	return event
}

// octopusID returns a text that names the event or its category.
func (d *document) octopusID(pointer string, absence Reason) string {
	if value, at := d.find(pointer); at == pointer && absent(value) {
		d.fail(newError(absence, pointer, "expected a string, found %s", found(value)))
	}
	text := d.text(pointer)
	if err := checkID(text, pointer, "a name"); err != nil {
		d.fail(err)
	}
	return text
}

// relate sorts the ids of documents by their prefixes. Their order among each
// other means nothing; kinds that regrow does not use are left out.
func (e *TargetEvent) relate(ids []string) {
	kinds := map[string]*[]string{
		"Machines": &e.Machines, "Deployments": &e.Deployments, "Projects": &e.Projects,
		"Environments": &e.Environments, "Releases": &e.Releases, "ServerTasks": &e.Tasks, "Tenants": &e.Tenants,
	}
	for _, id := range ids {
		prefix, _, _ := strings.Cut(id, "-")
		if kind, ok := kinds[prefix]; ok {
			*kind = append(*kind, id)
		}
	}
}
