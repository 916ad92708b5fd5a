package handlers

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"regrow/internal/handlers/api"
)

// linksIn finds the addresses in what a stage made: the members whose names end
// in "url", however deep. A link is called after the stage and the members that
// lead to it.
func linksIn(stage api.Stage, result map[string]any) []api.Link {
	var links []api.Link
	collectLinks(strings.ReplaceAll(string(stage), "_", " "), result, func(name, address string) {
		links = append(links, api.Link{Name: name, Stage: stage, URL: address})
	})
	return links
}

func collectLinks(name string, value any, found func(name, address string)) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			what, isLink := strings.CutSuffix(key, "_url")
			label := name + " " + strings.ReplaceAll(what, "_", " ")
			if address, ok := value[key].(string); ok && isLink && isWeb(address) {
				found(label, address)
				continue
			}
			collectLinks(label, value[key], found)
		}
	case []any:
		for i, entry := range value {
			collectLinks(fmt.Sprintf("%s %d", name, i+1), entry, found)
		}
	}
}

// isWeb keeps what is no web address from becoming something to click on.
func isWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// spaceAddress returns the address of the space in Octopus's own pages that the
// links lead into, or "". Octopus docs: pages of a space are below
// /app#/Spaces-<n>/.
func spaceAddress(links []api.Link) string {
	const pages = "/app#/"
	for _, link := range links {
		server, page, ok := strings.Cut(link.URL, pages)
		space, _, _ := strings.Cut(page, "/")
		if ok && strings.HasPrefix(space, "Spaces-") {
			return server + pages + space
		}
	}
	return ""
}
