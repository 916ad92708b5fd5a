package simulator

import (
	"fmt"
	"strings"
)

// overrideFreeze creates a deployment in spite of the freezes that the request names (Octopus docs:
// REST API, deployment freezes). Freezes that it does not name still forbid it.
func overrideFreeze(c *call) (reply, error) {
	request, err := c.body()
	if err != nil {
		return reply{}, err
	}
	reason := strings.TrimSpace(request.text("Reason"))
	if reason == "" {
		return reply{}, invalid("A reason is required to override deployment freezes.")
	}
	command := request.object("CreateDeploymentCommand")
	release := c.documents["releases"].get(command.text("ReleaseId"))
	l := lane{release.text("ProjectId"), command.text("EnvironmentId"), command.text("TenantId")}
	named := 0
	for _, freeze := range c.documents["deploymentfreezes"].where(func(d document) bool { return active(d, c.clock.now) && covers(d, l) }) {
		if !contains(request.list("FreezeIds"), freeze.id()) {
			return reply{}, invalid(fmt.Sprintf("The deployment is blocked by the deployment freeze '%s'.", freeze.text("Name")))
		}
		named++
	}
	if named == 0 {
		return reply{}, invalid("Unable to override freezes, no valid freezes were specified.")
	}
	command["DeploymentFreezeOverrideReason"] = reason
	k := c.kinds["deployments"]
	if err := c.insert(k, command); err != nil {
		return reply{}, err
	}
	return created(document{"Deployment": c.show(k, command)})
}
