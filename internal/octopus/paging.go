package octopus

import (
	"context"
	"fmt"
	"strconv"
)

const (
	// pageSize is how many items are asked for at once.
	pageSize = 100
	// listAttempts is how often a list is read again that changes meanwhile.
	listAttempts = 3
)

// page is one page of a collection.
type page[T any] struct {
	Items        []T
	TotalResults *int
}

// identified is anything with an Octopus id.
type identified interface{ id() string }

// eachPage reads a collection page by page until visit returns false. The
// route needs the variables skip and take. Pages are counted here instead of
// following the server's links, which lose a base URL's path behind a proxy.
func eachPage[T any](ctx context.Context, c *Client, op, route string, p params, visit func(page[T]) (more bool, err error)) error {
	for skip := 0; ; {
		at := p.with("skip", strconv.Itoa(skip)).with("take", strconv.Itoa(pageSize))
		got, err := get[page[T]](ctx, c, op, route, at)
		if err != nil {
			return err
		}
		if got.TotalResults == nil {
			return c.broken(op, "the answer is no page of a list: it has no TotalResults")
		}
		more, err := visit(got)
		if err != nil {
			return err
		}
		skip += len(got.Items)
		if !more || len(got.Items) == 0 || skip >= *got.TotalResults {
			return nil
		}
	}
}

// listAll reads a whole collection. Items that come or go between two pages
// shift the rest, so that one could be missed or come twice; such a list is
// read again.
func listAll[T identified](ctx context.Context, c *Client, op, route string, p params) ([]T, error) {
	for range listAttempts {
		items, steady, err := listOnce[T](ctx, c, op, route, p)
		if err != nil || steady {
			return items, err
		}
	}
	return nil, c.broken(op, fmt.Sprintf("the list changed while it was read, %d times in a row", listAttempts))
}

func listOnce[T identified](ctx context.Context, c *Client, op, route string, p params) (items []T, steady bool, err error) {
	seen := map[string]bool{}
	total := -1
	steady = true
	err = eachPage(ctx, c, op, route, p, func(got page[T]) (bool, error) {
		if total >= 0 && *got.TotalResults != total {
			steady = false
		}
		total = *got.TotalResults
		for _, item := range got.Items {
			id := item.id()
			if id == "" {
				return false, c.broken(op, "an item of the list has no Id")
			}
			if seen[id] {
				steady = false
				continue
			}
			seen[id] = true
			items = append(items, item)
		}
		return steady, nil
	})
	return items, steady, err
}
