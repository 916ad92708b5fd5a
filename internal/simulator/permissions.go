package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// permissionTable are the permissions that there are in a space, by what they are about
// (Octopus docs: user permissions).
const permissionTable = `
Account Create Delete Edit View
ActionTemplate Create Delete Edit View
Artifact Create Delete Edit View
BuildInformation Administer Push
BuiltInFeed Administer Download Push
Certificate Create Delete Edit ExportPrivateKey View
Defect Report Resolve
Deployment Create Delete View
Environment Create Delete Edit View
Event View
Feed Edit View
GitCredential Edit View
Interruption Submit View ViewSubmitResponsible
LibraryVariableSet Create Delete Edit View
Lifecycle Create Delete Edit View
Machine Create Delete Edit View
MachinePolicy Create Delete Edit View
Process Edit View
Project Create Delete Edit View
ProjectGroup Create Delete Edit View
Proxy Create Delete Edit View
Release Create Delete Edit View
Runbook Edit View
RunbookRun Create Delete View
RunbookSnapshot Create
Subscription Create Delete Edit View
TagSet Create Delete Edit
TargetTag Administer View
Task Cancel Create Edit Prioritize View
Team Create Delete Edit View
Tenant Create Delete Edit View
Trigger Create Delete Edit View
Variable Edit EditUnscoped View ViewUnscoped
Worker Edit View
`

// systemPermissionTable are those that are granted for the server as a whole.
const systemPermissionTable = `
AdministerSystem
ConfigureServer
DeploymentFreeze Administer
Space Create Delete Edit View
Task Cancel Create Edit View
Team Create Delete Edit View
Telemetry View
User Edit Invite View
UserRole Edit View
`

// freezePermission is needed to change deployment freezes, and to override them (Octopus docs:
// deployment freezes).
const freezePermission = "DeploymentFreezeAdminister"

// permissionNames are the names in a table.
func permissionNames(table string) []string {
	var names []string
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		switch len(words) {
		case 0:
		case 1:
			names = append(names, words[0])
		default:
			for _, action := range words[1:] {
				names = append(names, words[0]+action)
			}
		}
	}
	return names
}

// grants are the permissions for what can be done to a collection. "" needs none.
type grants struct{ view, create, edit, remove string }

// allOf are the four permissions that most resources have.
func allOf(subject string) grants {
	return grants{subject + "View", subject + "Create", subject + "Edit", subject + "Delete"}
}

// editable is for resources whose making and removing counts as editing.
func editable(subject string) grants {
	return grants{subject + "View", subject + "Edit", subject + "Edit", subject + "Edit"}
}

// collectionGrants are the permissions by the segment of the path.
var collectionGrants = map[string]grants{
	"environments": allOf("Environment"), "lifecycles": allOf("Lifecycle"), "projectgroups": allOf("ProjectGroup"), "projects": allOf("Project"),
	"releases": allOf("Release"), "deployments": allOf("Deployment"), "machines": allOf("Machine"), "machineroles": allOf("Machine"),
	"machinepolicies": allOf("MachinePolicy"), "projecttriggers": allOf("Trigger"), "triggers": allOf("Trigger"),
	"subscriptions": allOf("Subscription"), "tenants": allOf("Tenant"), "runbookruns": allOf("RunbookRun"), "runbook-runs": allOf("RunbookRun"),
	"deploymentprocesses": editable("Process"), "channels": editable("Process"), "variables": editable("Variable"), "feeds": editable("Feed"),
	"runbooks": editable("Runbook"), "runbookprocesses": editable("Runbook"), "runbooksnapshots": editable("Runbook"), "workerpools": editable("Worker"),
	"tasks":             {view: "TaskView", create: "TaskCreate", edit: "TaskEdit"},
	"events":            {view: "EventView"},
	"interruptions":     {view: "InterruptionView", create: "InterruptionSubmit", edit: "InterruptionSubmit"},
	"packages":          {view: "FeedView", create: "BuiltInFeedPush", remove: "BuiltInFeedAdminister"},
	"defects":           {view: "ReleaseView", create: "DefectReport", edit: "DefectReport", remove: "DefectReport"},
	"users":             {view: "UserView"},
	"spaces":            {create: "SpaceCreate", edit: "SpaceEdit", remove: "SpaceDelete"},
	"deploymentfreezes": {create: freezePermission, edit: freezePermission, remove: freezePermission},
}

