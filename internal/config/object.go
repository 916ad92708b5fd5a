package config

import (
	"regexp"
	"slices"
	"strings"
)

// object reads the keys of one object of the file. It remembers which keys it
// was asked for, so that done can tell the unknown ones.
type object struct {
	r     *reader
	path  string
	at    position
	node  *node // nil when the object is absent or not an object
	known []string
	// ignored is the start of keys that may be anything; empty for none.
	ignored string
	// silent objects report no missing keys: that the object itself is missing
	// or wrong is reported already.
	silent bool
}

// scalar is a text of the file with its variables filled in.
type scalar struct {
	path  string
	at    position
	value string
	// written is the text as it stands in the file.
	written string
	// variables are the environment variables in it.
	variables []string
}

// objectAt reads n as an object.
func (r *reader) objectAt(n *node, path, want string) *object {
	o := &object{r: r, path: path, at: n.at, node: n}
	if n.kind != objectKind {
		r.failKind(n, path, want)
		o.node, o.silent = nil, true
	}
	return o
}

// take returns the value of a key, or nil when it is absent or has no value.
func (o *object) take(key string) *node {
	o.known = append(o.known, key)
	if o.node == nil {
		return nil
	}
	e := o.node.entry(key)
	if e == nil {
		return nil
	}
	path := join(o.path, key)
	o.r.places[path] = place{at: e.value.at}
	switch e.value.kind {
	case nullKind:
		o.r.fail(e.at, path, "the key has no value; give it one or remove the key")
		return nil
	case brokenKind:
		return nil
	}
	return e.value
}

// has tells whether the key stands in the file, with or without a value.
func (o *object) has(key string) bool { return o.node != nil && o.node.entry(key) != nil }

// missing reports that a required key is absent.
func (o *object) missing(key, want string) {
	if !o.silent && !o.has(key) {
		o.r.fail(o.at, join(o.path, key), "missing; expected %s", want)
	}
}

// child reads an object that may be absent.
func (o *object) child(key, want string) *object {
	if n := o.take(key); n != nil {
		return o.r.objectAt(n, join(o.path, key), want)
	}
	return &object{r: o.r, path: join(o.path, key), at: o.at, silent: o.silent || o.has(key)}
}

// requiredChild reads an object that has to be there.
func (o *object) requiredChild(key, want string) *object {
	o.missing(key, want)
	c := o.child(key, want)
	c.silent = c.silent || c.node == nil
	return c
}

// done reports every key that nobody asked for.
func (o *object) done() {
	if o.node == nil {
		return
	}
	for _, e := range o.node.entries {
		ignored := o.ignored != "" && strings.HasPrefix(e.key, o.ignored)
		if !ignored && !slices.Contains(o.known, e.key) {
			o.unknown(e)
		}
	}
}

func (o *object) unknown(e entry) {
	hint := suggestion(e.key, o.known)
	if hint == "" {
		hint = "; known here: " + strings.Join(o.known, ", ")
	}
	o.r.fail(e.at, join(o.path, e.key), "unknown key%s", hint)
}

// text reads a text that may be absent.
func (o *object) text(key, want string) (scalar, bool) {
	n := o.take(key)
	if n == nil {
		return scalar{}, false
	}
	return o.r.textAt(n, join(o.path, key), want)
}

// requiredText reads a text that has to be there and hold something.
func (o *object) requiredText(key, want string) (scalar, bool) {
	o.missing(key, want)
	s, ok := o.text(key, want)
	if ok && strings.TrimSpace(s.value) == "" {
		o.r.fail(s.at, s.path, "expected %s, got %s", want, s.origin())
		return s, false
	}
	return s, ok
}

// textAt reads n as text and fills in its variables.
func (r *reader) textAt(n *node, path, want string) (scalar, bool) {
	if n.kind != textKind {
		r.failKind(n, path, want)
		return scalar{}, false
	}
	e := expand(n.text, r.opts.LookupEnv)
	for _, problem := range e.problems {
		r.fail(n.at, path, "%s", problem)
	}
	s := scalar{path: path, at: n.at, value: e.value, written: n.text, variables: e.variables}
	r.places[path] = place{at: n.at, shown: s.origin()}
	return s, len(e.problems) == 0
}

