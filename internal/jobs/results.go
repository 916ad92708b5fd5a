package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// results are what the stages of a run have made in Octopus. The JSON names are
// part of the API: members ending in _url are shown as links.
type results struct {
	provision     provisionResult
	createRelease releaseResult
	override      overrideResult
	verify        verifyResult
	cleanup       cleanupResult
	// proven is when the new generation was proven, zero while it is not.
	proven time.Time
	// unreadable says which result another version of regrow has written in a way
	// that makes no sense to this one; nil when all can be read.
	unreadable error
}

type provisionResult struct {
	ProjectID     string `json:"project_id,omitempty"`
	EnvironmentID string `json:"environment_id,omitempty"`
	TenantID      string `json:"tenant_id,omitempty"`
	// Baseline tells that the targets that stood before have been recorded.
	Baseline       bool   `json:"baseline,omitempty"`
	ReleaseID      string `json:"release_id,omitempty"`
	ReleaseVersion string `json:"release_version,omitempty"`
	ReleaseURL     string `json:"release_url,omitempty"`
	gitState
	DeploymentID  string `json:"deployment_id,omitempty"`
	DeploymentURL string `json:"deployment_url,omitempty"`
	TaskID        string `json:"task_id,omitempty"`
	TaskURL       string `json:"task_url,omitempty"`
	// Deployed is when the deployment was created, by Octopus' clock.
	Deployed time.Time `json:"deployed,omitzero"`
	// Marker is what the deployment's comment carries.
	Marker string `json:"marker,omitempty"`
	// Began is when the deployment was about to be created, by our clock.
	Began time.Time `json:"began,omitzero"`
	// Tries counts the deployments before this one that Octopus did not begin
	// because a freeze had begun.
	Tries int `json:"tries,omitempty"`
	// FreezesUnread tells that regrow may not read deployment freezes.
	FreezesUnread bool `json:"freezes_unread,omitempty"`
	freezeRefusal
	// Doubtful tells that a pause held the run since the targets were recorded.
	Doubtful bool `json:"doubtful,omitempty"`
	// Deletions are the new targets that regrow itself has set out to delete.
	Deletions []string `json:"deletions,omitempty"`
	// CancelledTasks are those that Octopus was asked to cancel with the run.
	CancelledTasks []string `json:"cancelled_tasks,omitempty"`
	// Previous is what an earlier round of the run has made.
	Previous *provisionResult `json:"previous,omitempty"`
}

type releaseResult struct {
	ProjectID      string `json:"project_id,omitempty"`
	ReleaseID      string `json:"release_id,omitempty"`
	ReleaseVersion string `json:"release_version,omitempty"`
	ReleaseURL     string `json:"release_url,omitempty"`
	gitState
	// Previous is what an earlier round of the run has made.
	Previous *releaseResult `json:"previous,omitempty"`
}

type overrideResult struct {
	ReleaseID string `json:"override_release_id,omitempty"`
}

type verifyResult struct {
	Expected  int `json:"expected"`
	Available int `json:"available"`
	Deployed  int `json:"deployed"`
	// Redeployments are the deployments that regrow made to put targets right.
	Redeployments []redeployment `json:"redeployments,omitempty"`
	freezeRefusal
}

// freezeRefusal is what Octopus said when it refused to override a freeze for a
// stage; "" when it never did.
type freezeRefusal struct {
	FreezeOverrideRefused string `json:"freeze_override_refused,omitempty"`
}

type redeployment struct {
	DeploymentID  string   `json:"deployment_id"`
	DeploymentURL string   `json:"deployment_url,omitempty"`
	Targets       []string `json:"targets"`
}

type cleanupResult struct {
	Mode pipeline.CleanupMode `json:"mode,omitempty"`
	// BeginsAt is when the grace time after the proof is over, where there is one.
	BeginsAt time.Time `json:"begins_at,omitzero"`
	// MaxRemovals is how many removals an operator has allowed in this round; 0
	// leaves that to the configuration.
	MaxRemovals int `json:"max_removals,omitempty"`
	// Deletions are the targets that regrow itself has set out to delete.
	Deletions []string `json:"deletions,omitempty"`
	// Removed are all old targets that are gone, whoever has removed them.
	Removed []string `json:"removed,omitempty"`
	Left    []string `json:"left,omitempty"`
	TaskID  string   `json:"task_id,omitempty"`
	TaskURL string   `json:"task_url,omitempty"`
}

func (r *results) readable() bool { return r.unreadable == nil }

func (r *results) of(stage pipeline.Stage) any {
	switch stage {
	case pipeline.Provision:
		return &r.provision
	case pipeline.CreateRelease:
		return &r.createRelease
	case pipeline.Override:
		return &r.override
	case pipeline.VerifyStage:
		return &r.verify
	default:
		return &r.cleanup
	}
}

func loadResults(ctx context.Context, q *store.Queries, run uuid.UUID) (results, error) {
	var r results
	stages, err := q.ListStages(ctx, run)
	if err != nil {
		return r, fmt.Errorf("reading the stages: %w", err)
	}
	for _, stage := range stages {
		if stage.Stage == pipeline.VerifyStage && stage.Status == stateSucceeded && stage.EndedAt != nil {
			r.proven = *stage.EndedAt
		}
		if err := json.Unmarshal(stage.Result, r.of(stage.Stage)); err != nil {
			r.unreadable = fmt.Errorf("the result of stage %s: %w", stage.Stage, err)
		}
	}
	return r, nil
}

// saveResult writes the stage's result now, before the next effect.
func (x *execution) saveResult(ctx context.Context, q *store.Queries) error {
	return x.saveResultOf(ctx, q, x.run.Stage)
}

func (x *execution) saveResultOf(ctx context.Context, q *store.Queries, stage pipeline.Stage) error {
	if !x.results.readable() {
		return nil // what could not be read must not be lost
	}
	encoded, err := json.Marshal(x.results.of(stage))
	if err != nil {
		return fmt.Errorf("encoding the result of %s: %w", stage, err)
	}
	return q.SaveStageResult(ctx, store.SaveStageResultParams{RunID: x.run.ID, Stage: stage, Result: encoded})
}
