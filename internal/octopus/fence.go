package octopus

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"regrow/internal/failpoint"
)

type fenceKey struct{}

// WithFence returns a context in which requests that change something are sent
// only while check returns nil; its error is theirs. It is asked at the last
// moment, when the bytes go out: a process may be paused anywhere before, for so
// long that another one acts in its place.
func WithFence(ctx context.Context, check func() error) context.Context {
	return context.WithValue(ctx, fenceKey{}, check)
}

// fence asks whether changes may still be sent.
func fence(ctx context.Context) error {
	if check, ok := ctx.Value(fenceKey{}).(func() error); ok {
		return check()
	}
	return nil
}

type gateKey struct{}

// WithGate returns a context in which each request that changes something is
// asked for right before it: it is sent only when check returns nil, and check's
// error is its own. Unlike a fence, check may take its time, for a question to a
// database.
func WithGate(ctx context.Context, check func(context.Context) error) context.Context {
	return context.WithValue(ctx, gateKey{}, check)
}

// gate asks for a change.
func gate(ctx context.Context) error {
	if check, ok := ctx.Value(gateKey{}).(func(context.Context) error); ok {
		return check(ctx)
	}
	return nil
}

// pass lets a request go out, unless it would change something and must not.
func (c *Client) pass(ctx context.Context, request call) error {
	if failpoint.Enabled {
		failpoint.Reach("request of " + request.method + " " + label(request.route))
	}
	if request.method == http.MethodGet {
		return nil
	}
	if err := gate(ctx); err != nil {
		return err
	}
	return fence(ctx)
}

// attach gives a request a body that cannot be read any more once the fence is
// closed. net/http reads it right before it writes to the connection.
func attach(req *http.Request, body []byte) {
	req.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(&fencedBody{ctx: req.Context(), rest: bytes.NewReader(body)}), nil
	}
	req.Body, _ = req.GetBody() // it never fails
	req.ContentLength = int64(len(body))
}

type fencedBody struct {
	ctx  context.Context //nolint:containedctx // it is the request's own
	rest *bytes.Reader
}

// Read implements io.Reader.
func (b *fencedBody) Read(p []byte) (int, error) {
	if err := fence(b.ctx); err != nil {
		return 0, err
	}
	return b.rest.Read(p)
}
