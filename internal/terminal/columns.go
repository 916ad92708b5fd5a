package terminal

import "strings"

// cell is one field of a table.
type cell struct {
	text  string
	style style
}

// columns writes rows under each other, indented, each column as wide as its
// widest field. A row that is too long for the window is cut at its end.
func (p *page) columns(rows [][]cell) {
	widths := widthsOf(rows)
	for _, row := range rows {
		p.row(row, widths)
	}
}

func widthsOf(rows [][]cell) []int {
	var widths []int
	for _, row := range rows {
		for i, field := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columnsOf(field.text))
		}
	}
	return widths
}

// indent is what rows begin with.
const indent = "  "

func (p *page) row(row []cell, widths []int) {
	const gap = "  "
	var line strings.Builder
	line.WriteString(indent)
	used, begun := len(indent), false
	for i, field := range row {
		if widths[i] == 0 {
			continue // nobody has this
		}
		if begun {
			line.WriteString(gap)
			used += len(gap)
		}
		begun = true
		text := field.text
		if p.width > 0 {
			room := p.width - used
			if room <= 0 {
				break
			}
			text = trim(text, room)
		}
		line.WriteString(p.paint(field.style, text))
		if i < len(row)-1 {
			line.WriteString(strings.Repeat(" ", widths[i]-columnsOf(field.text)))
		}
		used += max(widths[i], columnsOf(text))
	}
	p.line(line.String())
}
