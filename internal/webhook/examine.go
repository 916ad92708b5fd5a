package webhook

import "net/http"

// Examination is what a request says, whoever sent it.
type Examination struct {
	// Untrusted is why nobody vouches for the request: an *Error whose Reason is
	// Unauthorized, or nil for a request that is verified.
	Untrusted error
	// Unsigned tells of an untrusted request that it does not even claim to come
	// from the sender: the header that would prove it is not there.
	Unsigned bool
	// Refused is why the request would be refused even if it were trusted, an
	// *Error as Receive returns it, or nil.
	Refused error
	// Delivery is what the request says, unless it is refused.
	Delivery Delivery
}

// Examine reads a request as Receive does, also when nobody vouches for it, so
// that it can be said what the request would do. Nothing may be done on the
// strength of it: that is for what Receive returns.
func (r *Receiver) Examine(request Request) Examination {
	if err := r.checkSize(request); err != nil {
		return Examination{Refused: err}
	}
	x := Examination{Untrusted: r.sender.verify(request)}
	x.Unsigned = x.Untrusted != nil && request.Header.Get(r.sender.habits().proof) == ""
	x.Delivery, x.Refused = r.read(request)
	return x
}

// habits are the headers that every request of a kind of sender has. A name is
// "" where the kind says it in the body, or not at all.
type habits struct {
	// proof holds what the request is verified by.
	proof string
	// id holds the delivery's id, event the sender's word for what happened.
	id, event string
	// usualEvent is the event that commits come with.
	usualEvent string
	// media is the content type.
	media string
}

// NamesEvent tells whether the source's kind says in a header what happened.
func (r *Receiver) NamesEvent() bool { return r.sender.habits().event != "" }

// Complete returns the header of a request together with what a payload that was
// saved in a file lacks: the event where one is given, and, unless the request
// claims to be the sender's own, what every request of that sender has, with an
// id and the event that commits come with. The names of what was assumed come
// along; the header itself is not changed.
func (r *Receiver) Complete(header http.Header, event, id string) (complete http.Header, assumed []string) {
	habits := r.sender.habits()
	complete = header.Clone()
	if complete == nil {
		complete = http.Header{}
	}
	assume := func(name, value string) {
		if name != "" && value != "" && complete.Get(name) == "" {
			complete.Set(name, value)
			assumed = append(assumed, name)
		}
	}
	assume(habits.event, event)
	assumed = nil // this one was given
	if complete.Get(habits.proof) == "" {
		assume("Content-Type", habits.media)
		assume(habits.event, habits.usualEvent)
		assume(habits.id, id)
	}
	return complete, assumed
}
