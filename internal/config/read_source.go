package config

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// The defaults of a source.
const (
	defaultSourceRate = 600
	defaultMaxBody    = Size(5_000_000)
	defaultTolerance  = 5 * time.Minute
	defaultHeader     = "X-Regrow-Token"
)

// LargestBody is the most bytes of a webhook that a source can be told to take:
// what GitHub sends at most.
const LargestBody = Size(25_000_000)

// reservedSource is the source of the runs that people start through the API.
const reservedSource = "api"

func readSource(o *object) Source {
	s := Source{
		Name:              o.name(),
		Kind:              required(o, "kind", choice(GitHub, Generic, Octopus)),
		MaxBody:           optional(o, "max_body", size(1000, LargestBody), defaultMaxBody),
		RequestsPerMinute: o.integer("requests_per_minute", defaultSourceRate, 1, 100_000),
	}
	if s.Name == reservedSource {
		o.r.failAt(join(o.path, "name"), "the name %q is reserved for runs that people start through the API; choose another", reservedSource)
	}
	s.Secret = o.signingSecret("secret", s.Kind)
	if o.has("previous_secret") || o.has("previous_secret_file") {
		s.PreviousSecret = o.signingSecret("previous_secret", s.Kind)
	} else {
		o.known = append(o.known, "previous_secret", "previous_secret_file")
	}
	if o.only(Generic, s.Kind, "tolerance") {
		s.Tolerance = optional(o, "tolerance", duration(time.Second, time.Hour), defaultTolerance)
	}
	if o.only(Octopus, s.Kind, "server", "header") {
		server, _ := o.requiredText("server", "the name of the server in servers that calls back")
		s.Server, s.Header = server.value, optional(o, "header", header, defaultHeader)
	}
	return s
}

// only tells whether a source is of the kind that has the keys, and reports
// them in a source of another kind.
func (o *object) only(owner, kind SourceKind, keys ...string) bool {
	if kind == owner {
		return true
	}
	for _, key := range keys {
		if n := o.take(key); n != nil && kind != "" {
			o.r.fail(n.at, join(o.path, key), "only a source of kind %s has this key, this one is of kind %s; remove it", owner, kind)
		}
	}
	return false
}

func (o *object) signingSecret(key string, kind SourceKind) Secret {
	s, path := o.strongSecret(key, "the secret that the sender knows too")
	if kind == Generic && len(s.Reveal()) >= leastSecret && !isStandardSecret(s.Reveal()) {
		o.r.failAt(path, `expected a Standard Webhooks secret, which is "whsec_" and at least 24 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)`)
	}
	return s
}

// isStandardSecret tells a secret as the Standard Webhooks specification writes
// it: "whsec_" and 24 bytes or more in base64.
func isStandardSecret(text string) bool {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	return ok && err == nil && len(key) >= 24
}

// header is the name of an HTTP header that a sender can choose.
var header = format[string]{
	want: "the name of an HTTP header such as X-Regrow-Token",
	parse: func(text string) (string, bool) {
		taken := []string{"host", "content-type", "content-length"}
		return text, headerPattern.MatchString(text) && !slices.Contains(taken, strings.ToLower(text))
	},
}
