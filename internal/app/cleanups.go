package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"regrow/internal/failpoint"
)

// cleanups are what has to be undone, by name. They run in reverse order, so
// that nothing is closed under what still uses it.
type cleanups struct {
	log  zerolog.Logger
	list []cleanup
}

type cleanup struct {
	name string
	run  func(context.Context) error
}

// add registers a clean-up; call it as soon as the resource exists.
func (c *cleanups) add(name string, run func(context.Context) error) {
	c.list = append(c.list, cleanup{name, run})
}

// unwind runs every clean-up, also after one has failed, and joins the errors.
// A second call does nothing.
func (c *cleanups) unwind(ctx context.Context) error {
	var errs []error
	for len(c.list) > 0 {
		last := c.list[len(c.list)-1]
		c.list = c.list[:len(c.list)-1]
		c.log.Debug().Str("part", last.name).Msg("stopping")
		if failpoint.Enabled {
			failpoint.Reach("stopping " + last.name)
		}
		if err := last.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", last.name, err))
		}
	}
	return errors.Join(errs...)
}
