package doctor

import (
	"context"
	"fmt"
	"strings"

	"regrow/internal/pipeline"
)

// need is a permission that a pipeline's runs take.
type need struct {
	permission, purpose string
	// only tells whether a pipeline has the need; nil means that all have it.
	only func(pipeline.Pipeline) bool
	// optional needs are those of what people may want one day.
	optional bool
}

// needs are the permissions that docs/octopus.md lists.
var needs = []need{
	{permission: "EnvironmentView", purpose: "looking"},
	{permission: "MachineView", purpose: "looking"},
	{permission: "ProjectView", purpose: "looking"},
	{permission: "ReleaseView", purpose: "looking"},
	{permission: "DeploymentView", purpose: "looking"},
	{permission: "TaskView", purpose: "looking"},
	{permission: "ProcessView", purpose: "looking"},
	{permission: "LifecycleView", purpose: "looking"},
	{permission: "FeedView", purpose: "looking"},
	{permission: "TenantView", purpose: "looking up the tenant", only: func(p pipeline.Pipeline) bool { return p.Tenant != "" }},
	{permission: "ReleaseCreate", purpose: "provision and create_release"},
	{permission: "DeploymentCreate", purpose: "provision and verify"},
	{permission: "ProjectEdit", purpose: "override"},
	{permission: "MachineDelete", purpose: "cleanup in mode delete", only: cleansUpBy(pipeline.CleanupDelete)},
	{permission: "MachineDelete", purpose: "on_failure: terminate", only: func(p pipeline.Pipeline) bool {
		return p.Cleanup.Mode != pipeline.CleanupDelete && p.OnFailure == pipeline.Terminate
	}},
	{permission: "MachineDelete", purpose: "rolling a run back to its old targets", optional: true, only: func(p pipeline.Pipeline) bool {
		return p.Cleanup.Mode != pipeline.CleanupDelete && p.OnFailure != pipeline.Terminate
	}},
	{permission: "RunbookView", purpose: "cleanup in mode runbook", only: cleansUpBy(pipeline.CleanupRunbook)},
	{permission: "RunbookRunCreate", purpose: "cleanup in mode runbook", only: cleansUpBy(pipeline.CleanupRunbook)},
	{permission: "RunbookRunView", purpose: "cleanup in mode runbook", only: cleansUpBy(pipeline.CleanupRunbook)},
	{permission: "RunbookView", purpose: "failure_runbook", only: runsFailureRunbook},
	{permission: "RunbookRunCreate", purpose: "failure_runbook", only: runsFailureRunbook},
	{permission: "RunbookRunView", purpose: "failure_runbook", only: runsFailureRunbook},
	{permission: "DeploymentFreezeAdminister", purpose: "letting a run ignore a deployment freeze", optional: true},
}

func cleansUpBy(mode pipeline.CleanupMode) func(pipeline.Pipeline) bool {
	return func(p pipeline.Pipeline) bool { return p.Cleanup.Mode == mode }
}

func runsFailureRunbook(p pipeline.Pipeline) bool {
	return p.Cleanup.Mode != pipeline.CleanupRunbook && p.FailureRunbook != ""
}

// needsOf returns the needs of a pipeline.
func needsOf(p pipeline.Pipeline) []need {
	var all []need
	for _, n := range needs {
		if n.only == nil || n.only(p) {
			all = append(all, n)
		}
	}
	return all
}

// permissions looks whether the API key's user may do all that runs do.
func (x *patient) permissions(ctx context.Context) (finding, error) {
	granted, err := x.servers[x.Pipeline.Server.Name].permissions.get(ctx)
	if err != nil {
		return finding{}, err
	}
	var names, lines, optional []string
	for _, n := range needsOf(x.Pipeline) {
		switch line := fmt.Sprintf("%s, for %s.", n.permission, n.purpose); {
		case granted.Has(n.permission):
		case n.optional:
			optional = append(optional, line)
		default:
			names, lines = append(names, n.permission), append(lines, line)
		}
	}
	switch {
	case len(names) == 0 && len(optional) > 0:
		return noted("The API key's user has all permissions that runs of this pipeline take, but not all that operators may want.").listing(optional), nil
	case len(names) == 0:
		return fine("The API key's user has all permissions that runs of this pipeline take."), nil
	case !granted.Known:
		return unknown("Octopus does not tell all that the API key's user may do.").
			with("compare its roles with the permissions that docs/octopus.md lists"), nil
	default:
		return wrong("The API key's user lacks %s.", counted(len(names), "permission")).
			with("give it %s in Octopus under Configuration, Teams, for the environment %s and both projects", strings.Join(names, ", "), x.Environment).
			listing(append(lines, optional...)), nil
	}
}
