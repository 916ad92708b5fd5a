package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// decision is how a run is going to end, as its row keeps it while something is
// left to tidy up. Whoever goes on with the run only does that: its stage is not
// performed again, because what is tidied up already would look to it like
// another failure, or like none.
type decision struct {
	Status  pipeline.Status `json:"status"`
	Message string          `json:"message"`
	Remedy  string          `json:"remedy,omitempty"`
	From    pipeline.Stage  `json:"from,omitempty"`
}

// decidedError says that only tidying up is left of the run.
type decidedError struct{ end ending }

func (*decidedError) Error() string { return "how the run ends is decided" }

// decided returns the ending that the run's row holds.
func decided(run store.Run) *decidedError {
	var d decision
	if err := json.Unmarshal(run.Ending, &d); err != nil {
		d = decision{Status: pipeline.Failed, Message: "How the run was to end cannot be read by this version of regrow: " + sentence(err.Error())}
	}
	kind := endFail
	if d.Status == pipeline.Cancelled {
		kind = endCancel
	}
	return &decidedError{ending{kind: kind, message: d.Message, remedy: d.Remedy, from: d.From}}
}

func (d decision) encode() (json.RawMessage, error) {
	d.Message, d.Remedy = storable(d.Message), storable(d.Remedy)
	return json.Marshal(d)
}

// add puts a sentence behind why the run ends.
func (e *ending) add(format string, args ...any) {
	e.message = sentence(e.message) + " " + fmt.Sprintf(format, args...)
}

// decide writes how the run is going to end.
func (x *execution) decide(ctx context.Context, q *store.Queries) error {
	end := x.tidying.end
	d := decision{Status: pipeline.Failed, Message: end.message, Remedy: end.remedy, From: end.from}
	if end.kind == endCancel {
		d.Status = pipeline.Cancelled
	}
	return decideEnding(ctx, q, x.run, d)
}

func decideEnding(ctx context.Context, q *store.Queries, run store.Run, d decision) error {
	encoded, err := d.encode()
	if err != nil {
		return fmt.Errorf("encoding how the run ends: %w", err)
	}
	if err := q.DecideEnding(ctx, store.DecideEndingParams{ID: run.ID, Ending: encoded}); err != nil {
		return fmt.Errorf("noting how the run ends: %w", err)
	}
	return nil
}

// notYetError says what has to happen before something can be tidied up.
type notYetError struct{ text string }

func (n *notYetError) Error() string { return n.text }

// tidying is what the parts of tidying up tell each other, in their order: tasks,
// targets, machines, and the way back of a rollback.
type tidying struct {
	// end is how the run was going to end before the first of them.
	end ending
	// tasks tells that the run's tasks were to be cancelled when that was due.
	tasks bool
	// tookOut tells that targets of the run have been taken out.
	tookOut bool
	// gaveBack tells that the old generation has its place to itself again: no
	// target of the run was left to be taken out.
	gaveBack bool
	// instead is what a new run puts out in this one's place; nil for none.
	instead *goodRelease
}

