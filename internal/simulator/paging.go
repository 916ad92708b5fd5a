package simulator

import (
	"fmt"
	"net/url"
	"strconv"
)

const (
	defaultTake = 30
	everything  = 2147483647 // the "take" that clients use for "all"
)

// page cuts a list and wraps it in the envelope that all Octopus lists share. The links keep the
// request's filters.
func (c *call) page(itemType, template string, items []any) document {
	skip, take := c.query.number("skip", 0), c.query.number("take", defaultTake)
	if take == 0 {
		take = defaultTake
	}
	total := len(items)
	shown := items[min(skip, total):]
	shown = shown[:min(take, len(shown))]
	last := max(0, (total-1)/take)
	links := map[string]string{
		"Self":         c.pageLink(skip, take),
		"Template":     c.link(template),
		"Page.All":     c.pageLink(0, everything),
		"Page.Current": c.pageLink(skip, take),
		"Page.Last":    c.pageLink(last*take, take),
	}
	if skip+take < total {
		links["Page.Next"] = c.pageLink(skip+take, take)
	}
	if skip > 0 {
		links["Page.Previous"] = c.pageLink(max(0, skip-take), take)
	}
	return document{
		"ItemType": itemType, "TotalResults": total, "ItemsPerPage": take,
		"NumberOfPages": last + 1, "LastPageNumber": last,
		"Items": neverNil(shown), "Links": links,
	}
}

// pageLink is the request's own address with another window.
func (c *call) pageLink(skip, take int) string {
	values := url.Values{}
	for name, list := range c.r.URL.Query() {
		values[name] = list
	}
	values.Del("skip")
	values.Del("take")
	window := "skip=" + strconv.Itoa(skip) + "&take=" + strconv.Itoa(take)
	if rest := values.Encode(); rest != "" {
		window += "&" + rest
	}
	return fmt.Sprintf("%s?%s", originalPath(c.r), window)
}
