package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// kind describes the resources of one collection: what their requests must hold, what the server
// adds, which links they carry. The verbs that all collections share work from this description.
type kind struct {
	name     string // the path's segment, lower case: "environments"
	prefix   string // of the ids: "Environments"
	itemType string // "Environment"
	template string // the parameters that the list takes: "{?skip,take,ids,partialName}"

	global      bool // not in a space: "/api/tasks"
	unspaced    bool // global, and not even found below the path of a space
	bySlug      bool // the id in a path may be a slug
	uniqueName  bool // within the space
	newestFirst bool // order of lists
	readOnly    bool // only GET

	// elsewhere says that a document is not found by its id, but below another path.
	elsewhere func(c *call, d document) bool
	// complete adds what the server owns or defaults. Before is nil for a new document.
	complete func(c *call, d, before document)
	// check says what is wrong with a document, in the texts that go into Errors.
	check func(c *call, d, before document) []string
	// guard may refuse a change or a deletion for other reasons.
	guard func(c *call, before, after document) error
	// created, updated and deleted follow a change that has happened.
	created func(c *call, d document)
	updated func(c *call, d, before document)
	deleted func(c *call, d document)
	// links are the links besides Self, relative to the API root with "{space}" for the space.
	links func(d document) map[string]string
	// filter applies the list's own parameters.
	filter func(c *call, d document) bool
	// envelope changes the list's page, where it differs from the common one.
	envelope func(c *call, page document, items []any) document
	// present may change the copy that is about to be shown.
	present func(c *call, d document)
}

func (s *Server) registerKinds() {
	for _, k := range []*kind{
		spaceKind(), environmentKind(), lifecycleKind(), projectGroupKind(), projectKind(), processKind(), channelKind(),
		releaseKind(), deploymentKind(), taskKind(), machineKind(), machinePolicyKind(), triggerKind(), subscriptionKind(),
		eventKind(), interruptionKind(), tenantKind(), feedKind(), packageKind(), runbookKind(), runbookProcessKind(),
		runbookSnapshotKind(), runbookRunKind(), freezeKind(), userKind(), variableSetKind(), defectKind(), workerPoolKind(),
	} {
		s.kinds[k.name] = k
		s.documents[k.name] = newCollection(k.prefix)
	}
}

// kindRoutes registers the verbs that every collection has.
func (s *Server) kindRoutes(r chi.Router, k *kind) {
	base := "/" + k.name
	s.get(r, base, func(c *call) (reply, error) { return ok(c.listPage(k, c.collect(k))) })
	s.get(r, base+"/all", func(c *call) (reply, error) { return ok(c.collect(k)) })
	s.get(r, base+"/{id}", func(c *call) (reply, error) {
		d, err := c.find(k.name, "id")
		if err != nil {
			return reply{}, err
		}
		return ok(c.show(k, d))
	})
	if k.readOnly {
		return
	}
	s.post(r, base, func(c *call) (reply, error) { return c.createFrom(k, nil) })
	s.put(r, base+"/{id}", func(c *call) (reply, error) { return c.replaceFrom(k) })
	s.remove(r, base+"/{id}", func(c *call) (reply, error) { return c.removeFrom(k) })
}

// createFrom is POST. The given fields override those of the body; sub-routes use them.
func (c *call) createFrom(k *kind, given document) (reply, error) {
	d, err := c.body()
	if err != nil {
		return reply{}, err
	}
	for key, value := range given {
		d[key] = value
	}
	if err := c.insert(k, d); err != nil {
		return reply{}, err
	}
	return created(c.show(k, d))
}

func (c *call) replaceFrom(k *kind) (reply, error) {
	before, err := c.find(k.name, "id")
	if err != nil {
		return reply{}, err
	}
	after, err := c.body()
	if err != nil {
		return reply{}, err
	}
	if err := c.update(k, before, after); err != nil {
		return reply{}, err
	}
	return ok(c.show(k, after))
}

// removeFrom is DELETE. It answers 200 with an empty object, never 204: the official client reads
// a 204 as an error on its older path.
func (c *call) removeFrom(k *kind) (reply, error) {
	d, err := c.find(k.name, "id")
	if err != nil {
		return reply{}, err
	}
	if err := c.erase(k, d); err != nil {
		return reply{}, err
	}
	return ok(document{})
}

// insert checks and completes a new document and adds it to its collection.
func (c *call) insert(k *kind, d document) error {
	delete(d, "Links")
	delete(d, "Id")
	if !k.global && d.text("SpaceId") == "" {
		d["SpaceId"] = c.space
	}
	if err := c.validate(k, d, nil); err != nil {
		return err
	}
	d["Id"] = c.documents[k.name].nextID()
	c.finish(k, d, nil)
	c.documents[k.name].add(d)
	if k.created != nil {
		k.created(c, d)
	} else {
		c.noteDocument(DocumentCreated, "Created", k, d)
	}
	return nil
}

// update replaces a document by another.
func (c *call) update(k *kind, before, after document) error {
	delete(after, "Links")
	after["Id"] = before.id()
	if before.text("SpaceId") != "" {
		after["SpaceId"] = before.text("SpaceId")
	}
	if k.guard != nil {
		if err := k.guard(c, before, after); err != nil {
			return err
		}
	}
	if err := c.validate(k, after, before); err != nil {
		return err
	}
	c.finish(k, after, before)
	c.documents[k.name].replace(after)
	if k.updated != nil {
		k.updated(c, after, before)
	} else {
		c.noteDocument(DocumentUpdated, "Modified", k, after)
	}
	return nil
}

