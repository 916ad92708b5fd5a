package octopus

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/core"
)

// maxSaid bounds how much of Octopus' own words goes into a sentence.
const maxSaid = 800

// answer is what came back for a request, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// judge sorts an answer: nil for one that may be what was asked for.
func (c *Client) judge(op string, a answer) *Error {
	said, octopus := words(a.body)
	e := Error{Op: op, Status: a.status, said: said}
	what := fmt.Sprintf("the server answered %s", statusText(a.status))
	if said != "" {
		what += ": " + said
	} else if len(a.body) > 0 && !octopus {
		what += fmt.Sprintf(" with %d bytes that are not from Octopus (%s)", len(a.body), cmp.Or(a.header.Get("Content-Type"), "no content type"))
	}
	switch {
	case a.status >= 200 && a.status <= 299:
		return nil
	case a.status >= 300 && a.status <= 399:
		e.Kind, e.Remedy = Permanent, "set the server's url to the address where Octopus itself answers"
		what += redirectTarget(a.header)
	case a.status == http.StatusUnauthorized:
		e.Kind, e.Remedy = Permanent, fmt.Sprintf("set api_key of the Octopus server %s to a key that is valid there", c.server())
	case a.status == http.StatusForbidden:
		e.Kind, e.Remedy = Permanent, "give the user of the API key that permission, for these environments, projects and tenants"
	case a.status == http.StatusNotFound && octopus:
		e.Kind, e.cause, e.Remedy = Permanent, errNotFound, "check that it still exists and that the API key's user may see it"
	case a.status == http.StatusNotFound:
		// An ingress answers so while there is no server behind it. Taking that
		// for Octopus' word would turn an outage into "deleted already".
		e.Kind, e.Remedy = Transient, "check the server's url, its path included, and whatever stands before the server"
	case retryable(a.status):
		e.Kind, e.RetryAfter = Transient, retryAfter(a.header)
		e.Remedy = "it may pass by itself; if it stays so, look at the health of the Octopus Server"
	default:
		e.Kind, e.Remedy = Permanent, "correct in Octopus or in the configuration what the answer names, then retry"
	}
	return c.fail(e, what)
}

// retryable tells whether a status that is neither success nor redirect may
// pass by itself. Statuses that HTTP does not know are taken for passing ones.
func retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status < 400 || status >= 500
}

// words returns what Octopus says went wrong, and whether the body is
// Octopus' error document at all.
func words(body []byte) (said string, octopus bool) {
	var doc core.APIError
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", false
	}
	parts := doc.Errors
	// Octopus opens the details of a refused request with a stock phrase.
	if len(parts) == 0 || !strings.HasPrefix(doc.ErrorMessage, "There was a problem with your request") {
		parts = append([]string{doc.ErrorMessage}, parts...)
	}
	said = strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
	if len(said) > maxSaid {
		said = strings.ToValidUTF8(said[:maxSaid], "") + "…"
	}
	return strings.TrimRight(said, "."), doc.ErrorMessage != "" || len(doc.Errors) > 0
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// redirectTarget says where a redirect leads, without its query, in which
// sign-in pages keep secrets.
func redirectTarget(h http.Header) string {
	target, err := url.Parse(h.Get("Location"))
	if err != nil || target.String() == "" {
		return ""
	}
	clean := url.URL{Scheme: target.Scheme, Host: target.Host, Path: target.Path}
	return " to " + clean.String() + ", where the API key must not go"
}

// plain makes a text from elsewhere fit for a sentence.
func plain(text string) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "?")
	}
	return strings.Join(strings.Fields(text), " ")
}
