package octopus

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"regrow/internal/failpoint"
)

// maxBody bounds an answer. Project documents of busy projects have a few
// hundred kilobytes.
const maxBody = 32 << 20

// call is one request to be.
type call struct {
	op     string // for the sentence of an error: could not <op>
	method string
	route  string // a URI template from the server's base on; "{spaceId}" is filled in
	params params
	body   []byte // nil for none
	// contentType is the body's; "" means JSON.
	contentType string
}

// params are the values of a route's variables.
type params map[string]any

// with returns a copy that has one more value, unless the value is empty: an
// empty filter means "everything" to Octopus, which is never meant.
func (p params) with(name, value string) params {
	all := params{}
	for k, v := range p {
		all[k] = v
	}
	if value != "" {
		all[name] = value
	}
	return all
}

// get reads one document, more than once where that may help.
func get[T any](ctx context.Context, c *Client, op, route string, p params) (T, error) {
	for try := 1; ; try++ {
		document, err := exchange[T](ctx, c, call{op: op, method: http.MethodGet, route: route, params: p})
		if try > c.rereads || !worthRereading(err) || !rest(ctx, pauseAfter(err, try)) {
			return document, err
		}
	}
}

// post sends one document and reads the answer.
func post[T any](ctx context.Context, c *Client, op, route string, p params, document any) (T, error) {
	body, err := json.Marshal(document)
	if err != nil {
		var none T
		return none, c.refuse(op, "the request has no JSON form: "+err.Error(), "")
	}
	return exchange[T](ctx, c, call{op: op, method: http.MethodPost, route: route, params: p, body: body})
}

func exchange[T any](ctx context.Context, c *Client, request call) (T, error) {
	var document T
	a, err := c.do(ctx, request)
	if err != nil {
		return document, err
	}
	switch string(bytes.TrimSpace(a.body)) {
	case "":
		return document, c.broken(request.op, fmt.Sprintf("the server answered %s with an empty body", statusText(a.status)))
	case "{}", "null": // taken for a document, it would say that there is nothing
		return document, c.broken(request.op, fmt.Sprintf("the server answered %s with an empty document", statusText(a.status)))
	}
	if err := json.Unmarshal(a.body, &document); err != nil {
		return document, c.broken(request.op, fmt.Sprintf("the server answered %s with a body that is not the JSON expected: %v", statusText(a.status), err))
	}
	return document, nil
}

// do sends a request and returns an answer of status 2xx, or an error.
func (c *Client) do(ctx context.Context, request call) (answer, error) {
	target, err := c.expand(ctx, request)
	if err != nil {
		return answer{}, err
	}
	if left := c.pace.paused(); left > 0 {
		return answer{}, c.fail(Error{Op: request.op, Kind: Transient, Status: http.StatusTooManyRequests, RetryAfter: left},
			"the server has asked regrow to send nothing for a while (429 Too Many Requests)")
	}
	if err := c.pace.wait(ctx); err != nil {
		return answer{}, c.outOfTurn(ctx, request.op, err)
	}
	a, err := c.send(ctx, request, target)
	if err != nil {
		return answer{}, err
	}
	if failure := c.judge(request.op, a); failure != nil {
		if failure.Status == http.StatusTooManyRequests {
			c.pace.pauseFor(failure.RetryAfter)
		}
		if goesOn(failure.Status) {
			failure.Settling = c.settling(request, nil)
		}
		return answer{}, failure
	}
	return a, nil
}

// expand fills a route in.
func (c *Client) expand(ctx context.Context, request call) (string, error) {
	values := request.params
	if strings.Contains(request.route, "{spaceId}") {
		id, err := c.resolveSpace(ctx)
		if err != nil {
			return "", err
		}
		values = values.with("spaceId", id)
	}
	for name, value := range values {
		// Such a value would make the address that of something else.
		if value == "" || value == "." || value == ".." {
			return "", c.refuse(request.op, fmt.Sprintf("the value of %s is %q", name, value), "")
		}
	}
	target, err := c.templates.Expand(request.route, map[string]any(values))
	if err != nil {
		return "", c.refuse(request.op, fmt.Sprintf("the route %s cannot be filled in: %v", request.route, err), "")
	}
	return target, nil
}

// send does the exchange itself, within the time limit of one request.
func (c *Client) send(ctx context.Context, request call, target string) (answer, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, request.method, target, nil)
	if err != nil {
		return answer{}, c.refuse(request.op, "the request cannot be built: "+err.Error(), "")
	}
	if request.body != nil {
		attach(req, request.body)
		req.Header.Set("Content-Type", cmp.Or(request.contentType, "application/json"))
	}
	if err := c.pass(ctx, request); err != nil {
		return answer{}, err
	}
	start := time.Now()
	res, err := c.session.DoRawRequest(req)
	if failpoint.Enabled {
		failpoint.Reach("answer to " + request.method + " " + label(request.route))
	}
	if err != nil {
		c.observe(request.method, label(request.route), 0, time.Since(start))
		return answer{}, c.unanswered(ctx, request, err, c.settling(request, err))
	}
	defer res.Body.Close()
	content, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	c.observe(request.method, label(request.route), res.StatusCode, time.Since(start))
	a := answer{status: res.StatusCode, header: res.Header, body: content}
	switch {
	case err != nil && a.status >= 200 && a.status <= 299:
		// It has had its effect, or there would be no such status.
		return answer{}, c.unanswered(ctx, request, fmt.Errorf("the answer broke off after %d bytes: %w", len(content), err), 0)
	case len(content) > maxBody:
		return answer{}, c.broken(request.op, fmt.Sprintf("the answer has more than %d bytes", maxBody))
	}
	return a, nil
}

// unanswered is the error for a request without a complete answer. Whether it
// had its effect is unknown.
func (c *Client) unanswered(ctx context.Context, request call, err error, settling time.Duration) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return c.cancelled(ctx, request, settling)
	}
	e := Error{Op: request.op, Kind: Transient, Settling: settling, cause: err,
		Remedy: "check that the server is up and that its configured url can be reached from here"}
	// The URL is in the sentence already.
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	switch {
	case ctx.Err() != nil:
		e.cause = ctx.Err()
		return c.fail(e, "the time given for the whole operation was over before the answer came")
	case errors.Is(err, context.DeadlineExceeded):
		return c.fail(e, fmt.Sprintf("no complete answer came within %s", c.timeout))
	}
	return c.fail(e, plain(err.Error()))
}

// outOfTurn is the error for a request that regrow's own limit kept back.
func (c *Client) outOfTurn(ctx context.Context, op string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return c.fail(Error{
		Op: op, Kind: Transient, cause: err,
		Remedy: "raise the requests per minute for this server if Octopus allows more",
	}, "its turn under regrow's own request limit would have come after its deadline")
}

// label is a route without its query, for metrics.
func label(route string) string {
	path, _, _ := strings.Cut(route, "{?")
	return path
}

// followOnlyHome lets a redirect be followed when it is a GET that stays with
// the same scheme and host. Otherwise the redirect itself becomes the answer:
// Go would send the API key's header on to any host, and turn a POST into a GET.
func followOnlyHome(next *http.Request, via []*http.Request) error {
	first := via[0]
	same := next.URL.Scheme == first.URL.Scheme && strings.EqualFold(next.URL.Host, first.URL.Host)
	if !same || first.Method != http.MethodGet || len(via) >= 5 {
		return http.ErrUseLastResponse
	}
	return nil
}