func (c *call) erase(k *kind, d document) error {
	if k.guard != nil {
		if err := k.guard(c, d, nil); err != nil {
			return err
		}
	}
	c.documents[k.name].remove(d.id())
	if k.deleted != nil {
		k.deleted(c, d)
	} else {
		c.noteDocument(DocumentDeleted, "Deleted", k, d)
	}
	return nil
}

// noteDocument records a change that has no effect and event of its own.
func (c *call) noteDocument(effect Effect, category string, k *kind, d document) {
	c.record(c.by, Entry{Effect: effect, ID: d.id(), Name: d.text("Name"), ProjectID: d.text("ProjectId"), Detail: k.itemType})
	c.raise(c.by, category, d.text("SpaceId"), fmt.Sprintf("%s %s was %s", k.itemType, orDefault(d.text("Name"), d.id()), strings.ToLower(category)), d.id())
}

func (c *call) validate(k *kind, d, before document) error {
	var wrong []string
	if k.uniqueName {
		name := strings.TrimSpace(d.text("Name"))
		if name == "" {
			wrong = append(wrong, fmt.Sprintf("%s name is required.", k.itemType))
		}
		same := c.documents[k.name].first(func(other document) bool {
			return other.text("SpaceId") == d.text("SpaceId") && other.id() != before.idOrEmpty() && strings.EqualFold(other.text("Name"), name)
		})
		if same != nil {
			wrong = append(wrong, fmt.Sprintf("A %s with the name '%s' already exists. Please choose a different name.", strings.ToLower(k.itemType), name))
		}
	}
	if k.check != nil {
		wrong = append(wrong, k.check(c, d, before)...)
	}
	if len(wrong) > 0 {
		return invalid(wrong...)
	}
	return nil
}

func (d document) idOrEmpty() string {
	if d == nil {
		return ""
	}
	return d.id()
}

// finish completes a document that has passed its checks.
func (c *call) finish(k *kind, d, before document) {
	if k.bySlug && d.text("Slug") == "" {
		d["Slug"] = slugOf(d.text("Name"))
	}
	if k.complete != nil {
		k.complete(c, d, before)
	}
	if !k.readOnly {
		d["LastModifiedOn"], d["LastModifiedBy"] = c.stamp(), c.by.user.name
	}
}

// collect lists what the request may see and asks for.
func (c *call) collect(k *kind) []any {
	ids, name, partial := c.query.list("ids"), c.query.text("name"), strings.ToLower(c.query.text("partialName"))
	found := c.documents[k.name].where(func(d document) bool {
		return c.visible(d) &&
			(len(ids) == 0 || contains(ids, d.id())) &&
			(name == "" || k.name == "tasks" || strings.EqualFold(d.text("Name"), name)) &&
			(partial == "" || strings.Contains(strings.ToLower(d.text("Name")), partial)) &&
			(k.filter == nil || k.filter(c, d))
	})
	return c.showAll(k, found)
}

// showAll presents documents in the order of the kind's lists.
func (c *call) showAll(k *kind, documents []document) []any {
	shown := make([]any, 0, len(documents))
	for _, d := range documents {
		shown = append(shown, c.show(k, d))
	}
	if k.newestFirst {
		slices.Reverse(shown)
	}
	return shown
}

func (c *call) listPage(k *kind, items []any) document {
	page := c.page(k.itemType, k.path("")+k.template, items)
	if k.envelope != nil {
		return k.envelope(c, page, items)
	}
	return page
}

// path is the API path of a document of this kind.
func (k *kind) path(id string) string {
	base := "/api/{space}/"
	if k.global {
		base = "/api/"
	}
	base += k.name
	if id != "" {
		base += "/" + id
	}
	return base
}

// show is a document as the client sees it: with links, and without what is secret.
func (c *call) show(k *kind, d document) document {
	return c.Server.show(k, d, c)
}

func (s *Server) show(k *kind, d document, c *call) document {
	shown := d.clone()
	if k.present != nil {
		k.present(c, shown)
	}
	links := map[string]string{"Self": k.path(d.id())}
	if k.links != nil {
		for name, path := range k.links(d) {
			links[name] = path
		}
	}
	space := orDefault(d.text("SpaceId"), s.defaultSpace())
	for name, path := range links {
		links[name] = s.options.BasePath + strings.ReplaceAll(path, "{space}", space)
	}
	shown["Links"] = links
	return shown
}

// link puts the call's space and the mount point into a path.
func (c *call) link(path string) string {
	return c.options.BasePath + strings.ReplaceAll(path, "{space}", c.space)
}

// internalCall acts on the server's own account, in its default space.
func (s *Server) internalCall(by cause) *call {
	return &call{Server: s, by: by, space: s.defaultSpace(), query: query{}, r: &http.Request{}}
}

// do runs an internal creation and returns the new document's id.
func (c *call) do(kindName string, d document) (string, error) {
	k := c.kinds[kindName]
	if err := c.insert(k, d); err != nil {
		return "", fmt.Errorf("creating a %s: %w", strings.ToLower(k.itemType), err)
	}
	return d.id(), nil
}
