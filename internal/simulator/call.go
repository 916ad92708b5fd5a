package simulator

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

// call is one request, while the state is locked.
type call struct {
	*Server
	r         *http.Request
	data      []byte // the request's body
	by        cause
	space     string // the space that the path names, or the default one
	allSpaces bool   // the path names no space
	query     query
	override  freezeOverride // of the deployment that the call makes
}

// handler answers a call.
type handler func(*call) (reply, error)

// param is a part of the path, in lower case.
func (c *call) param(name string) string { return chi.URLParam(c.r, name) }

// missing is the answer for a path parameter that leads nowhere; it names the id as the client wrote it.
func (c *call) missing(name string) *problem {
	id := c.param(name)
	for segment := range strings.SplitSeq(originalPath(c.r), "/") {
		if strings.EqualFold(segment, id) {
			id = segment
		}
	}
	return notFound(id)
}

func (c *call) body() (document, error) {
	d, err := parseDocument(c.data)
	if err != nil {
		return nil, invalid("The request body is not a JSON object: " + err.Error())
	}
	return d, nil
}

// find is the document that a path parameter names by id or slug, in the call's space.
func (c *call) find(kindName, parameter string) (document, error) {
	if d := c.lookup(kindName, c.param(parameter)); d != nil {
		return d, nil
	}
	return nil, c.missing(parameter)
}

// lookup is a document of the call's space by id or slug, or nil.
func (c *call) lookup(kindName, idOrSlug string) document {
	if idOrSlug == "" {
		return nil
	}
	d := c.documents[kindName].get(idOrSlug)
	if d == nil && c.kinds[kindName].bySlug {
		d = c.documents[kindName].first(func(d document) bool {
			return c.visible(d) && strings.EqualFold(d.text("Slug"), idOrSlug)
		})
	}
	if k := c.kinds[kindName]; d == nil || !c.visible(d) || k.elsewhere != nil && k.elsewhere(c, d) {
		return nil
	}
	return d
}

// named is a document of the call's space by id or name: what the "create/v1" routes accept.
func (c *call) named(kindName, idOrName string, also func(document) bool) document {
	if idOrName == "" {
		return nil
	}
	return c.documents[kindName].first(func(d document) bool {
		return c.visible(d) && (also == nil || also(d)) &&
			(strings.EqualFold(d.id(), idOrName) || strings.EqualFold(d.text("Name"), idOrName))
	})
}

// visible says whether the path's space holds the document. A path without a space sees all.
func (c *call) visible(d document) bool {
	space := d.text("SpaceId")
	return space == "" || c.allSpaces || space == c.space
}

// query is a query string with Octopus' habits: names in any case, lists joined by commas or repeated.
type query map[string][]string

func parseQuery(values url.Values) query {
	q := query{}
	for name, list := range values {
		name = strings.ToLower(name)
		q[name] = append(q[name], list...)
	}
	return q
}

func (q query) text(name string) string {
	if values := q[strings.ToLower(name)]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (q query) list(name string) []string {
	var list []string
	for _, value := range q[strings.ToLower(name)] {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

func (q query) number(name string, fallback int) int {
	n, err := strconv.Atoi(q.text(name))
	if err != nil || n < 0 {
		return fallback
	}
	return n
}

func (q query) flag(name string) bool { return strings.EqualFold(q.text(name), "true") }

// allows says whether a filter of the query, if present, names the value.
func (q query) allows(name, value string) bool {
	list := q.list(name)
	return len(list) == 0 || contains(list, value)
}

// allowsAny is allows for a field that holds several values.
func (q query) allowsAny(name string, values []string) bool {
	list := q.list(name)
	return len(list) == 0 || overlap(list, values)
}
