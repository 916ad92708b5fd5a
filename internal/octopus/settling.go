package octopus

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Settling returns how long to wait, after an operation has failed, before it is
// looked whether it had its effect: a request that got no answer may still be on
// its way, or be worked on. It is 0 for what has no effect or has had it.
func Settling(err error) time.Duration {
	if e, ok := asError(err); ok {
		return e.Settling
	}
	return 0
}

// Settle waits until what an operation that failed with err has under way must
// have had its effect, and tells whether ctx allowed for that. Whoever keeps
// others from changing the same thing has to do so until then.
func Settle(ctx context.Context, err error) bool {
	unsettled := Settling(err)
	return unsettled == 0 || rest(ctx, unsettled)
}

// settling is how long a request that broke off before its answer may take to
// have its effect.
func (c *Client) settling(request call, err error) time.Duration {
	dialling, ok := errors.AsType[*net.OpError](err)
	if unsent := ok && dialling.Op == "dial"; unsent || request.method == http.MethodGet {
		return 0
	}
	return c.settle
}

// goesOn tells whether an answer is that of something between here and Octopus
// that did not wait for Octopus' own: 502 and 504, and what is like them in
// Cloudflare's words.
func goesOn(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusGatewayTimeout || status >= 520
}

// cancelled is the error for a request during which its caller lost interest.
func (c *Client) cancelled(ctx context.Context, request call, settling time.Duration) error {
	if settling == 0 {
		return ctx.Err()
	}
	return c.fail(Error{Op: request.op, Kind: Transient, Settling: settling, cause: ctx.Err()},
		"it was cancelled while Octopus was at it, and may have its effect all the same")
}
