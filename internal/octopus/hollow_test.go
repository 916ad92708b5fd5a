package octopus_test

import (
	"net/http"
	"testing"

	"regrow/internal/octopus"
)

// A proxy may answer 200 with an empty object. That must not be taken for
// Octopus' word: a runbook without a snapshot, a release without packages.
func TestHollowAnswersAreTriedAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hollow string
		ask    func(t *testing.T, c *octopus.Client) error
	}{
		"runbook": {"GET /api/Spaces-1/runbooks/Runbooks-1", func(t *testing.T, c *octopus.Client) error {
			t.Helper()
			_, _, err := c.EnsureRunbookRun(t.Context(), octopus.RunbookSpec{ProjectID: "Projects-1", RunbookID: "Runbooks-1", EnvironmentID: "Environments-1", Marker: "[m]"})
			return err
		}},
		"package": {"GET /api/Spaces-1/packages/packages-A.1.0.0", func(t *testing.T, c *octopus.Client) error {
			t.Helper()
			_, err := c.HasPackage(t.Context(), "A", "1.0.0")
			return err
		}},
		"template of a release": {"GET /api/Spaces-1/projects/Projects-1/deploymentprocesses/template", func(t *testing.T, c *octopus.Client) error {
			t.Helper()
			_, _, err := c.EnsureRelease(t.Context(), octopus.ReleaseSpec{ProjectID: "Projects-1", ChannelID: "Channels-1", Version: "1.0.0", Marker: "[m]"})
			return err
		}},
		"permissions": {"GET /api/users/Users-1/permissions", func(t *testing.T, c *octopus.Client) error {
			t.Helper()
			_, err := c.Permissions(t.Context())
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.on("GET /api/users/me", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, `{"Id":"Users-1"}`) })
			f.on("GET /api/Spaces-1/channels/Channels-1", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, `{"Id":"Channels-1"}`) })
			f.on("GET /api/Spaces-1/runbookRuns", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, listOf()) })
			f.on(test.hollow, func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, `{}`) })
			if err := test.ask(t, f.client()); !octopus.IsTransient(err) {
				t.Errorf("got %v, want an error that is worth another try", err)
			}
		})
	}
}
