//go:build unix

package trial

import (
	"testing"
	"time"

	"regrow/internal/simulator"
)

// Octopus takes an override away when it deploys, also between a run's read of the
// project and its write: then the write brings back what it read.
func TestOverrideThatAnotherRunsWriteBringsBack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	entry := func(effect simulator.Effect, environment, release, detail string, after time.Duration) simulator.Entry {
		return simulator.Entry{
			Effect: effect, Actor: simulator.ActorAPI, ProjectID: "Projects-1", EnvironmentID: environment, ReleaseID: release,
			Detail: detail, Time: now.Add(after),
		}
	}
	const set, cleared = simulator.OverrideSet, simulator.OverrideCleared
	first := entry(set, "alpha", "Releases-1", "", 0)
	deployed := entry(cleared, "alpha", "Releases-1", "by Deployments-1", time.Second)
	again := entry(set, "alpha", "Releases-1", "", 2*time.Second)
	other := entry(set, "bravo", "Releases-2", "", 2*time.Second)
	for name, test := range map[string]struct {
		journal []simulator.Entry // the last but one is looked at
		want    bool
	}{
		"with another's":         {[]simulator.Entry{first, deployed, again, other}, true},
		"with another's removal": {[]simulator.Entry{first, deployed, again, entry(cleared, "bravo", "Releases-2", "by a PUT of the project", 2*time.Second)}, true},
		"by itself":              {[]simulator.Entry{first, deployed, again, entry(set, "bravo", "Releases-2", "", 3*time.Second)}, false},
		"in another project":     {[]simulator.Entry{first, deployed, again, {Effect: set, Actor: simulator.ActorAPI, ProjectID: "Projects-9", EnvironmentID: "bravo", Time: again.Time}}, false},
		"of another release":     {[]simulator.Entry{first, deployed, entry(set, "alpha", "Releases-9", "", 2*time.Second), other}, false},
		"that a run took away":   {[]simulator.Entry{first, entry(cleared, "alpha", "Releases-1", "by a PUT of the project", time.Second), again, other}, false},
		"for the first time":     {[]simulator.Entry{first, other}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &checker{History: &History{Journal: test.journal}}
			if got := c.carriedAlong(len(test.journal) - 2); got != test.want {
				t.Errorf("carried along: %t, want %t", got, test.want)
			}
		})
	}
}
