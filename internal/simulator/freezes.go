package simulator

import (
	"maps"
	"slices"
	"time"
)

const maxFreezeName = 200

func freezeKind() *kind {
	return &kind{
		name: "deploymentfreezes", prefix: "DeploymentFreezes", itemType: "DeploymentFreeze", global: true, unspaced: true, uniqueName: true,
		template: "{?skip,take,ids,partialName,projectIds,tenantIds,environmentIds,includeComplete,status}",
		complete: func(_ *call, d, _ document) {
			d.fill(document{"Description": "", "ProjectEnvironmentScope": document{}, "TenantProjectEnvironmentScope": []any{}, "RecurringSchedule": nil, "OwnerId": nil})
		},
		envelope: func(_ *call, page document, items []any) document {
			return document{"DeploymentFreezes": page["Items"], "Count": len(items)}
		},
		check: func(_ *call, d, _ document) []string {
			start, end := parseTime(d.text("Start")), parseTime(d.text("End"))
			switch {
			case start.IsZero() || end.IsZero():
				return []string{"A deployment freeze needs Start and End."}
			case !start.Before(end):
				return []string{"A deployment freeze must end after its start."}
			case len(d.text("Name")) > maxFreezeName:
				return []string{"The name of a deployment freeze must not be longer than 200 characters."}
			}
			return nil
		},
		filter: filterFreeze,
	}
}

// filterFreeze leaves out what is over, unless the request asks for it.
func filterFreeze(c *call, d document) bool {
	status := freezeStatus(d, c.clock.now)
	if status == freezeComplete && !c.query.flag("includeComplete") && !contains(c.query.list("status"), status) {
		return false
	}
	environments := slices.Concat(slices.Collect(maps.Values(freezeScope(d)))...)
	var tenants []string
	for _, scope := range d.objects("TenantProjectEnvironmentScope") {
		tenants = append(tenants, scope.text("TenantId"))
	}
	return c.query.allows("status", status) && c.query.allowsAny("projectIds", slices.Collect(maps.Keys(freezeScope(d)))) &&
		c.query.allowsAny("environmentIds", environments) && c.query.allowsAny("tenantIds", tenants)
}

// freezeScope are the environments that a freeze is about by project, for tenants or for all.
func freezeScope(d document) map[string][]string {
	scope := map[string][]string{}
	for project := range d.object("ProjectEnvironmentScope") {
		scope[project] = slices.Clone(d.object("ProjectEnvironmentScope").list(project))
	}
	for _, one := range d.objects("TenantProjectEnvironmentScope") {
		scope[one.text("ProjectId")] = append(scope[one.text("ProjectId")], one.text("EnvironmentId"))
	}
	return scope
}

// The states of a freeze that the list's status parameter understands.
const (
	freezeUpcoming = "Upcoming"
	freezeActive   = "Active"
	freezeComplete = "Complete"
)

func freezeStatus(freeze document, now time.Time) string {
	switch {
	case now.Before(parseTime(freeze.text("Start"))):
		return freezeUpcoming
	case now.Before(parseTime(freeze.text("End"))):
		return freezeActive
	}
	return freezeComplete
}

// freezesOf are the freezes that hold a lane now.
func (s *Server) freezesOf(l lane) []document {
	if s.switches.IgnoreFreezes {
		return nil
	}
	return s.documents["deploymentfreezes"].where(func(d document) bool {
		return freezeStatus(d, s.clock.now) == freezeActive && covers(d, l)
	})
}

// frozen is the name of a freeze that holds the lane now and is not overridden, or "".
func (s *Server) frozen(l lane, overridden []string) string {
	for _, freeze := range s.freezesOf(l) {
		if !contains(overridden, freeze.text("Name")) {
			return freeze.text("Name")
		}
	}
	return ""
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
