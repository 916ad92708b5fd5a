package terminal

import "strings"

// Intent is something that is to be done, or has been.
type Intent struct {
	Do Do
	// Verb says it in a word, such as "create" and "created".
	Verb string
	// What is the kind of thing that it is done to, Name its name.
	What, Name string
	// Changes are what is to become of it, Note is what to know first; both may be
	// missing.
	Changes []string
	Note    string
}

// Do is what is done to something, as far as its mark goes.
type Do int

// What is done.
const (
	DoNothing Do = iota
	DoCreate
	DoChange
	DoWait // for somebody's help
)

func (d Do) of() mark {
	switch d {
	case DoCreate:
		return mark{"+", green}
	case DoChange:
		return mark{"~", yellow}
	case DoWait:
		return mark{"!", red}
	default:
		return mark{"=", dim}
	}
}

const (
	verbColumns = 8  // of "blocked" and a little more
	whatColumns = 14 // of "machine policy"
)

// Intents shows what is to be done, one thing below the other. An empty title
// leaves the headline out.
func (s *Screen) Intents(title string, intents []Intent) error {
	p := s.page(s.Now())
	if title != "" {
		p.line(p.paint(bold, clean(title)))
	}
	for _, intent := range intents {
		p.intent(intent)
	}
	return p.flush()
}

func (p *page) intent(i Intent) {
	m := i.Do.of()
	name, how := clean(i.Name), bold
	if i.Do == DoNothing {
		how = dim
	}
	p.line(indent, p.sign(m), " ", p.paint(m.style, pad(i.Verb, verbColumns)), " ", pad(clean(i.What), whatColumns), "  ", p.paint(how, name))
	const before = len(indent) + 2 + verbColumns + 1
	for _, change := range i.Changes {
		p.hanging(before, "· ", change)
	}
	if i.Note != "" {
		p.hanging(before, strings.Repeat(" ", 2), i.Note)
	}
}
