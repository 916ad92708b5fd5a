package doctor

import (
	"context"
	"fmt"
	"strings"

	"regrow/internal/config"
)

// source is a sender of webhooks that is looked at.
type source struct {
	*examination
	config.Source
	scope string
}

func (e *examination) newSource(s config.Source) *source {
	return &source{examination: e, Source: s, scope: "source " + s.Name}
}

func (s *source) group() group {
	return group{s.scope, []check{
		{idSecret, s.secretIsGood},
		{idUse, s.isOfUse},
		{idDelivers, s.delivers},
	}}
}

// secretIsGood looks whether somebody could guess the secret, or knows it from
// elsewhere.
func (s *source) secretIsGood(context.Context) (finding, error) {
	var weak []string
	for _, secret := range []struct {
		key   string
		value config.Secret
	}{{"secret", s.Secret}, {"previous_secret", s.PreviousSecret}} {
		if secret.value.IsZero() {
			continue
		}
		if w := weakness(secret.value.Reveal()); w != "" {
			weak = append(weak, fmt.Sprintf("Its %s %s.", secret.key, w))
		}
		for _, other := range s.config.Sources {
			if other.Name != s.Name && (other.Secret.Reveal() == secret.value.Reveal() || other.PreviousSecret.Reveal() == secret.value.Reveal()) {
				weak = append(weak, fmt.Sprintf("Its %s is that of the source %q too: whoever knows it can send as both.", secret.key, other.Name))
			}
		}
	}
	switch {
	case len(weak) > 0:
		return warned("The secret of the source %q is weak.", s.Name).with("%s; then tell the sender, with the old one as previous_secret meanwhile", newSecret(s.Kind)).listing(weak), nil
	case !s.PreviousSecret.IsZero():
		return noted("The secret is set, and the one before it is taken too.").with("remove previous_secret when the sender has changed over"), nil
	default:
		return fine("The secret is set and hard to guess."), nil
	}
}

// isOfUse looks whether anything comes of what the source sends.
func (s *source) isOfUse(context.Context) (finding, error) {
	used := s.fedBy(s.Name)
	if s.Kind == config.Octopus {
		used = s.on(s.Server)
	}
	if len(used) == 0 {
		what := fmt.Sprintf("No pipeline takes commits from the source %q: what it sends starts nothing.", s.Name)
		if s.Kind == config.Octopus {
			what = fmt.Sprintf("No pipeline uses the server %q whose events the source %q takes.", s.Server, s.Name)
		}
		return warned("%s", what).with("name the source in a pipeline, or remove it from %s", s.ConfigFile), nil
	}
	if s.Kind == config.Octopus {
		return fine("Its events wake the runs of %s.", strings.Join(used, ", ")), nil
	}
	return fine("It feeds %s.", strings.Join(used, ", ")), nil
}
