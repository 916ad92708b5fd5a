package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"regrow/internal/octopus"
)

// soon is how far ahead deployment freezes are told.
const soon = 7 * 24 * time.Hour

// isNotFrozen looks for deployment freezes of either project, now or soon.
func (x *patient) isNotFrozen(ctx context.Context) (finding, error) {
	at, err := x.place(ctx)
	if err != nil {
		return finding{}, err
	}
	now := x.Now()
	var active, coming []string
	for _, p := range at.projects() {
		freezes, err := at.client.Freezes(ctx, p.ID, at.environment.ID, at.tenant.ID)
		if err != nil {
			return finding{}, err
		}
		for _, f := range freezes {
			switch line := frozenLine(f, now); {
			case f.Active(now):
				active = append(active, line)
			case f.Start.After(now) && f.Start.Before(now.Add(soon)):
				coming = append(coming, line)
			}
		}
	}
	// A freeze that holds for both projects is one.
	active, coming = distinctLines(active), distinctLines(coming)
	const remedy = "runs wait until it is over; an operator can let one run go on with regrow runs ignore-freeze"
	switch {
	case len(active) > 0:
		return warned("Deployments to %s are frozen now.", at.environment.Name).with(remedy).listing(append(active, coming...)), nil
	case len(coming) > 0:
		return noted("Deployments to %s will be frozen within a week.", at.environment.Name).with(remedy).listing(coming), nil
	default:
		return fine("No deployment freeze is in the way, now or within a week."), nil
	}
}

func frozenLine(f octopus.Freeze, now time.Time) string {
	when := "from " + minute(f.Start) + " until " + minute(f.End)
	if f.Active(now) {
		when = "until " + minute(f.End)
	}
	if f.Recurring {
		when += ", and again later"
	}
	return fmt.Sprintf("%q %s.", f.Name, when)
}

// minute shows a time as people note it.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func distinctLines(lines []string) []string {
	slices.Sort(lines)
	return slices.Compact(lines)
}
