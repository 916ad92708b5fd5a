package octopus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"regrow/internal/pipeline"
)

// stateQueued is the state of a task that has just been made.
const stateQueued = "Queued"

// taskBatch is how many tasks are asked for at once; their ids have to fit
// into a URL.
const taskBatch = 50

// Task is a server task: what Octopus does, or did, for a deployment or a
// runbook run.
type Task struct {
	ID string
	// State is Queued, Executing, Failed, Canceled, TimedOut, Success or
	// Cancelling.
	State string
	// Description says what the task does.
	Description string
	// ErrorMessage says why it failed; may be empty.
	ErrorMessage string
	// IsCompleted is not for ever: auto-deploy may queue a completed
	// deployment's task again.
	IsCompleted, FinishedSuccessfully bool
	// HasPendingInterruptions: the task waits for a person, for as long as it
	// takes. Its state stays Executing.
	HasPendingInterruptions bool
	// QueueTime, StartTime and CompletedTime are zero while they do not apply.
	QueueTime, StartTime, CompletedTime time.Time
	// WebURL leads to the task for people.
	WebURL string
}

type taskDocument struct {
	ID                      string `json:"Id"`
	State                   string
	Description             string
	ErrorMessage            string
	IsCompleted             bool
	FinishedSuccessfully    bool
	HasPendingInterruptions bool
	QueueTime               time.Time
	StartTime               time.Time
	CompletedTime           time.Time
	// Arguments say what the task is for: a deployment, among others.
	Arguments struct {
		DeploymentID string `json:"DeploymentId"`
	}
	Links links
}

func (t taskDocument) id() string { return t.ID }

// Task returns a task by its id; see IsNotFound.
func (c *Client) Task(ctx context.Context, id string) (Task, error) {
	op := "read task " + id
	// The space is resolved for the link to the task.
	if _, err := c.resolveSpace(ctx); err != nil {
		return Task{}, err
	}
	found, err := get[taskDocument](ctx, c, op, "/api/tasks/{id}", params{"id": id})
	if err != nil {
		return Task{}, err
	}
	if found.ID == "" {
		return Task{}, c.broken(op, "the task in the answer has no Id")
	}
	return c.task(found), nil
}

// Tasks returns tasks by their ids, in no certain order. Ids of tasks that do
// not exist any more are left out.
func (c *Client) Tasks(ctx context.Context, ids ...string) ([]Task, error) {
	wanted := slices.Clone(ids)
	slices.Sort(wanted)
	wanted = slices.DeleteFunc(slices.Compact(wanted), func(id string) bool { return id == "" })
	var tasks []Task
	for batch := range slices.Chunk(wanted, taskBatch) {
		op := fmt.Sprintf("read %d tasks from %s on", len(batch), batch[0])
		found, err := listAll[taskDocument](ctx, c, op, "/api/tasks{?ids,skip,take}",
			params{"ids": strings.Join(batch, ",")})
		if err != nil {
			return nil, err
		}
		for _, t := range found {
			if slices.Contains(batch, t.ID) {
				tasks = append(tasks, c.task(t))
			}
		}
	}
	return tasks, nil
}

// ActiveTasks returns the tasks of a project in an environment that are not
// completed: a tenant's, or, with tenantID "", those of untenanted deployments
// and all that are of no deployment, because tasks do not say whose they are.
func (c *Client) ActiveTasks(ctx context.Context, projectID, environmentID, tenantID string) ([]Task, error) {
	op := fmt.Sprintf("list the active tasks of %s in %s", projectID, environmentID)
	found, err := c.activeTasks(ctx, op, projectID, environmentID, tenantID)
	if err != nil {
		return nil, err
	}
	var tasks []Task
	for _, t := range found {
		if tenantID == "" {
			tenanted, err := c.isTenanted(ctx, op, t)
			if err != nil {
				return nil, err
			}
			if tenanted {
				continue
			}
		}
		tasks = append(tasks, c.task(t))
	}
	return tasks, nil
}

// ActiveDeployments returns the deployments of a project to an environment whose
// tasks are not completed: a tenant's, or, with tenantID "", untenanted ones. It
// finds the old ones, too, which somebody has queued again.
func (c *Client) ActiveDeployments(ctx context.Context, projectID, environmentID, tenantID string) ([]Deployment, error) {
	op := fmt.Sprintf("list the active deployments of %s to %s", projectID, environmentID)
	tasks, err := c.activeTasks(ctx, op, projectID, environmentID, tenantID)
	if err != nil {
		return nil, err
	}
	var active []Deployment
	for _, t := range tasks {
		if t.Arguments.DeploymentID == "" {
			continue
		}
		d, err := c.deploymentOf(ctx, op, t)
		if IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if pipeline.SameName(d.TenantID, tenantID) {
			active = append(active, c.deployment(d, c.task(t)))
		}
	}
	return active, nil
}

func (c *Client) activeTasks(ctx context.Context, op, projectID, environmentID, tenantID string) ([]taskDocument, error) {
	space, err := c.resolveSpace(ctx)
	if err != nil {
		return nil, err
	}
	where := params{"active": "true", "spaces": space, "project": projectID, "environment": environmentID}.with("tenant", tenantID)
	found, err := listAll[taskDocument](ctx, c, op, "/api/tasks{?active,spaces,project,environment,tenant,skip,take}", where)
	return slices.DeleteFunc(found, func(t taskDocument) bool { return t.IsCompleted }), err
}

func (c *Client) deploymentOf(ctx context.Context, op string, t taskDocument) (deploymentDocument, error) {
	return get[deploymentDocument](ctx, c, op, "/api/{spaceId}/deployments/{id}", params{"id": t.Arguments.DeploymentID})
}

// isTenanted tells whether a task is of a tenant's deployment.
func (c *Client) isTenanted(ctx context.Context, op string, t taskDocument) (bool, error) {
	if t.Arguments.DeploymentID == "" {
		return false, nil
	}
	d, err := c.deploymentOf(ctx, op, t)
	if IsNotFound(err) {
		return false, nil
	}
	return d.TenantID != "", err
}

// CancelTask asks Octopus to cancel a task. It succeeds when the task is
// completed already or gone.
func (c *Client) CancelTask(ctx context.Context, id string) error {
	_, err := c.do(ctx, call{op: "cancel task " + id, method: http.MethodPost, route: "/api/tasks/{id}/cancel", params: params{"id": id}})
	if IsNotFound(err) {
		return nil
	}
	refusal, ok := errors.AsType[*Error](err)
	if !ok || refusal.Kind == Transient || refusal.Status == http.StatusUnauthorized || refusal.Status == http.StatusForbidden {
		return err
	}
	// Octopus refuses to cancel what is completed.
	task, lookErr := c.Task(ctx, id)
	if IsNotFound(lookErr) || lookErr == nil && task.IsCompleted {
		return nil
	}
	return err
}

func (c *Client) task(d taskDocument) Task {
	return Task{
		ID: d.ID, State: d.State, Description: d.Description, ErrorMessage: d.ErrorMessage,
		IsCompleted: d.IsCompleted, FinishedSuccessfully: d.FinishedSuccessfully,
		HasPendingInterruptions: d.HasPendingInterruptions,
		QueueTime:               d.QueueTime, StartTime: d.StartTime, CompletedTime: d.CompletedTime,
		WebURL: c.webURL(d.Links, "tasks/"+d.ID),
	}
}
