package octopus

import (
	"context"
	"strings"
	"time"
)

// EventQuery says which events of the audit trail are meant. Of the lists one
// has to match; an empty list means everything.
type EventQuery struct {
	// Categories and Groups are ids; give one of the two, because how the server
	// takes both together is not documented.
	Categories, Groups []string
	// Regarding is the id of something that the events are about; "" means
	// anything.
	Regarding string
	// Until leaves out events from then on; zero means none.
	Until time.Time
}

type eventDocument struct {
	ID       string `json:"Id"`
	Occurred time.Time
}

// LastEvent returns when the newest of such events happened, the zero time when
// there is none. It takes the permission EventView.
func (c *Client) LastEvent(ctx context.Context, q EventQuery) (time.Time, error) {
	const op = "read the audit trail"
	space, err := c.resolveSpace(ctx)
	if err != nil {
		return time.Time{}, err
	}
	where := params{"spaces": space, "take": "1"}.
		with("eventCategories", strings.Join(q.Categories, ",")).with("eventGroups", strings.Join(q.Groups, ",")).
		with("regarding", q.Regarding)
	if !q.Until.IsZero() {
		where = where.with("to", q.Until.UTC().Format(time.RFC3339))
	}
	found, err := get[page[eventDocument]](ctx, c, op, "/api/events{?spaces,eventCategories,eventGroups,regarding,to,take}", where)
	if err != nil || len(found.Items) == 0 {
		return time.Time{}, err
	}
	return found.Items[0].Occurred, nil
}
