package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind says which sender a source stands for.
type Kind string

// The kinds of sources.
const (
	// GitHub sends pushes to repositories: github.com and GitHub Enterprise Server.
	GitHub Kind = "github"
	// Generic is anything that signs as Standard Webhooks asks.
	Generic Kind = "generic"
	// Octopus sends the events of an Octopus Server's subscription.
	Octopus Kind = "octopus"
)

// newSender makes the part of a receiver that is particular to its kind.
func newSender(source Source) (sender, error) {
	switch source.Kind {
	case GitHub:
		return newGitHub(source), nil
	case Generic:
		return newGeneric(source)
	case Octopus:
		return newOctopus(source)
	}
	return nil, fmt.Errorf("the kind is %q; known are %q", source.Kind, Kinds())
}

// Kinds returns every kind of source.
func Kinds() []Kind { return []Kind{GitHub, Generic, Octopus} }

// Valid tells whether k is one of the kinds.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// What a source gets where it does not say.
const (
	// DefaultHeaderKey is the header in which an Octopus subscription sends the secret.
	DefaultHeaderKey = "X-Regrow-Token"
	// DefaultTolerance is what Standard Webhooks' own libraries allow.
	DefaultTolerance = 5 * time.Minute
	// DefaultMaxBody is 5 MB. GitHub sends up to 25 MB.
	DefaultMaxBody = 5_000_000

	// MinSecret is the shortest secret, in bytes, that is worth the name.
	MinSecret = 8
)

// Source is the configuration of one sender. It never prints its secrets.
type Source struct {
	// Name is the last segment of the source's URL.
	Name string
	Kind Kind
	// Secret is what the sender signs with (github, generic) or sends (octopus).
	// A generic source's secret is "whsec_" and at least 24 bytes in base64.
	Secret string `json:"-"`
	// PreviousSecrets are accepted too, while senders change over to Secret.
	PreviousSecrets []string `json:"-"`
	// HeaderKey is the header in which an octopus source sends the secret; ""
	// means DefaultHeaderKey.
	HeaderKey string
	// Tolerance is how far a generic source's timestamp may be from the time of
	// receipt, either way; 0 means DefaultTolerance.
	Tolerance time.Duration
	// MaxBody is the largest body in bytes; 0 means DefaultMaxBody.
	MaxBody int64
}

// Format prints the source without its secrets, whatever the verb.
func (s Source) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "source %q (%s)", s.Name, s.Kind) }

// Format prints the receiver without its secrets, whatever the verb.
func (r *Receiver) Format(f fmt.State, verb rune) { r.source.Format(f, verb) }

// complete fills in the defaults and returns an error when a value that all
// kinds have in common cannot work.
func (s Source) complete() (Source, error) {
	if s.HeaderKey == "" {
		s.HeaderKey = DefaultHeaderKey
	}
	if s.Tolerance == 0 {
		s.Tolerance = DefaultTolerance
	}
	if s.MaxBody == 0 {
		s.MaxBody = DefaultMaxBody
	}
	switch {
	case s.Name == "":
		return s, errors.New("a webhook source has no name; give it one, it becomes the last part of its URL")
	case s.Tolerance < 0:
		return s, s.wrong("the tolerance is %s; it must be positive", s.Tolerance)
	case s.MaxBody < 0:
		return s, s.wrong("the largest body is %d bytes; it must be positive", s.MaxBody)
	}
	for i, secret := range s.secrets() {
		if err := checkSecret(secret); err != nil {
			return s, s.wrong("secret %d of %d %w", i+1, len(s.secrets()), err)
		}
	}
	return s, nil
}

// secrets returns every accepted secret, the current one first.
func (s Source) secrets() []string { return append([]string{s.Secret}, s.PreviousSecrets...) }

// wrong returns an error about the source.
func (s Source) wrong(format string, args ...any) error {
	return fmt.Errorf("webhook source %q: "+format, append([]any{s.Name}, args...)...)
}

// checkSecret finds what is usually wrong with a secret that was read from a
// file or an environment variable.
func checkSecret(secret string) error {
	switch {
	case secret == "":
		return errors.New("is empty: anybody could start runs")
	case len(secret) < MinSecret:
		return fmt.Errorf("has %d bytes; it needs at least %d", len(secret), MinSecret)
	case strings.TrimSpace(secret) != secret:
		return errors.New("begins or ends with white space; a file's last line break is the usual cause")
	case strings.ContainsFunc(secret, unicode.IsControl):
		return errors.New("holds a control character, such as a line break")
	}
	return nil
}

// CheckHeaderKey refuses names that can be no header, and those that cannot
// hold a secret.
func CheckHeaderKey(name string) error {
	const marks = "!#$%&'*+-.^_`|~" // RFC 9110, section 5.6.2
	for _, c := range name {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.ContainsRune(marks, c)) {
			return fmt.Errorf("the header key %q is no header name: %q cannot stand in one", name, c)
		}
	}
	if taken := []string{"Content-Length", "Content-Type", "Host"}; slices.Contains(taken, http.CanonicalHeaderKey(name)) {
		return fmt.Errorf("the header key is %q, which HTTP needs itself; choose another, such as %q", name, DefaultHeaderKey)
	}
	return nil
}
