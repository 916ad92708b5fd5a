package octopus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"regrow/internal/pipeline"
)

// ErrFrozen is the cause of the error of EnsureDeployment when Octopus refuses
// the deployment because of a deployment freeze, or refuses to override one.
var ErrFrozen = errors.New("a deployment freeze is in the way")

// Freeze is a deployment freeze: a time in which Octopus refuses deployments of
// some projects to some environments. Octopus docs: it also fails deployments
// that are queued when it begins, and it does not stop deployments by deployment
// target triggers.
type Freeze struct {
	ID, Name string
	// Start belongs to the freeze, End does not any more.
	Start, End time.Time
	// Recurring freezes come again. Whether Start and End are those of the first
	// time or of the next one is not documented.
	Recurring bool
}

// Active tells whether the freeze holds at that time.
func (f Freeze) Active(at time.Time) bool { return !at.Before(f.Start) && at.Before(f.End) }

type freezeDocument struct {
	ID                            string `json:"Id"`
	Name                          string
	Start, End                    time.Time
	ProjectEnvironmentScope       map[string][]string
	TenantProjectEnvironmentScope []struct {
		ProjectID     string `json:"ProjectId"`
		EnvironmentID string `json:"EnvironmentId"`
		TenantID      string `json:"TenantId"`
	}
	RecurringSchedule *struct{}
}

// freezePage is one page of the list of freezes, which is shaped unlike others.
type freezePage struct {
	DeploymentFreezes []freezeDocument
}

// Freezes returns the freezes that Octopus lists for deployments of a project to
// an environment, by their start; tenantID is "" for untenanted deployments.
// Octopus leaves out freezes that are over, but some may be among them. A server
// that knows no freezes has none. Octopus docs: to see freezes takes no
// permission of its own, to override them takes DeploymentFreezeAdminister.
func (c *Client) Freezes(ctx context.Context, projectID, environmentID, tenantID string) ([]Freeze, error) {
	op := fmt.Sprintf("list the deployment freezes of %s in %s", projectID, environmentID)
	if projectID == "" || environmentID == "" {
		return nil, c.refuse(op, "the id of the project or of the environment is empty", "")
	}
	documents, err := c.listFreezes(ctx, op)
	if err != nil {
		return nil, err
	}
	var freezes []Freeze
	for _, d := range documents {
		if d.covers(projectID, environmentID, tenantID) {
			freezes = append(freezes, Freeze{ID: d.ID, Name: d.Name, Start: d.Start, End: d.End, Recurring: d.RecurringSchedule != nil})
		}
	}
	slices.SortFunc(freezes, func(a, b Freeze) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID)) })
	return freezes, nil
}

// listFreezes reads all freezes. The server's filters are not used: how they
// treat freezes that are scoped to tenants only is not documented, and one that
// a filter hides would be found out too late. Nor is it documented what Count
// counts, and how long a page may be: the end is where nothing new comes.
func (c *Client) listFreezes(ctx context.Context, op string) ([]freezeDocument, error) {
	var all []freezeDocument
	seen := map[string]bool{}
	for skip := 0; ; {
		where := params{"skip": strconv.Itoa(skip), "take": strconv.Itoa(pageSize)}
		got, err := get[freezePage](ctx, c, op, "/api/deploymentfreezes{?skip,take}", where)
		if IsNotFound(err) {
			return nil, nil // Octopus before 2024.2
		}
		if err != nil {
			return nil, err
		}
		before := len(all)
		for _, d := range got.DeploymentFreezes {
			if d.ID == "" || d.End.IsZero() {
				return nil, c.broken(op, "a freeze of the list has no Id or no End")
			}
			if !seen[d.ID] {
				seen[d.ID] = true
				all = append(all, d)
			}
		}
		if len(all) == before {
			return all, nil
		}
		skip += len(got.DeploymentFreezes)
	}
}

// covers tells whether the freeze is about such deployments. One that is scoped
// to a project and an environment holds for all tenants.
func (d freezeDocument) covers(projectID, environmentID, tenantID string) bool {
	for project, environments := range d.ProjectEnvironmentScope {
		if pipeline.SameName(project, projectID) && pipeline.HasName(environments, environmentID) {
			return true
		}
	}
	for _, scope := range d.TenantProjectEnvironmentScope {
		if tenantID != "" && pipeline.SameName(scope.TenantID, tenantID) &&
			pipeline.SameName(scope.ProjectID, projectID) && pipeline.SameName(scope.EnvironmentID, environmentID) {
			return true
		}
	}
	return false
}

// FreezeOverride says which freezes a deployment is made in spite of.
type FreezeOverride struct {
	FreezeIDs []string
	// Reason is kept in Octopus' audit trail. It must not be empty.
	Reason string
}

// overridingDeployment is the body of POST /deployments/override. Octopus docs:
// it wraps a classic deployment, comments included, which the executions API
// (/deployments/create/…/v1) does not take.
type overridingDeployment struct {
	CreateDeploymentCommand newDeployment
	FreezeIDs               []string `json:"FreezeIds"`
	Reason                  string
	SpaceID                 string `json:"SpaceId"`
}

// createOverriding makes a deployment in spite of freezes.
func (c *Client) createOverriding(ctx context.Context, op string, deployment newDeployment, o FreezeOverride) (deploymentDocument, error) {
	space, err := c.resolveSpace(ctx)
	if err != nil {
		return deploymentDocument{}, err
	}
	made, err := post[struct{ Deployment deploymentDocument }](ctx, c, op, "/api/{spaceId}/deployments/override", nil, overridingDeployment{
		CreateDeploymentCommand: deployment, FreezeIDs: o.FreezeIDs, Reason: o.Reason, SpaceID: space,
	})
	return made.Deployment, err
}

// frozen gives an error the cause ErrFrozen when Octopus refused a deployment
// because of a freeze. Octopus gives errors no codes.
func frozen(err error) error {
	refused, ok := errors.AsType[*Error](err)
	if !ok || !refusedWith(err, "freeze") {
		return err
	}
	because := *refused
	because.cause = ErrFrozen
	because.Remedy = "wait for the end of the deployment freeze, or override it"
	return &because
}
