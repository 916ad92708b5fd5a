package doctor

import (
	"context"
	"fmt"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/setup"
)

// blueprint is what setup would do for a pipeline, the example included where
// the pipeline's projects are those.
type blueprint struct {
	plan setup.Plan
	// example tells that setup has made the projects, with scripts in the shell.
	example bool
	shell   string
}

// inspect asks regrow setup what it would do for the pipeline. So what setup
// keeps right and what doctor finds wrong are the same settings.
func (x *patient) inspect(ctx context.Context) (blueprint, error) {
	client, err := x.ready.need(ctx)
	if err != nil {
		return blueprint{}, err
	}
	options, err := setup.FromConfig(x.config, x.Name)
	if err != nil {
		return blueprint{}, err
	}
	var b blueprint
	b.shell, b.example, err = setup.FindExample(ctx, client, options)
	if err != nil && octopus.Missing(err) == "" {
		return b, err
	}
	options.Example, options.Shell = b.example, b.shell
	b.plan, err = setup.Inspect(ctx, client, options)
	return b, err
}

// apart are the kinds that have a check of their own.
var apart = []setup.Kind{setup.KindMachinePolicy, setup.KindTrigger, setup.KindSubscription}

// exampleIsWhole looks at what setup keeps right of its example.
func (x *patient) exampleIsWhole(ctx context.Context) (finding, error) {
	known, err := x.blueprint.get(ctx)
	if err != nil {
		return finding{}, err
	}
	if !known.example {
		return none("The pipeline's projects are not those of an example."), nil
	}
	var amiss, hidden, stuck []string
	severity := Warning
	for _, item := range known.plan.Items {
		switch {
		case slices.Contains(apart, item.Kind), item.Action == setup.ActionLeave:
		case item.Action == setup.ActionBlocked && item.Missing == "":
			stuck = append(stuck, fmt.Sprintf("%s %q: %s", capitalized(string(item.Kind)), item.Name, item.Note))
		case item.Action == setup.ActionBlocked:
			hidden = append(hidden, x.blocked(item).message)
		default:
			amiss = append(amiss, deviations(item)...)
			if stopsRuns(item) {
				severity = Error
			}
		}
	}
	remedy := x.setup() + " --example hello-world"
	if known.shell != setup.Bash {
		remedy += " --shell " + known.shell
	}
	switch {
	case len(amiss) > 0:
		amiss = slices.Concat(amiss, stuck, hidden)
		amiss = append(amiss, fmt.Sprintf("Once the example has become yours, take the words %q out of its projects' descriptions: then nothing of it is compared any more.", setup.Mark))
		return finding{severity: severity, message: "The example is not as regrow setup has made it."}.with("%s", remedy).listing(amiss), nil
	case len(hidden) > 0:
		return unknown("Not all of the example can be seen.").with("give the user of the API key the permissions that docs/setup.md lists for looking").listing(append(hidden, stuck...)), nil
	case len(stuck) > 0:
		return warned("The example cannot be as regrow setup would make it.").with("do what the lines say, then run %s", remedy).listing(stuck), nil
	default:
		return fine("The example is as regrow setup has made it."), nil
	}
}

// deviations names what setup would write about a resource.
func deviations(item setup.Item) []string {
	what := fmt.Sprintf("%s %q", capitalized(string(item.Kind)), item.Name)
	if item.ID == "" {
		return []string{what + " is missing."}
	}
	lines := linesOf(item.Changes)
	for i, line := range lines {
		lines[i] = what + ": " + line
	}
	return lines
}

// stopsRuns tells what is missing altogether. A package does not count: this
// version of regrow may carry another one than that which made the example.
func stopsRuns(item setup.Item) bool {
	return item.Action == setup.ActionCreate && item.Kind != setup.KindPackage
}
