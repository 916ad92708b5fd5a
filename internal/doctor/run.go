package doctor

import (
	"context"
	"fmt"
	"time"
)

// lastWords is how long a check may take to end when its time is over.
const lastWords = time.Second

// check is one question.
type check struct {
	id   string
	look func(context.Context) (finding, error)
}

// group is what is asked about one thing.
type group struct {
	scope  string
	checks []check
}

// answer is what came of one question.
type answer struct {
	group, check int
	finding      finding
}

// run asks all questions, several at once, and returns the answers in the order
// of the questions.
func (e *examination) run(ctx context.Context, groups []group) []Check {
	all := 0
	for _, g := range groups {
		all += len(g.checks)
	}
	// It has room for all, so that one that comes late, after ctx has ended, does
	// not hold its goroutine.
	answers := make(chan answer, all)
	go e.ask(ctx, groups, answers)
	return e.collect(ctx, groups, all, answers)
}

// ask puts the questions in their order, as many at once as may be.
func (e *examination) ask(ctx context.Context, groups []group, answers chan<- answer) {
	free := make(chan struct{}, parallel)
	for i, g := range groups {
		for j, c := range g.checks {
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return
			}
			go func() {
				answers <- answer{i, j, e.examine(ctx, c)}
				<-free
			}()
		}
	}
}

// examine asks one question. Whatever happens to it, there is an answer.
func (e *examination) examine(ctx context.Context, c check) finding {
	ctx, cancel := context.WithTimeout(ctx, e.CheckTimeout)
	defer cancel()
	result := make(chan finding, 1)
	go func() {
		defer func() {
			if problem := recover(); problem != nil {
				result <- unknown("The check itself failed: %v.", problem).with("report this as a mistake of regrow; the other checks hold")
			}
		}()
		found, err := c.look(ctx)
		if err != nil {
			found = unanswered(err)
		}
		result <- found
	}()
	select {
	case found := <-result:
		return found
	case <-ctx.Done():
	}
	// A check that hears of it says itself what that means.
	select {
	case found := <-result:
		return found
	case <-time.After(lastWords):
		return unanswered(fmt.Errorf("waiting for the answer: %w", ctx.Err()))
	}
}

// collect brings the answers into the order of the questions and tells of them
// as they come.
func (e *examination) collect(ctx context.Context, groups []group, all int, answers <-chan answer) []Check {
	found := make([][]Check, len(groups))
	left := make([]int, len(groups))
	for i, g := range groups {
		found[i], left[i] = make([]Check, len(g.checks)), len(g.checks)
	}
	checks, told := []Check{}, 0
	for done := 1; done <= all; done++ {
		select {
		case a := <-answers:
			g := groups[a.group]
			found[a.group][a.check] = a.finding.on(g.checks[a.check].id, g.scope, e.hide)
			left[a.group]--
		case <-ctx.Done():
			return checks
		}
		for ; told < len(groups) && left[told] == 0; told++ {
			e.Found(groups[told].scope, found[told])
			checks = append(checks, found[told]...)
		}
		if told < len(groups) {
			e.Progress(done, all, groups[told].scope)
		}
	}
	return checks
}
