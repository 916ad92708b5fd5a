package simulator

import "time"

func freezeKind() *kind {
	return &kind{
		name: "deploymentfreezes", prefix: "DeploymentFreezes", itemType: "DeploymentFreeze", global: true, uniqueName: true,
		template: "{?skip,take,ids,partialName,projectIds,tenantIds,environmentIds,includeComplete,status}",
		complete: func(_ *call, d, _ document) {
			d.fill(document{"Description": "", "ProjectEnvironmentScope": document{}, "TenantProjectEnvironmentScope": []any{}, "RecurringSchedule": nil, "OwnerId": nil})
		},
		envelope: func(_ *call, _ document, items []any) document {
			return document{"DeploymentFreezes": items, "Count": len(items)}
		},
		check: func(_ *call, d, _ document) []string {
			if parseTime(d.text("Start")).IsZero() || parseTime(d.text("End")).IsZero() {
				return []string{"A deployment freeze needs Start and End."}
			}
			return nil
		},
	}
}

// frozen is the name of the freeze that holds the lane now, or "".
func (s *Server) frozen(l lane) string {
	if s.switches.IgnoreFreezes {
		return ""
	}
	freeze := s.documents["deploymentfreezes"].first(func(d document) bool {
		return active(d, s.clock.now) && covers(d, l)
	})
	return freeze.text("Name")
}

func active(freeze document, now time.Time) bool {
	return !now.Before(parseTime(freeze.text("Start"))) && now.Before(parseTime(freeze.text("End")))
}

func covers(freeze document, l lane) bool {
	if contains(freeze.object("ProjectEnvironmentScope").list(l.project), l.environment) {
		return true
	}
	for _, scope := range freeze.objects("TenantProjectEnvironmentScope") {
		if scope.text("ProjectId") == l.project && scope.text("EnvironmentId") == l.environment && scope.text("TenantId") == l.tenant {
			return true
		}
	}
	return false
}
