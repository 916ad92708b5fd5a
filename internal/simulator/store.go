package simulator

import (
	"fmt"
	"slices"
	"strings"
)

// collection keeps the documents of one kind in the order of their creation.
type collection struct {
	prefix string
	last   int // number of the newest id; ids are never used twice
	byID   map[string]document
	order  []document
}

func newCollection(prefix string) *collection {
	return &collection{prefix: prefix, byID: map[string]document{}}
}

// nextID is the next id, such as "Machines-3".
func (c *collection) nextID() string {
	c.last++
	return fmt.Sprintf("%s-%d", c.prefix, c.last)
}

func (c *collection) get(id string) document { return c.byID[strings.ToLower(id)] }

func (c *collection) add(d document) {
	c.byID[strings.ToLower(d.id())] = d
	c.order = append(c.order, d)
}

// replace puts a new document in the place of the one with the same id.
func (c *collection) replace(d document) {
	old := c.get(d.id())
	c.byID[strings.ToLower(d.id())] = d
	for i := range c.order {
		if c.order[i].id() == old.id() {
			c.order[i] = d
		}
	}
}

func (c *collection) remove(id string) {
	delete(c.byID, strings.ToLower(id))
	c.order = slices.DeleteFunc(c.order, func(d document) bool { return strings.EqualFold(d.id(), id) })
}

// first is the first document for which the condition holds, or nil.
func (c *collection) first(holds func(document) bool) document {
	if i := slices.IndexFunc(c.order, holds); i >= 0 {
		return c.order[i]
	}
	return nil
}

// where is a list of its own of the documents for which the condition holds, oldest first.
func (c *collection) where(holds func(document) bool) []document {
	var found []document
	for _, d := range c.order {
		if holds(d) {
			found = append(found, d)
		}
	}
	return found
}
