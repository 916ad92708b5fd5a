package setup_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// TestEachMissingPermissionIsNamedAndTheRestDone takes one permission at a time
// from the key, and gives it back.
func TestEachMissingPermissionIsNamedAndTheRestDone(t *testing.T) {
	t.Parallel()
	for permission, kinds := range map[string][]setup.Kind{
		"MachinePolicyView": {setup.KindMachinePolicy}, "MachinePolicyCreate": {setup.KindMachinePolicy}, "MachinePolicyEdit": {setup.KindMachinePolicy},
		"EnvironmentView": {setup.KindEnvironment}, "EnvironmentCreate": {setup.KindEnvironment},
		"ProjectGroupView": {setup.KindProjectGroup}, "ProjectGroupCreate": {setup.KindProjectGroup},
		"ProjectView": {setup.KindProjectGroup, setup.KindProject}, "ProjectCreate": {setup.KindProject}, "LifecycleView": {setup.KindProject},
		"ProcessView": {setup.KindChannel, setup.KindProcess}, "ProcessEdit": {setup.KindChannel, setup.KindProcess},
		"FeedView": {setup.KindPackage}, "BuiltInFeedPush": {setup.KindPackage},
		"VariableView": {setup.KindVariables}, "VariableEdit": {setup.KindVariables},
		"TenantView": {setup.KindTenant}, "TenantCreate": {setup.KindTenant},
		"TriggerView": {setup.KindTrigger}, "TriggerCreate": {setup.KindTrigger},
		"SubscriptionView": {setup.KindSubscription}, "SubscriptionCreate": {setup.KindSubscription},
	} {
		t.Run(permission, func(t *testing.T) {
			t.Parallel()
			newNearWorld(t, simulator.Options{}).lacks(t, permission, kinds)
		})
	}
}

// TestMissingPermissionsThroughFaults is the same for some, with a fifth of all
// requests going wrong: to look at, to create and to change something, before and
// after others that rely on it.
func TestMissingPermissionsThroughFaults(t *testing.T) {
	t.Parallel()
	for permission, kind := range map[string]setup.Kind{
		"MachinePolicyEdit": setup.KindMachinePolicy, "EnvironmentView": setup.KindEnvironment, "ProjectCreate": setup.KindProject,
		"VariableEdit": setup.KindVariables, "TriggerView": setup.KindTrigger,
	} {
		t.Run(permission, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newNearWorld(t, simulator.Options{})
				w.disturb(t)
				w.lacks(t, permission, []setup.Kind{kind})
			})
		})
	}
}

// lacks sets up without a permission that items of some kinds need, and with it.
func (w *world) lacks(t *testing.T, permission string, kinds []setup.Kind) {
	t.Helper()
	options := optionsOf(tenanted, withChannels)
	if err := w.SetMissingPermissions(permission); err != nil {
		t.Fatal(err)
	}
	toLook := strings.HasSuffix(permission, "View")
	if !toLook {
		wantForeseen(t, w.inspect(t, options), permission, kinds)
	}
	blocked := wantMissing(t, w.apply(t, options), permission, kinds)
	if toLook {
		wantMissing(t, w.inspect(t, options), permission, kinds)
	}

	if err := w.SetMissingPermissions(); err != nil {
		t.Fatal(err)
	}
	for _, item := range w.apply(t, options).Items {
		switch {
		case item.Action == setup.ActionBlocked:
			t.Errorf("the %s %q is still blocked: %s", item.Kind, item.Name, item.Note)
		case item.Action != setup.ActionLeave && !slices.Contains(blocked, item.Kind):
			t.Errorf("the %s %q had not been done: %s %+v", item.Kind, item.Name, item.Action, item.Changes)
		}
	}
}

