package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// fact is something that several checks need. It is looked up once, when the
// first of them asks, and belongs to one check, which says what is wrong when it
// cannot be had; the others are not looked into then.
type fact[T any] struct {
	check string // the id of the check that it belongs to
	look  func() (T, error)

	once  sync.Once
	done  chan struct{}
	value T
	err   error
}

// newFact returns a fact that look finds in the time of ctx, which is that of
// the whole examination: a check that gives up does not take it from the others.
func newFact[T any](ctx context.Context, check string, look func(context.Context) (T, error)) *fact[T] {
	return &fact[T]{check: check, done: make(chan struct{}), look: func() (value T, err error) {
		defer func() {
			if problem := recover(); problem != nil {
				err = fmt.Errorf("looking it up failed: %v", problem)
			}
		}()
		return look(ctx)
	}}
}

// get returns the fact, or why it cannot be had, for the check that it belongs
// to.
func (f *fact[T]) get(ctx context.Context) (T, error) {
	f.once.Do(func() {
		go func() {
			defer close(f.done)
			f.value, f.err = f.look()
		}()
	})
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// need returns the fact for any other check.
func (f *fact[T]) need(ctx context.Context) (T, error) {
	value, err := f.get(ctx)
	if err == nil || ctx.Err() != nil {
		return value, err
	}
	// What is missing for another reason again is missing for that reason.
	if before, ok := errors.AsType[*gap](err); ok {
		return value, before
	}
	return value, &gap{check: f.check, cause: err}
}

// had returns the fact if it has been looked up, without waiting.
func (f *fact[T]) had() (T, bool) {
	select {
	case <-f.done:
		return f.value, f.err == nil
	default:
		var none T
		return none, false
	}
}
