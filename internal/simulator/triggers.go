package simulator

// triggerKind keeps project triggers. Filter and Action are stored as they come, because there
// are many kinds; the engine acts on machine filters with auto-deploy actions.
func triggerKind() *kind {
	return &kind{
		name: "projecttriggers", prefix: "ProjectTriggers", itemType: "ProjectTrigger", template: "{?skip,take,ids,runbooks}",
		complete: func(_ *call, d, before document) {
			d.fill(document{"Description": "", "IsDisabled": false})
			if before != nil && d.text("ProjectId") == "" {
				d["ProjectId"] = before["ProjectId"]
			}
		},
		check: func(c *call, d, _ document) []string {
			var wrong []string
			if d.text("Name") == "" {
				wrong = append(wrong, "A trigger needs a name.")
			}
			if id := d.text("ProjectId"); id != "" && c.documents["projects"].get(id) == nil {
				wrong = append(wrong, "The trigger's ProjectId does not name a project.")
			}
			filter := d.object("Filter")
			if filter.text("FilterType") == "MachineFilter" && len(filter.list("EventGroups"))+len(filter.list("EventCategories")) == 0 {
				wrong = append(wrong, "A deployment target trigger needs at least one event group or category.")
			}
			return wrong
		},
		links: func(d document) map[string]string {
			return map[string]string{"Project": "/api/{space}/projects/" + d.text("ProjectId")}
		},
	}
}
