package octopus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/OctopusDeploy/go-octopusdeploy/v2/pkg/projects"

	"regrow/internal/pipeline"
)

const (
	overridesMember = "AutoDeployReleaseOverrides"
	projectRoute    = "/api/{spaceId}/projects/{projectId}"
	// overrideWrites is how often one call writes a project before it gives up.
	overrideWrites = 3
)

// overrideKey is what an auto-deploy override is for. A project has at most
// one per environment and tenant.
type overrideKey struct{ environmentID, tenantID string }

// overrideEntry is one entry of a project's AutoDeployReleaseOverrides, as the
// official client reads it: a tenant that is null or missing is "".
type overrideEntry projects.AutoDeployReleaseOverride

func (e overrideEntry) is(key overrideKey) bool {
	return pipeline.SameName(e.EnvironmentID, key.environmentID) && pipeline.SameName(e.TenantID, key.tenantID)
}

// Override returns the id of the release that auto-deploy gives to new targets
// instead of the currently successful one, or "" when there is no override.
// tenantID is "" for an untenanted deployment.
//
// Octopus docs: any deployment of that project to that environment and tenant
// removes the override, so one that was set may be gone a minute later.
func (c *Client) Override(ctx context.Context, projectID, environmentID, tenantID string) (releaseID string, err error) {
	const op = "read the auto-deploy override of project "
	document, err := c.projectDocument(ctx, op+projectID, projectID)
	if err != nil {
		return "", err
	}
	current, err := overrideIn(document, overrideKey{environmentID, tenantID})
	if err != nil {
		return "", c.broken(op+projectID, err.Error())
	}
	return current, nil
}

// AutoDeployOverride is an entry of a project's auto-deploy overrides: the release
// that new targets in the environment get, and for the tenant if there is one.
type AutoDeployOverride struct{ EnvironmentID, TenantID, ReleaseID string }

// Overrides returns all auto-deploy overrides of a project.
func (c *Client) Overrides(ctx context.Context, projectID string) ([]AutoDeployOverride, error) {
	op := "list the auto-deploy overrides of project " + projectID
	document, err := c.projectDocument(ctx, op, projectID)
	if err != nil {
		return nil, err
	}
	written, err := overridesIn(document)
	if err != nil {
		return nil, c.broken(op, err.Error())
	}
	overrides := make([]AutoDeployOverride, len(written))
	for i, o := range written {
		overrides[i] = AutoDeployOverride{EnvironmentID: o.entry.EnvironmentID, TenantID: o.entry.TenantID, ReleaseID: o.entry.ReleaseID}
	}
	return overrides, nil
}

// SetOverride makes auto-deploy give the release to new targets. It writes the
// project only when that is not so already, and reads it back.
//
// Octopus gives projects no version, so two writers at once would lose one
// another's change: the caller has to hold a lock for the project.
func (c *Client) SetOverride(ctx context.Context, projectID, environmentID, tenantID, releaseID string) error {
	op := fmt.Sprintf("set the auto-deploy override of project %s to %s", projectID, releaseID)
	if environmentID == "" || releaseID == "" {
		return c.refuse(op, "the id of the environment or of the release is empty", "")
	}
	_, err := c.editOverride(ctx, op, projectID, overrideKey{environmentID, tenantID}, func(string) string { return releaseID })
	return err
}

// ClearOverride removes the override if it still names the release, and tells
// whether it did. Somebody else's override stays. The caller has to hold the
// same lock as for SetOverride.
func (c *Client) ClearOverride(ctx context.Context, projectID, environmentID, tenantID, releaseID string) (cleared bool, err error) {
	op := fmt.Sprintf("clear the auto-deploy override of project %s", projectID)
	if environmentID == "" || releaseID == "" {
		return false, c.refuse(op, "the id of the environment or of the release is empty", "")
	}
	return c.editOverride(ctx, op, projectID, overrideKey{environmentID, tenantID}, func(current string) string {
		if current == releaseID {
			return ""
		}
		return current
	})
}

// DeleteOverride removes the override whatever release it names, and returns the
// release's id, "" when there was none. The caller has to hold the same lock as
// for SetOverride.
func (c *Client) DeleteOverride(ctx context.Context, projectID, environmentID, tenantID string) (releaseID string, err error) {
	op := fmt.Sprintf("delete the auto-deploy override of project %s", projectID)
	if environmentID == "" {
		return "", c.refuse(op, "the id of the environment is empty", "")
	}
	_, err = c.editOverride(ctx, op, projectID, overrideKey{environmentID, tenantID}, func(current string) string {
		if releaseID == "" {
			releaseID = current
		}
		return ""
	})
	return releaseID, err
}

