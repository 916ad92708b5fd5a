// Package client speaks to regrow's REST API. The calls are generated from
// openapi.yaml; here stands what they share: the token, problem documents as
// errors, and following a run while it goes on.
package client

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// API is a server's REST API. Its embedded calls return an *Error for every
// answer that is a problem document.
type API struct {
	*ClientWithResponses
	// OnReconnect is told why Watch lost its connection and when it tries
	// again; nil means that nobody is.
	OnReconnect func(cause error, in time.Duration)

	patience patience
}

// New returns the API of the server at base, for instance
// "http://127.0.0.1:8080", for the bearer of the token; "" sends none. A nil
// transport means a usual one.
func New(base, token string, transport http.RoundTripper) (*API, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no address of a server; expected one such as \"http://127.0.0.1:8080\"", base)
	}
	if transport == nil {
		usual := http.DefaultTransport.(*http.Transport).Clone()
		usual.ResponseHeaderTimeout = 30 * time.Second
		transport = usual
	}
	calls, err := NewClientWithResponses(base, WithHTTPClient(&caller{
		token: token, http: &http.Client{Transport: transport, CheckRedirect: stay},
	}))
	if err != nil {
		return nil, fmt.Errorf("preparing to call %s: %w", base, err)
	}
	return &API{ClientWithResponses: calls, patience: usualPatience}, nil
}

// Error is an answer that says what went wrong.
type Error struct {
	Problem
	// Request is the method and path that was asked for.
	Request string
}

// Error tells the problem in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d: %s", e.Request, e.Status, e.Detail)
	for _, place := range e.Errors {
		if where := place.Parameter + place.Pointer; where != "" && place.Detail != e.Detail {
			fmt.Fprintf(&b, "; %s: %s", where, place.Detail)
		}
	}
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

// stay keeps a request where it was sent. regrow sends nobody elsewhere, and what
// a proxy answers to a POST that it redirected is the answer to a GET.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// caller sends requests with the token and makes errors of whatever is no success.
type caller struct {
	token string
	http  *http.Client
}

// Do sends a request.
func (c *caller) Do(request *http.Request) (*http.Response, error) {
	request.Header.Set("User-Agent", "regrow")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")) // an unreadable type is an unexpected one
	if isSuccess(response.StatusCode) && (media == "application/json" || media == "text/event-stream") {
		return response, nil
	}
	defer response.Body.Close()
	return nil, readProblem(request, response, media)
}

func isSuccess(status int) bool {
	return status >= http.StatusOK && status < http.StatusMultipleChoices
}

// readProblem makes an error of an answer that holds no result. What does not
// come from regrow, a proxy's page for instance, is an error too.
func readProblem(request *http.Request, response *http.Response, media string) error {
	const longest = 64 << 10
	problem := &Error{Request: request.Method + " " + request.URL.Path}
	body, err := io.ReadAll(io.LimitReader(response.Body, longest))
	if media == "application/problem+json" && err == nil && json.Unmarshal(body, &problem.Problem) == nil {
		return problem
	}
	problem.Problem = foreign(request, response, media)
	return problem
}

// foreign describes an answer that does not come from regrow.
func foreign(request *http.Request, response *http.Response, media string) Problem {
	problem := Problem{Status: response.StatusCode, Title: http.StatusText(response.StatusCode)}
	if elsewhere, err := response.Location(); err == nil && response.StatusCode < http.StatusBadRequest {
		problem.Detail = fmt.Sprintf("%s answers %s and sends on to %s, which is not followed", request.URL.Host, response.Status, shown(elsewhere))
		problem.Remedy = "set REGROW_URL to regrow's own address"
		if base, found := baseOf(elsewhere, request.URL); found {
			problem.Remedy = "set REGROW_URL to " + base
		}
		return problem
	}
	problem.Detail = fmt.Sprintf("expected an answer of regrow, got one of type %q with the status %s; is %s its address?", media, response.Status, request.URL.Host)
	if response.StatusCode >= http.StatusInternalServerError {
		problem.Remedy = "see whether regrow runs behind " + request.URL.Host
	}
	return problem
}

// shown is an address without what may be secret in it.
func shown(address *url.URL) string {
	return (&url.URL{Scheme: address.Scheme, Host: address.Host, Path: address.Path}).String()
}

// baseOf returns the server's address of which a redirected request would have
// been right.
func baseOf(elsewhere, asked *url.URL) (base string, found bool) {
	const api = "/api/"
	path, rest, found := strings.Cut(elsewhere.Path, api)
	_, wanted, _ := strings.Cut(asked.Path, api)
	return shown(&url.URL{Scheme: elsewhere.Scheme, Host: elsewhere.Host, Path: path}), found && strings.TrimSuffix(rest, "/") == wanted
}
