package webhook

import (
	"net/http"
	"time"

	"regrow/internal/pipeline"
)

// Request is a webhook as it arrived.
type Request struct {
	Header http.Header
	// Body holds the exact bytes that were received: signatures cover them.
	Body []byte
	// Received is when the request arrived; signed timestamps are compared to it.
	Received time.Time
}

// Delivery is what a verified request says. Exactly one of Commits, Target and
// Ignored is set.
type Delivery struct {
	// ID is the sender's own id of the delivery, the same when it is sent again.
	ID string
	// Event is the sender's word for what happened: "push", "ping",
	// "MachineHealthy", … A generic source has the one event "commit".
	Event string
	// Commits are those that may start runs.
	Commits []pipeline.Commit
	// Target is an event of an Octopus Server.
	Target *TargetEvent
	// Ignored says in one sentence why a valid delivery can start nothing.
	Ignored string
	// Body is the payload to store: JSON text, out of its form where it came in
	// one, byte for byte as sent but for the secrets, which are "[redacted]".
	Body []byte
}

// TargetEvent is an event that an Octopus subscription reports. Octopus may
// report it twice, late, out of order or never, so it is a hint to look and
// never a proof.
type TargetEvent struct {
	// EventID is the event's id in its server, for instance "Events-902".
	EventID string
	// Category is Octopus's name for what happened, for instance "MachineHealthy".
	Category string
	Occurred time.Time
	// SpaceID is empty for events of the whole server.
	SpaceID string
	Message string

	// The ids of the documents that the event is about, in the order of the
	// event, told apart by their prefixes.
	Machines, Deployments, Projects, Environments, Releases, Tasks, Tenants []string

	SubscriptionID string
	// ServerURI is empty when the server's public URL is not configured.
	ServerURI string
	// BatchID is shared by the events that one round of the subscription sends.
	BatchID string
	// BatchNumber counts the events of a batch from 1 to BatchSize.
	BatchNumber, BatchSize int
}

// Receiver verifies and reads the deliveries of one source. It is safe for
// concurrent use.
type Receiver struct {
	source Source
	sender sender
	scrub  scrubber
}

// sender is what the kinds of sources differ in.
type sender interface {
	// habits are the headers that all requests of the kind have.
	habits() habits
	// verify tells whether the request was made by someone who knows a secret.
	verify(Request) error
	// payload returns the JSON text in a request.
	payload(Request) ([]byte, error)
	// hidden names a member whose value is a secret wherever it stands, or "".
	hidden() string
	// read says what a payload means.
	read(Request, *document) (Delivery, error)
}

// New returns the receiver of a source, or an error that says what in the
// source cannot work.
func New(source Source) (*Receiver, error) {
	source, err := source.complete()
	if err != nil {
		return nil, err
	}
	sender, err := newSender(source)
	if err != nil {
		return nil, source.wrong("%w", err)
	}
	return &Receiver{source: source, sender: sender, scrub: newScrubber(source.secrets())}, nil
}

// Name returns the source's name.
func (r *Receiver) Name() string { return r.source.Name }

// Kind returns the source's kind.
func (r *Receiver) Kind() Kind { return r.source.Kind }

// MaxBody returns how many bytes a body may have.
func (r *Receiver) MaxBody() int64 { return r.source.MaxBody }

// Receive verifies the request over its raw bytes and only then reads it. Every
// error is an *Error; one whose Reason is neither Unauthorized nor TooLarge
// comes from a sender who knows the secret.
func (r *Receiver) Receive(request Request) (Delivery, error) {
	if err := r.checkSize(request); err != nil {
		return Delivery{}, err
	}
	if err := r.sender.verify(request); err != nil {
		return Delivery{}, err
	}
	return r.read(request)
}

func (r *Receiver) checkSize(request Request) error {
	if size := int64(len(request.Body)); size > r.source.MaxBody {
		return newError(TooLarge, "",
			"the body has %d bytes, the source takes %d; send less, or raise the source's limit", size, r.source.MaxBody)
	}
	return nil
}

// read says what a request means, whoever sent it.
func (r *Receiver) read(request Request) (Delivery, error) {
	payload, err := r.sender.payload(request)
	if err != nil {
		return Delivery{}, err
	}
	doc, err := readDocument(payload, r.scrub, r.sender.hidden())
	if err != nil {
		return Delivery{}, err
	}
	delivery, err := r.sender.read(request, doc)
	if err != nil {
		return Delivery{}, err
	}
	delivery.Body = doc.stored
	// What comes from headers has not gone through the document's scrubbing.
	if r.scrub.text(delivery.ID) != delivery.ID {
		return Delivery{}, newError(MissingID, "", "the delivery's id holds the source's secret; send an id of its own, and change the secret: others may have seen it")
	}
	delivery.Event, delivery.Ignored = r.scrub.text(delivery.Event), r.scrub.text(delivery.Ignored)
	return delivery, nil
}
