package terminal

import (
	"fmt"
	"io"
	"strings"
)

// Mark is the sign before a finding.
type Mark int

// The marks of findings.
const (
	MarkFine Mark = iota
	MarkNone
	MarkNote
	MarkUnknown
	MarkWarning
	MarkWrong
)

// of returns the sign and its colour.
func (m Mark) of() mark {
	switch m {
	case MarkFine:
		return markDone
	case MarkNone:
		return mark{"-", dim}
	case MarkNote:
		return mark{"i", cyan}
	case MarkUnknown:
		return mark{"?", yellow}
	case MarkWarning:
		return mark{"!", yellow}
	default:
		return markFailed
	}
}

// Finding is what was found of one thing that was looked at.
type Finding struct {
	Mark Mark
	// Name is what people call the question by.
	Name, Text string
	// Details are further sentences, Remedy is what to do; both may be missing.
	Details []string
	Remedy  string
}

// nameColumns is how wide names of findings are, so that several lists of them
// stand in line.
const nameColumns = 22

// Findings shows what was found of one subject.
func (s *Screen) Findings(subject string, findings []Finding) error {
	p := s.page(s.Now())
	p.line(p.paint(bold, clean(subject)))
	for _, f := range findings {
		p.finding(f)
	}
	p.line()
	return p.flush()
}

func (p *page) finding(f Finding) {
	m := f.Mark.of()
	text := clean(f.Text)
	how := plain
	if f.Mark == MarkNone {
		how = dim
	}
	const before = len(indent) + 2 + nameColumns + 2
	room := p.room(before)
	for i, line := range wrap(text, room) {
		if i == 0 {
			p.line(indent, p.sign(m), " ", pad(clean(f.Name), nameColumns), "  ", p.paint(how, line))
			continue
		}
		p.line(strings.Repeat(" ", before), p.paint(how, line))
	}
	for _, detail := range f.Details {
		p.hanging(before, "· ", detail)
	}
	if f.Remedy != "" {
		p.hanging(before, "→ ", f.Remedy)
	}
}

// room is how many columns are left for text that begins that far from the left,
// 0 for any number.
func (p *page) room(before int) int {
	const least = 30
	if p.width == 0 {
		return 0
	}
	return max(p.width-before, least)
}

// hanging writes text after a sign, with its further lines below its first.
func (p *page) hanging(before int, sign, text string) {
	for _, line := range wrap(clean(text), p.room(before+columnsOf(sign))) {
		p.line(strings.Repeat(" ", before), sign, line)
		sign = strings.Repeat(" ", columnsOf(sign))
	}
}

// Tally is how many findings of each kind there are.
type Tally struct {
	Mark  Mark
	Count int
	What  string
}

// Sum shows how many findings of each kind there are, in one line.
func (s *Screen) Sum(tallies []Tally) error {
	p := s.page(s.Now())
	var parts []string
	for _, t := range tallies {
		if t.Count > 0 {
			m := t.Mark.of()
			parts = append(parts, p.sign(m)+" "+p.paint(m.style, fmt.Sprintf("%d %s", t.Count, t.What)))
		}
	}
	p.line(strings.Join(parts, "   "))
	return p.flush()
}

// Passing shows a line that the next one takes the place of; "" takes it away.
// Where lines cannot be overwritten it shows nothing.
func (s *Screen) Passing(text string) error {
	if !s.Overwrite {
		return nil
	}
	_, err := io.WriteString(s.w, "\r\x1b[K"+s.paint(dim, trim(clean(text), s.columns()-1)))
	return err
}
