package octopus

import "strings"

// links are the addresses that a document names. Their values are templates.
type links map[string]string

// webURL returns where people see a document: the server's own link, or else
// the page of the space's portal.
func (c *Client) webURL(l links, page string) string {
	link := l["Web"]
	// Only a path: another scheme or host has no business on an ops page.
	if !strings.HasPrefix(link, "/") || strings.HasPrefix(link, "//") {
		space := ""
		if id := c.spaceID.Load(); id != nil {
			space = *id
		}
		return c.base.String() + "app#/" + space + "/" + page
	}
	// Behind a proxy the link may or may not have the base URL's path already.
	link = strings.TrimPrefix(link, c.base.Path)
	return c.base.String() + strings.TrimPrefix(link, "/")
}