// routeGrants are the routes that need something else than their collection.
var routeGrants = map[string]string{
	"POST /tasks/{task}/cancel":                "TaskCancel",
	"POST /tasks/rerun/{task}":                 "TaskCreate",
	"POST /tasks/{task}/state":                 "TaskEdit",
	"POST /tasks/{task}/prioritize":            "TaskPrioritize",
	"POST /releases/{release}/defects/resolve": "DefectResolve",
	"GET /packages/{package}/raw":              "BuiltInFeedDownload",
	"POST /deployments/override":               "DeploymentCreate",
	"GET /users/me":                            "", // oneself
	"GET /users/{id}/spaces":                   "",
	"GET /users/{id}/permissions":              "",
	"GET /spaces/{id}/search":                  "",
}

// permissionFor names what a route needs, such as "ReleaseCreate": that of the last collection in
// its pattern.
func permissionFor(method, pattern string) string {
	if exact, special := routeGrants[method+" "+pattern]; special {
		return exact
	}
	for _, segment := range slices.Backward(strings.Split(pattern, "/")) {
		if of, is := collectionGrants[segment]; is {
			return map[string]string{http.MethodGet: of.view, http.MethodPost: of.create, http.MethodPut: of.edit, http.MethodDelete: of.remove}[method]
		}
	}
	return ""
}

// mayDo refuses a user who lacks a permission. One who may only read is refused whatever changes anything.
func (s *Server) mayDo(who user, method, permission string) error {
	reads := method == http.MethodGet || method == http.MethodHead
	if who.readOnly && !reads {
		return forbidden(orDefault(permission, "AdministerSystem"))
	}
	if s.missing[permission] {
		return forbidden(permission)
	}
	return nil
}

func forbidden(permission string) *problem {
	return &problem{status: http.StatusForbidden,
		message: "You do not have permission to perform this action. Please contact your Octopus administrator. Missing permission: " + permission,
		help:    "Ask an Octopus administrator for a role that holds the missing permission."}
}

// SetMissingPermissions takes permissions away from the administrator's key, and gives back those
// that are not named any more. Requests that need one are refused with 403, reads included.
func (s *Server) SetMissingPermissions(names ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeAway(names)
}

func (s *Server) takeAway(names []string) error {
	known := slices.Concat(permissionNames(permissionTable), permissionNames(systemPermissionTable))
	missing := map[string]bool{}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("expected a permission of Octopus such as TriggerCreate, got %q", name)
		}
		missing[name] = true
	}
	s.missing = missing
	return nil
}

func (s *Server) permissionRoutes(r chi.Router) {
	s.get(r, "/users/{id}/permissions", userPermissions)
	r.Put("/simulator/permissions", s.handle(func(c *call) (reply, error) {
		var request struct {
			Missing []string `json:"missing"`
		}
		if err := decodeControl(c.data, &request); err != nil {
			return reply{}, invalid(`The body is not like {"missing":["TriggerCreate"]}: ` + err.Error())
		}
		if err := c.takeAway(request.Missing); err != nil {
			return reply{}, invalid(err.Error())
		}
		return ok(document{"missing": neverNil(request.Missing)})
	}))
}

// userPermissions tells what a user may do. Everybody may ask about themselves.
func userPermissions(c *call) (reply, error) {
	who, err := c.find("users", "id")
	if err != nil {
		return reply{}, err
	}
	if who.id() != c.by.user.id {
		if err := c.mayDo(c.by.user, http.MethodGet, "UserView"); err != nil {
			return reply{}, err
		}
	}
	spaces := c.query.list("spaces")
	if !c.allSpaces {
		spaces = []string{c.space}
	}
	inSpaces := map[string][]document{}
	for _, name := range c.granted(who.id(), permissionTable) {
		inSpaces[name] = []document{}
		for _, space := range c.documents["spaces"].order {
			if len(spaces) == 0 || contains(spaces, space.id()) {
				inSpaces[name] = append(inSpaces[name], document{"SpaceId": space.id(), "RestrictedToProjectIds": []string{}, "RestrictedToEnvironmentIds": []string{},
					"RestrictedToTenantIds": []string{}, "RestrictedToProjectGroupIds": []string{}})
			}
		}
	}
	system := []string{}
	if !strings.EqualFold(c.query.text("includeSystem"), "false") {
		system = neverNil(c.granted(who.id(), systemPermissionTable))
	}
	return ok(document{"Id": who.id(), "SpacePermissions": inSpaces, "SystemPermissions": system, "IsPermissionsComplete": true, "IsTeamsComplete": true,
		"Teams": []any{}, "Links": map[string]string{"Self": c.options.BasePath + "/api/users/" + who.id() + "/permissions"}})
}

// granted are the permissions of a table that a user has.
func (s *Server) granted(userID, table string) []string {
	return slices.DeleteFunc(permissionNames(table), func(name string) bool {
		return s.missing[name] || userID == readOnlyUser.id && !strings.HasSuffix(name, "View")
	})
}
