package jobs

import (
	"context"
	"fmt"

	"regrow/internal/octopus"
	"regrow/internal/store"
)

// settles tells whether a request of the run that got no answer may still have
// its effect. Whoever looked for that now could miss it, and have it made again
// or, worse, leave it to a run that knows nothing of it.
func (e *Engine) settles(run store.Run) bool {
	return run.SettlesAt != nil && run.SettlesAt.After(e.Now())
}

// noteSettling remembers until when what failed with err may have its effect.
func (x *execution) noteSettling(err error) {
	unsettled := octopus.Settling(err)
	if at := x.Now().Add(unsettled); unsettled > 0 && at.After(x.settlesAt) {
		x.settlesAt = at
	}
}

// writeSettling keeps others from going on with the run before what this execution
// has under way has settled.
func (x *execution) writeSettling(ctx context.Context, q *store.Queries, run *store.Run) error {
	if x.settlesAt.IsZero() {
		return nil
	}
	if err := q.SettleRun(ctx, store.SettleRunParams{ID: run.ID, SettlesAt: x.settlesAt}); err != nil {
		return fmt.Errorf("noting until when a request may have its effect: %w", err)
	}
	run.SettlesAt = &x.settlesAt
	return nil
}
