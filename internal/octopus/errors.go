package octopus

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind tells whether the same call may succeed later without anybody's help.
type Kind int

// The kinds of failure.
const (
	// Transient: try again later.
	Transient Kind = iota + 1
	// Permanent: somebody has to change something first.
	Permanent
)

// String returns "transient" or "permanent".
func (k Kind) String() string {
	switch k {
	case Transient:
		return "transient"
	case Permanent:
		return "permanent"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// ErrVersionTaken is the cause of the error of EnsureRelease when the project
// has a release of that version which does not carry the marker.
var ErrVersionTaken = errors.New("the release version is taken")

// errNotFound is the cause of every error for which IsNotFound reports true.
var errNotFound = errors.New("not found")

// maxRetryAfter bounds what a server may ask for, so that a proxy's nonsense
// cannot park a run for a year.
const maxRetryAfter = time.Hour

// Error is every failure of an operation except one: when the caller cancels
// its context, the operation returns context.Canceled as it is, unless a request
// that changes something was under way: then that is the cause of the Error.
type Error struct {
	// Op is what was tried, with the names, for instance: create release
	// "1.4.0" of project "Shop".
	Op string
	// Kind tells whether trying again can help.
	Kind Kind
	// Status is the HTTP status of the answer, 0 where none came or where the
	// failure is not about a status.
	Status int
	// RetryAfter is how long the server wants to be left alone, 0 where it did
	// not say.
	RetryAfter time.Duration
	// Settling is how long the request may still take to have its effect; see
	// the function of that name.
	Settling time.Duration
	// Message is one sentence for people: what happened, with the names.
	Message string
	// Remedy is what they can do about it; may be empty.
	Remedy string

	said  string // Octopus' own words
	cause error
}

// Error returns the message and the remedy.
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Message
	}
	return e.Message + "; " + e.Remedy
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// IsTransient tells whether the same call may succeed later by itself.
func IsTransient(err error) bool {
	e, ok := asError(err)
	return ok && e.Kind == Transient
}

// IsNotFound tells whether Octopus itself said that there is no such thing. A
// 404 of something else, such as a proxy in front of it, does not count.
func IsNotFound(err error) bool { return errors.Is(err, errNotFound) }

// RetryAfter returns how long the server wants to be left alone, 0 where it
// did not say.
func RetryAfter(err error) time.Duration {
	if e, ok := asError(err); ok {
		return e.RetryAfter
	}
	return 0
}

// asError finds what a call to Octopus failed with.
func asError(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// fail completes an error: it writes the sentence and keeps the API key out of
// everything that was read from elsewhere.
func (c *Client) fail(e Error, what string) *Error {
	e.Message = c.redact(fmt.Sprintf("could not %s (space %q of %s): %s", e.Op, c.space, c.server(), what))
	e.Op, e.said = c.redact(e.Op), c.redact(e.said)
	if e.cause != nil && c.redact(e.cause.Error()) != e.cause.Error() {
		e.cause = nil // its text is in the sentence, without the key
	}
	return &e
}

// broken is the error for an answer that claims success and cannot be one.
func (c *Client) broken(op, what string) *Error {
	return c.fail(Error{
		Op: op, Kind: Transient,
		Remedy: "if it stays so, look for a proxy between regrow and Octopus that answers in its place",
	}, what)
}

// missing is the error for a name that does not exist.
func (c *Client) missing(what, name string) *Error {
	return c.fail(Error{
		Op: fmt.Sprintf("find the %s %q", what, name), Kind: Permanent, cause: errNotFound,
		Remedy: fmt.Sprintf("create the %s, correct its name in the configuration, or let the API key's user see it", what),
	}, fmt.Sprintf("there is no %s of that name", what))
}

// refuse is the error for what regrow can tell to be wrong without Octopus.
func (c *Client) refuse(op, what, remedy string) *Error {
	return c.fail(Error{Op: op, Kind: Permanent, Remedy: remedy}, what)
}

func (c *Client) redact(text string) string {
	return strings.ReplaceAll(text, c.apiKey, "[api key]")
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, time.Until(at)), maxRetryAfter)
	}
	return 0
}

// refusedWith tells whether Octopus refused a request as invalid or in
// conflict (400 or 409: it uses both for either) with words that hold the
// phrase. Octopus gives errors no codes.
func refusedWith(err error, phrase string) bool {
	e, ok := asError(err)
	if !ok || e.Status != http.StatusBadRequest && e.Status != http.StatusConflict {
		return false
	}
	return strings.Contains(strings.ToLower(e.said), phrase)
}
