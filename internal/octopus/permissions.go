package octopus

import (
	"context"
	"net/http"
	"regexp"
	"slices"
)

// Permissions are what the API key's user may do somewhere in the space. That
// it may do so only for some projects or environments is not told here.
type Permissions struct {
	// Known is false when the server does not tell, or not all.
	Known   bool
	granted []string
}

// Has tells whether a permission, such as "ReleaseCreate", is granted.
func (p Permissions) Has(permission string) bool { return slices.Contains(p.granted, permission) }

// permissionSet follows Octopus' document of a user's permissions: names in two
// lists, those of spaces with the restrictions under which they are granted.
type permissionSet struct {
	SpacePermissions      map[string][]permissionGrant
	SystemPermissions     []string
	IsPermissionsComplete *bool
}

type permissionGrant struct {
	SpaceID string `json:"SpaceId"`
}

// Permissions returns what the API key's user may do. A server that does not
// tell, or does not let the user ask, gives permissions that are not Known.
func (c *Client) Permissions(ctx context.Context) (Permissions, error) {
	const op = "read the permissions of the API key's user"
	space, err := c.resolveSpace(ctx)
	if err != nil {
		return Permissions{}, err
	}
	me, err := get[named](ctx, c, op, "/api/users/me", nil)
	if err != nil {
		return Permissions{}, err
	}
	set, err := get[permissionSet](ctx, c, op, "/api/users/{id}/permissions{?spaces}", params{"id": me.ID, "spaces": space})
	switch {
	case IsNotFound(err), Missing(err) != "":
		return Permissions{}, nil
	case err != nil:
		return Permissions{}, err
	case set.SpacePermissions == nil:
		return Permissions{}, c.broken(op, "the answer holds no SpacePermissions")
	}
	return set.in(space), nil
}

// in returns the permissions that hold in a space.
func (s permissionSet) in(space string) Permissions {
	p := Permissions{Known: s.IsPermissionsComplete == nil || *s.IsPermissionsComplete, granted: s.SystemPermissions}
	for permission, grants := range s.SpacePermissions {
		holds := func(g permissionGrant) bool { return g.SpaceID == "" || g.SpaceID == space }
		if slices.ContainsFunc(grants, holds) {
			p.granted = append(p.granted, permission)
		}
	}
	return p
}

// missingPermission finds the permission's name in Octopus' refusal, for
// instance "… Missing permission: TriggerCreate".
var missingPermission = regexp.MustCompile(`(?i:missing permissions?:?)\s*'?([A-Za-z]+)`)

// Missing returns the name of the permission for the lack of which Octopus
// refused a request, "unknown" when it refused without a name, and "" for every
// other error.
func Missing(err error) string {
	e, ok := asError(err)
	if !ok || e.Status != http.StatusForbidden {
		return ""
	}
	if found := missingPermission.FindStringSubmatch(e.said); found != nil {
		return found[1]
	}
	return "unknown"
}
