package setup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"regrow/internal/octopus"
)

// concern is one thing that setup manages: its name, and how to look at it.
type concern struct {
	kind Kind
	name string
	look func(*scene, context.Context, Item) (finding, error)
}

// concerns are all things to manage, in the order of the guide.
func (o Options) concerns() []concern {
	p := o.Pipeline
	all := []concern{
		{KindMachinePolicy, p.Infrastructure.MachinePolicy, (*scene).lookAtPolicy},
		{KindEnvironment, p.Environment, (*scene).lookAtEnvironment},
	}
	if o.Example {
		all = append(all, concern{KindProjectGroup, p.Application.Project, (*scene).lookAtGroup})
	}
	all = append(all, concern{KindProject, p.Application.Project, (*scene).lookAtApplication})
	if p.Application.Channel != "" {
		all = append(all, concern{KindChannel, p.Application.Channel, (*scene).lookAtApplicationChannel})
	}
	if o.Example {
		all = append(all, concern{KindProcess, p.Application.Project, (*scene).lookAtApplicationProcess})
	}
	all = append(all, concern{KindProject, p.Infrastructure.Project, (*scene).lookAtInfrastructure})
	if p.Infrastructure.Channel != "" {
		all = append(all, concern{KindChannel, p.Infrastructure.Channel, (*scene).lookAtInfrastructureChannel})
	}
	if o.Example {
		all = append(all,
			concern{KindProcess, p.Infrastructure.Project, (*scene).lookAtInfrastructureProcess},
			concern{KindPackage, packageName, (*scene).lookAtPackage},
			concern{KindVariables, p.Infrastructure.Project, (*scene).lookAtVariables})
	}
	if p.Tenant != "" {
		all = append(all, concern{KindTenant, p.Tenant, (*scene).lookAtTenant})
	}
	return append(all,
		concern{KindTrigger, TriggerName(p), (*scene).lookAtTrigger},
		concern{KindSubscription, o.subscriptionName(), (*scene).lookAtSubscription})
}

// Inspect looks at everything that a pipeline needs and says what is to be done.
// It writes nothing. What cannot be looked at for the lack of a permission is an
// item that is blocked; the error says that Octopus cannot be asked at all.
func Inspect(ctx context.Context, server Octopus, options Options) (Plan, error) {
	if err := options.check(); err != nil {
		return Plan{}, err
	}
	s := &scene{octopus: server, options: options}
	var plan Plan
	for _, c := range options.concerns() {
		f, err := s.look(ctx, c)
		switch {
		case err != nil:
			return plan, err
		case options.picks(c.kind):
			plan.Items = append(plan.Items, f.item)
		case f.item.Action == ActionCreate:
			s.forget(c)
		}
	}
	s.foresee(ctx, plan)
	return plan, nil
}

// Apply does what Inspect would plan, and returns what has become of it. Items
// that are blocked do not hold up the others. Each item is told to progress,
// unless that is nil, as soon as it is done, with the error that it ended with.
// The error joins all of those; a missing permission is none, but an item that
// is blocked.
func Apply(ctx context.Context, server Octopus, options Options, progress func(Item, error)) (Plan, error) {
	if err := options.check(); err != nil {
		return Plan{}, err
	}
	if progress == nil {
		progress = func(Item, error) {}
	}
	s := &scene{octopus: server, options: options, applying: true}
	var plan Plan
	var failures []error
	for _, c := range options.concerns() {
		if !options.picks(c.kind) {
			// What is picked may refer to it.
			if _, err := s.look(ctx, c); err != nil {
				return plan, errors.Join(append(failures, err)...)
			}
			continue
		}
		item, err := s.settle(ctx, c)
		if err != nil && item.Action == "" {
			return plan, errors.Join(append(failures, err)...)
		}
		if err != nil {
			failures = append(failures, err)
		}
		plan.Items = append(plan.Items, item)
		progress(item, err)
	}
	return plan, errors.Join(failures...)
}

// look looks at one thing. What stands in its way is part of the finding; the
// error says that nothing else can be looked at either.
func (s *scene) look(ctx context.Context, c concern) (finding, error) {
	item := Item{Kind: c.kind, Name: c.name}
	f, err := c.look(s, ctx, item)
	if err == nil {
		return f, nil
	}
	if hopeless(err) {
		return finding{}, err
	}
	return finding{item: blocked(item, err)}, nil
}

