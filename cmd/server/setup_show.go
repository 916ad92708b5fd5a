package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"regrow/internal/config"
	"regrow/internal/pipeline"
	"regrow/internal/setup"
	"regrow/internal/terminal"
)

// setupScreen shows what setup is going to do, does, and has done. Programs get
// one document at the end; people see it as it happens, on the error stream when
// the other one is for programs.
type setupScreen struct {
	forPrograms bool
	out         io.Writer
	people      *terminal.Screen
	title       string
	pipeline    string
}

func newSetupScreen(s *streams, asJSON bool, p pipeline.Pipeline, server config.Server) *setupScreen {
	shown := &setupScreen{
		forPrograms: asJSON, out: s.Out, people: terminal.New(s.Out), pipeline: p.Name,
		title: fmt.Sprintf("What the pipeline %s needs in the space %s of %s", p.Name, server.Space, server.URL),
	}
	if asJSON {
		shown.people = terminal.New(s.Err)
	}
	return shown
}

// looking says on a terminal what there is to wait for.
func (v *setupScreen) looking() { _ = v.people.Passing("Looking into Octopus …") }

// plan shows what is to be done.
func (v *setupScreen) plan(plan setup.Plan) error {
	_ = v.people.Passing("")
	intents := make([]terminal.Intent, len(plan.Items))
	for i, item := range plan.Items {
		intents[i] = intentOf(item, string(item.Action))
	}
	return errors.Join(v.people.Intents(v.title, intents), v.people.Message("\n"))
}

func intentOf(item setup.Item, verb string) terminal.Intent {
	changes := make([]string, len(item.Changes))
	for i, change := range item.Changes {
		changes[i] = fmt.Sprintf("%s: %s → %s", change.Field, change.From, change.To)
		if change.From == "" {
			changes[i] = fmt.Sprintf("%s: %s", change.Field, change.To)
		}
	}
	note := item.Note
	if item.Missing != "" && item.Missing != "unknown" {
		note = strings.TrimSpace(fmt.Sprintf("The API key's user lacks the permission %s. %s", item.Missing, note))
	}
	return terminal.Intent{
		Do: doOf[item.Action], Verb: verb, What: string(item.Kind), Name: item.Name, Changes: changes, Note: note,
	}
}

var doOf = map[setup.Action]terminal.Do{
	setup.ActionCreate: terminal.DoCreate, setup.ActionChange: terminal.DoChange,
	setup.ActionLeave: terminal.DoNothing, setup.ActionBlocked: terminal.DoWait,
}

var pastOf = map[setup.Action]string{
	setup.ActionCreate: "created", setup.ActionChange: "changed", setup.ActionLeave: "left", setup.ActionBlocked: "blocked",
}

// progress tells that an item is done. What was left as it is needs no words, and
// what is blocked is told of at the end.
func (v *setupScreen) progress(item setup.Item, _ error) {
	if item.Action == setup.ActionLeave {
		return
	}
	_ = v.people.Intents("", []terminal.Intent{{ // people are told of a broken screen by their shell
		Do: doOf[item.Action], Verb: pastOf[item.Action], What: string(item.Kind), Name: item.Name,
	}})
}

// setupResult is what programs are told.
type setupResult struct {
	Pipeline string `json:"pipeline"`
	// Applied is false when nothing was to be done, or nothing was to be written.
	Applied bool         `json:"applied"`
	Items   []setup.Item `json:"items"`
}

// result shows what it came to: what was planned, or what was done.
func (v *setupScreen) result(plan setup.Plan, applied bool) error {
	if v.forPrograms {
		return printJSON(v.out, setupResult{Pipeline: v.pipeline, Applied: applied, Items: plan.Items})
	}
	words := []string{"to create", "to change", "to leave as they are", "blocked"}
	if applied {
		words = []string{"created", "changed", "left as they were", "blocked"}
	}
	var parts []string
	for i, action := range []setup.Action{setup.ActionCreate, setup.ActionChange, setup.ActionLeave, setup.ActionBlocked} {
		if n := plan.Count(action); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words[i]))
		}
	}
	if len(parts) == 0 {
		parts = []string{"Nothing of these kinds is needed"}
	}
	sum := strings.Join(parts, ", ") + "."
	if !applied {
		return v.people.Message(sum)
	}
	return errors.Join(v.people.Message("\n"+sum), v.blocked(plan))
}

// blocked lists what could not be done, and why.
func (v *setupScreen) blocked(plan setup.Plan) error {
	var intents []terminal.Intent
	for _, item := range plan.Items {
		if item.Action == setup.ActionBlocked {
			intents = append(intents, intentOf(item, string(item.Action)))
		}
	}
	if len(intents) == 0 {
		return nil
	}
	return v.people.Intents("What is left to do", intents)
}
