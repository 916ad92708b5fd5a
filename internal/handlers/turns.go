package handlers

import (
	"context"
	"slices"
	"sync"

	"regrow/internal/pipeline"
)

// turns lets those that want the same wait for each other in this process. The
// database has them take turns as well, but there each that waits holds a
// connection: a storm on one lane would take them all, from the other lanes and
// from the workers.
type turns struct {
	mu    sync.Mutex
	lines map[string]*line
}

// line is who wants one thing.
type line struct {
	turn chan struct{} // holds one value while nobody has the turn
	size int           // how many have the turn or wait for it
}

// take waits for its turn in all of the lines, until ctx ends. The caller has to
// call done when it is through.
func (t *turns) take(ctx context.Context, names []string) (done func(), err error) {
	// In one order, so that no two wait for each other.
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	var taken []string
	done = func() {
		for _, name := range taken {
			t.leave(name, true)
		}
	}
	for _, name := range names {
		select {
		case <-t.join(name):
			taken = append(taken, name)
		case <-ctx.Done():
			t.leave(name, false)
			done()
			return nil, context.Cause(ctx)
		}
	}
	return done, nil
}

// join adds one to a line and returns what it has to receive from.
func (t *turns) join(name string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.lines[name]
	if !ok {
		l = &line{turn: make(chan struct{}, 1)}
		l.turn <- struct{}{}
		t.lines[name] = l
	}
	l.size++
	return l.turn
}

// leave takes one out of a line, which hands its turn on if it had it.
func (t *turns) leave(name string, hadTurn bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[name]
	if hadTurn {
		l.turn <- struct{}{}
	}
	if l.size--; l.size == 0 {
		delete(t.lines, name)
	}
}

// linesOf are what a plan needs turns in.
func linesOf(todo plan) []string {
	names := lanesOf(todo.starts)
	if todo.wakes != "" {
		names = append(names, "server "+todo.wakes)
	}
	return names
}

func lanesOf(starts []pipeline.Start) []string {
	names := make([]string, len(starts))
	for i, start := range starts {
		names[i] = "lane " + start.Pipeline.Lane()
	}
	return names
}
