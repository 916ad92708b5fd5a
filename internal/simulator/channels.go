package simulator

import "github.com/go-chi/chi/v5"

func channelKind() *kind {
	return &kind{
		name: "channels", prefix: "Channels", itemType: "Channel", template: "{?skip,take,ids,partialName}", bySlug: true,
		complete: func(_ *call, d, before document) {
			d.fill(document{"Description": "", "IsDefault": false, "LifecycleId": nil, "Rules": []any{}, "TenantTags": []string{}, "Type": "Lifecycle",
				"GitReferenceRules": []string{}, "GitResourceRules": []any{}, "CustomFieldDefinitions": []any{}})
			if before != nil {
				d["ProjectId"] = before["ProjectId"]
			}
		},
		check: func(c *call, d, before document) []string {
			project := d.text("ProjectId")
			if c.documents["projects"].get(project) == nil {
				return []string{"A channel needs the ProjectId of an existing project."}
			}
			if c.documents["channels"].first(func(o document) bool {
				return o.text("ProjectId") == project && o.text("Name") == d.text("Name") && o.id() != before.idOrEmpty()
			}) != nil {
				return []string{"A channel with the name '" + d.text("Name") + "' already exists in this project."}
			}
			return nil
		},
		guard: func(_ *call, before, after document) error {
			if after == nil && before.flag("IsDefault") {
				return invalid("The default channel cannot be deleted.")
			}
			return nil
		},
		links: func(d document) map[string]string {
			project := "/api/{space}/projects/" + d.text("ProjectId")
			// The official client looks for the project under "Projects", older ones under "Project".
			return map[string]string{"Project": project, "Projects": project,
				"Releases": project + "/channels/" + d.id() + "/releases{?skip,take,searchByVersion}"}
		},
	}
}

func (s *Server) channelRoutes(r chi.Router) {
	for _, path := range []string{"/projects/{project}/channels/{channel}/releases", "/channels/{channel}/releases"} {
		s.get(r, path, func(c *call) (reply, error) {
			channel, err := c.find("channels", "channel")
			if err != nil {
				return reply{}, err
			}
			return ok(c.releasePage(func(d document) bool { return d.text("ChannelId") == channel.id() }))
		})
	}
}

// defaultChannel is the channel of releases that name none.
func (s *Server) defaultChannel(projectID string) document {
	return s.documents["channels"].first(func(d document) bool { return d.text("ProjectId") == projectID && d.flag("IsDefault") })
}
