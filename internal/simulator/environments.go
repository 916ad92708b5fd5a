package simulator

func environmentKind() *kind {
	return &kind{
		name: "environments", prefix: "Environments", itemType: "Environment", template: "{?name,skip,ids,take,partialName}",
		bySlug: true, uniqueName: true,
		complete: func(c *call, d, before document) {
			d.fill(document{"Description": "", "UseGuidedFailure": false, "AllowDynamicInfrastructure": false,
				"ExtensionSettings": []any{}, "EnvironmentTags": []any{}})
			if before == nil {
				d["SortOrder"] = len(c.documents["environments"].order)
			}
		},
		check: func(_ *call, d, _ document) []string {
			if len(d.text("Name")) > 50 {
				return []string{"The environment's name must not be longer than 50 characters."}
			}
			return nil
		},
		guard: func(c *call, before, after document) error {
			if after != nil {
				return nil
			}
			if c.documents["machines"].first(func(m document) bool { return contains(m.list("EnvironmentIds"), before.id()) }) != nil {
				return invalid("The environment cannot be deleted because deployment targets belong to it.")
			}
			if c.documents["lifecycles"].first(func(l document) bool { return phaseOf(l.objects("Phases"), before.id()) >= 0 }) != nil {
				return invalid("The environment cannot be deleted because a phase of a lifecycle uses it.")
			}
			return nil
		},
		links: func(d document) map[string]string {
			base := "/api/{space}/environments/" + d.id()
			return map[string]string{
				"Machines":                    base + "/machines{?skip,take,partialName,roles,isDisabled,healthStatuses,commStyles,tenantIds,tenantTags,shellNames}",
				"SinglyScopedVariableDetails": base + "/singlyScopedVariableDetails",
				"Metadata":                    base + "/metadata",
			}
		},
	}
}