// blocked is an item that an error stands in the way of.
func blocked(item Item, err error) Item {
	item.Action, item.Missing = ActionBlocked, octopus.Missing(err)
	if item.Missing == "" || item.Missing == "unknown" {
		item.Note = sentences(item.Note, err.Error())
	}
	return item
}

// hopeless tells whether an error will meet every other request as well: the
// time is over, nobody answers, the key is not valid, the space does not exist.
func hopeless(err error) bool {
	if refusal, ok := errors.AsType[*octopus.Error](err); ok {
		return refusal.Status == 0 || refusal.Status == http.StatusUnauthorized
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// rounds is how often a thing is written before setup gives up on it: creating
// a machine policy takes two, and others may write at the same time.
const rounds = 10

// settle looks at one thing and writes until there is nothing left to do. Every
// write is followed by another look, which proves it; so an answer that was lost
// and a write by somebody else come to the same. The item has no action when
// nothing else can be done either.
func (s *scene) settle(ctx context.Context, c concern) (Item, error) {
	var done, last Item
	err := octopus.Retry(ctx, patience, func(ctx context.Context) error {
		refused := false
		for range rounds {
			f, err := s.look(ctx, c)
			if err != nil {
				return &final{err}
			}
			done, last = progressed(done, f.item), f.item
			if f.write == nil {
				return nil
			}
			switch err := s.write(ctx, c, f); {
			case err == nil, octopus.IsOutOfDate(err):
				refused = false
			case octopus.IsTransient(err), octopus.Missing(err) != "", isUnguarded(err), refused:
				return err
			default:
				// It may be refused because somebody else has just made it: look again.
				refused = true
			}
		}
		return fmt.Errorf("the %s %s was written %d times, and still is not as written: %s; look in Octopus' audit log for who else changes it",
			c.kind, quoted(c.name), rounds, fieldsOf(last))
	})
	if end, is := errors.AsType[*final](err); is {
		return Item{}, end.cause
	}
	switch {
	case err == nil:
		return done, nil
	case octopus.Missing(err) != "":
		return blocked(done, err), nil
	case ctx.Err() != nil:
		return Item{}, ctx.Err()
	}
	return blocked(done, err), err
}

// write does what a look found to be done. Octopus gives projects no version, so
// a change that crosses with somebody else's would take that back: what there is
// to do about one is found out again when nobody else can change it.
func (s *scene) write(ctx context.Context, c concern, f finding) error {
	if c.kind != KindProject || f.item.ID == "" || s.options.Exclusively == nil {
		return f.perform(ctx)
	}
	guarded := false
	err := s.options.Exclusively(ctx, f.item.ID, func(ctx context.Context) error {
		guarded = true
		now, err := s.look(ctx, c)
		if err != nil || now.write == nil || now.item.ID != f.item.ID {
			return err
		}
		return now.perform(ctx)
	})
	if err != nil && !guarded {
		return &unguarded{fmt.Errorf("keeping others from changing the project %s: %w", quoted(f.item.Name), err)}
	}
	return err
}

// perform writes. A write without an answer may come through later, twice when it
// is tried again too soon, and over what others have written meanwhile.
func (f finding) perform(ctx context.Context) error {
	err := f.write(ctx)
	octopus.Settle(ctx, err) // whether ctx allowed for it, whoever goes on finds out
	return err
}

// unguarded is why a project could not be kept from being changed by others, and
// so was not changed.
type unguarded struct{ error }

func (u *unguarded) Unwrap() error { return u.error }

func isUnguarded(err error) bool {
	_, is := errors.AsType[*unguarded](err)
	return is
}

// final is an error of a look, which has been tried often enough. It hides its
// cause from those who would try again.
type final struct{ cause error }

func (f *final) Error() string { return f.cause.Error() }

// progressed is what is told of an item that was looked at again after a write:
// what was to be done at first, under the id that it has now.
func progressed(before, now Item) Item {
	if before.Action == "" || before.Action == ActionLeave || now.Action == ActionBlocked {
		return now
	}
	before.ID, before.Settings = now.ID, now.Settings
	return before
}

func fieldsOf(item Item) string {
	fields := make([]string, len(item.Changes))
	for i, change := range item.Changes {
		fields[i] = change.Field
	}
	return strings.Join(fields, ", ")
}
