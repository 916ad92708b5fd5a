package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// listTargets returns all targets in the environment, for the tenant if there is
// one, whatever their roles.
func (x *patient) listTargets(ctx context.Context) ([]octopus.Target, error) {
	client, err := x.ready.need(ctx)
	if err != nil {
		return nil, err
	}
	at, err := x.environment.need(ctx)
	if err != nil {
		return nil, err
	}
	whose, err := x.tenant.need(ctx)
	if err != nil {
		return nil, err
	}
	return client.Targets(ctx, octopus.TargetQuery{EnvironmentID: at.ID, TenantID: whose.ID})
}

// ours tells whether a target has one of the pipeline's roles.
func (x *patient) ours(t octopus.Target) bool {
	return pipeline.ShareName(t.Roles, x.Infrastructure.Roles)
}

// targetsFit looks at the targets that are there: whether their roles are the
// pipeline's, and whether clean-up may remove them one day.
func (x *patient) targetsFit(ctx context.Context) (finding, error) {
	all, err := x.targets.get(ctx)
	if err != nil {
		return finding{}, err
	}
	whose, err := x.tenant.need(ctx)
	if err != nil {
		return finding{}, err
	}
	ours := 0
	var odd []string
	for _, t := range all {
		if !x.ours(t) {
			if near := x.nearRole(t.Roles); near != "" {
				odd = append(odd, fmt.Sprintf("%q has the role %q, which is nearly one of the pipeline's.", t.Name, near))
			}
			continue
		}
		ours++
		if len(t.EnvironmentIDs) > 1 {
			odd = append(odd, fmt.Sprintf("%q is in %s; clean-up leaves it alone.", t.Name, counted(len(t.EnvironmentIDs), "environment")))
		}
		if others := t.Others(whose.ID); others != "" {
			odd = append(odd, fmt.Sprintf("%q serves %s too; clean-up leaves it alone.", t.Name, others))
		}
	}
	roles := strings.Join(x.Infrastructure.Roles, ", ")
	switch {
	case len(odd) > 0:
		return warned("%s in %s %s hardly meant to be so.", capitalized(counted(len(odd), "target")), x.Environment, isOrAre(len(odd))).
			with("correct the roles and environments of the targets in Octopus under Infrastructure, Deployment targets, or infrastructure.roles of the pipeline").listing(odd), nil
	case ours == 0:
		return noted("No target in %s has the role %s yet; the first run brings some.", x.Environment, roles), nil
	default:
		return fine("%s in %s with the role %s.", areTargets(ours), x.Environment, roles), nil
	}
}

func areTargets(n int) string {
	if n == 1 {
		return "There is 1 target"
	}
	return fmt.Sprintf("There are %d targets", n)
}

// nearRole returns a role that was probably meant to be one of the pipeline's,
// "" for none.
func (x *patient) nearRole(roles []string) string {
	for _, role := range roles {
		for _, wanted := range x.Infrastructure.Roles {
			if near(role, wanted) {
				return role
			}
		}
	}
	return ""
}

// near tells whether two names differ only in their punctuation, or by one
// character that is wrong, missing or too many. Short names differ by one
// character on purpose: "web1" and "web2".
func near(a, b string) bool {
	a, b = letters(a), letters(b)
	if a == b {
		return true
	}
	const shortest = 6
	return min(len(a), len(b)) >= shortest && oneApart([]rune(a), []rune(b))
}

// letters leaves only what a name is told apart by when it is spoken.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// oneApart tells whether one change of a character makes b of a. Other digits
// are other names: "shop-web-2" is not meant to be "shop-web-1".
func oneApart(a, b []rune) bool {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && a[endA-1] == b[endB-1] {
		endA, endB = endA-1, endB-1
	}
	if endA-start > 1 || endB-start > 1 {
		return false
	}
	return !slices.ContainsFunc(slices.Concat(a[start:endA], b[start:endB]), unicode.IsDigit)
}

// targetsFollowPolicy looks whether the pipeline's targets are checked and
// removed by the policy that it names.
func (x *patient) targetsFollowPolicy(ctx context.Context) (finding, error) {
	all, err := x.targets.need(ctx)
	if err != nil {
		return finding{}, err
	}
	client, err := x.ready.need(ctx)
	if err != nil {
		return finding{}, err
	}
	policies, err := client.Documents(ctx, octopus.MachinePolicies)
	if err != nil {
		return finding{}, err
	}
	wanted := x.Infrastructure.MachinePolicy
	i := slices.IndexFunc(policies, func(d octopus.Document) bool { return pipeline.SameName(d.Name(), wanted) })
	if i < 0 {
		return finding{}, &gap{check: idPolicy}
	}
	var others []string
	for _, t := range all {
		if x.ours(t) && t.PolicyID != policies[i].ID() {
			others = append(others, fmt.Sprintf("%q follows %s.", t.Name, policyName(policies, t.PolicyID)))
		}
	}
	if len(others) > 0 {
		return warned("%s not the machine policy %q.", capitalized(followTargets(len(others))), wanted).
			with("have the provisioning script register targets with that policy, and change it for these under Infrastructure, Deployment targets").listing(others), nil
	}
	return fine("All targets of the pipeline follow the machine policy %q.", wanted), nil
}

func followTargets(n int) string {
	if n == 1 {
		return "1 target follows"
	}
	return fmt.Sprintf("%d targets follow", n)
}

func policyName(policies []octopus.Document, id string) string {
	for _, d := range policies {
		if d.ID() == id {
			return fmt.Sprintf("%q", d.Name())
		}
	}
	return "a policy that is not to be seen"
}
