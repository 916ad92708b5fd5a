package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// equal compares two texts in a time that tells nothing about either, not even
// about their lengths.
func equal(a, b string) bool {
	hashA, hashB := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(hashA[:], hashB[:]) == 1
}

// anyMatches tries every key, also after one has matched, so that the time does
// not tell which one did.
func anyMatches[K any](keys []K, matches func(K) bool) bool {
	found := false
	for _, key := range keys {
		if matches(key) {
			found = true
		}
	}
	return found
}

// checkID returns an error unless the text can serve as a delivery's id or an
// event's name: something that can be stored, shown and compared.
func checkID(text, pointer, what string) error {
	const limit = 200
	if len(text) > limit {
		return malformed(pointer, "expected %s of at most %d bytes, found %d", what, limit, len(text))
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return malformed(pointer, "expected %s of printable ASCII characters without spaces, found %s", what, shown(text))
		}
	}
	return nil
}

// headerID returns a header that has to be there and has to fit checkID.
func headerID(h http.Header, name string, absent Reason) (string, error) {
	value := h.Get(name)
	if value == "" {
		return "", newError(absent, "", "the header %s is missing", name)
	}
	return value, checkID(value, "", "the header "+name)
}
