// Package config reads regrow.yaml: one file that says which Octopus Servers,
// webhook senders and pipelines there are.
//
// Reading is strict and tells everything at once. Each problem stands with its
// file, line, column and key, says what was expected, what came and what to do,
// and never holds the value of a secret or of an environment variable.
//
// The file becomes a tree of nodes with positions (tree.go). Objects read their
// keys from it as typed values (object.go, format.go, secret.go), one function
// for each section of the file (read.go, read_pipeline.go). What no section can
// see by itself is checked at the end (check.go, check_lanes.go).
package config
