package config

import (
	"time"

	"regrow/internal/webhook"
)

// defaultSourceRate is how many requests a source may send in a minute.
const defaultSourceRate = 600

// LargestBody is the most bytes of a webhook that a source can be told to take:
// what GitHub sends at most.
const LargestBody = Size(25_000_000)

// reservedSource is the source of the runs that people start through the API.
const reservedSource = "api"

func readSource(o *object) Source {
	s := Source{
		Name:              o.name(),
		Kind:              required(o, "kind", choice(webhook.Kinds()...)),
		MaxBody:           optional(o, "max_body", size(1000, LargestBody), Size(webhook.DefaultMaxBody)),
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
		s.Tolerance = optional(o, "tolerance", duration(time.Second, time.Hour), webhook.DefaultTolerance)
	}
	if o.only(Octopus, s.Kind, "server", "header") {
		server, _ := o.requiredText("server", "the name of the server in servers that calls back")
		s.Server, s.Header = server.value, optional(o, "header", header, webhook.DefaultHeaderKey)
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
	if kind == Generic && len(s.Reveal()) >= webhook.MinSecret && webhook.CheckStandardSecret(s.Reveal()) != nil {
		o.r.failAt(path, `expected a Standard Webhooks secret, which is "whsec_" and at least 24 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)`)
	}
	return s
}

// header is the name of an HTTP header that a sender can choose.
var header = format[string]{
	want: "the name of an HTTP header such as X-Regrow-Token",
	parse: func(text string) (string, bool) {
		return text, text != "" && webhook.CheckHeaderKey(text) == nil
	},
}
