package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"regrow/internal/client"
)

// runNames is how commands tell people to name a run.
const runNames = `A run is named by its id, by PIPELINE#NUMBER, by PIPELINE for the pipeline's
newest run, or by latest for the newest of all.`

// find returns the id of the run that a person named.
func (s *session) find(ctx context.Context, name string) (uuid.UUID, error) {
	if id, err := uuid.Parse(name); err == nil {
		return id, nil
	}
	asked := &client.ListRunsParams{Limit: new(client.Limit(1))}
	pipeline, number, numbered := strings.Cut(name, "#")
	if name != "latest" {
		asked.Pipeline = &pipeline
	}
	if numbered {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 1 || pipeline == "" {
			return uuid.Nil, usagef("%q names no run; write PIPELINE#NUMBER with a number from 1 on, such as hello-world#12", name)
		}
		asked.Number = &n
	}
	list, err := s.list(ctx, asked)
	if err != nil {
		return uuid.Nil, err
	}
	if len(list.Runs) == 0 {
		return uuid.Nil, noRun(name)
	}
	return list.Runs[0].ID, nil
}

// noRun is the answer of a server that has no such run.
func noRun(name string) error {
	return &client.Error{Problem: client.Problem{
		Status: 404, Title: "There is no such thing",
		Detail: "there is no run " + name, Remedy: "list what there is with regrow runs list",
	}}
}

func (s *session) list(ctx context.Context, asked *client.ListRunsParams) (client.RunList, error) {
	response, err := s.ListRunsWithResponse(ctx, asked)
	if err != nil {
		return client.RunList{}, s.explain(err)
	}
	return answered(s, response.JSON200, response.Status())
}

func (s *session) get(ctx context.Context, id uuid.UUID) (client.RunDetail, error) {
	response, err := s.GetRunWithResponse(ctx, id)
	if err != nil {
		return client.RunDetail{}, s.explain(err)
	}
	return answered(s, response.JSON200, response.Status())
}
