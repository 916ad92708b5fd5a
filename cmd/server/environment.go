package main

import (
	"cmp"
	"os"
)

// envOr returns the environment variable, or the fallback when it is unset or
// empty.
func envOr(name, fallback string) string { return cmp.Or(os.Getenv(name), fallback) }
