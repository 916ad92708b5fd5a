package webhook

import (
	"slices"
	"strings"
)

// redacted stands where a secret was.
const redacted = "[redacted]"

// scrubber removes a source's secrets from text.
type scrubber struct{ replacer *strings.Replacer }

func newScrubber(secrets []string) scrubber {
	var forms []string
	for _, secret := range secrets {
		forms = append(forms, secret)
		if bare, ok := strings.CutPrefix(secret, secretPrefix); ok && len(bare) >= MinSecret {
			forms = append(forms, bare)
		}
	}
	// Longest first: the replacer takes the first that fits.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, redacted)
	}
	return scrubber{strings.NewReplacer(pairs...)}
}

// text returns s with every secret replaced.
func (s scrubber) text(text string) string { return s.replacer.Replace(text) }
