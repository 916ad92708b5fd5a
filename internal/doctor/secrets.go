package doctor

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"regrow/internal/config"
)

// leastHidden is the length below which a secret is not replaced: it would be
// found in every sentence.
const leastHidden = 4

// databasePassword finds the password in a keyword/value string.
var databasePassword = regexp.MustCompile(`(?i)\bpassword\s*=\s*(?:'([^']*)'|(\S+))`)

// hideSecrets returns what replaces every secret of the configuration. Messages
// are made without them; this holds for what others say, such as a server that
// repeats a header.
func hideSecrets(c *config.Config) *strings.Replacer {
	texts := slices.DeleteFunc(secretsOf(c), func(text string) bool { return len(text) < leastHidden })
	// The longest first: one may be the beginning of another.
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(texts))
	for _, text := range texts {
		pairs = append(pairs, text, "[redacted]")
	}
	return strings.NewReplacer(pairs...)
}

func secretsOf(c *config.Config) []string {
	database := c.Database.URL.Reveal()
	texts := []string{database}
	if u, err := url.Parse(database); err == nil {
		password, _ := u.User.Password()
		texts = append(texts, password, url.QueryEscape(password))
	}
	for _, found := range databasePassword.FindAllStringSubmatch(database, -1) {
		texts = append(texts, found[1], found[2])
	}
	for _, s := range c.Servers {
		texts = append(texts, s.APIKey.Reveal())
	}
	for _, s := range c.Sources {
		texts = append(texts, s.Secret.Reveal(), s.PreviousSecret.Reveal())
	}
	for _, t := range c.API.Tokens {
		texts = append(texts, t.Token.Reveal())
	}
	return texts
}

// goodSecret is the length from which a secret is not short.
const goodSecret = 16

// fewestCharacters is how many different characters a random secret of that
// length has at least, as good as always.
const fewestCharacters = 6

// exampleWords stand in the values that documents and templates give as examples,
// and in those that people make up for a trial.
var exampleWords = []string{
	"example", "changeme", "change-me", "change_me", "replace", "secret", "s3cret", "password", "passw0rd",
	"placeholder", "your-", "your_", "-test", "test-", "-demo", "demo-", "trial", "dummy", "xxxxx", "12345", "token", "api-simulator",
}

// publicExamples are random-looking values that everybody can read: of the
// Standard Webhooks specification and of regrow's own docker-compose.yml.
var publicExamples = []string{
	"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
	"whsec_dHJpYWwtYnVpbGQtc2VjcmV0LW9mLWV2ZXJ5Ym9keQ==",
}

// weakness says what makes a secret easy to guess, "" when nothing does. It says
// nothing of what is in it.
func weakness(secret string) string {
	body, standard := strings.CutPrefix(secret, "whsec_")
	if decoded, err := base64.StdEncoding.DecodeString(body); standard && err == nil {
		body = string(decoded)
	}
	switch {
	case slices.Contains(publicExamples, secret):
		return "is an example that everybody can read"
	case len(body) < goodSecret:
		return "is short"
	case distinct(body) < fewestCharacters:
		return "has hardly any different characters"
	case looksMadeUp(body):
		return "looks like an example and not like something random"
	default:
		return ""
	}
}

func looksMadeUp(secret string) bool {
	secret = strings.ToLower(secret)
	return slices.ContainsFunc(exampleWords, func(word string) bool { return strings.Contains(secret, word) })
}

func distinct(text string) int {
	seen := make(map[rune]bool)
	for _, r := range text {
		seen[r] = true
	}
	return len(seen)
}

// newSecret is the remedy for a weak one.
func newSecret(kind config.SourceKind) string {
	if kind == config.Generic {
		return "make a random one with: echo whsec_$(openssl rand -base64 32)"
	}
	return "make a random one with: openssl rand -hex 32"
}
