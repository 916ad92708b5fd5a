package octopus_test

import (
	"context"
	"net/http"
	"testing"

	"regrow/internal/octopus"
)

// Something between here and Octopus may answer with success and nothing. Taken for
// Octopus' word it would say that a project has no packages, or that no freeze
// holds.
func TestNothingIsNoAnswer(t *testing.T) {
	t.Parallel()
	runbook := octopus.RunbookSpec{ProjectID: "Projects-1", RunbookID: "Runbooks-1", EnvironmentID: "Environments-1", Marker: "run 1"}
	release := octopus.ReleaseSpec{ProjectID: "Projects-1", ChannelID: "Channels-1", Version: "1.0.0", Marker: "run 1"}
	operations := map[string]struct {
		path string // of the answer that is nothing
		do   func(context.Context, *octopus.Client) error
	}{
		"the freezes": {"/api/deploymentfreezes", func(ctx context.Context, c *octopus.Client) error {
			_, err := c.Freezes(ctx, "Projects-1", "Environments-1", "")
			return err
		}},
		"a runbook": {"/api/Spaces-1/runbooks/Runbooks-1", func(ctx context.Context, c *octopus.Client) error {
			_, _, err := c.EnsureRunbookRun(ctx, runbook)
			return err
		}},
		"the packages of a process": {"/api/Spaces-1/projects/Projects-1/deploymentprocesses/template", func(ctx context.Context, c *octopus.Client) error {
			_, _, err := c.EnsureRelease(ctx, release)
			return err
		}},
		"the versions of a package": {"/api/Spaces-1/feeds/Feeds-1/packages/versions", func(ctx context.Context, c *octopus.Client) error {
			_, _, err := c.EnsureRelease(ctx, release)
			return err
		}},
	}
	for name, operation := range operations {
		for _, nothing := range []string{"{}", " null\n", "", "<html></html>"} {
			t.Run(name+" is "+nothing, func(t *testing.T) {
				t.Parallel()
				f := newFake(t)
				f.on("GET "+operation.path, func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, nothing) })
				f.says("GET /api/Spaces-1/runbookRuns", listOf())
				f.says("GET /api/Spaces-1/channels/Channels-1", `{"Id":"Channels-1","Rules":[]}`)
				if operation.path != "/api/Spaces-1/projects/Projects-1/deploymentprocesses/template" {
					f.says("GET /api/Spaces-1/projects/Projects-1/deploymentprocesses/template",
						`{"DeploymentProcessId":"x","Packages":[{"StepName":"Deploy","ActionName":"Deploy","PackageId":"shop","FeedId":"Feeds-1","IsResolvable":true}]}`)
				}
				err := operation.do(t.Context(), f.client())
				wantTransient(t, err)
				for _, path := range []string{"/api/Spaces-1/releases", "/api/Spaces-1/runbookRuns"} {
					if got := f.received(http.MethodPost, path); len(got) > 0 {
						t.Errorf("it was relied on: %v", got)
					}
				}
			})
		}
	}
}
