package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// The kinds of run events; the API and the console show them as they are.
const (
	eventRunCreated    = "run_created"
	eventRunQueued     = "run_queued"
	eventRunStarted    = "run_started"
	eventRunSucceeded  = "run_succeeded"
	eventRunFailed     = "run_failed"
	eventRunCancelled  = "run_cancelled"
	eventRunSuperseded = "run_superseded"
	eventRetry         = "retry_requested"
	eventCancel        = "cancel_requested"
	eventRollback      = "rollback_requested"
	eventRolledBack    = "rolled_back"

	eventRunFrozen             = "run_frozen"
	eventRunThawed             = "run_thawed"
	eventFreezeIgnored         = "freeze_ignored"
	eventFreezeOverrideRefused = "freeze_override_refused"
	eventFreezesUnread         = "freezes_unread"

	eventRunHeld     = "run_held"
	eventRunReleased = "run_released"

	eventTaskCancelled   = "task_cancelled"
	eventNoTaskCancelled = "no_task_cancelled"

	eventStageStarted   = "stage_started"
	eventStageWaiting   = "stage_waiting"
	eventStageRetrying  = "stage_retrying"
	eventStageSucceeded = "stage_succeeded"
	eventStageFailed    = "stage_failed"
	eventAttemptLost    = "attempt_lost"

	eventProvisionedAgain = "provisioned_again"

	eventBaseline        = "baseline_recorded"
	eventTargetFound     = "target_found"
	eventTargetAvailable = "target_available"
	eventTargetDeployed  = "target_deployed"
	eventTargetRedeploy  = "target_redeployed"
	eventTargetRemoved   = "target_removed"
	eventRemovalsAllowed = "removals_allowed"
	eventTargetLeft      = "target_left"
	eventTargetTakenOut  = "target_taken_out"
	eventFailureRunbook  = "failure_runbook"
	eventOverrideCleared = "override_cleared"
	eventOverrideSet     = "override_set"
)

// record writes an event of a run in its stage. Data may be nil.
func record(ctx context.Context, q *store.Queries, run store.Run, now time.Time, kind, message string, data map[string]any) error {
	return recordAt(ctx, q, run, run.Stage, now, kind, message, data)
}

func recordAt(ctx context.Context, q *store.Queries, run store.Run, stage pipeline.Stage, now time.Time, kind, message string, data map[string]any) error {
	if data == nil {
		data = map[string]any{}
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encoding the data of event %s: %w", kind, err)
	}
	return q.InsertEvent(ctx, store.InsertEventParams{
		RunID: run.ID, At: now, Kind: kind, Stage: stage, Message: storable(message), Data: encoded,
	})
}
