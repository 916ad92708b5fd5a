package octopus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"regrow/internal/pipeline"
)

// DeploymentSpec says which deployment there should be.
type DeploymentSpec struct {
	ReleaseID, ProjectID, EnvironmentID string
	// TenantID is "" for an untenanted deployment.
	TenantID string
	// Comment is for people; may be empty.
	Comment string
	// Marker is put under the comment and tells this deployment from others of
	// the same release. It must not be empty.
	Marker string
	// MachineIDs restricts the deployment to those targets; none means all.
	MachineIDs []string
	// Override has the deployment made in spite of freezes; it is zero where
	// none is in the way.
	Override FreezeOverride
}

// Deployment is a deployment of a release to an environment.
type Deployment struct {
	ID, ReleaseID, ProjectID, EnvironmentID string
	// TenantID is "" for an untenanted deployment.
	TenantID, TaskID string
	// Comments are the deployment's comments, the marker included.
	Comments string
	// SpecificMachineIDs are the targets it was restricted to; none means all.
	SpecificMachineIDs []string
	// DeployedToMachineIDs are the targets that took part so far.
	DeployedToMachineIDs []string
	// Created is when it was first queued. Octopus docs: auto-deploy without an
	// override queues the same deployment again, and this time stays.
	Created time.Time
	// Task is the state of its task. It is empty but for its ID when Octopus
	// does not show the task any more.
	Task Task
	// WebURL leads to the deployment for people.
	WebURL string
}

type deploymentDocument struct {
	ID                   string `json:"Id"`
	ReleaseID            string `json:"ReleaseId"`
	ProjectID            string `json:"ProjectId"`
	EnvironmentID        string `json:"EnvironmentId"`
	TenantID             string `json:"TenantId"`
	TaskID               string `json:"TaskId"`
	Comments             string
	SpecificMachineIDs   []string `json:"SpecificMachineIds"`
	DeployedToMachineIDs []string `json:"DeployedToMachineIds"`
	Created              time.Time
	Links                links
}

func (d deploymentDocument) id() string { return d.ID }

// newDeployment is the body of the classic POST /deployments, the only one
// that takes comments.
type newDeployment struct {
	ReleaseID          string `json:"ReleaseId"`
	EnvironmentID      string `json:"EnvironmentId"`
	TenantID           string `json:"TenantId,omitempty"`
	Comments           string
	SpecificMachineIDs []string `json:"SpecificMachineIds,omitempty"`
}

// EnsureDeployment makes sure that the release is being, or has been, deployed
// to the environment under the marker, and tells whether this call started it.
// The error's cause is ErrFrozen when a deployment freeze forbids it, or when
// the freezes to override are none.
func (c *Client) EnsureDeployment(ctx context.Context, spec DeploymentSpec) (deployment Deployment, created bool, err error) {
	op := fmt.Sprintf("deploy %s to %s", spec.ReleaseID, spec.EnvironmentID)
	if spec.ReleaseID == "" || spec.EnvironmentID == "" || spec.Marker == "" {
		return Deployment{}, false, c.refuse(op, "the id of the release, the id of the environment or the marker is empty", "")
	}
	deployment, found, err := c.FindDeployment(ctx, spec)
	if found || err != nil {
		return deployment, false, err
	}
	made, err := c.createDeployment(ctx, op, spec)
	if err != nil {
		return Deployment{}, false, frozen(err)
	}
	if made.ID == "" || made.TaskID == "" {
		return Deployment{}, false, c.broken(op, "the deployment in the answer has no Id or no TaskId")
	}
	task := Task{ID: made.TaskID, State: stateQueued, WebURL: c.webURL(nil, "tasks/"+made.TaskID)}
	return c.deployment(made, task), true, nil
}

func (c *Client) createDeployment(ctx context.Context, op string, spec DeploymentSpec) (deploymentDocument, error) {
	wanted := newDeployment{
		ReleaseID: spec.ReleaseID, EnvironmentID: spec.EnvironmentID, TenantID: spec.TenantID,
		Comments: mark(spec.Comment, spec.Marker), SpecificMachineIDs: spec.MachineIDs,
	}
	if len(spec.Override.FreezeIDs) > 0 {
		return c.createOverriding(ctx, op, wanted, spec.Override)
	}
	return post[deploymentDocument](ctx, c, op, "/api/{spaceId}/deployments", nil, wanted)
}

