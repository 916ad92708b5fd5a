package doctor

import (
	"context"
	"fmt"
	"slices"
)

func (x *patient) environmentExists(ctx context.Context) (finding, error) {
	found, err := x.environment.get(ctx)
	if err != nil {
		return missed(err, fmt.Sprintf("create the environment %q in Octopus under Infrastructure, Environments, or correct environment of the pipeline", x.Environment))
	}
	return fine("The environment %q is there.", found.Name), nil
}

// tenantFits looks whether both projects may be deployed for the tenant.
func (x *patient) tenantFits(ctx context.Context) (finding, error) {
	if x.Tenant == "" {
		return none("The pipeline names no tenant."), nil
	}
	found, err := x.tenant.get(ctx)
	if err != nil {
		return missed(err, fmt.Sprintf("create the tenant %q in Octopus under Tenants, or correct tenant of the pipeline", x.Tenant))
	}
	at, err := x.place(ctx)
	if err != nil {
		return finding{}, err
	}
	if found.IsDisabled {
		return wrong("The tenant %q is disabled.", found.Name).with("enable it in Octopus under Tenants, %s, Settings", found.Name), nil
	}
	var apart []string
	for _, p := range at.projects() {
		if !slices.Contains(found.ProjectEnvironments[p.ID], at.environment.ID) {
			apart = append(apart, fmt.Sprintf("%q is not connected to %q in %s.", p.Name, found.Name, at.environment.Name))
		}
	}
	if len(apart) > 0 {
		return wrong("The tenant %q is not connected to both projects in %s, so Octopus refuses their deployments.", found.Name, at.environment.Name).
			with("connect them in Octopus under Tenants, %s, Connect project", found.Name).listing(apart), nil
	}
	return fine("The tenant %q is connected to both projects in %s.", found.Name, at.environment.Name), nil
}
