package demo

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net"

	"context"
)

// secrets are made anew at every start, so that none is worth anything.
type secrets struct {
	apiToken, github, build, octopus, octopusKey string
}

func newSecrets() secrets {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return secrets{
		apiToken: rand.Text(), github: rand.Text(), octopus: rand.Text(),
		build:      "whsec_" + base64.StdEncoding.EncodeToString(key),
		octopusKey: "API-" + rand.Text(),
	}
}

// environment is what the configuration's ${VARIABLES} stand for.
func (d *demo) environment(name string) (string, bool) {
	value, ok := map[string]string{
		"LISTEN":          d.Listen,
		"API_TOKEN":       d.secrets.apiToken,
		"OCTOPUS_URL":     d.address,
		"OCTOPUS_API_KEY": d.secrets.octopusKey,
		"OCTOPUS_SECRET":  d.secrets.octopus,
		"GITHUB_SECRET":   d.secrets.github,
		"BUILD_SECRET":    d.secrets.build,
	}[name]
	return value, ok
}

// freeAddress returns the address if nobody listens there, else one with a free
// port on the same host.
func freeAddress(ctx context.Context, wanted string) (string, error) {
	host, _, err := net.SplitHostPort(wanted)
	if err != nil {
		return "", err
	}
	var errs []error
	for _, address := range []string{wanted, net.JoinHostPort(host, "0")} {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err == nil {
			return listener.Addr().String(), listener.Close()
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}
