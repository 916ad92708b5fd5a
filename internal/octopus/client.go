package octopus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/constants"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/newclient"
	"github.com/OctopusDeploy/go-octopusdeploy/v2/uritemplates"
)

const (
	// defaultRequestsPerMinute stays below the limit of new installations.
	// Octopus docs: 200 requests a minute from 2026.3 on.
	defaultRequestsPerMinute = 180
	defaultTimeout           = 30 * time.Second
	defaultUserAgent         = "regrow"
)

// Config says which space of which server a Client speaks to, and how.
type Config struct {
	// URL is the server's base URL; it may have a path, as in
	// "https://example.com/octopus".
	URL string
	// APIKey is sent with every request and appears nowhere else.
	APIKey string
	// Space is the name of a space.
	Space string
	// RequestsPerMinute bounds the requests of all users of the Client
	// together; 0 means 180. A sixth of it may be sent in one burst.
	RequestsPerMinute int
	// Rereads is how often a request that only reads is repeated at once, with
	// short pauses, when its answer was none. A stage reads ten times and more:
	// where a fifth of the answers fail, it would hardly ever get through.
	Rereads int
	// Timeout bounds one request from sending it to the last byte of its
	// answer; 0 means 30 seconds.
	Timeout time.Duration
	// Settling is how long a request that got no answer may take to have its
	// effect all the same; 0 means as long as Timeout.
	Settling time.Duration
	// Transport sends the requests; nil means a clone of the standard one.
	Transport http.RoundTripper
	// UserAgent names the program to the server; "" means "regrow".
	UserAgent string
	// Observe, where it is not nil, is told of every request: its method, its
	// route (a template without ids), the status of its answer (0 where none
	// came) and how long it took.
	Observe func(method, route string, status int, d time.Duration)
}

// Client speaks to one space of one Octopus Server. It may be used by many
// goroutines at once.
type Client struct {
	session   *newclient.HttpSession
	templates *uritemplates.URITemplateCache
	pace      *pace
	timeout   time.Duration
	settle    time.Duration
	rereads   int
	observe   func(method, route string, status int, d time.Duration)

	base   *url.URL // always with a trailing slash
	apiKey string
	space  string
	// spaceID is looked up by the first request that needs it.
	spaceID atomic.Pointer[string]
}

// New returns a Client. It sends nothing: whether the server answers and the
// space exists shows with the first operation; see Ping.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.URL)
	if err != nil {
		return nil, err
	}
	if err := checkKey(cfg.APIKey); err != nil {
		return nil, err
	}
	if strings.TrimSpace(cfg.Space) == "" {
		return nil, errors.New(`the Octopus space has no name; set space, for instance to "Default"`)
	}
	if cfg.RequestsPerMinute < 0 || cfg.Timeout < 0 || cfg.Settling < 0 {
		return nil, fmt.Errorf("requests per minute (%d), timeout (%s) and settling (%s) must not be negative", cfg.RequestsPerMinute, cfg.Timeout, cfg.Settling)
	}
	transport := cfg.Transport
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	observe := cfg.Observe
	if observe == nil {
		observe = func(string, string, int, time.Duration) {}
	}
	return &Client{
		session: &newclient.HttpSession{
			HttpClient: &http.Client{Transport: transport, CheckRedirect: followOnlyHome},
			BaseURL:    base,
			DefaultHeaders: map[string]string{
				constants.ClientAPIKeyHTTPHeader: cfg.APIKey,
				"Accept":                         "application/json",
				"User-Agent":                     cmp.Or(cfg.UserAgent, defaultUserAgent),
			},
		},
		templates: uritemplates.NewUriTemplateCache(),
		pace:      newPace(cmp.Or(cfg.RequestsPerMinute, defaultRequestsPerMinute)),
		timeout:   cmp.Or(cfg.Timeout, defaultTimeout),
		settle:    cmp.Or(cfg.Settling, cfg.Timeout, defaultTimeout),
		rereads:   cfg.Rereads,
		observe:   observe,
		base:      base,
		apiKey:    cfg.APIKey,
		space:     strings.TrimSpace(cfg.Space),
	}, nil
}

// Close lets go of idle connections. Operations may go on.
func (c *Client) Close() { c.session.HttpClient.CloseIdleConnections() }

// parseBase checks the base URL and gives it the trailing slash with which the
// session keeps its path.
func parseBase(raw string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		// The text of the error would repeat the URL, which may hold a password.
		return nil, errors.New("the Octopus url is ill-formed; write it like https://octopus.example.com")
	}
	switch {
	case base.User != nil:
		return nil, errors.New("the Octopus url holds a user name or password; remove it, regrow signs in with the API key")
	case base.Scheme != "https" && base.Scheme != "http":
		return nil, fmt.Errorf("the Octopus url has the scheme %q, want https or http", base.Scheme)
	case base.Host == "":
		return nil, errors.New("the Octopus url names no host; write it like https://octopus.example.com")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("the Octopus url has a query or a fragment; leave out everything from \"?\", \"#\" or \"app#\" on")
	}
	return base.JoinPath("/"), nil
}

// checkKey refuses what could not be sent as a header. It never repeats the key.
func checkKey(key string) error {
	if key == "" {
		return errors.New("the Octopus API key is empty; set api_key")
	}
	for _, r := range key {
		if r <= ' ' || r > '~' {
			return errors.New("the Octopus API key holds a space, a line break or a character outside ASCII; copy it again")
		}
	}
	return nil
}

// server is the base URL as people write it.
func (c *Client) server() string { return strings.TrimSuffix(c.base.String(), "/") }

// ServerInfo is what Ping learns.
type ServerInfo struct {
	// Version is the server's version, for instance "2024.2.9409".
	Version string
	// InstallationID is the server's own unique id.
	InstallationID string
	// SpaceID is the id of the configured space.
	SpaceID string
}

// Ping proves that the server answers, takes the API key and shows the space.
func (c *Client) Ping(ctx context.Context) (ServerInfo, error) {
	const op = "reach the server"
	root, err := get[struct {
		Version        string
		InstallationId string
	}](ctx, c, op, "/api", nil)
	if err != nil {
		return ServerInfo{}, err
	}
	if root.Version == "" {
		return ServerInfo{}, c.broken(op, "the answer holds no Version, so it is not from an Octopus Server")
	}
	// The root answers without a key, the list of spaces does not.
	id, err := c.lookUpSpace(ctx)
	if err != nil {
		return ServerInfo{}, err
	}
	return ServerInfo{Version: root.Version, InstallationID: root.InstallationId, SpaceID: id}, nil
}

// resolveSpace returns the id of the configured space, asking the server once.
func (c *Client) resolveSpace(ctx context.Context) (string, error) {
	if id := c.spaceID.Load(); id != nil {
		return *id, nil
	}
	return c.lookUpSpace(ctx)
}

func (c *Client) lookUpSpace(ctx context.Context) (string, error) {
	space, err := find[named](ctx, c, "space", c.space, "/api/spaces{?partialName,skip,take}", nil)
	if err != nil {
		return "", err
	}
	c.spaceID.Store(&space.ID)
	return space.ID, nil
}