// tidied clears the run's own override, if it still stands, and, where that is
// wanted, cancels what Octopus does for the run and removes its new targets,
// before the run ends. What may only now be made for the run is waited for, or
// nobody would find it. While Octopus cannot be reached the end is put off, because
// a run that came next could do nothing either, but not for longer than the stage
// had.
func (x *execution) tidied(ctx context.Context, end ending) ending {
	x.tidying.end = end
	if left := x.settlesAt.Sub(x.Now()); left > 0 {
		x.atEnd = append(x.atEnd, x.decide)
		message := sentence(end.message) + " Before the run ends, a request that got no answer may still have its effect."
		return ending{kind: endRetry, message: message, pause: left}
	}
	for _, part := range []struct {
		doing, undone string
		tidy          func(context.Context, *ending) error
		may           func(context.Context) error
	}{
		{"Clearing the override before the run ends", "The override of this run could not be cleared and may still stand", x.tidyOverride, x.mayUndo},
		{"Cancelling what Octopus does for the run before it ends", "What Octopus does for it could not be cancelled", x.tidyTasks, x.mayUndo},
		{"Removing the new targets before the run ends", "Its new targets could not be removed", x.tidyTargets, x.mayTidy},
		{"Ending the machines of its targets before the run ends", "The machines of its targets may still run", x.tidyMachines, x.mayTidy},
		{"Keeping Octopus from its release before the run ends", "Octopus may put its release on old targets that come back from an outage", x.tidyRelease, x.mayTidy},
	} {
		err := part.tidy(octopus.WithGate(ctx, part.may), &end)
		if err == nil {
			continue
		}
		x.noteSettling(err)
		if open := x.putOff(ctx, err, sentence(end.message)+" "+part.doing); open != nil {
			x.atEnd = append(x.atEnd, x.decide)
			return *open
		}
		end.add("%s: %s", part.undone, sentence(err.Error()))
	}
	if x.tidying.tookOut {
		end.from = pipeline.Provision
	}
	if x.rolledBack() && !x.tidying.gaveBack {
		return x.putInstead(ctx, end)
	}
	return end
}

// putOff tells how to go on when something could not be tidied up yet; nil when
// it is to be left.
func (x *execution) putOff(ctx context.Context, err error, what string) *ending {
	notYet, waits := errors.AsType[*notYetError](err)
	switch {
	case stopped(ctx, err):
		return new(handedBack(err))
	case errors.Is(err, errPaused):
		return &ending{kind: endWait, paused: true, message: sentence(what)}
	case asFailure(err) != nil || !x.mayTidyStill():
		return nil
	case waits:
		return &ending{kind: endWait, message: fmt.Sprintf("%s: %s", what, notYet.text)}
	default:
		return &ending{kind: endRetry, message: fmt.Sprintf("%s: %s", what, sentence(err.Error())), pause: x.backoff(err, x.failures)}
	}
}

// tidyOverride clears the run's own override.
func (x *execution) tidyOverride(ctx context.Context, end *ending) error {
	cleared, err := x.clearOverride(ctx)
	if octopus.IsNotFound(err) {
		end.add("Its override was not looked for: Octopus does not find project %s any more.", x.p.Application.Project)
		return nil
	}
	if cleared {
		x.atEnd = append(x.atEnd, func(ctx context.Context, q *store.Queries) error {
			return record(ctx, q, x.run, x.Now(), eventOverrideCleared, "The run's override was cleared.", nil)
		})
	}
	return err
}

// mayTidyStill tells whether there is time left to tidy up: as much again as the
// stage had, from its deadline or from the request to cancel. The time during
// which a pause held the run does not count: its stage has a new deadline then.
func (x *execution) mayTidyStill() bool {
	from := x.run.DeadlineAt
	if cancelled := x.run.CancelRequestedAt; cancelled != nil {
		began := *cancelled
		if from != nil && from.Add(-stageTime(x.run)).After(began) {
			began = from.Add(-stageTime(x.run))
		}
		from = &began
	}
	return from == nil || x.Now().Sub(*from) < stageTime(x.run)
}

// unable tells why nothing in Octopus can be tidied up; nil when it can be.
func (x *execution) unable() error {
	if x.unreadable() != nil {
		return errUnreadable
	}
	if x.octopus == nil {
		return errOtherServer
	}
	return nil
}

// errUnreadable says that it is not known what there is to do.
var errUnreadable = &failure{message: "this version of regrow cannot read all that the run keeps"}

// unreadable tells what of the run this version of regrow cannot read, nil when
// it can read all.
func (x *execution) unreadable() *failure {
	cause := x.run.Config.Unreadable
	what := "configuration"
	if cause == nil {
		cause, what = x.results.unreadable, "history"
	}
	if cause == nil {
		return nil
	}
	return &failure{
		message: sentence(fmt.Sprintf("The %s that run #%d keeps cannot be read by this version of regrow: %s", what, x.run.Number, cause)),
		remedy:  "start a new run of the commit; or retry this one with the version of regrow that it was created with",
	}
}