// origin says what came, as the file writes it: the values of environment
// variables stay unknown to the reader of a problem.
func (s scalar) origin() string {
	if len(s.variables) > 0 {
		return "the value of " + show(s.written)
	}
	return show(s.written)
}

// list takes the items of a list, and the path that leads to it. There are none
// when the key is absent or its value is no list.
func (o *object) list(key, want string) (items []*node, path string) {
	path = join(o.path, key)
	n := o.take(key)
	if n == nil {
		return nil, path
	}
	if n.kind != listKind {
		o.r.failKind(n, path, "a list of "+want)
		return nil, path
	}
	return n.items, path
}

// texts reads a list of texts.
func (o *object) texts(key, want string) []scalar {
	items, path := o.list(key, want)
	var all []scalar
	for i, item := range items {
		if s, ok := o.r.textAt(item, index(path, i), want); ok {
			all = append(all, s)
		}
	}
	return all
}

// requiredTexts reads a list that has to hold something.
func (o *object) requiredTexts(key, want string) []scalar {
	o.missing(key, "a list of "+want)
	all := o.texts(key, want)
	o.nonEmpty(key, want)
	return all
}

func (o *object) nonEmpty(key, want string) {
	if o.node == nil {
		return
	}
	if e := o.node.entry(key); e != nil && e.value.kind == listKind && len(e.value.items) == 0 {
		o.r.fail(e.value.at, join(o.path, key), "the list is empty; expected at least one of %s", want)
	}
}

// each reads a list of objects. A wrong item yields a zero value, so that the
// places in the list and in the file agree.
func each[T any](o *object, key, want string, read func(*object) T) []T {
	items, path := o.list(key, want)
	if items == nil {
		return nil
	}
	all := make([]T, 0, len(items))
	for i, item := range items {
		o.r.places[index(path, i)] = place{at: item.at}
		child := o.r.objectAt(item, index(path, i), "an object")
		all = append(all, read(child))
		child.done()
	}
	return all
}

// requiredEach reads a list of objects that has to hold something.
func requiredEach[T any](o *object, key, want string, read func(*object) T) []T {
	o.missing(key, "a list of "+want)
	all := each(o, key, want, read)
	o.nonEmpty(key, want)
	return all
}

// optional reads a value of a format, or returns the fallback.
func optional[T any](o *object, key string, f format[T], fallback T) T {
	s, ok := o.text(key, f.want)
	if !ok {
		return fallback
	}
	return convert(o.r, s, f, fallback)
}

// required reads a value of a format that has to be there.
func required[T any](o *object, key string, f format[T]) T {
	var zero T
	s, ok := o.requiredText(key, f.want)
	if !ok {
		return zero
	}
	return convert(o.r, s, f, zero)
}

func convert[T any](r *reader, s scalar, f format[T], fallback T) T {
	value, ok := f.parse(s.value)
	if !ok {
		r.fail(s.at, s.path, "expected %s, got %s%s", f.want, s.origin(), suggestion(s.written, f.words))
		return fallback
	}
	return value
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// name reads the name that regrow's addresses, logs and metrics hold. It takes
// no variables: a name is shown everywhere, and must never be a secret.
func (o *object) name() string {
	const want = "a name of 1 to 63 lower-case letters, digits and dashes, starting with a letter or digit"
	s, ok := o.requiredText("name", want)
	if !ok {
		return ""
	}
	if len(s.variables) > 0 {
		o.r.fail(s.at, s.path, "expected %s, without variables; got %s", want, show(s.written))
		return ""
	}
	if !namePattern.MatchString(s.value) {
		o.r.fail(s.at, s.path, "expected %s, got %s", want, s.origin())
	}
	return s.value
}

// integer reads a whole number within limits, or returns the fallback.
func (o *object) integer(key string, fallback, least, most int) int {
	n := o.take(key)
	if n == nil {
		return fallback
	}
	path := join(o.path, key)
	if n.kind != integerKind {
		o.r.fail(n.at, path, "expected a whole number from %d to %d, got %s", least, most, n.kind)
		return fallback
	}
	if n.integer < int64(least) || n.integer > int64(most) {
		o.r.fail(n.at, path, "expected a whole number from %d to %d, got %d", least, most, n.integer)
		return fallback
	}
	return int(n.integer)
}
