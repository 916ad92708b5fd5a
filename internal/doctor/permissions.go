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
}

// needs are the permissions that docs/octopus.md lists.
var needs = []need{
	{"EnvironmentView", "looking", nil},
	{"MachineView", "looking", nil},
	{"ProjectView", "looking", nil},
	{"ReleaseView", "looking", nil},
	{"DeploymentView", "looking", nil},
	{"TaskView", "looking", nil},
	{"ProcessView", "looking", nil},
	{"LifecycleView", "looking", nil},
	{"FeedView", "looking", nil},
	{"TenantView", "looking up the tenant", func(p pipeline.Pipeline) bool { return p.Tenant != "" }},
	{"ReleaseCreate", "provision and create_release", nil},
	{"DeploymentCreate", "provision and verify", nil},
	{"ProjectEdit", "override", nil},
	{"MachineDelete", "cleanup in mode delete", cleansUpBy(pipeline.CleanupDelete)},
	{"RunbookView", "cleanup in mode runbook", cleansUpBy(pipeline.CleanupRunbook)},
	{"RunbookRunCreate", "cleanup in mode runbook", cleansUpBy(pipeline.CleanupRunbook)},
	{"RunbookRunView", "cleanup in mode runbook", cleansUpBy(pipeline.CleanupRunbook)},
}

func cleansUpBy(mode pipeline.CleanupMode) func(pipeline.Pipeline) bool {
	return func(p pipeline.Pipeline) bool { return p.Cleanup.Mode == mode }
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
	var names, lines []string
	for _, n := range needsOf(x.Pipeline) {
		if !granted.Has(n.permission) {
			names = append(names, n.permission)
			lines = append(lines, fmt.Sprintf("%s, for %s.", n.permission, n.purpose))
		}
	}
	switch {
	case len(names) == 0:
		return fine("The API key's user has all permissions that runs of this pipeline take."), nil
	case !granted.Known:
		return unknown("Octopus does not tell all that the API key's user may do.").
			with("compare its roles with the permissions that docs/octopus.md lists"), nil
	default:
		return wrong("The API key's user lacks %s.", counted(len(names), "permission")).
			with("give it %s in Octopus under Configuration, Teams, for the environment %s and both projects", strings.Join(names, ", "), x.Environment).
			listing(lines), nil
	}
}
