package simulator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// Category ids that no source confirms. They are the simulator's own invention.
const (
	categoryAutoDeployBlocked = "AutoDeployBlocked"
	categoryTaskCanceled      = "TaskCanceled"
)

// eventCategories are the ids with their display names.
var eventCategories = [][2]string{
	{"MachineAdded", "Machine created"}, {"MachineDeleted", "Machine deleted"}, {"MachineCleanupFailed", "Machine cleanup failed"},
	{"MachineDeploymentRelatedPropertyWasUpdated", "Machine deployment-related property modified"},
	{"MachineDisabled", "Machine disabled"}, {"MachineEnabled", "Machine enabled"}, {"MachineHealthy", "Machine found healthy"},
	{"MachineUnavailable", "Machine found to be unavailable"}, {"MachineUnhealthy", "Machine found to be unhealthy"}, {"MachineHasWarnings", "Machine found to have warnings"},
	{"DeploymentQueued", "Deployment queued"}, {"DeploymentStarted", "Deployment started"}, {"DeploymentResumed", "Deployment resumed"},
	{"DeploymentSucceeded", "Deployment succeeded"}, {"DeploymentFailed", "Deployment failed"},
	{"ManualInterventionInterruptionRaised", "Manual intervention interruption raised"}, {"GuidedFailureInterruptionRaised", "Guided failure interruption raised"},
	{"Created", "Document created"}, {"Modified", "Document modified"}, {"Deleted", "Document deleted"},
	{categoryAutoDeployBlocked, "Auto-deploy blocked"}, {categoryTaskCanceled, "Task canceled"},
}

// eventGroup is a named set of categories.
type eventGroup struct {
	id, name   string
	categories []string
}

// eventGroups has the groups of machine events, whose members are documented. MachineDeleted is
// in none of them.
var eventGroups = []eventGroup{
	{"Machine", "Machine events", []string{"MachineCleanupFailed", "MachineAdded", "MachineDeploymentRelatedPropertyWasUpdated", "MachineDisabled", "MachineEnabled",
		"MachineHealthy", "MachineUnavailable", "MachineUnhealthy", "MachineHasWarnings"}},
	{"MachineCritical", "Machine critical-events", []string{"MachineCleanupFailed", "MachineUnavailable"}},
	{"MachineAvailableForDeployment", "Machine becomes available for deployment", []string{"MachineEnabled", "MachineHealthy", "MachineHasWarnings"}},
	{"MachineUnavailableForDeployment", "Machine is no longer available for deployment", []string{"MachineDisabled", "MachineUnavailable", "MachineUnhealthy"}},
	{"MachineHealthChanged", "Machine health changed", []string{"MachineHealthy", "MachineUnavailable", "MachineUnhealthy", "MachineHasWarnings"}},
	{"Deployment", "Deployment events", []string{"DeploymentQueued", "DeploymentStarted", "DeploymentResumed", "DeploymentSucceeded", "DeploymentFailed"}},
}

func groupMembers(id string) []string {
	if i := slices.IndexFunc(eventGroups, func(g eventGroup) bool { return strings.EqualFold(g.id, id) }); i >= 0 {
		return eventGroups[i].categories
	}
	return nil
}

func eventKind() *kind {
	return &kind{
		name: "events", prefix: "Events", itemType: "Event", global: true, readOnly: true, newestFirst: true,
		template: "{?skip,regarding,regardingAny,user,users,projects,projectGroups,environments,eventGroups,eventCategories,eventAgents,tags,tenants,from,to,internal,fromAutoId,toAutoId,documentTypes,asCsv,take,ids,spaces,includeSystem,excludeDifference}",
		filter:   func(c *call, e document) bool { return matchesEventQuery(c.query, e) },
		present: func(c *call, e document) {
			delete(e, "AutoId") // a bound in queries, but no field of the answer
			if c.query.flag("excludeDifference") {
				delete(e, "ChangeDetails")
			}
		},
	}
}

