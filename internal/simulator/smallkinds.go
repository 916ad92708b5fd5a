package simulator

// The kinds that hardly do more than keep documents.

func projectGroupKind() *kind {
	return &kind{
		name: "projectgroups", prefix: "ProjectGroups", itemType: "ProjectGroup", template: "{?skip,take,ids,partialName}",
		bySlug: true, uniqueName: true,
		complete: func(_ *call, d, _ document) {
			d.fill(document{"Description": "", "EnvironmentIds": []string{}, "RetentionPolicyId": nil})
		},
		guard: func(c *call, before, after document) error {
			if after == nil && c.documents["projects"].first(func(p document) bool { return p.text("ProjectGroupId") == before.id() }) != nil {
				return invalid("The project group cannot be deleted because it holds projects.")
			}
			return nil
		},
		links: func(d document) map[string]string {
			return map[string]string{"Projects": "/api/{space}/projectgroups/" + d.id() + "/projects{?skip,take,partialName}"}
		},
	}
}

func tenantKind() *kind {
	return &kind{
		name: "tenants", prefix: "Tenants", itemType: "Tenant", template: "{?skip,projectId,name,tags,take,ids,clone,partialName,clonedFromTenantId}",
		bySlug: true, uniqueName: true,
		complete: func(_ *call, d, _ document) {
			d.fill(document{"Description": "", "ClonedFromTenantId": nil, "TenantTags": []string{}, "ProjectEnvironments": document{}, "IsDisabled": false})
		},
		filter: func(c *call, d document) bool {
			project := c.query.text("projectId")
			return (project == "" || d.object("ProjectEnvironments")[project] != nil) && c.query.allowsAny("tags", d.list("TenantTags"))
		},
		links: func(d document) map[string]string {
			return map[string]string{"Variables": "/api/{space}/tenants/" + d.id() + "/variables"}
		},
	}
}

func feedKind() *kind {
	return &kind{
		name: "feeds", prefix: "Feeds", itemType: "Feed", template: "{?skip,take,ids,partialName,feedType}", bySlug: true, uniqueName: true,
		complete: func(_ *call, d, _ document) {
			d.fill(document{"PackageAcquisitionLocationOptions": []string{"Server", "ExecutionTarget", "NotAcquired"}})
		},
		check: func(_ *call, d, _ document) []string {
			if d.text("FeedType") == "" {
				return []string{"FeedType is required."}
			}
			return nil
		},
		filter: func(c *call, d document) bool { return c.query.allows("feedType", d.text("FeedType")) },
		links: func(d document) map[string]string {
			base := "/api/{space}/feeds/" + d.id()
			return map[string]string{"SearchPackagesTemplate": base + "/packages/search{?term,skip,take}",
				"SearchPackageVersionsTemplate": base + "/packages/versions{?packageId,take,skip,includePreRelease,versionRange,preReleaseTag,filter,includeReleaseNotes}"}
		},
	}
}

func workerPoolKind() *kind {
	return &kind{name: "workerpools", prefix: "WorkerPools", itemType: "WorkerPool", template: "{?name,skip,ids,take,partialName}", bySlug: true, uniqueName: true}
}

func defectKind() *kind {
	return &kind{
		name: "defects", prefix: "Defects", itemType: "Defect", template: "{?skip,take}",
		complete: func(_ *call, d, _ document) { d.fill(document{"Description": "", "Status": "Unresolved"}) },
	}
}

// outOfDate refuses a write based on an old version of a document.
func outOfDate(what string) *problem {
	return &problem{status: 409, message: "There was a problem with your request.", details: []string{
		"Modification failed for " + what + " because submitted data was out of date. Refresh the document and try again."}}
}
