package terminal

import (
	"cmp"
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
	rows := [][]cell{{
		{"", plain}, {"pipeline", dim}, {"#", dim}, {"status", dim}, {"stage", dim},
		{"commit", dim}, {"branch", dim}, {"age", dim}, {"took", dim}, {"reason", dim},
	}}
	for _, run := range runs {
		rows = append(rows, s.runRow(run))
	}
	p.columns(rows)
	return p.flush()
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
	return []cell{
		{m.sign, m.style}, {clean(run.Pipeline), bold}, {strconv.FormatInt(run.Number, 10), plain},
		{string(run.Status), m.style}, {string(run.Stage), plain},
		{short(run.Commit.SHA), plain}, {trim(clean(cmp.Or(run.Commit.Branch, run.Commit.Ref)), 30), plain},
		{age(s.Now().Sub(run.CreatedAt)), plain}, {took, plain}, {reason, plain},
	}
}

// short is as much of a commit id as people read.
func short(sha string) string {
	sha = clean(sha)
	return sha[:min(len(sha), 8)]
}
