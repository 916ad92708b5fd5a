package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The fields of a deployment that was made in spite of freezes. That it has them is a choice;
// only the requests which make one are documented.
const (
	overriddenKey     = "DeploymentFreezeNames"
	overrideReasonKey = "DeploymentFreezeOverrideReason"
)

// freezeOverride is the decision to deploy in spite of some freezes.
type freezeOverride struct {
	names  []string
	reason string
}

// overrideFreezes lets the call's deployments pass the freezes for which the condition holds. At
// least one of the named ones has to be in the way of the lane.
func (c *call) overrideFreezes(l lane, reason string, named func(freeze document) bool) error {
	if err := c.mayDo(c.by.user, http.MethodPost, freezePermission); err != nil {
		return err
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		return invalid("A reason is required to override deployment freezes.")
	}
	c.override = freezeOverride{reason: reason}
	for _, freeze := range c.freezesOf(l) {
		if named(freeze) {
			c.override.names = append(c.override.names, freeze.text("Name"))
		}
	}
	if len(c.override.names) == 0 {
		return invalid("Unable to override freezes, no valid freezes were specified.")
	}
	return nil
}

// noteOverride keeps with a deployment what it was made in spite of. What a client has sent in
// these fields counts for nothing.
func (c *call) noteOverride(d document) {
	delete(d, overriddenKey)
	delete(d, overrideReasonKey)
	if len(c.override.names) == 0 {
		return
	}
	d[overriddenKey], d[overrideReasonKey] = slices.Clone(c.override.names), c.override.reason
	c.record(c.by, Entry{Effect: FreezeOverridden, ID: d.id(), Name: strings.Join(c.override.names, ", "), ProjectID: d.text("ProjectId"),
		EnvironmentID: d.text("EnvironmentId"), TenantID: d.text("TenantId"), ReleaseID: d.text("ReleaseId"), Detail: c.override.reason})
}

// overrideFreeze creates a deployment in spite of the freezes that the request names by id (Octopus
// docs: REST API, deployment freezes). Freezes that it does not name still forbid it.
func overrideFreeze(c *call) (reply, error) {
	request, err := c.body()
	if err != nil {
		return reply{}, err
	}
	command := request.object("CreateDeploymentCommand")
	release := c.documents["releases"].get(command.text("ReleaseId"))
	l := lane{release.text("ProjectId"), command.text("EnvironmentId"), command.text("TenantId")}
	if err := c.overrideFreezes(l, request.text("Reason"), func(freeze document) bool { return contains(request.list("FreezeIds"), freeze.id()) }); err != nil {
		return reply{}, err
	}
	k := c.kinds["deployments"]
	if err := c.insert(k, command); err != nil {
		return reply{}, err
	}
	return created(document{"Deployment": c.show(k, command)})
}

// overrideByName reads what an executions request wants to override: the names of freezes, which
// need a reason (Octopus docs: REST API, deployments).
func (c *call) overrideByName(l lane, request document) error {
	c.override = freezeOverride{}
	names := request.list("deploymentFreezeNames")
	if len(names) == 0 {
		return nil
	}
	return c.overrideFreezes(l, request.text("deploymentFreezeOverrideReason"), func(freeze document) bool { return contains(names, freeze.text("Name")) })
}

// frozenMessage refuses a deployment. Clients know it by the word "freeze" only.
func frozenMessage(name string) string {
	return fmt.Sprintf("The deployment is blocked by the deployment freeze '%s'.", name)
}
