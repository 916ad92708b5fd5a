package app

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestCleanupsRunInReverseAndAllOfThem(t *testing.T) {
	t.Parallel()
	var ran []string
	var c cleanups
	broken := errors.New("broken")
	for _, name := range []string{"pool", "workers", "http"} {
		c.add(name, func(context.Context) error {
			ran = append(ran, name)
			if name == "workers" {
				return broken
			}
			return nil
		})
	}
	err := c.unwind(t.Context())
	if !errors.Is(err, broken) {
		t.Errorf("got error %v, want the one of the workers", err)
	}
	if want := []string{"http", "workers", "pool"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	if err := c.unwind(t.Context()); err != nil || len(ran) != 3 {
		t.Errorf("a second unwinding ran again: %v, %v", ran, err)
	}
}