// editOverride brings a project's override from what it is to what choose
// makes of it, and tells whether it had to write. Every round reads first, so
// that the round after a write is the proof that the write has come through.
func (c *Client) editOverride(ctx context.Context, op, projectID string, key overrideKey, choose func(current string) string) (wrote bool, err error) {
	for round := range overrideWrites + 1 {
		document, err := c.projectDocument(ctx, op, projectID)
		if err != nil {
			return wrote, err
		}
		current, err := overrideIn(document, key)
		if err != nil {
			return wrote, c.broken(op, err.Error())
		}
		wanted := choose(current)
		if wanted == current {
			return wrote, nil
		}
		if round == overrideWrites {
			break
		}
		edited, err := withOverride(document, key, wanted)
		if err != nil {
			return wrote, c.broken(op, err.Error())
		}
		switch err := c.putProject(ctx, op, projectID, edited); {
		case IsOutOfDate(err): // somebody else wrote in between: start over
		case Settling(err) > 0:
			// It may come through yet, over whatever others write meanwhile. The
			// caller's lock has to keep them off until then.
			if !Settle(ctx, err) {
				return wrote, err
			}
			wrote = true
		case err != nil:
			return wrote, err
		default:
			wrote = true
		}
	}
	return wrote, c.fail(Error{
		Op: op, Kind: Transient,
		Remedy: "look in the project's audit log for who else changes it, such as Terraform or the octopus command line",
	}, fmt.Sprintf("%d writes in a row were refused as out of date or undone by somebody else", overrideWrites))
}

// projectDocument reads a project as the server sends it.
func (c *Client) projectDocument(ctx context.Context, op, projectID string) ([]byte, error) {
	document, err := get[json.RawMessage](ctx, c, op, projectRoute, params{"projectId": projectID})
	if err != nil {
		return nil, err
	}
	var project named
	if err := json.Unmarshal(document, &project); err != nil || project.ID == "" {
		return nil, c.broken(op, "the answer is no project: it has no Id")
	}
	return document, nil
}

func (c *Client) putProject(ctx context.Context, op, projectID string, document []byte) error {
	// The answer does not matter: the project is read back.
	_, err := c.do(ctx, call{
		op: op, method: http.MethodPut, route: projectRoute,
		params: params{"projectId": projectID}, body: document,
	})
	return err
}

// overrideIn returns the release of a project document's override, "" for none.
func overrideIn(document []byte, key overrideKey) (string, error) {
	written, err := overridesIn(document)
	if err != nil {
		return "", err
	}
	for _, o := range written {
		if o.entry.is(key) {
			return o.entry.ReleaseID, nil
		}
	}
	return "", nil
}

// withOverride returns the document with the override set to a release, or
// without it for "". All other entries and members keep their bytes.
func withOverride(document []byte, key overrideKey, releaseID string) ([]byte, error) {
	written, err := overridesIn(document)
	if err != nil {
		return nil, err
	}
	var kept [][]byte
	placed := releaseID == ""
	for _, o := range written {
		switch {
		case !o.entry.is(key):
			kept = append(kept, o.raw)
		case !placed:
			updated, err := withMember(o.raw, "ReleaseId", quoted(releaseID))
			if err != nil {
				return nil, err
			}
			kept, placed = append(kept, updated), true
		}
	}
	if !placed {
		kept = append(kept, newOverride(key, releaseID))
	}
	value := append([]byte{'['}, bytes.Join(kept, []byte{','})...)
	return withMember(document, overridesMember, append(value, ']'))
}

// newOverride is an entry as Octopus writes it.
func newOverride(key overrideKey, releaseID string) []byte {
	tenant := []byte("null")
	if key.tenantID != "" {
		tenant = quoted(key.tenantID)
	}
	return fmt.Appendf(nil, `{"EnvironmentId":%s,"TenantId":%s,"ReleaseId":%s}`, quoted(key.environmentID), tenant, quoted(releaseID))
}

// writtenOverride is an entry of a project's override list with its bytes.
type writtenOverride struct {
	raw   json.RawMessage
	entry overrideEntry
}

// overridesIn returns a project's override list; a missing list and null are
// empty ones.
func overridesIn(document []byte) ([]writtenOverride, error) {
	at, found, err := memberOf(document, overridesMember)
	if err != nil || !found {
		return nil, err
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(document[at.start:at.end], &elements); err != nil {
		return nil, fmt.Errorf("the project's %s are no list: %w", overridesMember, err)
	}
	written := make([]writtenOverride, len(elements))
	for i, element := range elements {
		written[i].raw = element
		if err := json.Unmarshal(element, &written[i].entry); err != nil {
			return nil, fmt.Errorf("the project's %s hold an entry that is none: %w", overridesMember, err)
		}
	}
	return written, nil
}

// IsOutOfDate tells whether Octopus refused a write because the document had
// changed since it was read. Observed: "… because submitted data was out of
// date. Refresh the document and try again.", as 400 or 409.
func IsOutOfDate(err error) bool {
	return refusedWith(err, "out of date")
}
