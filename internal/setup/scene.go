package setup

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// scene is what has been found so far. Things are looked at in the order of the
// guide, in which each needs only what came before.
type scene struct {
	octopus Octopus
	options Options
	// applying tells that what is written has to exist by the time that something
	// else refers to it; a plan may refer to what is yet to be made.
	applying bool

	environment    *thing
	group          *thing
	application    *thing
	infrastructure *thing

	// foreignProcess tells that the process of the infrastructure project is
	// somebody else's, so that nothing is needed for its scripts.
	foreignProcess bool
	events         *eventNames
	secretWritten  bool
}

// thing is a resource that others refer to. One that is yet to be created has a
// name and no id.
type thing struct {
	kind     Kind
	id, name string
	document octopus.Document
	// own tells whether setup has made it.
	own bool
}

func found(kind Kind, name string, d octopus.Document) *thing {
	t := &thing{kind: kind, name: name, document: d, own: d == nil || isOwn(d)}
	if d != nil {
		t.id, t.name = d.ID(), d.Name()
	}
	return t
}

// need returns a thing that another one refers to, or says that it is missing.
func (s *scene) need(t *thing, kind Kind, name string) (*thing, error) {
	if t == nil || s.applying && t.id == "" {
		return nil, &obstacle{"It needs the " + string(kind) + " " + quoted(name) + "."}
	}
	return t, nil
}

// forget takes back that a thing is yet to be made: it will not be.
func (s *scene) forget(c concern) {
	for _, t := range []**thing{&s.environment, &s.group, &s.application, &s.infrastructure} {
		if *t != nil && (*t).kind == c.kind && (*t).name == c.name {
			*t = nil
		}
	}
}

func (s *scene) needEnvironment() (*thing, error) {
	return s.need(s.environment, KindEnvironment, s.options.Pipeline.Environment)
}

func (s *scene) needApplication() (*thing, error) {
	return s.need(s.application, KindProject, s.options.Pipeline.Application.Project)
}

func (s *scene) needInfrastructure() (*thing, error) {
	return s.need(s.infrastructure, KindProject, s.options.Pipeline.Infrastructure.Project)
}

// foreign is the note on something that setup is about to change and has not made.
func foreign(kind Kind) string {
	return "regrow did not make this " + string(kind) + "; whoever did may rely on what is changed."
}

// byName shows the ids of things by their names.
func byName(things ...*thing) func(json.RawMessage) string {
	return func(raw json.RawMessage) string {
		ids, ok := listOf(raw)
		if text, is := textOf(raw); is {
			ids, ok = []string{text}, true
		}
		if !ok || isNothing(raw) {
			return shown(raw)
		}
		for i, id := range ids {
			for _, t := range things {
				if t.id != "" && pipeline.SameName(id, t.id) {
					ids[i] = t.name
				}
			}
		}
		return brief(strings.Join(ids, ", "))
	}
}

func quoted(name string) string { return `"` + name + `"` }

// finding is what a look at one thing came to: what there is to say about it,
// and how to do it; a nil write does nothing.
type finding struct {
	item  Item
	write func(context.Context) error
}

// resource describes what most items are: one document of a collection.
type resource struct {
	collection octopus.Collection
	// current is the document as it was read; nil when there is none.
	current  octopus.Document
	settings []Setting
	// draft makes the document of a new resource, to which the settings are
	// written unless plain says that it is first created as it is.
	draft draft
	plain bool
	// bare: the document came with another one and holds nothing of setup's yet,
	// which to people is creating it.
	bare bool
	// always is written whenever anything else is.
	always []Setting
	// note is said about a change.
	note string
}

// draft makes the document of a new resource.
type draft func(context.Context) (octopus.Document, error)

// judge compares a resource with its settings.
func (s *scene) judge(item Item, r resource) (finding, error) {
	item.Settings = r.settings
	if r.current == nil {
		return s.judgeNew(item, r)
	}
	item.ID = r.current.ID()
	wrong, err := differing(r.current, r.settings)
	if err != nil {
		return finding{}, err
	}
	if len(wrong) == 0 {
		item.Action = ActionLeave
		return finding{item: item}, nil
	}
	item.Action, item.Changes = ActionChange, changesOf(r.current, wrong)
	if r.bare {
		item.Action, item.Changes = ActionCreate, newly(wrong)
	}
	item.Note = sentences(item.Note, r.note)
	return finding{item: item, write: func(ctx context.Context) error {
		document, err := edited(r.current, slices.Concat(wrong, r.always))
		if err != nil {
			return err
		}
		_, err = s.octopus.Update(ctx, r.collection, document)
		return err
	}}, nil
}

// judgeNew plans a resource that is not there.
func (s *scene) judgeNew(item Item, r resource) (finding, error) {
	item.Action, item.Changes = ActionCreate, newly(r.settings)
	return finding{item: item, write: func(ctx context.Context) error {
		document, err := r.draft(ctx)
		if err != nil {
			return err
		}
		if !r.plain {
			if document, err = edited(document, slices.Concat(r.settings, r.always)); err != nil {
				return err
			}
		}
		_, err = s.octopus.Create(ctx, r.collection, document)
		return err
	}}, nil
}

// sentences puts notes together.
func sentences(notes ...string) string {
	var said []string
	for _, note := range notes {
		if note != "" {
			said = append(said, note)
		}
	}
	return strings.Join(said, " ")
}
