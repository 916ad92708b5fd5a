package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// byteOrderMark stands at the start of files from some editors on Windows.
const byteOrderMark = "\ufeff"

// The parser follows nesting by recursion, with a path for every level: deep
// nonsense would take all memory. No real file comes near these limits.
const (
	maxFile    = 256 << 10 // bytes
	maxBraces  = 50        // levels of "[" and "{"
	maxIndent  = 200       // columns before a "-", "?" or ":"
	maxTagging = 1000      // tags and anchors
)

// kind is what a node is, in the words that problems use.
type kind string

const (
	objectKind  kind = "an object"
	listKind    kind = "a list"
	textKind    kind = "text"
	integerKind kind = "a whole number"
	otherKind   kind = "a number, date or truth value"
	nullKind    kind = "nothing"
	// brokenKind is what has been reported already.
	brokenKind kind = "broken"
)

// node is a YAML value with its place. Aliases and merge keys are resolved;
// a node that several aliases name is shared, so a small file stays small.
type node struct {
	kind    kind
	at      position
	text    string  // of text, unquoted
	integer int64   // of a whole number
	entries []entry // of an object, without duplicates
	items   []*node // of a list
}

type entry struct {
	key   string
	at    position
	value *node
}

// treeBuilder turns the parser's syntax tree into nodes.
type treeBuilder struct {
	report  func(at position, format string, args ...any)
	anchors map[string]*node
}

// parse returns the root object of the file, and false when there is none.
func (r *reader) parse(data []byte) (*node, bool) {
	report := func(at position, format string, args ...any) { r.fail(at, "", format, args...) }
	if len(data) > maxFile {
		report(position{1, 1}, "the file has %d bytes; expected at most %d", len(data), maxFile)
		return nil, false
	}
	tokens := lexer.Tokenize(strings.TrimPrefix(string(data), byteOrderMark))
	if at, deep := tooDeep(tokens); deep {
		report(at, "the file is nested too deeply for a configuration")
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := syntaxError(err)
		report(at, "not valid YAML: %s", message)
		return nil, false
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		report(position{1, 1}, "the file is empty; regrow.example.yaml shows what belongs into it")
		return nil, false
	}
	if len(bodies) > 1 {
		report(positionOf(bodies[1].GetToken()), "expected one YAML document, found another after %q", "---")
		return nil, false
	}
	builder := &treeBuilder{report: report, anchors: map[string]*node{}}
	return builder.build(bodies[0]), true
}

// tooDeep returns where the file goes beyond the limits.
func tooDeep(tokens token.Tokens) (position, bool) {
	braces, tagging := 0, 0
	for _, t := range tokens {
		at := positionOf(t)
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			braces++
		case token.SequenceEndType, token.MappingEndType:
			braces--
		case token.TagType, token.AnchorType:
			tagging++
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			if braces == 0 && at.column > maxIndent {
				return at, true
			}
		default: // the others nest nothing
		}
		if braces > maxBraces || tagging > maxTagging {
			return at, true
		}
	}
	return position{}, false
}

// syntaxError takes place and message from the parser's error and leaves out
// the lines of the file that it quotes, because they may hold secrets.
func syntaxError(err error) (position, string) {
	if syntax, ok := errors.AsType[yaml.Error](err); ok {
		return positionOf(syntax.GetToken()), syntax.GetMessage()
	}
	return position{1, 1}, "the parser does not say why"
}

func positionOf(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{max(1, t.Position.Line), max(1, t.Position.Column)}
}

func (b *treeBuilder) build(n ast.Node) *node {
	if n == nil {
		return &node{kind: nullKind, at: position{1, 1}}
	}
	at := positionOf(n.GetToken())
	switch n := n.(type) {
	case *ast.MappingNode:
		return b.object(n.Values, at)
	case *ast.MappingValueNode:
		return b.object([]*ast.MappingValueNode{n}, at)
	case *ast.SequenceNode:
		return b.list(n, at)
	case *ast.AnchorNode:
		return b.anchor(n)
	case *ast.AliasNode:
		return b.alias(n, at)
	case *ast.TagNode:
		return b.tagged(n, at)
	}
	return scalarNode(n, at)
}

