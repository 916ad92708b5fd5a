package setup

import "context"

// writes are the permissions that it takes to create and to change something
// (Octopus docs: user permissions).
var writes = map[Kind]struct{ create, change string }{
	KindMachinePolicy: {"MachinePolicyCreate", "MachinePolicyEdit"},
	KindEnvironment:   {"EnvironmentCreate", "EnvironmentEdit"},
	KindProjectGroup:  {"ProjectGroupCreate", "ProjectGroupEdit"},
	KindProject:       {"ProjectCreate", "ProjectEdit"},
	KindChannel:       {"ProcessEdit", "ProcessEdit"},
	KindProcess:       {"ProcessEdit", "ProcessEdit"},
	KindPackage:       {"BuiltInFeedPush", "BuiltInFeedPush"},
	KindVariables:     {"VariableEdit", "VariableEdit"},
	KindTenant:        {"TenantCreate", "TenantEdit"},
	KindTrigger:       {"TriggerCreate", "TriggerEdit"},
	KindSubscription:  {"SubscriptionCreate", "SubscriptionEdit"},
}

// foresee says in a plan which items the key will not be allowed to do, where the
// server tells what it is allowed. What counts in the end is Octopus' answer: a
// permission may hold for some projects or environments only.
func (s *scene) foresee(ctx context.Context, plan Plan) {
	if plan.Count(ActionCreate, ActionChange) == 0 {
		return
	}
	granted, err := read(ctx, s.octopus.Permissions)
	if err != nil || !granted.Known {
		return
	}
	for i, item := range plan.Items {
		for _, permission := range needs(item) {
			if !granted.Has(permission) {
				plan.Items[i].Note = sentences(plan.Items[i].Note, "The API key's user lacks the permission "+permission+" for this.")
			}
		}
	}
}

// needs are the permissions for what is to be done about an item.
func needs(item Item) []string {
	of := writes[item.Kind]
	switch {
	case item.Action == ActionCreate && item.Kind == KindMachinePolicy: // with defaults, and changed after that
		return []string{of.create, of.change}
	case item.Action == ActionCreate:
		return []string{of.create}
	case item.Action == ActionChange:
		return []string{of.change}
	default:
		return nil
	}
}
