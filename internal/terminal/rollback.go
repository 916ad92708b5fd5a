package terminal

import (
	"fmt"

	"regrow/internal/client"
)

// rollback tells what a run gets away from, and how it is got away from itself.
func (p *page) rollback(run client.Run) {
	if run.Kind == client.RunKindRollback {
		p.fact("rollback", fmt.Sprintf("of run %s, with the release of run %s", run.RollbackOf, run.Restores))
	}
	text := ""
	switch run.Rollback.Way {
	case client.RollbackWayReturn:
		text = "to the old generation, as " + clean(run.Rollback.By) + " wanted"
	case client.RollbackWayNone:
		text = "not, although " + clean(run.Rollback.By) + " wanted it"
	case client.RollbackWayNewRun:
		text = fmt.Sprintf("by run %s, as %s wanted", run.Rollback.Run, clean(run.Rollback.By))
	}
	if run.Rollback.Reason != "" {
		text += ": " + clean(run.Rollback.Reason)
	}
	p.fact("undone", text)
}

// hintRollback tells how to get away from a run that nobody has got away from.
func (p *page) hintRollback(run client.Run) {
	if run.Rollback.Way == "" || run.Rollback.Way == client.RollbackWayNone {
		p.hint(p.Command("rollback", Ref(run))+" --reason '…' --wait", "get away from it, back to what was good")
	}
}
