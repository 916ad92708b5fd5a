package octopus

import (
	"context"
	"fmt"

	"regrow/internal/pipeline"
)

// Runbook is a project's runbook.
type Runbook struct {
	ID, Name string
	// PublishedSnapshotID is the snapshot that runs; "" when none is published.
	PublishedSnapshotID string
}

type runbookDocument struct {
	named
	PublishedRunbookSnapshotID string `json:"PublishedRunbookSnapshotId"`
}

// Runbook finds a project's runbook by its name.
func (c *Client) Runbook(ctx context.Context, projectID, name string) (Runbook, error) {
	r, err := find[runbookDocument](ctx, c, "runbook", name,
		"/api/{spaceId}/projects/{projectId}/runbooks{?partialName,skip,take}", params{"projectId": projectID})
	return Runbook{ID: r.ID, Name: r.Name, PublishedSnapshotID: r.PublishedRunbookSnapshotID}, err
}

// RunbookSpec says which runbook run there should be.
type RunbookSpec struct {
	ProjectID, RunbookID, EnvironmentID string
	// TenantID is "" for an untenanted run.
	TenantID string
	// Marker is the run's comment and tells it from others. It must not be
	// empty.
	Marker string
}

type runbookRunDocument struct {
	ID            string `json:"Id"`
	EnvironmentID string `json:"EnvironmentId"`
	TenantID      string `json:"TenantId"`
	TaskID        string `json:"TaskId"`
	Comments      string
}

func (r runbookRunDocument) id() string { return r.ID }

// newRunbookRun is the body of the classic POST /runbookRuns, the only one
// that takes comments.
type newRunbookRun struct {
	ProjectID         string `json:"ProjectId"`
	RunbookID         string `json:"RunbookId"`
	RunbookSnapshotID string `json:"RunbookSnapshotId"`
	EnvironmentID     string `json:"EnvironmentId"`
	TenantID          string `json:"TenantId,omitempty"`
	Comments          string
}

// EnsureRunbookRun makes sure that the published snapshot of the runbook is
// being, or has been, run under the marker, and tells whether this call
// started it.
//
// The marker is the comment of the run, so this is as safe to repeat as
// EnsureDeployment, within the limits of what Octopus keeps: when retention
// has deleted the run, the runbook runs again. Runbooks that live in Git have
// no published snapshot and are refused.
func (c *Client) EnsureRunbookRun(ctx context.Context, spec RunbookSpec) (task Task, created bool, err error) {
	op := fmt.Sprintf("run runbook %s in %s", spec.RunbookID, spec.EnvironmentID)
	if spec.ProjectID == "" || spec.RunbookID == "" || spec.EnvironmentID == "" || spec.Marker == "" {
		return Task{}, false, c.refuse(op, "the id of the project, of the runbook or of the environment, or the marker, is empty", "")
	}
	taskID, err := c.ownRunbookRun(ctx, op, spec)
	if err != nil {
		return Task{}, false, err
	}
	if taskID != "" {
		task, err = c.Task(ctx, taskID)
		return task, false, err
	}
	taskID, err = c.createRunbookRun(ctx, op, spec)
	if err != nil {
		return Task{}, false, err
	}
	return Task{ID: taskID, State: stateQueued, WebURL: c.webURL(nil, "tasks/"+taskID)}, true, nil
}

// ownRunbookRun returns the id of the task of the run with the marker, or "".
func (c *Client) ownRunbookRun(ctx context.Context, op string, spec RunbookSpec) (taskID string, err error) {
	where := params{"runbooks": spec.RunbookID, "environments": spec.EnvironmentID}.with("tenants", spec.TenantID)
	runs, err := listAll[runbookRunDocument](ctx, c, op, "/api/{spaceId}/runbookRuns{?runbooks,environments,tenants,skip,take}", where)
	if err != nil {
		return "", err
	}
	for _, run := range runs {
		if pipeline.SameName(run.EnvironmentID, spec.EnvironmentID) && pipeline.SameName(run.TenantID, spec.TenantID) && carries(run.Comments, spec.Marker) {
			return run.TaskID, nil
		}
	}
	return "", nil
}

func (c *Client) createRunbookRun(ctx context.Context, op string, spec RunbookSpec) (taskID string, err error) {
	runbook, err := get[runbookDocument](ctx, c, op, "/api/{spaceId}/runbooks/{id}", params{"id": spec.RunbookID})
	if err != nil {
		return "", err
	}
	if runbook.ID == "" {
		return "", c.broken(op, "the answer is no runbook: it has no Id")
	}
	if runbook.PublishedRunbookSnapshotID == "" {
		return "", c.refuse(op, fmt.Sprintf("runbook %q has no published snapshot", runbook.Name), "publish the runbook in Octopus")
	}
	made, err := post[runbookRunDocument](ctx, c, op, "/api/{spaceId}/runbookRuns", nil, newRunbookRun{
		ProjectID: spec.ProjectID, RunbookID: spec.RunbookID, RunbookSnapshotID: runbook.PublishedRunbookSnapshotID,
		EnvironmentID: spec.EnvironmentID, TenantID: spec.TenantID, Comments: spec.Marker,
	})
	if err != nil {
		return "", err
	}
	if made.ID == "" || made.TaskID == "" {
		return "", c.broken(op, "the runbook run in the answer has no Id or no TaskId")
	}
	return made.TaskID, nil
}
