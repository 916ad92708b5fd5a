package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"regrow/internal/setup"
)

// item is what setup says of the one resource of a kind.
func (x *patient) item(ctx context.Context, kind setup.Kind) (setup.Item, error) {
	known, err := x.blueprint.get(ctx)
	if err != nil {
		return setup.Item{}, err
	}
	items := known.plan.Items
	i := slices.IndexFunc(items, func(i setup.Item) bool { return i.Kind == kind })
	if i < 0 {
		return setup.Item{}, fmt.Errorf("the plan of regrow setup has no %s", kind)
	}
	return items[i], nil
}

// drift says what setup would do about a resource. absent is how bad it is when
// the resource is not there, changed when a setting differs.
func (x *patient) drift(item setup.Item, absent, changed Severity) finding {
	what := fmt.Sprintf("%s %q", item.Kind, item.Name)
	switch item.Action {
	case setup.ActionCreate:
		return finding{severity: absent, message: fmt.Sprintf("There is no %s.", what)}.with("%s", x.setup())
	case setup.ActionChange:
		return finding{severity: changed, message: fmt.Sprintf("%s of the %s %s not as %s.",
			capitalized(counted(len(item.Changes), "setting")), what, isOrAre(len(item.Changes)), needed(len(item.Changes)))}.
			with("%s", x.setup()).listing(linesOf(item.Changes))
	case setup.ActionBlocked:
		return x.blocked(item)
	case setup.ActionLeave:
		if item.Note != "" {
			// It may be another resource that does the work.
			return fine("The %s is as regrow needs it.", item.Kind).listing([]string{item.Note})
		}
	}
	return fine("The %s is there, with the settings that regrow needs.", what)
}

func needed(n int) string {
	if n == 1 {
		return "it has to be"
	}
	return "they have to be"
}

// blocked is what cannot be looked at.
func (x *patient) blocked(item setup.Item) finding {
	if item.Missing != "" && item.Missing != "unknown" {
		return unknown("Octopus does not let the API key's user see the %s: the permission %s is missing.", item.Kind, item.Missing).
			with("give the user of the API key the permission %s", item.Missing)
	}
	return unknown("The %s could not be looked at: %s", item.Kind, strings.TrimRight(item.Note, ".")+".")
}

// linesOf names each setting that differs, with what it is and what it has to
// be.
func linesOf(changes []setup.Change) []string {
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = fmt.Sprintf("%s: %s → %s.", capitalized(c.Field), cmp.Or(c.From, "nothing"), c.To)
	}
	return lines
}

// policyFits looks at the machine policy that checks and removes the targets.
func (x *patient) policyFits(ctx context.Context) (finding, error) {
	item, err := x.item(ctx, setup.KindMachinePolicy)
	if err != nil {
		return finding{}, err
	}
	return x.drift(item, Error, Warning), nil
}

// triggerFits looks at the trigger that deploys to new targets. Without it every
// target waits until regrow deploys to it.
func (x *patient) triggerFits(ctx context.Context) (finding, error) {
	item, err := x.item(ctx, setup.KindTrigger)
	if err != nil {
		return finding{}, err
	}
	changed := Warning
	if item.Action == setup.ActionChange {
		// What it does beside deploying to the pipeline's targets hurts nobody yet.
		acts, err := x.triggerActs(ctx, item.ID)
		if err != nil {
			return finding{}, err
		}
		if !acts {
			changed = Error
		}
	}
	return x.drift(item, Error, changed), nil
}

// subscriptionFits looks at the subscription by which Octopus calls back.
// Without it runs look by themselves, later.
func (x *patient) subscriptionFits(ctx context.Context) (finding, error) {
	options, err := setup.FromConfig(x.config, x.Name)
	if err != nil {
		return finding{}, err
	}
	switch {
	case options.Subscription == nil:
		return none("No source takes the events of the server %q.", x.Pipeline.Server.Name), nil
	case options.Subscription.URL == "":
		return finding{}, &gap{check: idPublicURL}
	}
	item, err := x.item(ctx, setup.KindSubscription)
	if err != nil {
		return finding{}, err
	}
	return x.drift(item, Warning, Warning), nil
}
