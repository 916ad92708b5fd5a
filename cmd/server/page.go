package main

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// pageFlags say which part of a list is wanted.
type pageFlags struct {
	from, to, after string
	limit           int32
	all             bool
}

// register adds the flags of a list of things to which something happened once.
func (f *pageFlags) register(cmd *cobra.Command, thing, things, happened string) {
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "only "+happened+" at this `time` or later: RFC 3339, a day, or how long ago (24h)")
	flags.StringVar(&f.to, "to", "", "only "+happened+" before this `time`, as --from")
	flags.StringVar(&f.after, "after", "", "the page that follows the "+thing+" of this `id`")
	flags.Int32Var(&f.limit, "limit", 20, "how `many` "+things+" a page has, 1 to 200")
	flags.BoolVar(&f.all, "all", false, "fetch every page")
}

// page is a part of a list; nil is no bound.
type page struct {
	from, to *time.Time
	after    *uuid.UUID
	limit    int32
}

// page reads the flags of a list of things.
func (f *pageFlags) page(thing string) (wanted page, err error) {
	if f.limit < 1 || f.limit > 200 {
		return wanted, usagef("--limit is a number from 1 to 200, not %d", f.limit)
	}
	wanted.limit = f.limit
	now := time.Now()
	if wanted.from, err = moment("from", f.from, now); err != nil {
		return wanted, err
	}
	if wanted.to, err = moment("to", f.to, now); err != nil {
		return wanted, err
	}
	wanted.after, err = idOf("after", thing, f.after)
	return wanted, err
}

// moment reads a time of a flag: RFC 3339, a day, or how long ago.
func moment(flag, text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return new(now.Add(-ago.Abs())), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return &t, nil
		}
	}
	return nil, usagef("--%s %q is no time; write 2006-01-02T15:04:05Z, 2006-01-02, or how long ago: 36h", flag, text)
}

// idOf reads the id of a thing from a flag.
func idOf(flag, thing, text string) (*uuid.UUID, error) {
	if text == "" {
		return nil, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, usagef("--%s %q is no id of a %s: %v", flag, text, thing, err)
	}
	return &id, nil
}

// given returns a parameter, or nil for one that was not asked for.
func given[T comparable](value T) *T {
	var none T
	if value == none {
		return nil
	}
	return &value
}

// everyPage fetches a page and, where all are wanted, those that follow it. Next is
// where the page after them begins, uuid.Nil when there is none.
func everyPage[T any](all bool, after *uuid.UUID, fetch func(after *uuid.UUID) (entries []T, next uuid.UUID, err error)) (entries []T, next uuid.UUID, err error) {
	entries, next, err = fetch(after)
	for err == nil && all && next != uuid.Nil {
		var more []T
		more, next, err = fetch(&next)
		entries = append(entries, more...)
	}
	return entries, next, err
}

// moreAfter tells people how to see the next page, if there is one.
func (s *session) moreAfter(next uuid.UUID) error {
	if next == uuid.Nil {
		return nil
	}
	return s.screen.Message(fmt.Sprintf("There are more: add --after %s, or --all.", next))
}
