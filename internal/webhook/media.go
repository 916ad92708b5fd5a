package webhook

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// mediaType returns the content type without its parameters when it is one of
// the wanted and its text is UTF-8.
func mediaType(h http.Header, wanted ...string) (string, error) {
	sent := h.Get("Content-Type")
	media, params, err := mime.ParseMediaType(sent)
	if err != nil || !slices.Contains(wanted, media) {
		return "", newError(UnsupportedMedia, "", "expected the content type %s, found %s",
			strings.Join(wanted, " or "), shown(sent))
	}
	charset := strings.ToLower(params["charset"])
	if !slices.Contains([]string{"", "utf-8", "utf8", "us-ascii"}, charset) {
		return "", newError(UnsupportedMedia, "", "expected the charset utf-8, found %s", shown(charset))
	}
	return media, nil
}

// formPayload returns the JSON text in the form field "payload".
func formPayload(body []byte) ([]byte, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed("", "expected a form with the field %q; the form cannot be decoded", "payload")
	}
	if n := len(form["payload"]); n != 1 {
		return nil, malformed("", "expected a form with the field %q once, found it %d times", "payload", n)
	}
	return []byte(form.Get("payload")), nil
}
