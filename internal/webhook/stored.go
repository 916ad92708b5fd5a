package webhook

import "net/http"

// Reread reads a delivery of which the body and the headers were stored, as
// Receive's Delivery.Body and as StoredHeaders: its sender proved who it is when
// it came, and what proved it is not kept. Every error is an *Error.
func (r *Receiver) Reread(header http.Header, body []byte) (Delivery, error) {
	stored := header.Clone()
	if stored == nil {
		stored = http.Header{}
	}
	stored.Set("Content-Type", mediaJSON) // a form is stored as what was in it
	return r.read(Request{Header: stored, Body: body})
}
