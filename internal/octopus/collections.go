package octopus

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Collection names resources of one kind, as they are called in the addresses
// of Octopus' API.
type Collection string

// The collections that regrow sets up or looks into.
const (
	Environments        Collection = "environments"
	ProjectGroups       Collection = "projectgroups"
	Lifecycles          Collection = "lifecycles"
	Projects            Collection = "projects"
	DeploymentProcesses Collection = "deploymentprocesses"
	VariableSets        Collection = "variables"
	MachinePolicies     Collection = "machinepolicies"
	ProjectTriggers     Collection = "projecttriggers"
	Subscriptions       Collection = "subscriptions"
	Tenants             Collection = "tenants"
	Channels            Collection = "channels"
)

// item is the route of one resource, list that of all.
func (k Collection) item() string { return "/api/{spaceId}/" + string(k) + "/{id}" }
func (k Collection) list() string { return "/api/{spaceId}/" + string(k) + "{?skip,take}" }

// Documents returns all resources of a collection in the space.
func (c *Client) Documents(ctx context.Context, k Collection) ([]Document, error) {
	return listAll[Document](ctx, c, "list the "+string(k), k.list(), nil)
}

// TriggersOf returns all triggers of a project.
func (c *Client) TriggersOf(ctx context.Context, projectID string) ([]Document, error) {
	return listAll[Document](ctx, c, "list the triggers of "+projectID,
		"/api/{spaceId}/projects/{projectId}/triggers{?skip,take}", params{"projectId": projectID})
}

// Document returns a resource by its id; see IsNotFound.
func (c *Client) Document(ctx context.Context, k Collection, id string) (Document, error) {
	op := fmt.Sprintf("read %s of the %s", id, k)
	found, err := get[Document](ctx, c, op, k.item(), params{"id": id})
	return c.withID(op, found, err)
}

// Create makes a new resource. It is not repeatable by itself: after an error
// that is transient, look whether the resource is there before trying again.
func (c *Client) Create(ctx context.Context, k Collection, d Document) (Document, error) {
	op := fmt.Sprintf("create %q in the %s", d.Name(), k)
	made, err := post[Document](ctx, c, op, "/api/{spaceId}/"+string(k), nil, d)
	return c.withID(op, made, err)
}

// Update writes a resource as a whole, under its own id, and returns it as the
// server keeps it. See IsOutOfDate.
func (c *Client) Update(ctx context.Context, k Collection, d Document) (Document, error) {
	op := fmt.Sprintf("change %s of the %s", d.ID(), k)
	if d.ID() == "" {
		return nil, c.refuse(op, "the document has no Id", "")
	}
	kept, err := exchange[Document](ctx, c, call{op: op, method: http.MethodPut, route: k.item(), params: params{"id": d.ID()}, body: d})
	return c.withID(op, kept, err)
}

// Delete removes a resource. One that is gone already is no error.
func (c *Client) Delete(ctx context.Context, k Collection, id string) error {
	_, err := c.do(ctx, call{op: fmt.Sprintf("delete %s of the %s", id, k), method: http.MethodDelete, route: k.item(), params: params{"id": id}})
	if IsNotFound(err) {
		return nil
	}
	return err
}

// withID makes sure that an answer is a resource.
func (c *Client) withID(op string, d Document, err error) (Document, error) {
	if err == nil && d.ID() == "" {
		return nil, c.broken(op, "the resource in the answer has no Id")
	}
	return d, err
}

// PolicyTemplate returns a machine policy that is not saved yet: the server's
// own defaults.
func (c *Client) PolicyTemplate(ctx context.Context) (Document, error) {
	return get[Document](ctx, c, "read the defaults of machine policies", "/api/{spaceId}/machinepolicies/template", nil)
}

// EventCategories returns the ids of all kinds of events that the server knows,
// for instance "MachineHealthy".
func (c *Client) EventCategories(ctx context.Context) ([]string, error) {
	return c.ids(ctx, "list the event categories", "/api/events/categories")
}

// EventGroups returns the ids of the server's groups of event categories, for
// instance "MachineAvailableForDeployment".
func (c *Client) EventGroups(ctx context.Context) ([]string, error) {
	return c.ids(ctx, "list the event groups", "/api/events/groups")
}

// ids reads a bare list of things with ids.
func (c *Client) ids(ctx context.Context, op, route string) ([]string, error) {
	found, err := get[[]named](ctx, c, op, route, nil)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(found))
	for i, item := range found {
		ids[i] = item.ID
	}
	return ids, nil
}

// HasPackage tells whether the built-in feed holds a version of a package.
func (c *Client) HasPackage(ctx context.Context, packageID, version string) (bool, error) {
	op := fmt.Sprintf("look for package %s %s", packageID, version)
	found, err := get[Document](ctx, c, op, "/api/{spaceId}/packages/{id}", params{"id": "packages-" + packageID + "." + version})
	if IsNotFound(err) {
		return false, nil
	}
	_, err = c.withID(op, found, err)
	return err == nil, err
}

// UploadPackage puts a package into the built-in feed. Its id and version are
// those in the file's name, such as "Acme.Web.1.0.0.zip". One that is there
// already is kept, so that the call may be repeated.
func (c *Client) UploadPackage(ctx context.Context, fileName string, content []byte) error {
	form, contentType, err := fileForm(fileName, content)
	if err != nil {
		return c.refuse("upload "+fileName, err.Error(), "")
	}
	_, err = c.do(ctx, call{
		op: "upload " + fileName, method: http.MethodPost, route: "/api/{spaceId}/packages/raw{?overwriteMode}",
		params: params{"overwriteMode": "IgnoreIfExists"}, body: form, contentType: contentType,
	})
	return err
}

// PageURL leads people to a page of the space, such as "projects/Projects-1".
func (c *Client) PageURL(page string) string { return c.webURL(nil, strings.TrimPrefix(page, "/")) }