func matchesEventQuery(q query, e document) bool {
	related := e.list("RelatedDocumentIds")
	for _, id := range q.list("regarding") {
		if !contains(related, id) {
			return false
		}
	}
	for _, name := range []string{"regardingAny", "projects", "projectGroups", "environments", "tenants"} {
		if !q.allowsAny(name, related) {
			return false
		}
	}
	if !q.allows("users", e.text("UserId")) || !q.allows("user", e.text("UserId")) || !q.allows("spaces", e.text("SpaceId")) || !q.allows("eventAgents", e.text("UserAgent")) {
		return false
	}
	what := document{"EventCategories": q.list("eventCategories"), "EventGroups": q.list("eventGroups")}
	if len(what.list("EventCategories"))+len(what.list("EventGroups")) > 0 && !matchesCategory(what, e.text("Category")) {
		return false
	}
	if types := q.list("documentTypes"); len(types) > 0 && !slices.ContainsFunc(related, func(id string) bool { return contains(types, documentType(id)) }) {
		return false
	}
	occurred := parseTime(e.text("Occurred"))
	if from := parseTime(q.text("from")); !from.IsZero() && occurred.Before(from) {
		return false
	}
	if to := parseTime(q.text("to")); !to.IsZero() && !occurred.Before(to) {
		return false
	}
	autoID := e.number("AutoId")
	return autoID >= q.number("fromAutoId", 0) && autoID <= q.number("toAutoId", autoID)
}

// documentType is the type of a document by its id: "Machines-3" is one of "Machines".
func documentType(id string) string {
	name, _, _ := strings.Cut(id, "-")
	return name
}

func (s *Server) eventRoutes(r chi.Router) {
	s.get(r, "/events/categories", func(*call) (reply, error) {
		list := []document{}
		for _, category := range eventCategories {
			list = append(list, document{"Id": category[0], "Name": category[1], "Links": document{}})
		}
		return ok(list)
	})
	s.get(r, "/events/groups", func(*call) (reply, error) {
		list := []document{}
		for _, group := range eventGroups {
			list = append(list, document{"Id": group.id, "Name": group.name, "EventCategories": group.categories, "Links": document{}})
		}
		return ok(list)
	})
	s.get(r, "/events/agents", func(*call) (reply, error) {
		return ok([]document{{"Id": "Server", "Name": "Octopus Server", "Links": document{}}, {"Id": "Unknown", "Name": "Unknown", "Links": document{}}})
	})
	s.get(r, "/events/documenttypes", func(c *call) (reply, error) {
		list := []document{}
		for _, name := range []string{"deployments", "environments", "machines", "machinepolicies", "projects", "releases", "subscriptions", "tasks"} {
			k := c.kinds[name]
			list = append(list, document{"Id": k.prefix, "Name": k.itemType})
		}
		return ok(list)
	})
}

// raise adds an event to the audit trail, which triggers and subscriptions read.
func (s *Server) raise(by cause, category, space, message string, related ...string) {
	ids := []string{}
	for _, id := range related {
		if id != "" && !contains(ids, id) {
			ids = append(ids, id)
		}
	}
	s.lastAutoID++
	agent, established := "Server", ""
	if by.actor == ActorAPI {
		agent, established = orDefault(by.requester, "Unknown"), "API key"
	}
	references := []document{}
	if len(ids) > 0 {
		if name := s.nameOf(ids[0]); name != "" {
			if start := strings.Index(message, name); start >= 0 {
				references = append(references, document{"ReferencedDocumentId": ids[0], "StartIndex": start, "Length": len(name)})
			}
		}
	}
	s.documents["events"].add(document{"Id": s.documents["events"].nextID(), "AutoId": s.lastAutoID, "RelatedDocumentIds": ids, "Category": category,
		"UserId": by.user.id, "Username": by.user.name, "IsService": false, "IdentityEstablishedWith": established, "UserAgent": agent,
		"Occurred": s.stamp(), "Message": message, "MessageHtml": message, "MessageReferences": references, "Comments": nil, "Details": nil,
		"ChangeDetails": document{"DocumentContext": nil, "Differences": nil}, "IpAddress": nil, "SpaceId": space})
}

// nameOf is the name of a document by id, for the references in a message.
func (s *Server) nameOf(id string) string {
	prefix, _, _ := strings.Cut(id, "-")
	if c := s.documents[strings.ToLower(prefix)]; c != nil {
		return c.get(id).text("Name")
	}
	return ""
}

// eventsAfter are the events with a greater AutoId, oldest first.
func (s *Server) eventsAfter(autoID int) []document {
	all := s.documents["events"].order
	start, _ := slices.BinarySearchFunc(all, autoID+1, func(e document, want int) int { return e.number("AutoId") - want })
	return all[start:]
}

// guid is a random identifier in the usual notation.
func (s *Server) guid() string {
	a, b := s.random.Uint64(), s.random.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(a), uint16(a>>32), uint16(a>>48)&0xfff, uint16(b)&0x3fff|0x8000, b>>16)
}

func spanOrDefault(text string, fallback time.Duration) time.Duration {
	if d, err := parseSpan(text); err == nil && d > 0 {
		return d
	}
	return fallback
}
