package webhook

import (
	"net/http"
	"slices"
	"strings"
)

// telling are the headers that help operators and give nothing away.
var telling = []string{
	"Content-Length", "Content-Type", "Date", "Traceparent", "User-Agent", "X-Request-Id",
	"X-Github-Delivery", "X-Github-Enterprise-Host", "X-Github-Enterprise-Version", "X-Github-Event",
	"X-Github-Hook-Id", "X-Github-Hook-Installation-Target-Id", "X-Github-Hook-Installation-Target-Type",
	"X-Forgejo-Event", "X-Gitea-Event", "X-Gogs-Event",
	"Webhook-Id", "Webhook-Timestamp",
}

// secretive are parts of the names of headers whose presence helps and whose
// value nobody may see.
var secretive = []string{"auth", "cookie", "key", "pass", "secret", "signature", "token"}

// StoredHeaders returns what may be kept of a request's headers: those that
// help operators as they are, those that hold signatures, tokens and cookies as
// "[redacted]", and no others.
func (r *Receiver) StoredHeaders(h http.Header) http.Header {
	stored := http.Header{}
	for name, values := range h {
		switch {
		case r.holdsSecret(name):
			stored.Set(name, redacted)
		case slices.Contains(telling, http.CanonicalHeaderKey(name)):
			for _, value := range values {
				stored.Add(name, r.storedValue(value))
			}
		}
	}
	return stored
}

func (r *Receiver) holdsSecret(name string) bool {
	if r.source.Kind == Octopus && strings.EqualFold(name, r.source.HeaderKey) {
		return true
	}
	lower := strings.ToLower(name)
	return slices.ContainsFunc(secretive, func(part string) bool { return strings.Contains(lower, part) })
}

// storedValue makes a header's value fit for a database column: net/http lets
// bytes through that are not UTF-8.
func (r *Receiver) storedValue(value string) string {
	const limit = 1024
	value = r.scrub.text(value)
	if len(value) > limit {
		value = value[:limit] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(value, "\uFFFD"), "\x00", "\uFFFD")
}