func scalarNode(n ast.Node, at position) *node {
	switch n := n.(type) {
	case *ast.StringNode:
		return &node{kind: textKind, at: at, text: n.Value}
	case *ast.LiteralNode:
		return &node{kind: textKind, at: at, text: n.Value.Value}
	case *ast.IntegerNode:
		return integerNode(n, at)
	case *ast.NullNode:
		return &node{kind: nullKind, at: at}
	}
	return &node{kind: otherKind, at: at}
}

func integerNode(n *ast.IntegerNode, at position) *node {
	switch value := n.Value.(type) {
	case int64:
		return &node{kind: integerKind, at: at, integer: value}
	case uint64:
		if value <= 1<<62 {
			return &node{kind: integerKind, at: at, integer: int64(value)}
		}
	}
	return &node{kind: otherKind, at: at}
}

func (b *treeBuilder) list(n *ast.SequenceNode, at position) *node {
	list := &node{kind: listKind, at: at}
	for _, value := range n.Values {
		list.items = append(list.items, b.build(value))
	}
	return list
}

// object keeps the first of several equal keys and reports the others. Keys
// written in the object itself win over merged ones.
func (b *treeBuilder) object(values []*ast.MappingValueNode, at position) *node {
	object := &node{kind: objectKind, at: at}
	if len(values) > 0 {
		object.at = firstOf(at, positionOf(values[0].Key.GetToken()))
	}
	var merged []entry
	for _, value := range values {
		if value.Key.IsMergeKey() {
			merged = append(merged, b.merge(value.Value)...)
			continue
		}
		e := entry{at: positionOf(value.Key.GetToken()), value: b.build(value.Value)}
		key, ok := keyText(value.Key)
		if !ok {
			b.report(e.at, "expected a plain word as key")
			continue
		}
		e.key = key
		if first := object.entry(e.key); first != nil {
			b.report(e.at, "duplicate key %q, first at line %d", e.key, first.at.line)
			continue
		}
		object.entries = append(object.entries, e)
	}
	for _, e := range merged {
		if object.entry(e.key) == nil {
			object.entries = append(object.entries, e)
		}
	}
	return object
}

// merge returns the entries that a merge key ("<<") brings, of one object or of
// a list of them.
func (b *treeBuilder) merge(value ast.Node) []entry {
	source := b.build(value)
	switch source.kind {
	case objectKind:
		return source.entries
	case listKind:
		var all []entry
		for _, item := range source.items {
			if item.kind != objectKind {
				b.report(item.at, "expected an alias of an object to merge, got %s", item.kind)
			}
			all = append(all, item.entries...)
		}
		return all
	}
	b.report(source.at, "expected an alias of an object to merge, got %s", source.kind)
	return nil
}

func (b *treeBuilder) anchor(n *ast.AnchorNode) *node {
	value := b.build(n.Value)
	if n.Name != nil {
		// Known only from here on: a value that holds its own alias is refused.
		b.anchors[n.Name.GetToken().Value] = value
	}
	return value
}

func (b *treeBuilder) alias(n *ast.AliasNode, at position) *node {
	if n.Value != nil {
		if value, ok := b.anchors[n.Value.GetToken().Value]; ok {
			return value
		}
	}
	b.report(at, "the alias names no anchor that stands before it")
	return &node{kind: brokenKind, at: at}
}

// tagged allows "!!str", which makes a text of any scalar, and nothing else.
func (b *treeBuilder) tagged(n *ast.TagNode, at position) *node {
	if n.Start.Value != string(token.StringTag) {
		b.report(at, "YAML tags other than !!str are not supported; remove the tag")
		return &node{kind: brokenKind, at: at}
	}
	value := b.build(n.Value)
	if value.kind == integerKind || value.kind == otherKind {
		return &node{kind: textKind, at: value.at, text: n.Value.GetToken().Value}
	}
	return value
}

func keyText(key ast.MapKeyNode) (string, bool) {
	switch key := key.(type) {
	case *ast.StringNode:
		return key.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return key.GetToken().Value, true
	}
	return "", false
}

func (n *node) entry(key string) *entry {
	i := slices.IndexFunc(n.entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return nil
	}
	return &n.entries[i]
}

func firstOf(a, b position) position {
	if b.line < a.line || b.line == a.line && b.column < a.column {
		return b
	}
	return a
}

// join makes the path of a key within an object.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// index makes the path of an item within a list.
func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
