package terminal_test

import (
	"github.com/google/uuid"

	"regrow/internal/client"
)

var (
	badRun  = uuid.MustParse("0199c3a0-0000-7000-8000-00000000000a")
	goodRun = uuid.MustParse("0199c3a0-0000-7000-8000-000000000009")
)

// aRollback puts an earlier release on new infrastructure.
func aRollback() client.RunDetail {
	run := newRun()
	run.Kind, run.RollbackOf, run.Restores = client.RunKindRollback, badRun, goodRun
	return run
}

// rolledBack succeeded, and an operator got away from it.
func rolledBack() client.RunDetail {
	run := succeeded()
	run.Rollback = client.Rollback{Way: client.RollbackWayNewRun, Run: badRun, By: "ann", Reason: "the shop\nis down"}
	return run
}

// givenBack was ended for the sake of its old generation.
func givenBack() client.RunDetail {
	run := cancelled()
	run.Rollback = client.Rollback{Way: client.RollbackWayReturn, By: "ann"}
	run.Reason = "Rolled back by ann. 2 new targets are removed from Octopus; the old generation goes on serving."
	return run
}
