package simulator

import "slices"

// overridesKey is the field of a project that names releases for triggers to deploy.
const overridesKey = "AutoDeployReleaseOverrides"

// distinctOverrides keeps one entry for each environment and tenant: the last.
func distinctOverrides(project document) []document {
	kept := []document{}
	for _, entry := range project.objects(overridesKey) {
		kept = slices.DeleteFunc(kept, func(other document) bool {
			return other.text("EnvironmentId") == entry.text("EnvironmentId") && other.text("TenantId") == entry.text("TenantId")
		})
		var tenant any
		if id := entry.text("TenantId"); id != "" {
			tenant = id
		}
		kept = append(kept, document{"EnvironmentId": entry.text("EnvironmentId"), "TenantId": tenant, "ReleaseId": entry.text("ReleaseId")})
	}
	return kept
}

// overrideFaults plays the misfortunes that may befall an override that was just set.
func (c *call) overrideFaults(project, before document) {
	if c.faults.take(TickBeforeOverride, project.id()) {
		wanted := project[overridesKey]
		project[overridesKey] = before[overridesKey]
		c.hurryMachines()
		c.autoDeployNow()
		project[overridesKey] = wanted
	}
	if c.faults.take(DropOverride, project.id()) {
		c.loseOverridesOf(project)
	}
}

// loseOverrides plays the fault that an override is gone by the time triggers look for it.
func (s *Server) loseOverrides() {
	for _, project := range s.documents["projects"].order {
		if len(project.objects(overridesKey)) > 0 && s.faults.take(LoseOverride, project.id()) {
			s.loseOverridesOf(project)
		}
	}
}

func (s *Server) loseOverridesOf(project document) {
	for _, entry := range project.objects(overridesKey) {
		s.recordOverride(causedBy(ActorScheduler), OverrideCleared, project, entry, "by a fault, nothing was deployed")
	}
	project[overridesKey] = []document{}
}

func (c *call) recordOverride(effect Effect, project, entry document, detail string) {
	c.Server.recordOverride(c.by, effect, project, entry, detail)
}

func (s *Server) recordOverride(by cause, effect Effect, project, entry document, detail string) {
	s.record(by, Entry{Effect: effect, ID: project.id(), Name: project.text("Name"), ProjectID: project.id(), EnvironmentID: entry.text("EnvironmentId"),
		TenantID: entry.text("TenantId"), ReleaseID: entry.text("ReleaseId"), Detail: detail})
}

// overrideFor is the release that an override names for the environment and tenant, or "".
func overrideFor(project document, environmentID, tenantID string) string {
	for _, entry := range project.objects(overridesKey) {
		if entry.text("EnvironmentId") == environmentID && entry.text("TenantId") == tenantID {
			return entry.text("ReleaseId")
		}
	}
	return ""
}

// clearOverride removes the override of a lane, as any deployment to it does.
func (s *Server) clearOverride(by cause, l lane, why string) {
	project := s.documents["projects"].get(l.project)
	if project == nil || overrideFor(project, l.environment, l.tenant) == "" {
		return
	}
	entries := []document{}
	for _, entry := range project.objects(overridesKey) {
		if entry.text("EnvironmentId") == l.environment && entry.text("TenantId") == l.tenant {
			s.recordOverride(by, OverrideCleared, project, entry, why)
			continue
		}
		entries = append(entries, entry)
	}
	project[overridesKey] = entries
}
