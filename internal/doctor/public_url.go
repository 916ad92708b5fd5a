package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// publicTimeout bounds the request to regrow's own public address.
	publicTimeout = 5 * time.Second
	// publicAnswer is more than /healthz ever answers.
	publicAnswer = 4096
)

// publicURL looks whether what is sent to regrow arrives at regrow.
func (e *examination) publicURL(ctx context.Context) (finding, error) {
	address := e.config.PublicURL
	if address == "" {
		return warned("public_url is not set: nobody can be told where to send webhooks, and links lead nowhere.").
			with("set public_url in %s to the address that Octopus and people reach regrow by", e.ConfigFile), nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return finding{}, fmt.Errorf("reading public_url: %w", err)
	}
	if found, ok := e.callPublicURL(ctx, address); !ok {
		return found, nil
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return warned("regrow answers at %s, but secrets travel there unencrypted.", address).
			with("put a proxy with a certificate before regrow and write https in public_url"), nil
	}
	return fine("regrow answers at %s.", address), nil
}

// callPublicURL asks for regrow's health there. With false, the finding says what
// came instead.
func (e *examination) callPublicURL(ctx context.Context, address string) (finding, bool) {
	ctx, cancel := context.WithTimeout(ctx, publicTimeout)
	defer cancel()
	health := address + "/healthz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, health, nil)
	if err != nil {
		return wrong("No request can be made to public_url: %v.", err), false
	}
	client := http.Client{Transport: e.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return unreached(address, err), false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, publicAnswer))
	if err != nil {
		return unreached(address, err), false
	}
	var answered struct{ Status string }
	if response.StatusCode == http.StatusOK && json.Unmarshal(body, &answered) == nil && answered.Status == "ok" {
		return finding{}, true
	}
	what := response.Status
	if location := response.Header.Get("Location"); location != "" {
		what += " to " + location
	} else if kind := response.Header.Get("Content-Type"); kind != "" {
		what += fmt.Sprintf(" with %d bytes of %s", len(body), kind)
	}
	return wrong("Something else than regrow answers at public_url: %s answered %s.", health, what).
		with("correct public_url, or have the proxy pass that address on to regrow as it is"), false
}

// unreached tells a name that does not exist, which no start of regrow will make
// right, from a regrow that does not run.
func unreached(address string, err error) finding {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		return wrong("The host name of public_url does not resolve: %v.", missing).
			with("correct public_url, or add the name %s to your DNS", missing.Name)
	}
	return warned("regrow does not answer at %s: %s.", address, strings.TrimRight(err.Error(), ".")).
		with("start it with regrow serve; if it runs, look at the proxy and the firewall before it")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
