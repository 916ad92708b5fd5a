package octopus

import (
	"context"
	"time"
)

type connectionDocument struct {
	MachineID   string `json:"MachineId"`
	LastChecked *time.Time
}

// LastChecked returns when Octopus last looked whether it reaches a target, by
// its own clock; zero when it never has.
//
// Octopus docs: what it shows of a target's health is as old as the last health
// check, and those are an hour apart by default.
func (c *Client) LastChecked(ctx context.Context, id string) (time.Time, error) {
	op := "read when target " + id + " was checked last"
	found, err := get[connectionDocument](ctx, c, op, "/api/{spaceId}/machines/{id}/connection", params{"id": id})
	if err != nil {
		return time.Time{}, err
	}
	if found.MachineID == "" {
		return time.Time{}, c.broken(op, "the answer is no state of a connection: it has no MachineId")
	}
	if found.LastChecked == nil {
		return time.Time{}, nil
	}
	return *found.LastChecked, nil
}
