package octopus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"regrow/internal/pipeline"
)

// Target is a deployment target; Octopus' API calls it a machine.
type Target struct {
	ID, Name string
	// URI is the address of its agent; may be empty.
	URI string
	// Roles are its target tags.
	Roles, EnvironmentIDs []string
	// TenantIDs are the tenants that it belongs to by name, TenantTags those of
	// tenants that it belongs to as well.
	TenantIDs, TenantTags []string
	// Participation says which deployments it takes part in: Untenanted,
	// TenantedOrUntenanted or Tenanted.
	Participation string
	// PolicyID is the id of its machine policy.
	PolicyID   string
	IsDisabled bool
	// IsInProcess tells that a task uses the target now.
	IsInProcess bool
	// HealthStatus is Healthy, HasWarnings, Unhealthy, Unavailable or Unknown.
	HealthStatus string
	// WebURL leads to the target for people.
	WebURL string
}

// Available tells whether Octopus would deploy to the target now.
func (t Target) Available() bool {
	return !t.IsDisabled && (t.HealthStatus == "Healthy" || t.HealthStatus == "HasWarnings")
}

// Who may take part in a target's deployments, in Octopus' words.
const (
	untenanted    = "Untenanted"
	tenantedOrNot = "TenantedOrUntenanted"
	tenantedOnly  = "Tenanted"
)

// Others names who else than the tenant, or than untenanted deployments with
// tenantID "", the target serves; "" when nobody does. Which tenants have the
// target's tenant tags is not looked up: a target with tags may be any tenant's.
func (t Target) Others(tenantID string) string {
	others := func(id string) bool { return !pipeline.SameName(id, tenantID) }
	switch {
	case tenantID == "" && t.Participation != untenanted && len(t.TenantIDs)+len(t.TenantTags) > 0:
		return "tenants"
	case tenantID == "":
		return ""
	case slices.ContainsFunc(t.TenantIDs, others):
		return "other tenants"
	case len(t.TenantTags) > 0:
		return "all tenants with its tenant tags"
	case t.Participation == untenanted, t.Participation == tenantedOrNot:
		return "untenanted deployments"
	default:
		return ""
	}
}

type targetDocument struct {
	ID                              string `json:"Id"`
	Name                            string
	URI                             string `json:"Uri"`
	Roles                           []string
	EnvironmentIDs                  []string `json:"EnvironmentIds"`
	TenantIDs                       []string `json:"TenantIds"`
	TenantTags                      []string
	TenantedDeploymentParticipation string
	MachinePolicyID                 string `json:"MachinePolicyId"`
	IsDisabled                      bool
	IsInProcess                     bool
	HealthStatus                    string
	Endpoint                        struct {
		URI string `json:"Uri"`
	}
	Links links
}

func (t targetDocument) id() string { return t.ID }

// TargetQuery says which targets to list.
type TargetQuery struct {
	EnvironmentID string
	// TenantID restricts the list to targets of that tenant. With "" it holds
	// the targets that take part in untenanted deployments.
	TenantID string
	// Roles restricts the list to targets that have at least one of them; none
	// means all targets.
	Roles []string
}

// Targets returns the targets of an environment, the unavailable and disabled
// ones included.
func (c *Client) Targets(ctx context.Context, q TargetQuery) ([]Target, error) {
	op := "list the targets of " + q.EnvironmentID
	where := params{"environmentIds": q.EnvironmentID}.with("tenantIds", q.TenantID).with("roles", strings.Join(q.Roles, ","))
	found, err := listAll[targetDocument](ctx, c, op, "/api/{spaceId}/machines{?environmentIds,tenantIds,roles,skip,take}", where)
	if err != nil {
		return nil, err
	}
	var targets []Target
	for _, found := range found {
		if t := c.target(found); q.selects(t) {
			targets = append(targets, t)
		}
	}
	return targets, nil
}

// Selects tells whether a target that was read by itself belongs to the list.
// Which tenants have a target's tenant tags is not looked up.
func (q TargetQuery) Selects(t Target) bool {
	ofTenant := q.TenantID == "" || pipeline.HasName(t.TenantIDs, q.TenantID) || len(t.TenantTags) > 0
	return ofTenant && q.selects(t)
}

// selects repeats the server's filters, because targets that slip through a
// filter could be taken for old ones and deleted. Tenants that a target has
// only through tags are known to the server alone.
func (q TargetQuery) selects(t Target) bool {
	if !pipeline.HasName(t.EnvironmentIDs, q.EnvironmentID) {
		return false
	}
	if q.TenantID == "" && t.Participation == tenantedOnly {
		return false
	}
	return len(q.Roles) == 0 || pipeline.ShareName(q.Roles, t.Roles)
}

// Target returns a target by its id; see IsNotFound.
func (c *Client) Target(ctx context.Context, id string) (Target, error) {
	op := "read target " + id
	found, err := get[targetDocument](ctx, c, op, "/api/{spaceId}/machines/{id}", params{"id": id})
	if err != nil {
		return Target{}, err
	}
	if found.ID == "" {
		return Target{}, c.broken(op, "the target in the answer has no Id")
	}
	return c.target(found), nil
}

// DeleteTarget deletes a target. One that is gone already is a success.
func (c *Client) DeleteTarget(ctx context.Context, id string) error {
	op := "delete target " + id
	a, err := c.do(ctx, call{op: op, method: http.MethodDelete, route: "/api/{spaceId}/machines/{id}", params: params{"id": id}})
	if err != nil {
		if IsNotFound(err) {
			return nil
		}
		return err
	}
	// Octopus answers with nothing or with a document; a page is a proxy's.
	if body := bytes.TrimSpace(a.body); len(body) > 0 && !json.Valid(body) {
		return c.broken(op, fmt.Sprintf("the server answered %s with a body that is not JSON", statusText(a.status)))
	}
	return nil
}

func (c *Client) target(t targetDocument) Target {
	uri := t.URI
	if uri == "" {
		uri = t.Endpoint.URI
	}
	return Target{
		ID: t.ID, Name: t.Name, URI: uri, Roles: t.Roles, EnvironmentIDs: t.EnvironmentIDs,
		TenantIDs: t.TenantIDs, TenantTags: t.TenantTags, Participation: t.TenantedDeploymentParticipation,
		PolicyID: t.MachinePolicyID, IsDisabled: t.IsDisabled, IsInProcess: t.IsInProcess,
		HealthStatus: t.HealthStatus,
		WebURL:       c.webURL(t.Links, "infrastructure/machines/"+t.ID+"/settings"),
	}
}
