package octopus

import (
	"context"
	"net/http"
	"time"
)

// ServerTime returns what time it is for the server, to the second, out of the
// Date header of an answer.
func (c *Client) ServerTime(ctx context.Context) (time.Time, error) {
	const op = "read the server's clock"
	a, err := c.do(ctx, call{op: op, method: http.MethodGet, route: "/api"})
	if err != nil {
		return time.Time{}, err
	}
	at, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return time.Time{}, c.broken(op, "the answer has no Date header")
	}
	return at, nil
}
