package terminal

import (
	"cmp"
	"slices"
	"strconv"

	"regrow/internal/client"
)

// Runs shows runs as a table, in the given order.
func (s *Screen) Runs(runs []client.Run) error {
	p := s.page(s.Now())
	if len(runs) == 0 {
		p.line("No runs.")
		return p.flush()
	}
	// In a narrow window the reason, which says the most, has a line of its own.
	narrow := p.width > 0 && p.width < 120
	rows := [][]cell{{
		{"", plain}, {"pipeline", dim}, {"#", dim}, {"status", dim}, {"stage", dim},
		{"commit", dim}, {"branch", dim}, {tenantHeading(runs), dim}, {"age", dim}, {"took", dim}, {"reason", dim},
	}}
	for _, run := range runs {
		rows = append(rows, s.runRow(run))
	}
	if narrow {
		p.narrowRuns(rows)
	} else {
		p.columns(rows)
	}
	return p.flush()
}

// Columns of the table of runs that narrow windows treat in their own way.
const (
	stageColumn  = 4
	branchColumn = 6
	reasonColumn = 10
)

// tenantHeading is empty when no run has a tenant: the column is not shown then.
func tenantHeading(runs []client.Run) string {
	if slices.ContainsFunc(runs, func(run client.Run) bool { return run.Tenant != "" }) {
		return "tenant"
	}
	return ""
}

func (s *Screen) runRow(run client.Run) []cell {
	m := markOfRun(run.Status)
	took, reason := "", ""
	if elapsed := s.elapsed(run); elapsed > 0 {
		took = duration(elapsed)
	}
	if run.Status != client.RunStatusSucceeded {
		reason = clean(run.Reason)
	}
	status := string(run.Status)
	switch {
	case len(run.HeldBy) > 0:
		m, status = markHeld, held
	case run.Frozen.Name != "":
		status = frozen
	}
	return []cell{
		{m.sign, m.style}, {clean(run.Pipeline), bold}, {strconv.FormatInt(run.Number, 10), plain},
		{status, m.style}, {string(run.Stage), plain},
		{short(run.Commit.SHA), plain}, {trim(clean(cmp.Or(run.Commit.Branch, run.Commit.Ref)), 30), plain}, {trim(clean(run.Tenant), 30), plain},
		{age(s.Now().Sub(run.CreatedAt)), plain}, {took, plain}, {reason, plain},
	}
}

func (p *page) narrowRuns(rows [][]cell) {
	below := make([][]string, len(rows))
	for i, row := range rows {
		if reason := row[reasonColumn].text; reason != "" && i > 0 {
			below[i] = wrap(reason, p.width-2*len(indent)-3)
		}
		row[branchColumn].text = trim(row[branchColumn].text, 16)
		row[stageColumn].text, row[reasonColumn].text = "", ""
	}
	widths := widthsOf(rows)
	for i, row := range rows {
		p.row(row, widths)
		for _, line := range below[i] {
			p.line(indent, "   ", p.paint(dim, line))
		}
	}
}

// short is as much of a commit id as people read.
func short(sha string) string {
	sha = clean(sha)
	return sha[:min(len(sha), 8)]
}
