package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"regrow/internal/pipeline"
)

const (
	secretPrefix = "whsec_"
	// minStandardKey is the shortest key, in bytes, that Standard Webhooks allows.
	minStandardKey = 24
)

// genericMembers are the members that a generic payload may have.
var genericMembers = []string{"author", "branch", "commit", "message", "ref", "repository", "url", "version"}

// generic reads regrow's own small payload, signed as Standard Webhooks asks.
// Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type generic struct {
	keys      []*standardwebhooks.Webhook
	tolerance time.Duration
}

func newGeneric(source Source) (generic, error) {
	g := generic{tolerance: source.Tolerance}
	for i, secret := range source.secrets() {
		key, err := standardKey(secret)
		if err != nil {
			return generic{}, fmt.Errorf("secret %d of %d %w", i+1, len(source.secrets()), err)
		}
		g.keys = append(g.keys, key)
	}
	return g, nil
}

// CheckStandardSecret refuses what is no secret as the Standard Webhooks
// specification writes it.
func CheckStandardSecret(secret string) error {
	_, err := standardKey(secret)
	return err
}

// standardKey reads a Standard Webhooks secret.
func standardKey(secret string) (*standardwebhooks.Webhook, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < minStandardKey {
		return nil, errors.New("is not \"whsec_\" and at least 24 bytes in base64; " +
			"make one with: echo whsec_$(openssl rand -base64 32)")
	}
	return standardwebhooks.NewWebhookRaw(key)
}

func (generic) habits() habits {
	return habits{proof: standardwebhooks.HeaderWebhookSignature, id: standardwebhooks.HeaderWebhookID, media: mediaJSON}
}

// verify checks the signature first and the timestamp, which it covers, then.
// The library does the former; for the latter it would look at its own clock.
func (g generic) verify(r Request) error {
	for _, name := range []string{
		standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature,
	} {
		if r.Header.Get(name) == "" {
			return unauthorized("the header %s is missing; sign as Standard Webhooks asks", name)
		}
	}
	matches := func(key *standardwebhooks.Webhook) bool {
		return key.VerifyIgnoringTimestamp(r.Body, r.Header) == nil
	}
	if !anyMatches(g.keys, matches) {
		return unauthorized("the header %s holds no \"v1,\" signature of \"<webhook-id>.<webhook-timestamp>.<body>\" "+
			"by this source's secret", standardwebhooks.HeaderWebhookSignature)
	}
	return g.verifyTime(r)
}

func (g generic) verifyTime(r Request) error {
	seconds, err := strconv.ParseInt(r.Header.Get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	if err != nil {
		return unauthorized("the header %s is no number of seconds", standardwebhooks.HeaderWebhookTimestamp)
	}
	sent := time.Unix(seconds, 0)
	if away := r.Received.Sub(sent).Abs(); away > g.tolerance {
		return unauthorized("the header %s is %s away from the time of receipt, %s; at most %s is allowed: "+
			"sign again when you send again, and check both clocks", standardwebhooks.HeaderWebhookTimestamp,
			away.Round(time.Second), r.Received.UTC().Format(time.RFC3339), g.tolerance)
	}
	return nil
}

func (generic) payload(r Request) ([]byte, error) {
	_, err := mediaType(r.Header, mediaJSON)
	return r.Body, err
}

func (generic) hidden() string { return "" }

func (generic) read(r Request, doc *document) (Delivery, error) {
	id, err := headerID(r.Header, standardwebhooks.HeaderWebhookID, MissingID)
	if err != nil {
		return Delivery{}, err
	}
	doc.checkGenericMembers()
	commit := pipeline.Commit{
		Repository: doc.text("/repository"),
		Ref:        doc.genericRef(),
		SHA:        doc.sha("/commit"),
		Message:    doc.optionalText("/message"),
		Author:     doc.optionalText("/author"),
		Version:    doc.genericVersion(),
		URL:        doc.link("/url"),
	}
	delivery := Delivery{ID: id, Event: "commit"}
	delivery.Commits, delivery.Ignored = judge(commit, false)
	return delivery, doc.err
}

// checkGenericMembers refuses members that nobody would read: a misspelt name
// is better told than ignored.
func (d *document) checkGenericMembers() {
	for _, name := range slices.Sorted(maps.Keys(d.root)) {
		pointer := pointerTo(name)
		if !slices.Contains(genericMembers, name) {
			d.fail(malformed(pointer, "unknown member; known are %s", strings.Join(genericMembers, ", ")))
			return
		}
		if _, ok := d.root[name].(string); !ok {
			d.unexpected(pointer, "a string") // a known name: it needs no escape
			return
		}
	}
}

// genericRef returns the full reference; a short name is that of a branch.
func (d *document) genericRef() string {
	pointer := "/ref"
	if _, short := d.root["branch"]; short {
		pointer = "/branch"
		if _, both := d.root["ref"]; both {
			d.fail(malformed(pointer, "expected either \"ref\" or \"branch\", found both"))
		}
	}
	name := d.text(pointer)
	unprintable := func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }
	if strings.ContainsFunc(name, unprintable) || strings.HasSuffix(name, "/") {
		d.unexpected(pointer, "a branch such as \"main\" or a reference such as \"refs/heads/main\"")
	}
	return pipeline.BranchRef(name)
}

// genericVersion returns the build's version. One that Octopus would not take
// is told to the build server now, not to an operator later.
func (d *document) genericVersion() string {
	version := d.optionalText("/version")
	if version == "" {
		return ""
	}
	facts := pipeline.Facts{Commit: pipeline.Commit{Version: version}}
	if _, err := pipeline.Template("{version}").Render(facts); err != nil {
		d.fail(malformed("/version", "expected a version that Octopus takes: %s", err))
	}
	return version
}