// wantMissing checks which items of a plan are blocked: those of the kinds by a
// permission, others only because they need one of those. It returns the kinds of
// all of them.
func wantMissing(t *testing.T, plan setup.Plan, permission string, kinds []setup.Kind) []setup.Kind {
	t.Helper()
	var blocked, named []setup.Kind
	for _, item := range plan.Items {
		if item.Action != setup.ActionBlocked {
			if item.Missing != "" {
				t.Errorf("%s %q is not blocked, and yet lacks %s", item.Kind, item.Name, item.Missing)
			}
			continue
		}
		blocked = append(blocked, item.Kind)
		switch {
		case item.Missing == permission && slices.Contains(named, item.Kind):
		case item.Missing == permission:
			named = append(named, item.Kind)
		case !strings.HasPrefix(item.Note, "It needs the "):
			t.Errorf("%s %q is blocked: %q %s", item.Kind, item.Name, item.Missing, item.Note)
		}
	}
	if !slices.Equal(named, kinds) {
		t.Errorf("blocked by the lack of %s: %v, want %v", permission, named, kinds)
	}
	return blocked
}

// wantForeseen checks that a plan says of items of the kinds, and of no others,
// that a permission will be missing.
func wantForeseen(t *testing.T, plan setup.Plan, permission string, kinds []setup.Kind) {
	t.Helper()
	for _, item := range plan.Items {
		said := strings.Contains(item.Note, "lacks the permission "+permission+" for this.")
		want := slices.Contains(kinds, item.Kind) && item.Action == setup.ActionCreate
		if said != want {
			t.Errorf("%s %q, %s: %q", item.Kind, item.Name, item.Action, item.Note)
		}
	}
}

// TestMissingPermissionToChange lets what is there differ.
func TestMissingPermissionToChange(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	options := optionsOf(tenanted)
	w.apply(t, options)
	plan := w.inspect(t, options)
	for kind, permission := range map[setup.Kind]string{
		setup.KindMachinePolicy: "MachinePolicyEdit", setup.KindEnvironment: "EnvironmentEdit", setup.KindProject: "ProjectEdit",
		setup.KindProcess: "ProcessEdit", setup.KindVariables: "VariableEdit", setup.KindTenant: "TenantEdit",
		setup.KindTrigger: "TriggerEdit", setup.KindSubscription: "SubscriptionEdit",
	} {
		item := itemOf(t, plan, kind)
		before := w.documentOf(t, item)
		at := slices.IndexFunc(item.Settings, func(s setup.Setting) bool {
			return s.Shape == setup.Text || s.Shape == setup.Flag || s.Shape == setup.Member
		})
		pointer := item.Settings[at].Pointer
		changed, err := before.With(pointer, map[setup.Shape]any{setup.Text: "something else", setup.Flag: kind != setup.KindEnvironment, setup.Member: nil}[item.Settings[at].Shape])
		if err != nil {
			t.Fatal(err)
		}
		if kind == setup.KindVariables { // the one that is a text, not the key
			changed, err = before.With("/Variables/1/Value", "9")
			if err != nil {
				t.Fatal(err)
			}
		}
		w.must(t, http.MethodPut, pathOf(item), changed)
		if err := w.SetMissingPermissions(permission); err != nil {
			t.Fatal(err)
		}
		got := itemOf(t, w.apply(t, options), kind)
		if got.Action != setup.ActionBlocked || got.Missing != permission || len(got.Changes) != 1 {
			t.Errorf("without %s: %+v", permission, got)
		}
		if err := w.SetMissingPermissions(); err != nil {
			t.Fatal(err)
		}
		w.apply(t, options)
	}
	wantAll(t, w.inspect(t, options), setup.ActionLeave)
}

// TestEventsThatCannotBeLookedUp are taken for known.
func TestEventsThatCannotBeLookedUp(t *testing.T) {
	t.Parallel()
	w := newNearWorld(t, simulator.Options{})
	if err := w.SetMissingPermissions("EventView"); err != nil {
		t.Fatal(err)
	}
	item := itemOf(t, w.apply(t, optionsOf()), setup.KindSubscription)
	if item.Action != setup.ActionCreate || !strings.Contains(item.Note, "EventView") {
		t.Errorf("the subscription: %s %s", item.Action, item.Note)
	}
}