// FindDeployment looks for the release's deployment to the environment under the
// marker, and tells whether there is one.
func (c *Client) FindDeployment(ctx context.Context, spec DeploymentSpec) (deployment Deployment, found bool, err error) {
	op := fmt.Sprintf("look for the deployment of %s to %s", spec.ReleaseID, spec.EnvironmentID)
	existing, err := c.releaseDeployments(ctx, op, spec.ReleaseID)
	if err != nil {
		return Deployment{}, false, err
	}
	ours := slices.IndexFunc(existing, func(d deploymentDocument) bool {
		return pipeline.SameName(d.EnvironmentID, spec.EnvironmentID) && pipeline.SameName(d.TenantID, spec.TenantID) && carries(d.Comments, spec.Marker)
	})
	if ours < 0 {
		return Deployment{}, false, nil
	}
	merged, err := c.mergeTasks(ctx, existing[ours:ours+1])
	if err != nil {
		return Deployment{}, false, err
	}
	return merged[0], true, nil
}

func (c *Client) releaseDeployments(ctx context.Context, op, releaseID string) ([]deploymentDocument, error) {
	return listAll[deploymentDocument](ctx, c, op, "/api/{spaceId}/releases/{releaseId}/deployments{?skip,take}", params{"releaseId": releaseID})
}

// DeploymentQuery says which deployments to list.
type DeploymentQuery struct {
	ProjectID, EnvironmentID string
	// TenantID is "" for untenanted deployments only.
	TenantID string
	// Since bounds the list; see Deployments.
	Since time.Time
}

// Deployments returns the deployments of a project to an environment, newest
// first: every one created at or after Since, and older ones down to the
// newest that succeeded. That one belongs to it because auto-deploy, when
// there is no override, queues it again instead of creating a deployment.
func (c *Client) Deployments(ctx context.Context, q DeploymentQuery) ([]Deployment, error) {
	op := fmt.Sprintf("list the deployments of %s to %s", q.ProjectID, q.EnvironmentID)
	if q.ProjectID == "" || q.EnvironmentID == "" {
		return nil, c.refuse(op, "the id of the project or of the environment is empty", "")
	}
	where := params{"projects": q.ProjectID, "environments": q.EnvironmentID}.with("tenants", q.TenantID)
	const route = "/api/{spaceId}/deployments{?projects,environments,tenants,skip,take}"
	var result []Deployment
	seen := map[string]bool{}
	err := eachPage(ctx, c, op, route, where, func(got page[deploymentDocument]) (bool, error) {
		fresh := slices.DeleteFunc(got.Items, func(d deploymentDocument) bool {
			repeated := seen[d.ID] // a deployment made meanwhile shifts the pages
			seen[d.ID] = true
			return repeated || !pipeline.SameName(d.TenantID, q.TenantID)
		})
		merged, err := c.mergeTasks(ctx, fresh)
		if err != nil {
			return false, err
		}
		for _, d := range merged {
			result = append(result, d)
			if d.Created.Before(q.Since) && d.Task.FinishedSuccessfully {
				return false, nil
			}
		}
		return true, nil
	})
	return result, err
}

// mergeTasks gives every deployment the state of its task.
func (c *Client) mergeTasks(ctx context.Context, documents []deploymentDocument) ([]Deployment, error) {
	ids := make([]string, 0, len(documents))
	for _, d := range documents {
		if d.TaskID != "" {
			ids = append(ids, d.TaskID)
		}
	}
	tasks, err := c.Tasks(ctx, ids...)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]Task, len(tasks))
	for _, t := range tasks {
		byID[t.ID] = t
	}
	merged := make([]Deployment, len(documents))
	for i, d := range documents {
		task, ok := byID[d.TaskID]
		if !ok {
			task = Task{ID: d.TaskID}
		}
		merged[i] = c.deployment(d, task)
	}
	return merged, nil
}

func (c *Client) deployment(d deploymentDocument, task Task) Deployment {
	return Deployment{
		ID: d.ID, ReleaseID: d.ReleaseID, ProjectID: d.ProjectID, EnvironmentID: d.EnvironmentID,
		TenantID: d.TenantID, TaskID: d.TaskID, Comments: d.Comments,
		SpecificMachineIDs: d.SpecificMachineIDs, DeployedToMachineIDs: d.DeployedToMachineIDs,
		Created: d.Created, Task: task, WebURL: c.webURL(d.Links, "deployments/"+d.ID),
	}
}
