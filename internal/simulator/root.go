package simulator

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
)

const installationID = "2b3f6d1c-8f3f-4a86-9f7b-0d6a6a3a5f11"

func (s *Server) rootRoutes(r chi.Router) {
	r.Get("/api", s.handle(func(c *call) (reply, error) {
		links := c.rootLinks()
		links["Self"] = c.options.BasePath + "/api"
		return ok(document{"Application": "Octopus Deploy", "Version": Version, "ApiVersion": "3.0.0",
			"InstallationId": installationID, "IsEarlyAccessProgram": false, "HasLongTermSupport": false, "Links": links})
	}))
	// The root of a space has links and nothing else; the official client's tests insist on it.
	r.Get("/space", s.handle(func(c *call) (reply, error) { return ok(document{"Links": c.rootLinks()}) }))
	s.get(r, "/serverstatus", func(c *call) (reply, error) {
		return ok(document{"IsInMaintenanceMode": false, "MaintenanceExpires": nil, "IsMajorMinorUpgrade": false, "MaximumAvailableVersion": Version,
			"Links": map[string]string{"Self": c.link("/api/serverstatus")}})
	})
	s.get(r, "/users/{id}/spaces", func(c *call) (reply, error) { return ok(c.collect(c.kinds["spaces"])) })
	s.permissionRoutes(r)
	s.get(r, "/users/me", func(c *call) (reply, error) {
		return ok(c.show(c.kinds["users"], c.documents["users"].get(c.by.user.id)))
	})
}

func userKind() *kind {
	return &kind{name: "users", prefix: "Users", itemType: "User", template: "{?skip,take,ids,filter}", global: true, readOnly: true,
		links: func(d document) map[string]string {
			return map[string]string{"Spaces": "/api/users/" + d.id() + "/spaces",
				"Permissions": "/api/users/" + d.id() + "/permissions{?spaces,includeSystem}"}
		}}
}

func spaceKind() *kind {
	return &kind{
		name: "spaces", prefix: "Spaces", itemType: "Space", template: "{?skip,ids,take,partialName}", global: true, uniqueName: true, bySlug: true,
		complete: func(_ *call, d, _ document) {
			d.fill(document{"Description": "", "IsDefault": false, "IsPrivate": false, "TaskQueueStopped": false,
				"SpaceManagersTeams": []string{}, "SpaceManagersTeamMembers": []string{}, "ExtensionSettings": []any{}})
		},
		check: func(_ *call, d, before document) []string {
			if before == nil && len(d.list("SpaceManagersTeams"))+len(d.list("SpaceManagersTeamMembers")) == 0 {
				return []string{"A space needs at least one manager: a team or a user."}
			}
			return nil
		},
		guard: func(_ *call, before, after document) error {
			if after == nil && !before.flag("TaskQueueStopped") {
				return invalid("The task queue of a space must be stopped before the space is deleted.")
			}
			return nil
		},
		created: func(c *call, d document) {
			c.noteDocument(DocumentCreated, "Created", c.kinds["spaces"], d)
			c.createSpaceDocuments(d.id())
		},
		links: func(d document) map[string]string {
			id := d.id()
			return map[string]string{"SpaceHome": "/api/" + id, "Web": "/app#/" + id, "Logo": "/api/spaces/" + id + "/logo",
				"Search": "/api/spaces/" + id + "/search{?keyword}"}
		},
	}
}

func (s *Server) spaceRoutes(r chi.Router) {
	s.get(r, "/spaces/{id}/search", func(c *call) (reply, error) {
		space, err := c.find("spaces", "id")
		if err != nil {
			return reply{}, err
		}
		keyword := strings.ToLower(c.query.text("keyword"))
		hits := []document{}
		for _, name := range []string{"projects", "environments", "machines"} {
			for _, d := range c.documents[name].order {
				if d.text("SpaceId") == space.id() && strings.Contains(strings.ToLower(d.text("Name")), keyword) {
					hits = append(hits, document{"Id": d.id(), "Name": d.text("Name"), "Type": c.kinds[name].itemType})
				}
			}
		}
		return ok(hits)
	})
}

// defaultSpace is the id of the space that a path without a space means.
func (s *Server) defaultSpace() string {
	spaces := s.documents["spaces"]
	if d := spaces.first(func(d document) bool { return d.flag("IsDefault") }); d != nil {
		return d.id()
	}
	return "Spaces-1"
}

// createServerDocuments puts in place what a fresh server has.
func (s *Server) createServerDocuments() {
	for _, who := range []user{adminUser, readOnlyUser} {
		s.documents["users"].add(document{"Id": who.id, "Username": who.name, "DisplayName": who.name, "EmailAddress": who.name + "@octopus.example",
			"IsActive": true, "IsService": false, "IsRequestor": true, "CanPasswordBeEdited": false, "Identities": []any{}})
		s.documents["users"].last++
	}
	c := s.internalCall(causedBy(ActorSeed))
	c.must("spaces", document{"Name": "Default", "Slug": "default", "IsDefault": true, "SpaceManagersTeams": []string{"teams-managers"}})
}

func (c *call) createSpaceDocuments(space string) {
	own := *c
	own.space = space
	own.must("lifecycles", document{"Name": "Default Lifecycle", "Phases": []any{}})
	own.must("projectgroups", document{"Name": "Default Project Group"})
	own.must("machinepolicies", document{"Name": "Default Machine Policy", "IsDefault": true})
	own.must("workerpools", document{"Name": "Default Worker Pool", "IsDefault": true, "WorkerPoolType": "StaticWorkers", "SortOrder": 0})
	feed := document{"Id": "feeds-builtin", "SpaceId": space, "Name": "Octopus Server (built-in)", "Slug": "octopus-server-built-in", "FeedType": "BuiltIn",
		"DeleteUnreleasedPackagesAfterDays": nil, "IsBuiltInRepoSyncEnabled": false, "DownloadAttempts": 5, "DownloadRetryBackoffSeconds": 10}
	if c.documents["feeds"].get(feed.id()) == nil {
		c.documents["feeds"].add(feed)
	}
}

// must creates a document that cannot be wrong, because the simulator itself wrote it.
func (c *call) must(kindName string, d document) string {
	id, err := c.do(kindName, d)
	if err != nil {
		panic("simulator: " + err.Error())
	}
	return id
}

func methodNotSupported(text string) *problem {
	return &problem{status: http.StatusMethodNotAllowed, message: text}
}
